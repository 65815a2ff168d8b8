//! Numbers that are numbers already.

use half::{bf16, f16};

fn each<const BYTES: usize>(bytes: &[u8], out: &mut [f32], to_f32: impl Fn([u8; BYTES]) -> f32) {
    for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<BYTES>().0) {
        *out = to_f32(*bytes);
    }
}

pub(super) fn f32(bytes: &[u8], out: &mut [f32]) {
    each(bytes, out, f32::from_le_bytes);
}

pub(super) fn f16(bytes: &[u8], out: &mut [f32]) {
    each(bytes, out, |bytes| f16::from_le_bytes(bytes).to_f32());
}

pub(super) fn bf16(bytes: &[u8], out: &mut [f32]) {
    each(bytes, out, |bytes| bf16::from_le_bytes(bytes).to_f32());
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "rounded to the nearest, as C does"
)]
pub(super) fn f64(bytes: &[u8], out: &mut [f32]) {
    each(bytes, out, |bytes| f64::from_le_bytes(bytes) as f32);
}
