//! The kernels of quantized matrices on AVX-512 with VNNI, bit for bit what the portable code gives.
//!
//! A row of a panel is a lane: `vpdpbusd` adds four products in each, for a register of weights and four inputs of one
//! token. Weights are brought into that form by turning sixteen rows of packed dwords, before nibbles are taken apart, so
//! that half as much is moved ([`unpack`]). For a few tokens they are used right there, in registers ([`few`]); for many
//! they are stored in a panel ([`panels`]). Elsewhere than on x86-64 all of this answers that it does nothing.

#[cfg(target_arch = "x86_64")]
mod few;
#[cfg(target_arch = "x86_64")]
mod floats;
#[cfg(target_arch = "x86_64")]
mod panels;
#[cfg(target_arch = "x86_64")]
mod prepare;
#[cfg(target_arch = "x86_64")]
mod registers;
#[cfg(target_arch = "x86_64")]
mod unpack;

#[cfg(target_arch = "x86_64")]
pub(super) use {
    few::multiply_few,
    floats::{dot, dots},
    panels::{fill, multiply},
    prepare::quantize,
};

#[cfg(target_arch = "x86_64")]
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vnni")
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) use elsewhere::{available, dot, dots, fill, multiply, multiply_few, quantize};

#[cfg(not(target_arch = "x86_64"))]
mod elsewhere {
    use super::super::input::{Group, Input};
    use super::super::matmul::Place;
    use super::super::panel::{PANEL, Panel};
    use crate::weights::Matrix;

    pub(in crate::cpu) fn available() -> bool {
        false
    }

    pub(in crate::cpu) fn fill(_: &mut Panel, _: &Matrix, _: usize, _: usize) -> bool {
        false
    }

    pub(in crate::cpu) fn multiply(
        _: &[Panel; 2],
        _: usize,
        _: &Input,
        _: &[Place],
        _: &mut impl FnMut(usize, usize, &[f32; PANEL]),
    ) -> bool {
        false
    }

    pub(in crate::cpu) fn multiply_few(
        _: &Matrix,
        _: (usize, usize, usize),
        _: &Input,
        _: &[Place],
        _: &mut impl FnMut(usize, &[f32; PANEL]),
    ) -> bool {
        false
    }

    pub(in crate::cpu) fn quantize(_: &[f32], _: &mut Group) -> bool {
        false
    }

    pub(in crate::cpu) fn dot(_: &[f32], _: &[f32]) -> Option<f32> {
        None
    }

    pub(in crate::cpu) fn dots(_: &[&[f32]; 4], _: &[&[f32]; 4]) -> Option<[[f32; 4]; 4]> {
        None
    }
}
