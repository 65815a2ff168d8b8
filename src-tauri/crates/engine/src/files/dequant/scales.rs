//! The scales of blocks, in the forms in which they are packed.

use half::f16;

/// The F16 at this place.
pub(super) fn half(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

/// The `u16` number `index` of those that begin at `at`.
pub(super) fn short(bytes: &[u8], at: usize, index: usize) -> u16 {
    u16::from_le_bytes([bytes[at + 2 * index], bytes[at + 2 * index + 1]])
}

/// The `u32` number `index` of those that begin at `at`.
pub(super) fn word(bytes: &[u8], at: usize, index: usize) -> u32 {
    let at = at + 4 * index;
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// MXFP4's exponent: `2^(exponent − 128)`, half of E8M0's number, since its values are written twice as large.
pub(super) fn e8m0_half(exponent: u8) -> f32 {
    match exponent {
        0 | 1 => f32::from_bits(0x0020_0000 << exponent),
        _ => f32::from_bits((u32::from(exponent) - 1) << 23),
    }
}

/// NVFP4's unsigned E4M3, halved for the same reason; ggml takes its NaN for nothing, and has no sign.
pub(super) fn ue4m3_half(bits: u8) -> f32 {
    let (exponent, fraction) = (i32::from(bits >> 3 & 15), f32::from(bits & 7));
    match bits {
        0 | 0x7F => 0.0,
        _ if exponent == 0 => fraction * 2.0_f32.powi(-10),
        _ => (1.0 + fraction / 8.0) * 2.0_f32.powi(exponent - 8),
    }
}

/// Scale and least value of group `group` of eight, six bits each, packed in twelve bytes (`Q4_K`, `Q5_K`).
pub(super) fn six_bits(packed: &[u8], group: usize) -> (f32, f32) {
    let (scale, least) = if group < 4 {
        (packed[group] & 63, packed[group + 4] & 63)
    } else {
        let (low, scale, least) = (packed[group + 4], packed[group - 4], packed[group]);
        (low & 15 | scale >> 6 << 4, low >> 4 | least >> 6 << 4)
    };
    (f32::from(scale), f32::from(least))
}

/// The signs of eight numbers: seven are written, and an even number of all eight is negative.
pub(super) fn signs(seven: u32) -> u8 {
    let seven = u8::try_from(seven & 127).unwrap_or(0);
    let odd = u8::from(seven.count_ones() % 2 == 1);
    seven | odd << 7
}

/// `scale · size`, negative where the bit `at` of `signs` is set.
pub(super) fn signed(scale: f32, size: u8, signs: u8, at: usize) -> f32 {
    let sign = if signs >> at & 1 == 1 { -1.0 } else { 1.0 };
    scale * f32::from(size) * sign
}
