//! IQ1: eight elements are one entry of a codebook of −1, 0 and 1, moved a little to one side.

use super::grids::IQ1;
use super::scales::{half, short};
use half::f16;

const DELTA: f32 = 0.125;

fn eight(out: &mut [f32; 8], scale: f32, entry: usize, below: bool) {
    let delta = if below { -DELTA } else { DELTA };
    for (out, value) in out.iter_mut().zip(&IQ1[entry & 2047]) {
        *out = scale * (f32::from(*value) + delta);
    }
}

pub(super) fn iq1_s(bytes: &[u8; 50], out: &mut [f32; 256]) {
    let d = half(bytes, 0);
    for (at, out) in out.as_chunks_mut().0.iter_mut().enumerate() {
        let rest = short(bytes, 34, at / 4);
        let scale = d * f32::from(2 * (rest >> 12 & 7) + 1);
        let entry = u16::from(bytes[2 + at]) | (rest >> (3 * (at % 4)) & 7) << 8;
        eight(out, scale, usize::from(entry), rest >> 15 == 1);
    }
}

/// The scale of all lies in the highest four bits of the four words with the scales of groups.
pub(super) fn iq1_m(bytes: &[u8; 56], out: &mut [f32; 256]) {
    let words = [0, 1, 2, 3].map(|at| short(bytes, 48, at));
    let bits = words
        .iter()
        .rev()
        .fold(0, |bits, word| bits << 4 | word >> 12);
    let d = f16::from_bits(bits).to_f32();
    for (at, out) in out.as_chunks_mut().0.iter_mut().enumerate() {
        let three = words[at / 8] >> (3 * (at / 2 % 4)) & 7;
        let high = bytes[32 + at / 2] >> (4 * (at % 2));
        let entry = usize::from(bytes[at]) | usize::from(high & 7) << 8;
        eight(out, d * f32::from(2 * three + 1), entry, high & 8 != 0);
    }
}
