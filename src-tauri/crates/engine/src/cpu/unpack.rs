//! Quantized weights as whole numbers with scales: the one form that kernels compute with.
//!
//! Every type that is unpacked here says `w = scale · q − offset` with `q` from 0 to 255, a scale and an offset for each 16
//! or 32 weights. A row is unpacked into scratch, used for all rows of the input, and forgotten.
//! Source: the block layouts of ggml (`ggml-common.h`).

use super::codebook;
use crate::files::TensorType;
use half::f16;

/// Weights that share a scale, in a type that is unpacked here.
pub(super) fn group_of(kind: TensorType) -> usize {
    match kind {
        TensorType::Q2_K
        | TensorType::Q3_K
        | TensorType::Q6_K
        | TensorType::IQ2_XS
        | TensorType::IQ2_S => 16,
        _ => 32,
    }
}

/// Whether a type is unpacked here.
pub(super) fn can_unpack(kind: TensorType) -> bool {
    unpacker(kind).is_some()
}

type Unpacker = fn(&[u8], &mut [u8], &mut [f32], &mut [f32]);

/// What unpacks one block of this type: its bytes; `q`; scales; offsets.
pub(super) fn unpacker(kind: TensorType) -> Option<Unpacker> {
    Some(match kind {
        TensorType::Q4_0 => q4_0,
        TensorType::Q4_1 => q4_1,
        TensorType::Q5_0 => q5_0,
        TensorType::Q5_1 => q5_1,
        TensorType::Q8_0 => q8_0,
        TensorType::Q2_K => q2_k,
        TensorType::Q3_K => q3_k,
        TensorType::Q4_K => q4_k,
        TensorType::Q5_K => q5_k,
        TensorType::Q6_K => q6_k,
        TensorType::IQ4_NL => iq4_nl,
        TensorType::IQ4_XS => iq4_xs,
        TensorType::MXFP4 => mxfp4,
        TensorType::TQ2_0 => tq2_0,
        TensorType::IQ2_XXS => codebook::iq2_xxs,
        TensorType::IQ2_XS => codebook::iq2_xs,
        TensorType::IQ2_S => codebook::iq2_s,
        TensorType::IQ3_XXS => codebook::iq3_xxs,
        TensorType::IQ3_S => codebook::iq3_s,
        _ => return None,
    })
}

/// Unpacks a row of whole blocks. `scales` and `offsets` have one for each group.
pub(super) fn unpack_row(
    kind: TensorType,
    bytes: &[u8],
    q: &mut [u8],
    scales: &mut [f32],
    offsets: &mut [f32],
) {
    let Some(unpack) = unpacker(kind) else { return };
    let groups = kind.block_elements() / group_of(kind);
    let blocks = bytes
        .chunks_exact(kind.block_bytes())
        .zip(q.chunks_exact_mut(kind.block_elements()));
    let numbers = scales
        .chunks_exact_mut(groups)
        .zip(offsets.chunks_exact_mut(groups));
    for ((bytes, q), (scales, offsets)) in blocks.zip(numbers) {
        unpack(bytes, q, scales, offsets);
    }
}

