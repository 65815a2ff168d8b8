//! Products with matrices of floats: F32, F16 and BF16, all computed in `f32`.
//!
//! A dot product is summed in [`LANES`] lanes, whatever the number of tokens, and the lanes are added up in one order.

use super::input::Input;
use super::matmul::Place;
use super::wide::wide;
use crate::files::{TensorType, dequant};
use crate::weights::Matrix;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

pub(super) const LANES: usize = 16;
/// Half-precision numbers that are converted at once.
const RUN: usize = 64;

/// Whether rows of this type become floats here: all types of weights, those without kernels of their own slowly.
pub(super) fn can_convert(kind: TensorType) -> bool {
    dequant::can_dequantize(kind)
}

/// A row of any type that can be computed, as floats.
pub(super) fn to_floats(kind: TensorType, bytes: &[u8], out: &mut [f32]) {
    match kind {
        TensorType::F32 => {
            for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *out = f32::from_le_bytes(*bytes);
            }
        }
        TensorType::F16 => from_halves(bytes, out),
        TensorType::BF16 => {
            for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                *out = bf16::from_le_bytes(*bytes).to_f32();
            }
        }
        _ if dequant::dequantize_row(kind, bytes, out).is_ok() => {}
        _ => out.fill(0.0),
    }
}

fn from_halves(bytes: &[u8], out: &mut [f32]) {
    let mut halves = [f16::ZERO; RUN];
    for (out, bytes) in out.chunks_mut(RUN).zip(bytes.chunks(2 * RUN)) {
        for (half, bytes) in halves.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *half = f16::from_le_bytes(*bytes);
        }
        halves[..out.len()].convert_to_f32_slice(out);
    }
}

/// Tells `put` the products of `count` rows of `matrix`, from row `first` on, with each of these rows of the input.
pub(super) fn multiply(
    matrix: &Matrix,
    first: usize,
    count: usize,
    rows: &mut Vec<f32>,
    input: &Input,
    places: &[Place],
    put: impl Fn(usize, usize, &[f32]),
) {
    let columns = matrix.columns();
    rows.resize(count * columns, 0.0);
    for (at, row) in rows.chunks_exact_mut(columns).enumerate() {
        to_floats(matrix.tensor_type(), matrix.row(first + at), row);
    }
    for places in places.chunks(TOKENS) {
        for (from, rows) in rows.chunks(ROWS * columns).enumerate() {
            let products = products(input, places, rows, columns);
            for (place, products) in places.iter().zip(&products) {
                put(place.out, from * ROWS, &products[..rows.len() / columns]);
            }
        }
    }
}

/// Tokens and rows whose products run side by side.
const TOKENS: usize = 4;
const ROWS: usize = 4;

fn products(
    input: &Input,
    places: &[Place],
    rows: &[f32],
    columns: usize,
) -> [[f32; ROWS]; TOKENS] {
    let x = |place: &Place| &input.rows[place.token * columns..][..columns];
    let row = |at: usize| &rows[at * columns..][..columns];
    if let ([a, b, c, d], 4) = (places, rows.len() / columns) {
        let x = [x(a), x(b), x(c), x(d)];
        if let Some(products) = super::avx512::dots(&x, &[row(0), row(1), row(2), row(3)]) {
            return products;
        }
    }
    let mut products = [[0.0; ROWS]; TOKENS];
    for (place, products) in places.iter().zip(&mut products) {
        for (at, product) in products.iter_mut().enumerate().take(rows.len() / columns) {
            *product = dot(row(at), x(place));
        }
    }
    products
}

/// `Σ a · b`, in lanes.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    if let Some(dot) = super::avx512::dot(a, b) {
        return dot;
    }
    wide!(dot_portably; a: &[f32] = a, b: &[f32] = b => f32)
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a function of its own would not have the wider registers"
)]
fn dot_portably(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (whole_a, rest_a) = a.as_chunks::<LANES>();
    let (whole_b, rest_b) = b.as_chunks::<LANES>();
    for (a, b) in whole_a.iter().zip(whole_b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane = a.mul_add(*b, *lane);
        }
    }
    for ((lane, a), b) in lanes.iter_mut().zip(rest_a).zip(rest_b) {
        *lane = a.mul_add(*b, *lane);
    }
    sum_lanes(lanes)
}

/// The sum of the lanes, halves added to halves.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a function of its own would not have the wider registers"
)]
pub(super) fn sum_lanes<const COUNT: usize>(mut lanes: [f32; COUNT]) -> f32 {
    let mut width = COUNT / 2;
    while width > 0 {
        for at in 0..width {
            lanes[at] += lanes[at + width];
        }
        width /= 2;
    }
    lanes[0]
}
