//! Types of 32 elements with a scale (`Q4_0` … `Q8_1`), and those whose four bits look a value up.

use super::scales::{e8m0_half, half, short, ue4m3_half, word};

/// The values of `IQ4_NL` and `IQ4_XS`.
const IQ4: [i8; 16] = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
];
/// The values of E2M1, twice as large.
const E2M1: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// The low halves of the bytes, then the high ones.
fn each_half(packed: &[u8], out: &mut [f32], to_f32: impl Fn(u8) -> f32) {
    let (low, high) = out.split_at_mut(packed.len());
    for ((low, high), byte) in low.iter_mut().zip(high).zip(packed) {
        *low = to_f32(byte & 15);
        *high = to_f32(byte >> 4);
    }
}

pub(super) fn q4_0(bytes: &[u8; 18], out: &mut [f32; 32]) {
    let d = half(bytes, 0);
    each_half(&bytes[2..], out, |four| (f32::from(four) - 8.0) * d);
}

pub(super) fn q4_1(bytes: &[u8; 20], out: &mut [f32; 32]) {
    let (d, least) = (half(bytes, 0), half(bytes, 2));
    each_half(&bytes[4..], out, |four| f32::from(four) * d + least);
}

/// The low halves of the bytes, then the high ones, each with its fifth bit.
fn each_five(packed: &[u8], fifths: u32, out: &mut [f32], to_f32: impl Fn(f32) -> f32) {
    let (low, high) = out.split_at_mut(16);
    for (at, ((low, high), byte)) in low.iter_mut().zip(high).zip(packed).enumerate() {
        let fifth = |at: usize| if fifths >> at & 1 == 1 { 16 } else { 0 };
        *low = to_f32(f32::from(byte & 15 | fifth(at)));
        *high = to_f32(f32::from(byte >> 4 | fifth(at + 16)));
    }
}

pub(super) fn q5_0(bytes: &[u8; 22], out: &mut [f32; 32]) {
    let (d, fifths) = (half(bytes, 0), word(bytes, 2, 0));
    each_five(&bytes[6..], fifths, out, |five| (five - 16.0) * d);
}

pub(super) fn q5_1(bytes: &[u8; 24], out: &mut [f32; 32]) {
    let (d, least, fifths) = (half(bytes, 0), half(bytes, 2), word(bytes, 4, 0));
    each_five(&bytes[8..], fifths, out, |five| five * d + least);
}

/// Signed bytes with one scale.
pub(super) fn scaled(bytes: &[u8], d: f32, out: &mut [f32]) {
    for (out, byte) in out.iter_mut().zip(bytes) {
        *out = f32::from(i8::from_le_bytes([*byte])) * d;
    }
}

pub(super) fn q8_0(bytes: &[u8; 34], out: &mut [f32; 32]) {
    scaled(&bytes[2..], half(bytes, 0), out);
}

/// As `Q8_0`, with a sum in between that only products want.
pub(super) fn q8_1(bytes: &[u8; 36], out: &mut [f32; 32]) {
    scaled(&bytes[4..], half(bytes, 0), out);
}

fn looked_up(packed: &[u8], d: f32, values: &[i8; 16], out: &mut [f32]) {
    each_half(packed, out, |four| {
        d * f32::from(values[usize::from(four & 15)])
    });
}

pub(super) fn iq4_nl(bytes: &[u8; 18], out: &mut [f32; 32]) {
    looked_up(&bytes[2..], half(bytes, 0), &IQ4, out);
}

pub(super) fn iq4_xs(bytes: &[u8; 136], out: &mut [f32; 256]) {
    let (d, high) = (half(bytes, 0), short(bytes, 2, 0));
    let groups = bytes[8..].as_chunks::<16>().0.iter();
    for (group, (packed, out)) in groups.zip(out.as_chunks_mut::<32>().0).enumerate() {
        let low = u16::from(bytes[4 + group / 2] >> (4 * (group % 2)) & 15);
        let scale = low | (high >> (2 * group) & 3) << 4;
        looked_up(packed, d * (f32::from(scale) - 32.0), &IQ4, out);
    }
}

pub(super) fn mxfp4(bytes: &[u8; 17], out: &mut [f32; 32]) {
    looked_up(&bytes[1..], e8m0_half(bytes[0]), &E2M1, out);
}

pub(super) fn nvfp4(bytes: &[u8; 36], out: &mut [f32; 64]) {
    let groups = bytes[4..].as_chunks::<8>().0.iter();
    let groups = groups.zip(out.as_chunks_mut::<16>().0);
    for (scale, (packed, out)) in bytes[..4].iter().zip(groups) {
        looked_up(packed, ue4m3_half(*scale), &E2M1, out);
    }
}
