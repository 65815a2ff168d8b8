//! Whether the device computes what the processor computes: asked once, before anything is brought there.
//!
//! A kernel that was compiled wrongly, or for another GPU, gives numbers all the same. So a few products of each kind of
//! weights are compared, and a GPU that differs is not used.

use super::device::{Device, DeviceError};
use super::matrix::{DeviceMatrix, is_quantized};
use super::rows::{Prepared, Quants, quantize};
use crate::cpu::{self, Input, Pool};
use crate::files::TensorType;
use crate::weights::{AlignedBytes, Matrix};

const KINDS: [TensorType; 8] = [
    TensorType::Q4_0,
    TensorType::Q8_0,
    TensorType::Q4_K,
    TensorType::Q5_K,
    TensorType::Q6_K,
    TensorType::MXFP4,
    TensorType::F16,
    TensorType::BF16,
];
const ROWS: usize = 24;
const COLUMNS: usize = 512;
/// Few tokens and many have kernels of their own.
const TOKENS: [usize; 2] = [3, 20];
/// Both round activations alike, so that only the order of sums differs.
const TOLERANCE: f32 = 1e-4;

/// What the device got wrong.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Wrong {
    /// Products with these weights.
    #[error("it multiplies {0} wrongly")]
    Products(TensorType),
    /// It did not compute.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// Compares.
///
/// # Errors
/// [`Wrong`].
pub fn prove(device: &Device) -> Result<(), Wrong> {
    for kind in KINDS {
        let matrix = matrix(kind);
        for tokens in TOKENS {
            let rows: Vec<f32> = numbers(11).take(tokens * COLUMNS).collect();
            let expected = here(&matrix, &rows);
            let found = there(device, &matrix, &rows)?;
            if !is_alike(&found, &expected) {
                return Err(Wrong::Products(kind));
            }
        }
    }
    Ok(())
}

/// Whether no result is further from what is expected than rounding explains.
pub(super) fn is_alike(found: &[f32], expected: &[f32]) -> bool {
    let largest = expected
        .iter()
        .fold(0.0_f32, |largest, x| largest.max(x.abs()));
    let near = |(found, expected): (&f32, &f32)| (found - expected).abs() <= largest * TOLERANCE;
    found.len() == expected.len() && found.iter().zip(expected).all(near)
}

/// Numbers from −1 up to 1, always the same.
fn numbers(seed: u32) -> impl Iterator<Item = f32> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from((state >> 16) as u16) / 32768.0 - 1.0
    })
}

/// Any codes, and scales below a half: the high byte of each half, or the power, is set.
fn matrix(kind: TensorType) -> Matrix {
    let length = kind.row_bytes(COLUMNS).unwrap_or(0) * ROWS;
    let mut bytes = AlignedBytes::zeroed(length);
    let mut state = 7_u32;
    bytes.fill_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    for block in bytes.chunks_exact_mut(kind.block_bytes()) {
        match kind {
            TensorType::MXFP4 => block[0] = 120,
            TensorType::F16 | TensorType::BF16 => block[1] = 0x38 | block[1] & 0x80,
            TensorType::Q6_K => block[209] = 0x30,
            TensorType::Q4_K | TensorType::Q5_K => (block[1], block[3]) = (0x30, 0x2c),
            _ => block[1] = 0x30,
        }
    }
    Matrix::new(bytes, ROWS, COLUMNS, kind)
}

fn here(matrix: &Matrix, rows: &[f32]) -> Vec<f32> {
    let pool = Pool::new(1);
    let mut input = Input::default();
    input.prepare(&pool, rows, COLUMNS, [matrix.tensor_type()]);
    let mut out = vec![0.0; rows.len() / COLUMNS * ROWS];
    cpu::matmul(&pool, matrix, &input, &mut out);
    out
}

fn there(device: &Device, matrix: &Matrix, rows: &[f32]) -> Result<Vec<f32>, DeviceError> {
    let Some(there) = DeviceMatrix::upload(device, matrix)? else {
        return Ok(Vec::new());
    };
    let tokens = rows.len() / COLUMNS;
    let floats = device.upload(rows)?;
    let quants = Quants::room(device, tokens, COLUMNS)?;
    if is_quantized(matrix.tensor_type()) {
        quantize(device, &floats, &quants, [tokens, COLUMNS])?;
    }
    let input = Prepared {
        floats: Some(&floats),
        quants: Some(&quants),
        count: tokens,
        columns: COLUMNS,
    };
    let out = device.zeroed(tokens * ROWS * 4)?;
    there.multiply(device, input, 1.0, None, &out)?;
    device.floats(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_that_are_right_are_found_right() {
        assert_eq!(prove(&Device::on_host(3)), Ok(()));
    }

    #[test]
    fn one_wrong_number_is_seen() {
        let right = vec![1.0, -8.0, 0.5];
        assert!(is_alike(&right, &right));
        for wrong in [
            [1.0, -8.0, 0.6],
            [1.0, 8.0, 0.5],
            [f32::NAN, -8.0, 0.5],
            [0.0; 3],
        ] {
            assert!(!is_alike(&wrong, &right), "{wrong:?}");
        }
        assert!(!is_alike(&[], &right));
    }
}
