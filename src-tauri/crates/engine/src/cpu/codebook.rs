//! Types whose weights are entries of a codebook: `IQ2_XXS`, `IQ2_XS`, `IQ2_S`, `IQ3_XXS` and `IQ3_S`.
//!
//! An entry is 8 or 4 magnitudes; signs lie beside it. `q` is 64 more than the signed magnitude. Source of the layouts:
//! ggml (`ggml-common.h`, `ggml-quants.c`).

use super::unpack::half_at;
use crate::files::dequant::grids::{IQ2_S, IQ2_XS, IQ2_XXS, IQ3_S, IQ3_XXS};

/// What is added to a signed magnitude.
const ZERO: u8 = 64;

/// Writes an entry, with the signs that these bits say.
fn entry(magnitudes: &[i8], signs: u8, q: &mut [u8]) {
    for (bit, (q, magnitude)) in q.iter_mut().zip(magnitudes).enumerate() {
        let magnitude = magnitude.unsigned_abs();
        *q = if signs >> bit & 1 == 1 {
            ZERO - magnitude
        } else {
            ZERO + magnitude
        };
    }
}

/// Seven bits say eight signs, of which an even number is negative.
fn eight_signs(seven: u32) -> u8 {
    let seven = (seven & 127) as u8;
    seven | ((seven.count_ones() & 1) as u8) << 7
}

fn scale(scale: f32, place: usize, scales: &mut [f32], offsets: &mut [f32]) {
    scales[place] = scale;
    offsets[place] = f32::from(ZERO) * scale;
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

pub(super) fn iq2_xxs(bytes: &[u8], q: &mut [u8], scales: &mut [f32], offsets: &mut [f32]) {
    let d = half_at(bytes, 0);
    for (group, q) in q.chunks_exact_mut(32).enumerate() {
        let packed = &bytes[2 + 8 * group..][..8];
        let signs = u32_at(packed, 4);
        for (part, q) in q.chunks_exact_mut(8).enumerate() {
            let at = usize::from(packed[part]);
            entry(&IQ2_XXS[at], eight_signs(signs >> (7 * part)), q);
        }
        scale(
            d * (0.5 + f32::from((signs >> 28) as u8)) * 0.25,
            group,
            scales,
            offsets,
        );
    }
}

pub(super) fn iq2_xs(bytes: &[u8], q: &mut [u8], scales: &mut [f32], offsets: &mut [f32]) {
    let d = half_at(bytes, 0);
    for (part, q) in q.chunks_exact_mut(8).enumerate() {
        let packed = u16_at(bytes, 2 + 2 * part);
        let at = usize::from(packed & 511);
        entry(&IQ2_XS[at], eight_signs(u32::from(packed >> 9)), q);
    }
    for group in 0..16 {
        let by = bytes[66 + group / 2] >> (4 * (group % 2)) & 15;
        scale(d * (0.5 + f32::from(by)) * 0.25, group, scales, offsets);
    }
}

pub(super) fn iq2_s(bytes: &[u8], q: &mut [u8], scales: &mut [f32], offsets: &mut [f32]) {
    let d = half_at(bytes, 0);
    for (part, q) in q.chunks_exact_mut(8).enumerate() {
        let high = u16::from(bytes[66 + part / 4] >> (2 * (part % 4)) & 3);
        let at = u16::from(bytes[2 + part]) | high << 8;
        entry(&IQ2_S[usize::from(at)], bytes[34 + part], q);
    }
    for group in 0..16 {
        let by = bytes[74 + group / 2] >> (4 * (group % 2)) & 15;
        scale(d * (0.5 + f32::from(by)) * 0.25, group, scales, offsets);
    }
}

pub(super) fn iq3_xxs(bytes: &[u8], q: &mut [u8], scales: &mut [f32], offsets: &mut [f32]) {
    let d = half_at(bytes, 0);
    for (group, q) in q.chunks_exact_mut(32).enumerate() {
        let signs = u32_at(bytes, 66 + 4 * group);
        for (part, q) in q.chunks_exact_mut(4).enumerate() {
            let eight = eight_signs(signs >> (7 * (part / 2)));
            let at = usize::from(bytes[2 + 8 * group + part]);
            entry(&IQ3_XXS[at], eight >> (4 * (part % 2)), q);
        }
        scale(
            d * (0.5 + f32::from((signs >> 28) as u8)) * 0.5,
            group,
            scales,
            offsets,
        );
    }
}

pub(super) fn iq3_s(bytes: &[u8], q: &mut [u8], scales: &mut [f32], offsets: &mut [f32]) {
    let d = half_at(bytes, 0);
    for (part, q) in q.chunks_exact_mut(4).enumerate() {
        let high = u16::from(bytes[66 + part / 8] >> (part % 8) & 1);
        let at = u16::from(bytes[2 + part]) | high << 8;
        let signs = bytes[74 + part / 2] >> (4 * (part % 2));
        entry(&IQ3_S[usize::from(at)], signs, q);
    }
    for group in 0..8 {
        let by = bytes[106 + group / 2] >> (4 * (group % 2)) & 15;
        scale(d * f32::from(1 + 2 * by), group, scales, offsets);
    }
}
