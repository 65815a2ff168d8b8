//! IQ3: four elements are one entry of a codebook of sizes, with their signs beside it.

use super::grids::{IQ3_S, IQ3_XXS};
use super::scales::{half, signed, signs, word};

/// Eight elements: twice four sizes under one scale.
fn eight(out: &mut [f32; 8], scale: f32, [first, second]: [[i8; 4]; 2], signs: u8) {
    let mut sizes = [0; 8];
    sizes[..4].copy_from_slice(&first);
    sizes[4..].copy_from_slice(&second);
    for (at, (out, size)) in out.iter_mut().zip(sizes).enumerate() {
        *out = signed(scale, size.unsigned_abs(), signs, at);
    }
}

pub(super) fn iq3_xxs(bytes: &[u8; 98], out: &mut [f32; 256]) {
    let (d, indices) = (half(bytes, 0), &bytes[2..66]);
    for (at, out) in out.as_chunks_mut().0.iter_mut().enumerate() {
        let rest = word(bytes, 66, at / 4);
        let four = f32::from(u8::try_from(rest >> 28).unwrap_or(0));
        let scale = d * (0.5 + four) * 0.5;
        let sizes = [2 * at, 2 * at + 1].map(|at| IQ3_XXS[usize::from(indices[at])]);
        eight(out, scale, sizes, signs(rest >> (7 * (at % 4))));
    }
}

pub(super) fn iq3_s(bytes: &[u8; 110], out: &mut [f32; 256]) {
    let d = half(bytes, 0);
    let (indices, high, signs) = (&bytes[2..66], &bytes[66..74], &bytes[74..106]);
    for (at, out) in out.as_chunks_mut().0.iter_mut().enumerate() {
        let four = bytes[106 + at / 8] >> (4 * (at / 4 % 2)) & 15;
        let scale = d * f32::from(1 + 2 * four);
        let sizes = [2 * at, 2 * at + 1].map(|at| {
            let above = usize::from(high[at / 8] >> (at % 8) & 1);
            IQ3_S[usize::from(indices[at]) | above << 8]
        });
        eight(out, scale, sizes, signs[at]);
    }
}
