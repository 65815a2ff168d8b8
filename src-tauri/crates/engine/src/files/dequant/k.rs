//! The K types: 256 elements in groups of 16 or 32, whose scales are packed.

use super::nibbles::scaled;
use super::scales::{half, six_bits};

pub(super) fn q2_k(bytes: &[u8; 84], out: &mut [f32; 256]) {
    let (d, least) = (half(bytes, 80), half(bytes, 82));
    for (group, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let (scale, least) = (
            d * f32::from(bytes[group] & 15),
            least * f32::from(bytes[group] >> 4),
        );
        // 128 elements lie in 32 bytes, four to a byte; a group is one half of those.
        let packed = &bytes[16 + group / 8 * 32 + group % 2 * 16..][..16];
        let shift = 2 * (group / 2 % 4);
        for (out, byte) in out.iter_mut().zip(packed) {
            *out = scale * f32::from(byte >> shift & 3) - least;
        }
    }
}

pub(super) fn q3_k(bytes: &[u8; 110], out: &mut [f32; 256]) {
    let d = half(bytes, 108);
    for (group, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let scale = d * (f32::from(q3_scale(&bytes[96..108], group)) - 32.0);
        let packed = &bytes[32 + group / 8 * 32 + group % 2 * 16..][..16];
        let thirds = &bytes[group % 2 * 16..][..16];
        let (shift, third_bit) = (2 * (group / 2 % 4), group / 2);
        for ((out, byte), third) in out.iter_mut().zip(packed).zip(thirds) {
            let q = byte >> shift & 3 | (third >> third_bit & 1) << 2;
            *out = scale * (f32::from(q) - 4.0);
        }
    }
}

/// Six bits: four in the first eight bytes, two in the last four.
fn q3_scale(packed: &[u8], group: usize) -> u8 {
    let low = packed[group % 8] >> (4 * (group / 8)) & 15;
    let high = packed[8 + group % 4] >> (2 * (group / 4)) & 3;
    low | high << 4
}

pub(super) fn q4_k(bytes: &[u8; 144], out: &mut [f32; 256]) {
    let (d, least) = (half(bytes, 0), half(bytes, 2));
    for (group, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (scale, offset) = six_bits(&bytes[4..16], group);
        let (scale, offset) = (d * scale, least * offset);
        let packed = &bytes[16 + group / 2 * 32..][..32];
        let shift = 4 * (group % 2);
        for (out, byte) in out.iter_mut().zip(packed) {
            *out = scale * f32::from(byte >> shift & 15) - offset;
        }
    }
}

pub(super) fn q5_k(bytes: &[u8; 176], out: &mut [f32; 256]) {
    let (d, least) = (half(bytes, 0), half(bytes, 2));
    for (group, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (scale, offset) = six_bits(&bytes[4..16], group);
        let (scale, offset) = (d * scale, least * offset);
        let (packed, fifths) = (&bytes[48 + group / 2 * 32..][..32], &bytes[16..48]);
        let shift = 4 * (group % 2);
        for ((out, byte), fifth) in out.iter_mut().zip(packed).zip(fifths) {
            let q = byte >> shift & 15 | (fifth >> group & 1) << 4;
            *out = scale * f32::from(q) - offset;
        }
    }
}

pub(super) fn q6_k(bytes: &[u8; 210], out: &mut [f32; 256]) {
    let d = half(bytes, 208);
    for (group, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let scale = d * f32::from(i8::from_le_bytes([bytes[192 + group]]));
        // Of each 128: 64 bytes with two low halves, 32 bytes with four pairs of high bits.
        let (part, quarter, side) = (group / 8, group / 2 % 4, group % 2 * 16);
        let low = &bytes[64 * part + quarter % 2 * 32 + side..][..16];
        let high = &bytes[128 + 32 * part + side..][..16];
        let shift = 4 * (quarter / 2);
        for ((out, low), high) in out.iter_mut().zip(low).zip(high) {
            let q = low >> shift & 15 | (high >> (2 * quarter) & 3) << 4;
            *out = scale * (f32::from(q) - 32.0);
        }
    }
}

/// Signed bytes with an F32 scale; sums for products follow.
pub(super) fn q8_k(bytes: &[u8; 292], out: &mut [f32; 256]) {
    let d = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    scaled(&bytes[4..260], d, out);
}
