//! Rows of activations: the norm, the activation between two matrices, and the 8-bit numbers that quantized matrices read.

use super::device::{Argument, Buffer, Device, DeviceError, Shape};
use super::matrix::{GROUP, small};
use crate::decoder::description::Activation;

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
        let scale_bytes = Self::scale_bytes(count, columns);
        let numbers = device.zeroed(count * columns)?;
        let scales = device.zeroed(scale_bytes)?;
        Ok(Self {
            numbers,
            scales,
            count,
            columns,
        })
    }

    fn scale_bytes(count: usize, columns: usize) -> usize {
        count * columns / GROUP * SCALE_BYTES
    }

    /// Bytes of such room.
    pub(super) fn bytes(count: usize, columns: usize) -> usize {
        count * columns + Self::scale_bytes(count, columns)
    }

    /// The same room for rows of another width, as many as fit; `None` where no whole number of groups fills a row.
    pub fn of_width(&self, columns: usize) -> Option<Self> {
        let fits = columns > 0 && columns.is_multiple_of(LANES);
        fits.then(|| Self {
            count: self.numbers.bytes() / columns,
            columns,
            ..self.clone()
        })
    }

    /// Where they lie.
    pub(super) fn buffers(&self) -> [&Buffer; 2] {
        [&self.numbers, &self.scales]
    }

    pub(super) fn has_room(&self, [rows, columns]: [usize; 2]) -> bool {
        self.count >= rows && self.columns == columns && columns.is_multiple_of(LANES)
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

/// Rows, prepared for the matrices that will read them.
#[derive(Debug, Clone, Copy)]
pub struct Prepared<'a> {
    /// `[count, columns]`, for matrices of floats.
    pub floats: Option<&'a Buffer>,
    /// For quantized ones.
    pub quants: Option<&'a Quants>,
    /// How many of them there are.
    pub count: usize,
    /// Their width.
    pub columns: usize,
}

impl<'a> Prepared<'a> {
    /// All of these.
    pub fn quants(quants: &'a Quants) -> Self {
        Self {
            floats: None,
            quants: Some(quants),
            count: quants.count,
            columns: quants.columns,
        }
    }

