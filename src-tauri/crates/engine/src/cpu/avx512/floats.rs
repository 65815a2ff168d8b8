//! Dot products of floats on AVX-512.

#![expect(
    unsafe_code,
    reason = "vector instructions, behind a look at what the processor has"
)]

use super::super::float::{LANES, sum_lanes};
use super::registers::{load_f32, store_f32};
use std::arch::x86_64::{__m512, _mm512_fmadd_ps, _mm512_setzero_ps};

/// `Σ a · b` in lanes, if this processor allows.
pub(in crate::cpu) fn dot(a: &[f32], b: &[f32]) -> Option<f32> {
    // SAFETY: the processor has the instructions.
    super::available().then(|| unsafe { dots_of(&[a], &[b]) }[0][0])
}

/// The products of four tokens with four rows, token after token, if this processor allows.
pub(in crate::cpu) fn dots(x: &[&[f32]; 4], rows: &[&[f32]; 4]) -> Option<[[f32; 4]; 4]> {
    // SAFETY: the processor has the instructions.
    super::available().then(|| unsafe { dots_of(x, rows) })
}

/// Each in one register of lanes, from the first element to the last.
#[target_feature(enable = "avx512f")]
fn dots_of<const T: usize, const R: usize>(x: &[&[f32]; T], rows: &[&[f32]; R]) -> [[f32; R]; T] {
    let length = x[0].len().min(rows[0].len());
    let mut sums = [[_mm512_setzero_ps(); R]; T];
    for at in (0..length / LANES * LANES).step_by(LANES) {
        let weights: [__m512; R] = std::array::from_fn(|row| load_f32(&rows[row][at..]));
        for (sums, x) in sums.iter_mut().zip(x) {
            let x = load_f32(&x[at..]);
            for (sum, weights) in sums.iter_mut().zip(weights) {
                *sum = _mm512_fmadd_ps(weights, x, *sum);
            }
        }
    }
    let rest = length / LANES * LANES..length;
    std::array::from_fn(|t| {
        std::array::from_fn(|r| {
            let mut lanes = [0.0; LANES];
            store_f32(&mut lanes, sums[t][r]);
            let rest = rows[r][rest.clone()].iter().zip(&x[t][rest.clone()]);
            for (lane, (weight, x)) in lanes.iter_mut().zip(rest) {
                *lane = weight.mul_add(*x, *lane);
            }
            sum_lanes(lanes)
        })
    })
}
