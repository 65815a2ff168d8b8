//! Kernels against plain sums in `f64` over ggml's numbers, on the strict machine, with threads taking turns in several orders:
//! what depends on the order is wrong.

mod attention;
mod decoder;
mod matrix;
mod mixture;
mod recording;
mod rows;
mod shortlist;

use super::Device;
use super::prove::halves;
use crate::files::{TensorType, dequant};
use crate::weights::{AlignedBytes, Matrix};

/// Upwards, downwards, and two that are shuffled.
const ORDERS: [u32; 4] = [0, 1, 5, 77];

/// Numbers from −1 up to 1, always the same.
fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut random = random(seed);
    let mut next = || f32::from(u16::try_from(random() >> 48).unwrap_or(0)) / 32768.0 - 1.0;
    std::iter::repeat_with(&mut next).take(count).collect()
}

fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// A matrix of any codes and any scales below 2, and its numbers as ggml has them.
fn matrix(kind: TensorType, rows: usize, columns: usize, seed: u64) -> (Matrix, Vec<f32>) {
    let length = kind.row_bytes(columns).expect("whole blocks") * rows;
    let mut bytes = AlignedBytes::zeroed(length);
    let mut random = random(seed);
    bytes.fill_with(|| random().to_le_bytes()[3]);
    for block in bytes.chunks_exact_mut(kind.block_bytes()) {
        for at in halves(kind) {
            block[at + 1] &= 0xbf;
        }
        if kind == TensorType::MXFP4 {
            block[0] = 120 + block[0] % 10;
        }
    }
    let mut numbers = vec![0.0; rows * columns];
    dequant::dequantize_row(kind, &bytes, &mut numbers).expect("a known type");
    (Matrix::new(bytes, rows, columns, kind), numbers)
}

fn kinds() -> impl Iterator<Item = TensorType> {
    TensorType::all().filter(|kind| super::matrix::is_quantized(*kind))
}

/// The same in each order of turns, to the bit.
fn in_each_order(compute: impl Fn(&Device) -> Vec<f32>) -> Vec<f32> {
    let results = ORDERS.map(|order| compute(&Device::on_host(order)));
    for (order, result) in ORDERS.iter().zip(&results) {
        let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert!(bits(result) == bits(&results[0]), "order {order}");
    }
    results.into_iter().next().expect("the first")
}