pub(super) fn half_at(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

fn nibbles(packed: &[u8], q: &mut [u8]) {
    let (low, high) = q.split_at_mut(packed.len());
    for ((low, high), byte) in low.iter_mut().zip(high).zip(packed) {
        *low = byte & 15;
        *high = byte >> 4;
    }
}

/// Adds the fifth bits of 32 weights.
fn fifth_bits(bits: &[u8], q: &mut [u8]) {
    let bits = u32::from_le_bytes([bits[0], bits[1], bits[2], bits[3]]);
    for (at, q) in q.iter_mut().enumerate() {
        *q |= u8::from(bits >> at & 1 == 1) << 4;
    }
}

fn q4_0(bytes: &[u8], q: &mut [u8], scales: &mut [f32], offsets: &mut [f32]) {
    nibbles(&bytes[2..18], q);
    scales[0] = half_at(bytes, 0);
    offsets[0] = 8.0 * scales[0];
}

fn q4_1(bytes: &[u8], q: &mut [u8], scales: &mut [f32], offsets: &mut [f32]) {
    nibbles(&bytes[4..20], q);
    scales[0] = half_at(bytes, 0);
    offsets[0] = -half_at(bytes, 2);
}

fn q5_0(bytes: &[u8], q: &mut [u8], scales: &mut [f32], offsets: &mut [f32]) {
    nibbles(&bytes[6..22], q);
    fifth_bits(&bytes[2..6], q);
    scales[0] = half_at(bytes, 0);
    offsets[0] = 16.0 * scales[0];
}

fn q5_1(bytes: &[u8], q: &mut [u8], scales: &mut [f32], offsets: &mut [f32]) {
    nibbles(&bytes[8..24], q);
    fifth_bits(&bytes[4..8], q);
    scales[0] = half_at(bytes, 0);
    offsets[0] = -half_at(bytes, 2);
}

fn q8_0(bytes: &[u8], q: &mut [u8], scales: &mut [f32], offsets: &mut [f32]) {
    for (q, byte) in q.iter_mut().zip(&bytes[2..34]) {
        *q = byte ^ 128;
    }
    scales[0] = half_at(bytes, 0);
    offsets[0] = 128.0 * scales[0];
}

fn q2_k(bytes: &[u8], q: &mut [u8], scales: &mut [f32], offsets: &mut [f32]) {
    let (packed, d, least) = (&bytes[16..80], half_at(bytes, 80), half_at(bytes, 82));
    for (part, q) in q.chunks_exact_mut(32).enumerate() {
        let packed = &packed[part / 4 * 32..][..32];
        for (q, byte) in q.iter_mut().zip(packed) {
            *q = byte >> (2 * (part % 4)) & 3;
        }
    }
    for ((scale, offset), byte) in scales.iter_mut().zip(offsets).zip(bytes) {
        *scale = d * f32::from(byte & 15);
        *offset = least * f32::from(byte >> 4);
    }
}

fn q3_k(bytes: &[u8], q: &mut [u8], scales: &mut [f32], offsets: &mut [f32]) {
    let (thirds, packed, d) = (&bytes[..32], &bytes[32..96], half_at(bytes, 108));
    for (part, q) in q.chunks_exact_mut(32).enumerate() {
        let packed = &packed[part / 4 * 32..][..32];
        for ((q, byte), third) in q.iter_mut().zip(packed).zip(thirds) {
            *q = byte >> (2 * (part % 4)) & 3 | (third >> part & 1) << 2;
        }
    }
    for (at, (scale, offset)) in scales.iter_mut().zip(offsets).enumerate() {
        let low = bytes[96 + at % 8] >> (4 * (at / 8)) & 15;
        let high = bytes[104 + at % 4] >> (2 * (at / 4)) & 3;
        *scale = d * (f32::from(low | high << 4) - 32.0);
        *offset = 4.0 * *scale;
    }
}

/// Eight scales and eight offsets of six bits: `[a, b, c]` are four bytes each, of which `c` has the lower halves of the last
/// four of both, and `a` and `b` have their two upper bits above six bits of the first.
fn scales_of_k(bytes: &[u8], scales: &mut [f32], offsets: &mut [f32]) {
    let (d, least) = (half_at(bytes, 0), half_at(bytes, 2));
    let dword =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let (a, b, c) = (dword(4), dword(8), dword(12));
    let (six, four) = (0x3f3f_3f3f, 0x0f0f_0f0f);
    let upper = |v: u32| (v >> 6 & 0x0303_0303) << 4;
    put_scales(d, [a & six, c & four | upper(a)], scales);
    put_scales(least, [b & six, c >> 4 & four | upper(b)], offsets);
}

fn put_scales(factor: f32, eight: [u32; 2], out: &mut [f32]) {
    for (out, four) in out.as_chunks_mut::<4>().0.iter_mut().zip(eight) {
        *out = four.to_le_bytes().map(|by| factor * f32::from(by));
    }
}

fn q4_k(bytes: &[u8], q: &mut [u8], scales: &mut [f32], offsets: &mut [f32]) {
    for (packed, q) in bytes[16..144].chunks_exact(32).zip(q.chunks_exact_mut(64)) {
        nibbles(packed, q);
    }
    scales_of_k(bytes, scales, offsets);
}

fn q5_k(bytes: &[u8], q: &mut [u8], scales: &mut [f32], offsets: &mut [f32]) {
    let fifths = &bytes[16..48];
    for (part, (packed, q)) in bytes[48..176]
        .chunks_exact(32)
        .zip(q.chunks_exact_mut(64))
        .enumerate()
    {
        nibbles(packed, q);
        let (low, high) = q.split_at_mut(32);
        for ((low, high), fifth) in low.iter_mut().zip(high).zip(fifths) {
            *low |= (fifth >> (2 * part) & 1) << 4;
            *high |= (fifth >> (2 * part + 1) & 1) << 4;
        }
    }
    scales_of_k(bytes, scales, offsets);
}

fn q6_k(bytes: &[u8], q: &mut [u8], scales: &mut [f32], offsets: &mut [f32]) {
    let (low, high, d) = (&bytes[..128], &bytes[128..192], half_at(bytes, 208));
    for (part, q) in q.chunks_exact_mut(128).enumerate() {
        let (low, high) = (&low[64 * part..][..64], &high[32 * part..][..32]);
        for at in 0..32 {
            let bits = high[at];
            q[at] = low[at] & 15 | (bits & 3) << 4;
            q[at + 32] = low[at + 32] & 15 | (bits >> 2 & 3) << 4;
            q[at + 64] = low[at] >> 4 | (bits >> 4 & 3) << 4;
            q[at + 96] = low[at + 32] >> 4 | (bits >> 6) << 4;
        }
    }
    for ((scale, offset), byte) in scales.iter_mut().zip(offsets).zip(&bytes[192..208]) {
        *scale = d * f32::from(i8::from_le_bytes([*byte]));
        *offset = 32.0 * *scale;
    }
}

/// The 16 values of `IQ4_NL` and `IQ4_XS`, plus 128.
pub(super) const IQ4: [u8; 16] = [
    1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241,
];
/// The 16 values of `MXFP4`, twice as large, plus 16.
pub(super) const MXFP4: [u8; 16] = [16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4];

fn looked_up(packed: &[u8], values: &[u8; 16], q: &mut [u8]) {
    nibbles(packed, q);
    for q in q {
        *q = values[usize::from(*q)];
    }
}

fn iq4_nl(bytes: &[u8], q: &mut [u8], scales: &mut [f32], offsets: &mut [f32]) {
    looked_up(&bytes[2..18], &IQ4, q);
    scales[0] = half_at(bytes, 0);
    offsets[0] = 128.0 * scales[0];
}

fn iq4_xs(bytes: &[u8], q: &mut [u8], scales: &mut [f32], offsets: &mut [f32]) {
    let (d, high) = (half_at(bytes, 0), u16::from_le_bytes([bytes[2], bytes[3]]));
    for (group, (packed, q)) in bytes[8..136]
        .chunks_exact(16)
        .zip(q.chunks_exact_mut(32))
        .enumerate()
    {
        looked_up(packed, &IQ4, q);
        let low = bytes[4 + group / 2] >> (4 * (group % 2)) & 15;
        let high = u8::try_from(high >> (2 * group) & 3).unwrap_or(0);
        scales[group] = d * (f32::from(low | high << 4) - 32.0);
        offsets[group] = 128.0 * scales[group];
    }
}

/// Scales from 2^123 on, which no weight has, would make infinite offsets.
fn mxfp4(bytes: &[u8], q: &mut [u8], scales: &mut [f32], offsets: &mut [f32]) {
    looked_up(&bytes[1..17], &MXFP4, q);
    scales[0] = half_of_power(bytes[0]);
    offsets[0] = 16.0 * scales[0];
}

/// `2^(exponent − 128)`, also where that is a subnormal.
pub(super) fn half_of_power(exponent: u8) -> f32 {
    match exponent {
        0 | 1 => f32::from_bits(0x0020_0000 << exponent),
        _ => f32::from_bits((u32::from(exponent) - 1) << 23),
    }
}

fn tq2_0(bytes: &[u8], q: &mut [u8], scales: &mut [f32], offsets: &mut [f32]) {
    for (part, q) in q.chunks_exact_mut(32).enumerate() {
        let packed = &bytes[part / 4 * 32..][..32];
        for (q, byte) in q.iter_mut().zip(packed) {
            *q = byte >> (2 * (part % 4)) & 3;
        }
    }
    scales.fill(half_at(bytes, 64));
    offsets.fill(half_at(bytes, 64));
}
