//! Types of one or two bits without a codebook.

use super::scales::half;

/// Two bits each; `order` says which element a byte and a pair of its bits are.
fn pairs(packed: &[u8], d: f32, out: &mut [f32], run: usize) {
    let runs = packed.chunks_exact(run).zip(out.chunks_exact_mut(4 * run));
    for (packed, out) in runs {
        for (pair, out) in out.chunks_exact_mut(run).enumerate() {
            for (out, byte) in out.iter_mut().zip(packed) {
                *out = (f32::from(byte >> (2 * pair) & 3) - 1.0) * d;
            }
        }
    }
}

pub(super) fn tq2_0(bytes: &[u8; 66], out: &mut [f32; 256]) {
    pairs(&bytes[..64], half(bytes, 64), out, 32);
}

pub(super) fn q2_0(bytes: &[u8; 18], out: &mut [f32; 64]) {
    pairs(&bytes[2..], half(bytes, 0), out, 1);
}

pub(super) fn q1_0(bytes: &[u8; 18], out: &mut [f32; 128]) {
    let d = half(bytes, 0);
    for (byte, out) in bytes[2..].iter().zip(out.as_chunks_mut::<8>().0) {
        for (bit, out) in out.iter_mut().enumerate() {
            *out = if byte >> bit & 1 == 1 { d } else { -d };
        }
    }
}

/// Digits to the base of three, the first one in the highest place of a byte that is read as a fraction.
fn digits(packed: &[u8], d: f32, out: &mut [f32]) {
    for (digit, out) in out.chunks_exact_mut(packed.len()).enumerate() {
        let power = [1_u8, 3, 9, 27, 81][digit % 5];
        for (out, byte) in out.iter_mut().zip(packed) {
            let rest = u16::from(byte.wrapping_mul(power));
            *out = (f32::from((rest * 3) >> 8) - 1.0) * d;
        }
    }
}

pub(super) fn tq1_0(bytes: &[u8; 54], out: &mut [f32; 256]) {
    let d = half(bytes, 52);
    digits(&bytes[..32], d, &mut out[..160]);
    digits(&bytes[32..48], d, &mut out[160..240]);
    digits(&bytes[48..52], d, &mut out[240..]);
}
