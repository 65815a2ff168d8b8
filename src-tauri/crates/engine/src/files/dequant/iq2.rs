//! IQ2: eight elements are one entry of a codebook of sizes, with their signs beside it.

use super::grids::{IQ2_S, IQ2_XS, IQ2_XXS};
use super::scales::{half, short, signed, signs, word};

/// Eight elements: sizes under one scale.
fn eight(out: &mut [f32; 8], scale: f32, sizes: [i8; 8], signs: u8) {
    for (at, (out, size)) in out.iter_mut().zip(sizes).enumerate() {
        *out = signed(scale, size.unsigned_abs(), signs, at);
    }
}

/// `d · (½ + four) / 4`, in ggml's order.
fn scale(d: f32, four: u8) -> f32 {
    d * (0.5 + f32::from(four)) * 0.25
}

pub(super) fn iq2_xxs(bytes: &[u8; 66], out: &mut [f32; 256]) {
    let d = half(bytes, 0);
    for (group, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let indices = &bytes[2 + 8 * group..][..4];
        let rest = word(bytes, 2, 2 * group + 1);
        let scale = scale(d, u8::try_from(rest >> 28).unwrap_or(0));
        for (at, (out, index)) in out.as_chunks_mut().0.iter_mut().zip(indices).enumerate() {
            eight(
                out,
                scale,
                IQ2_XXS[usize::from(*index)],
                signs(rest >> (7 * at)),
            );
        }
    }
}

pub(super) fn iq2_xs(bytes: &[u8; 74], out: &mut [f32; 256]) {
    let d = half(bytes, 0);
    for (at, out) in out.as_chunks_mut().0.iter_mut().enumerate() {
        let packed = short(bytes, 2, at);
        let scale = scale(d, bytes[66 + at / 4] >> (4 * (at / 2 % 2)) & 15);
        let sizes = IQ2_XS[usize::from(packed & 511)];
        eight(out, scale, sizes, signs(u32::from(packed >> 9)));
    }
}

pub(super) fn iq2_s(bytes: &[u8; 82], out: &mut [f32; 256]) {
    let d = half(bytes, 0);
    let (indices, signs, high) = (&bytes[2..34], &bytes[34..66], &bytes[66..74]);
    for (at, out) in out.as_chunks_mut().0.iter_mut().enumerate() {
        let scale = scale(d, bytes[74 + at / 4] >> (4 * (at / 2 % 2)) & 15);
        let above = usize::from(high[at / 4] >> (2 * (at % 4)) & 3);
        let index = usize::from(indices[at]) | above << 8;
        eight(out, scale, IQ2_S[index], signs[at]);
    }
}