    /// As kernels of these weights take them.
    ///
    /// # Panics
    /// When they were not prepared so, or a buffer is too small.
    pub(super) fn as_arguments(&self, for_quantized: bool) -> Vec<Argument<'a>> {
        if for_quantized {
            let quants = self.quants.expect("rows as quants");
            assert!(quants.columns == self.columns && quants.count >= self.count);
            return vec![
                Argument::Buffer(&quants.numbers),
                Argument::Buffer(&quants.scales),
            ];
        }
        let floats = self.floats.expect("rows as floats");
        assert!(floats.bytes() >= self.count * self.columns * 4);
        vec![Argument::Buffer(floats)]
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

/// Threads of kernels that have one for each number.
const NUMBER_THREADS: u32 = 256;

fn each_number(rows: usize, columns: usize) -> Shape {
    Shape {
        grid: [small(columns).div_ceil(NUMBER_THREADS), small(rows), 1],
        block: NUMBER_THREADS,
        shared_bytes: 0,
    }
}

/// Rows `[rows, columns]` as quants.
///
/// # Errors
/// [`DeviceError`].
///
/// # Panics
/// When a buffer is too small, or quants are wanted of columns that are no multiple of 32.
pub fn quantize(
    device: &Device,
    floats: &Buffer,
    quants: &Quants,
    [rows, columns]: [usize; 2],
) -> Result<(), DeviceError> {
    assert!(columns.is_multiple_of(LANES) && floats.bytes() >= rows * columns * 4);
    assert!(quants.count >= rows && quants.columns == columns);
    let arguments = [
        Argument::Buffer(floats),
        Argument::Buffer(&quants.numbers),
        Argument::Buffer(&quants.scales),
        Argument::Number(small(columns)),
    ];
    device.launch("quantize_rows", each_number(rows, columns), &arguments)
}

/// What goes into an activation.
#[derive(Debug, Clone, Copy)]
pub enum Inner<'a> {
    /// Gate and up, `[rows, columns]` each.
    Gated(&'a Buffer, &'a Buffer),
    /// `[rows, 2 · columns]`: each row's gate before its up.
    Fused(&'a Buffer),
    /// `[rows, columns]`, its own gate, and nothing is multiplied.
    Plain(&'a Buffer),
}

/// `activation(gate, up)` as floats and as quants, as wanted. Shape of out: `[rows, columns]`.
///
/// # Errors
/// [`DeviceError`].
///
/// # Panics
/// When a buffer is too small, or quants are wanted of columns that are no multiple of 32.
pub fn activate(
    device: &Device,
    activation: Activation,
    inner: Inner,
    out: Option<&Buffer>,
    quants: Option<&Quants>,
    [rows, columns]: [usize; 2],
) -> Result<(), DeviceError> {
    let bytes = rows * columns * 4;
    let (gate, up, stride) = match inner {
        Inner::Gated(gate, up) => (Some(gate.clone()), up.clone(), columns),
        Inner::Fused(both) => {
            let half = columns * 4;
            let up = both.part(half, both.bytes() - half);
            (Some(both.clone()), up, 2 * columns)
        }
        Inner::Plain(up) => (None, up.clone(), columns),
    };
    let last = (rows.saturating_sub(1) * stride + columns) * 4;
    let holds = |buffer: &Buffer| buffer.bytes() >= last;
    assert!(holds(&up) && gate.as_ref().is_none_or(holds));
    assert!(out.is_none_or(|out| out.bytes() >= bytes));
    assert!(quants.is_none_or(|quants| quants.has_room([rows, columns])));
    let (kind, alpha, limit) = match activation {
        Activation::Silu => (0, 0.0, 0.0),
        Activation::Gelu => (1, 0.0, 0.0),
        Activation::Relu2 => (2, 0.0, 0.0),
        Activation::ClampedSwiglu { alpha, limit } => (3, alpha, limit),
    };
    let arguments = [
        Argument::optional(gate.as_ref()),
        Argument::Buffer(&up),
        Argument::Number(small(stride)),
        Argument::Number(kind),
        Argument::Float(alpha),
        Argument::Float(limit),
        Argument::optional(out),
        Argument::optional(quants.map(Quants::numbers)),
        Argument::optional(quants.map(Quants::scales)),
        Argument::Number(small(columns)),
    ];
    device.launch("activate", each_number(rows, columns), &arguments)
}

/// Rows `ids` (`[count]`, `uint32_t`, each a row of `from`) into `out`, `[count, columns]`.
///
/// # Errors
/// [`DeviceError`].
///
/// # Panics
/// When a buffer is too small.
pub fn take_rows(
    device: &Device,
    from: &Buffer,
    ids: &Buffer,
    out: &Buffer,
    [count, columns]: [usize; 2],
) -> Result<(), DeviceError> {
    assert!(ids.bytes() >= count * 4 && out.bytes() >= count * columns * 4);
    let shape = Shape {
        grid: [small(count), 1, 1],
        block: NUMBER_THREADS,
        shared_bytes: 0,
    };
    let arguments = [
        Argument::Buffer(from),
        Argument::Buffer(ids),
        Argument::Buffer(out),
        Argument::Number(small(columns)),
    ];
    device.launch("take_rows", shape, &arguments)
}

/// What a part gave, on its way into the residual stream.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// `[rows, columns]`.
    pub floats: &'a Buffer,
    /// Times this it is added.
    pub factor: f32,
    /// Times this the sum goes on.
    pub scale: f32,
}

/// `residual = (residual + factor · given) · scale`, where something is given, then its norm, or itself where there is none, as
/// floats and as quants, as wanted. Shapes: residual, out `[rows, columns]`; `out` may be `residual`.
///
/// # Errors
/// [`DeviceError`].
///
/// # Panics
/// When a buffer is too small, or quants are wanted of columns that are no multiple of 32.
pub fn add_norm(
    device: &Device,
    residual: &Buffer,
    given: Option<Given>,
    norm: Option<Norm>,
    out: Option<&Buffer>,
    quants: Option<&Quants>,
    [rows, columns]: [usize; 2],
) -> Result<(), DeviceError> {
    let bytes = rows * columns * 4;
    assert!(norm.is_none_or(|norm| norm.weights.bytes() >= columns * 4));
    let given_buffer = given.map(|given| given.floats);
    let floats = [Some(residual), given_buffer, out];
    assert!(
        floats
            .iter()
            .flatten()
            .all(|buffer| buffer.bytes() >= bytes)
    );
    assert!(quants.is_none_or(|quants| quants.has_room([rows, columns])));
    let shape = Shape {
        grid: [small(rows), 1, 1],
        block: small(columns.next_multiple_of(LANES)).min(1024),
        shared_bytes: LANES * 4,
    };
    let arguments = [
        Argument::Buffer(residual),
        Argument::optional(given_buffer),
        Argument::Float(given.map_or(0.0, |given| given.factor)),
        Argument::Float(given.map_or(1.0, |given| given.scale)),
        Argument::optional(norm.map(|norm| norm.weights)),
        Argument::Float(norm.map_or(0.0, |norm| norm.epsilon)),
        Argument::optional(out),
        Argument::optional(quants.map(Quants::numbers)),
        Argument::optional(quants.map(Quants::scales)),
        Argument::Number(small(columns)),
    ];
    device.launch("add_norm", shape, &arguments)
}
