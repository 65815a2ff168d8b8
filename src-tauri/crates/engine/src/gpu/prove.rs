//! Whether the device computes what the processor computes: asked once, before anything is brought there.
//!
//! A kernel that was compiled wrongly, or for another GPU, gives numbers all the same. So a few products of each kind of
//! weights are compared, launched and recorded, and attention, and a GPU that differs is not used.

mod attention;

use super::device::{Device, DeviceError};
use super::matrix::{DeviceMatrix, device_bytes, is_quantized};
use super::rows::{Prepared, Quants, quantize};
use crate::cpu::{self, Input, Pool};
use crate::files::TensorType;
use crate::kv::KvType;
use crate::weights::{AlignedBytes, Matrix};

const ROWS: usize = 24;
const COLUMNS: usize = 512;
/// One, two, four and eight have kernels of their own, and many.
const TOKENS: [usize; 3] = [7, 8, 20];
/// Both round activations alike, so that only the order of sums differs.
const TOLERANCE: f32 = 1e-4;
/// Few rows and many see the past through kernels of their own.
const ROWS_THAT_SEE: [usize; 2] = [3, 20];
/// Many round to half precision what they multiply.
const TOLERANCE_OF_HALVES: f32 = 5e-3;

/// What the device got wrong.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Wrong {
    /// Products with these weights.
    #[error("it multiplies {0} wrongly")]
    Products(TensorType),
    /// What rows see of their past.
    #[error("its attention is wrong")]
    Attention,
    /// It did not compute.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// Compares.
///
/// # Errors
/// [`Wrong`].
pub fn prove(device: &Device) -> Result<(), Wrong> {
    let kinds = TensorType::all().filter(|kind| device_bytes(*kind, ROWS, COLUMNS).is_some());
    for kind in kinds {
        let matrix = matrix(kind);
        for tokens in TOKENS {
            let rows: Vec<f32> = numbers(11).take(tokens * COLUMNS).collect();
            let expected = here(&matrix, &rows);
            let found = there(device, &matrix, &rows)?;
            if !found.iter().all(|one| is_alike(one, &expected, TOLERANCE)) {
                return Err(Wrong::Products(kind));
            }
        }
    }
    for kind in [KvType::F16, KvType::Q8_0] {
        for rows in ROWS_THAT_SEE {
            let expected = attention::here(kind, rows);
            let found = attention::there(device, kind, rows)?;
            if !is_alike(&found, &expected, TOLERANCE_OF_HALVES) {
                return Err(Wrong::Attention);
            }
        }
    }
    Ok(())
}

/// Whether no result is further from what is expected than rounding explains.
fn is_alike(found: &[f32], expected: &[f32], tolerance: f32) -> bool {
    let largest = expected
        .iter()
        .fold(0.0_f32, |largest, x| largest.max(x.abs()));
    let near = |(found, expected): (&f32, &f32)| (found - expected).abs() <= largest * tolerance;
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

/// Where the halves of a block are, which can't be just any bits.
pub(super) fn halves(kind: TensorType) -> &'static [usize] {
    use TensorType as T;
    match kind {
        T::Q4_1 | T::Q5_1 | T::Q4_K | T::Q5_K => &[0, 2],
        T::Q2_K => &[80, 82],
        T::Q3_K => &[108],
        T::Q6_K => &[208],
        T::MXFP4 => &[],
        _ => &[0],
    }
}

/// Any codes, and scales below a half: the high byte of each half, or the power, is set. Floats are of about that size.
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
            TensorType::F32 => block[3] = 0x3d | block[3] & 0x80,
            TensorType::F16 | TensorType::BF16 => block[1] = 0x38 | block[1] & 0x80,
            _ => halves(kind).iter().for_each(|at| block[at + 1] = 0x30),
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

/// By launches, and by the same launches recorded.
fn there(device: &Device, matrix: &Matrix, rows: &[f32]) -> Result<Vec<Vec<f32>>, DeviceError> {
    let Some(there) = DeviceMatrix::upload(device, matrix)? else {
        return Ok(vec![Vec::new()]);
    };
    let tokens = rows.len() / COLUMNS;
    let floats = device.upload(rows)?;
    let quants = Quants::room(device, tokens, COLUMNS)?;
    let out = device.zeroed(tokens * ROWS * 4)?;
    let launches = || {
        if is_quantized(matrix.tensor_type()) {
            quantize(device, &floats, &quants, [tokens, COLUMNS])?;
        }
        let input = Prepared {
            floats: Some(&floats),
            quants: Some(&quants),
            count: tokens,
            columns: COLUMNS,
        };
        there.multiply(device, input, 1.0, None, &out)
    };
    launches()?;
    let mut found = vec![device.floats(&out)?];
    // Where nothing can be recorded, nothing will be.
    if let Ok(recording) = device.record(launches) {
        device.clear(&out, 0, out.bytes())?;
        device.replay(&recording)?;
        found.push(device.floats(&out)?);
    }
    Ok(found)
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
        assert!(is_alike(&right, &right, TOLERANCE));
        for wrong in [
            [1.0, -8.0, 0.6],
            [1.0, 8.0, 0.5],
            [f32::NAN, -8.0, 0.5],
            [0.0; 3],
        ] {
            assert!(!is_alike(&wrong, &right, TOLERANCE), "{wrong:?}");
        }
        assert!(!is_alike(&[], &right, TOLERANCE));
    }
}
