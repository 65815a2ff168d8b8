//! Products with matrices of floats: F32, F16 and BF16, all computed in `f32`.
//!
//! A dot product is summed in [`LANES`] lanes, whatever the number of tokens, and the lanes are added up in one order.

use super::input::Input;
use super::matmul::Place;
use super::unpack::{can_unpack, group_of, unpack_row};
use crate::files::TensorType;
use crate::weights::Matrix;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

const LANES: usize = 64;

/// Whether rows of this type become floats here.
pub(super) fn can_convert(kind: TensorType) -> bool {
    matches!(kind, TensorType::F32 | TensorType::F16 | TensorType::BF16)
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
        kind if can_unpack(kind) => unpacked(kind, bytes, out),
        _ => out.fill(0.0),
    }
}

fn from_halves(bytes: &[u8], out: &mut [f32]) {
    let mut halves = [f16::ZERO; LANES];
    for (out, bytes) in out.chunks_mut(LANES).zip(bytes.chunks(2 * LANES)) {
        for (half, bytes) in halves.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *half = f16::from_le_bytes(*bytes);
        }
        halves[..out.len()].convert_to_f32_slice(out);
    }
}

fn unpacked(kind: TensorType, bytes: &[u8], out: &mut [f32]) {
    let group = group_of(kind);
    let mut q = vec![0; out.len()];
    let (mut scales, mut offsets) = (vec![0.0; out.len() / group], vec![0.0; out.len() / group]);
    unpack_row(kind, bytes, &mut q, &mut scales, &mut offsets);
    let numbers = scales.iter().zip(&offsets);
    for ((out, q), (scale, offset)) in out
        .chunks_exact_mut(group)
        .zip(q.chunks_exact(group))
        .zip(numbers)
    {
        for (out, q) in out.iter_mut().zip(q) {
            *out = scale * f32::from(*q) - offset;
        }
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
    put: impl Fn(usize, &[f32]),
) {
    let columns = matrix.columns();
    rows.resize(count * columns, 0.0);
    for (at, row) in rows.chunks_exact_mut(columns).enumerate() {
        to_floats(matrix.tensor_type(), matrix.row(first + at), row);
    }
    let mut products = [0.0; super::panel::PANEL];
    for place in places {
        let x = &input.rows[place.token * columns..][..columns];
        for (product, row) in products.iter_mut().zip(rows.chunks_exact(columns)) {
            *product = dot(row, x);
        }
        put(place.out, &products[..count]);
    }
}

/// `Σ a · b`, in lanes.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
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
    let mut width = LANES / 2;
    while width > 0 {
        let (low, high) = lanes.split_at_mut(width);
        low.iter_mut()
            .zip(high)
            .for_each(|(low, high)| *low += *high);
        width /= 2;
    }
    lanes[0]
}
