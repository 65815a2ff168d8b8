//! Rows of activations: the norm, the activation between two matrices, and the 8-bit numbers that quantized matrices read.

use super::device::{Argument, Buffer, Device, DeviceError, Shape};
use super::matrix::{GROUP, small};

/// Bytes of what goes with 32 quants: `Scale` of `kernels/norm.cu`.
const SCALE_BYTES: usize = 16;
const LANES: usize = 32;

/// Rows as 8-bit numbers, with a scale and two sums for each 32 of them.
#[derive(Debug, Clone)]
pub struct Quants {
    numbers: Buffer,
    scales: Buffer,
    count: usize,
    columns: usize,
}

impl Quants {
    /// Room for `count` rows of `columns`.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn room(device: &Device, count: usize, columns: usize) -> Result<Self, DeviceError> {
        Ok(Self {
            numbers: device.zeroed(count * columns)?,
            scales: device.zeroed(count * columns / GROUP * SCALE_BYTES)?,
            count,
            columns,
        })
    }

    /// How many rows.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Their width.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// `[count, columns]`.
    pub(super) fn numbers(&self) -> &Buffer {
        &self.numbers
    }

    /// `[count, columns / 32]`.
    pub(super) fn scales(&self) -> &Buffer {
        &self.scales
    }
}

/// An RMS norm.
#[derive(Debug, Clone, Copy)]
pub struct Norm<'a> {
    /// `[columns]`.
    pub weights: &'a Buffer,
    /// What keeps the root away from zero.
    pub epsilon: f32,
}

/// `residual += factor · given`, where something is given, then its norm, as floats and as quants, as wanted.
/// Shapes: residual, given, out `[rows, columns]`.
///
/// # Errors
/// [`DeviceError`].
///
/// # Panics
/// When a buffer is too small, or columns are no multiple of 32.
pub fn add_norm(
    device: &Device,
    residual: &Buffer,
    given: Option<(&Buffer, f32)>,
    norm: Norm,
    out: Option<&Buffer>,
    quants: Option<&Quants>,
    [rows, columns]: [usize; 2],
) -> Result<(), DeviceError> {
    let bytes = rows * columns * 4;
    assert!(columns.is_multiple_of(LANES) && norm.weights.bytes() >= columns * 4);
    let given_buffer = given.map(|(given, _)| given);
    let floats = [Some(residual), given_buffer, out];
    assert!(
        floats
            .iter()
            .flatten()
            .all(|buffer| buffer.bytes() >= bytes)
    );
    assert!(quants.is_none_or(|quants| quants.count >= rows && quants.columns == columns));
    let shape = Shape {
        grid: [small(rows), 1, 1],
        block: small(columns).min(1024),
        shared_bytes: LANES * 4,
    };
    let arguments = [
        Argument::Buffer(residual),
        Argument::optional(given_buffer),
        Argument::Float(given.map_or(0.0, |(_, factor)| factor)),
        Argument::Buffer(norm.weights),
        Argument::Float(norm.epsilon),
        Argument::optional(out),
        Argument::optional(quants.map(Quants::numbers)),
        Argument::optional(quants.map(Quants::scales)),
        Argument::Number(small(columns)),
    ];
    device.launch("add_norm", shape, &arguments)
}
