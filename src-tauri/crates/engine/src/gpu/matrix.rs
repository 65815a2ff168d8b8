//! Weights on the device: three planes for each quantized matrix (`kernels/formats.cuh`), floats as in the file, and what
//! multiplies with them.

use super::device::{Argument, Buffer, Device, DeviceError, Shape};
use super::rows::Prepared;
use crate::files::TensorType;
use crate::weights::Matrix;

/// Columns that share a scale.
pub(super) const GROUP: usize = 32;
/// Rows of a matrix that a block computes, and its threads: `WARPS · IN_FLIGHT` and `WARPS · 32` of `kernels/matvec.cu`.
const ROWS_OF_BLOCK: usize = 8;
/// The same of a matrix of floats.
const FLOAT_ROWS_OF_BLOCK: usize = 4;
const MULTIPLY_THREADS: u32 = 128;
/// Tokens that each come out as they would alone; what is more goes through the tensor cores, in tiles of so many rows and tokens
/// (`kernels/tiles.cu`), with as many threads and bytes.
const FEW_TOKENS: usize = 8;
const TILE_ROWS: usize = 128;
pub(super) const TILE_TOKENS: usize = 64;
const TILE_THREADS: u32 = 256;
const TILE_BYTES: usize = (TILE_ROWS + TILE_TOKENS) * (36 + 16) * 4;
/// The same of matrices of floats (`kernels/tiles_floats.cu`).
const FLOAT_TILE_ROWS: usize = 64;
const FLOAT_TILE_THREADS: u32 = 128;
const FLOAT_TILE_BYTES: usize = (FLOAT_TILE_ROWS + TILE_TOKENS) * 36 * 4;
/// Threads of kernels that have one for each group.
const GROUP_THREADS: u32 = 256;

/// How a type lies there: its kernels' suffix, bytes of a group in the low and the high plane, groups of a head, its bytes.
type Layout = (&'static str, usize, usize, usize, usize);

fn layout(kind: TensorType) -> Option<Layout> {
    use TensorType as T;
    Some(match kind {
        T::Q4_0 => ("q4_0", 16, 0, 1, 2),
        T::Q4_1 => ("q4_1", 16, 0, 1, 4),
        T::Q5_0 => ("q5_0", 16, 4, 1, 2),
        T::Q5_1 => ("q5_1", 16, 4, 1, 4),
        T::Q8_0 => ("q8_0", 32, 0, 1, 2),
        T::Q2_K => ("q2_k", 8, 0, 8, 20),
        T::Q3_K => ("q3_k", 8, 4, 8, 18),
        T::Q4_K => ("q4_k", 16, 0, 8, 16),
        T::Q5_K => ("q5_k", 16, 4, 8, 16),
        T::Q6_K => ("q6_k", 16, 8, 8, 18),
        T::MXFP4 => ("mxfp4", 16, 0, 1, 1),
        T::IQ4_NL => ("iq4_nl", 16, 0, 1, 2),
        T::IQ4_XS => ("iq4_xs", 16, 0, 8, 8),
        _ => return None,
    })
}

/// The kernels' suffix of a type that lies as in the file.
fn float_suffix(kind: TensorType) -> Option<&'static str> {
    match kind {
        TensorType::F32 => Some("f32"),
        TensorType::F16 => Some("f16"),
        TensorType::BF16 => Some("bf16"),
        _ => None,
    }
}

/// Whether kernels multiply with weights of this type.
pub fn can_compute(kind: TensorType) -> bool {
    is_quantized(kind) || float_suffix(kind).is_some()
}

/// Whether such weights read activations as 8-bit numbers.
pub fn is_quantized(kind: TensorType) -> bool {
    layout(kind).is_some()
}

/// Bytes that a matrix takes on the device; `None` for a type that no kernel knows.
pub fn device_bytes(kind: TensorType, rows: usize, columns: usize) -> Option<usize> {
    if float_suffix(kind).is_some() {
        return kind.row_bytes(columns)?.checked_mul(rows);
    }
    let (_, low, high, head_groups, head) = layout(kind)?;
    let groups = rows.checked_mul(columns / GROUP)?;
    let planes = [groups * low, groups * high, groups / head_groups * head];
    Some(planes.iter().map(|plane| plane.next_multiple_of(16)).sum())
}

/// A matrix `[rows, columns]`, or several of the same shape after one another (the experts of a mixture).
#[derive(Debug, Clone)]
pub struct DeviceMatrix {
    data: Buffer,
    kind: TensorType,
    suffix: &'static str,
    rows: usize,
    columns: usize,
}

/// Which expert each choice goes through.
#[derive(Debug, Clone, Copy)]
pub struct Chosen<'a> {
    /// `[choices]`, `uint32_t`.
    pub experts: &'a Buffer,
    /// How many there are.
    pub choices: usize,
    /// How many follow one another that are of one token.
    pub per_token: usize,
    /// Rows of one expert.
    pub rows: usize,
    /// The choices in the order of their experts, where they are so many that this is worth it.
    pub sorted: Option<Sorted<'a>>,
}

/// Choices in the order of their experts: what [`super::mixture::sort_choices`] makes.
#[derive(Debug, Clone, Copy)]
pub struct Sorted<'a> {
    /// Where the run of each expert begins: `[experts + 1]`.
    pub offsets: &'a Buffer,
    /// Numbers of choices: `[choices]`.
    pub order: &'a Buffer,
    /// Which expert a tile is of, and where in `order` it begins: `[tiles, 2]`.
    pub tiles: &'a Buffer,
}

impl Sorted<'_> {
    /// How many tiles so many choices of so many experts have at most.
    pub fn most_tiles(choices: usize, experts: usize) -> usize {
        experts.min(choices) + choices / TILE_TOKENS
    }
}

/// Blocks of a file that are on the device at once while they are brought there; more where a row is longer.
pub const SPREAD_BYTES: usize = if cfg!(test) { 40_000 } else { 64 << 20 };

impl DeviceMatrix {
    /// Brings a matrix there; `None` for a type that no kernel knows.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn upload(device: &Device, matrix: &Matrix) -> Result<Option<Self>, DeviceError> {
        Self::upload_together(device, std::slice::from_ref(matrix))
    }

    /// Brings matrices of one type and width there as one, the rows of each behind those of the one before, so that they are
    /// multiplied in one launch; `None` for a type that no kernel knows.
    ///
    /// # Errors
    /// [`DeviceError`].
    ///
    /// # Panics
    /// When types or widths differ, or there is none.
    pub fn upload_together(
        device: &Device,
        matrices: &[Matrix],
    ) -> Result<Option<Self>, DeviceError> {
        let (kind, columns) = (matrices[0].tensor_type(), matrices[0].columns());
        let alike = |one: &Matrix| one.tensor_type() == kind && one.columns() == columns;
        assert!(matrices.iter().all(alike));
        let rows = matrices.iter().map(Matrix::rows).sum();
        let suffix = float_suffix(kind).or(layout(kind).map(|(suffix, ..)| suffix));
        let (Some(suffix), Some(bytes)) = (suffix, device_bytes(kind, rows, columns)) else {
            return Ok(None);
        };
        let there = Self {
            data: device.zeroed(bytes)?,
            kind,
            suffix,
            rows,
            columns,
        };
        let mut first = 0;
        for matrix in matrices {
            if is_quantized(kind) {
                there.spread(device, matrix, first)?;
            } else {
                device.write(&there.data, first * matrix.row_bytes(), matrix.bytes())?;
            }
            first += matrix.rows();
        }
        Ok(Some(there))
    }

    /// Blocks of a file into planes, from row `first` on.
    fn spread(&self, device: &Device, matrix: &Matrix, first: usize) -> Result<(), DeviceError> {
        let of_row = matrix.row_bytes();
        let rows_at_once = (SPREAD_BYTES / of_row.max(1)).clamp(1, matrix.rows().max(1));
        let blocks = device.zeroed(rows_at_once * of_row)?;
        let groups_of_row = self.columns / GROUP;
        for (run, bytes) in matrix.bytes().chunks(rows_at_once * of_row).enumerate() {
            // What was launched before has read the run before when this one is written.
            device.write(&blocks, 0, bytes)?;
            let groups = bytes.len() / of_row * groups_of_row;
            let from = (first + run * rows_at_once) * groups_of_row;
            let shape = Shape {
                grid: [small(groups).div_ceil(GROUP_THREADS), 1, 1],
                block: GROUP_THREADS,
                shared_bytes: 0,
            };
            let arguments = [
                Argument::Buffer(&blocks),
                Argument::Buffer(&self.data),
                Argument::Long(self.groups()),
                Argument::Long(from as u64),
                Argument::Long(groups as u64),
            ];
            device.launch(&format!("spread_{}", self.suffix), shape, &arguments)?;
        }
        Ok(())
    }

    /// The type of its elements.
    pub fn kind(&self) -> TensorType {
        self.kind
    }

    /// Outputs, of all experts together.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Inputs.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// As kernels take it: planes need to know how many groups there are.
    fn as_arguments(&self) -> Vec<Argument<'_>> {
        let groups = Argument::Long(self.groups());
        let data = Argument::Buffer(&self.data);
        if is_quantized(self.kind) {
            vec![data, groups]
        } else {
            vec![data]
        }
    }

    fn groups(&self) -> u64 {
        (self.rows * self.columns / GROUP) as u64
    }

    /// Rows `ids` (`[count]`, `uint32_t`, each below [`Self::rows`]) as floats, times `factor`, into `out`,
    /// `[count, columns]`.
    ///
    /// # Errors
    /// [`DeviceError`].
    ///
    /// # Panics
    /// When a buffer is too small.
    pub fn embed(
        &self,
        device: &Device,
        ids: &Buffer,
        count: usize,
        factor: f32,
        out: &Buffer,
    ) -> Result<(), DeviceError> {
        assert!(ids.bytes() >= count * 4 && out.bytes() >= count * self.columns * 4);
        let shape = Shape {
            grid: [small(count), 1, 1],
            block: GROUP_THREADS,
            shared_bytes: 0,
        };
        let mut arguments = self.as_arguments();
        arguments.extend([
            Argument::Number(small(self.columns)),
            Argument::Buffer(ids),
            Argument::Float(factor),
            Argument::Buffer(out),
        ]);
        device.launch(&format!("embed_{}", self.suffix), shape, &arguments)
    }

    /// `out[token, row] = factor · Σ w[row, column] · x[token, column] + bias[row]` for all tokens of `input`; `out` is
    /// `[tokens, rows]`. What a token gets does not depend on what the others are; in the last bits it does on whether they are
    /// few or many, since few and many have kernels of their own.
    ///
    /// # Errors
    /// [`DeviceError`].
    ///
    /// # Panics
    /// When a buffer is too small, the columns differ, or the rows were not prepared for such weights.
    pub fn multiply(
        &self,
        device: &Device,
        input: Prepared,
        factor: f32,
        bias: Option<&Buffer>,
        out: &Buffer,
    ) -> Result<(), DeviceError> {
        assert!(input.columns == self.columns && out.bytes() >= input.count * self.rows * 4);
        assert!(bias.is_none_or(|bias| bias.bytes() >= self.rows * 4));
        let what = (self.rows, factor, bias, out);
        if input.count > FEW_TOKENS {
            return self.launch_tiles(device, input, what, None);
        }
        let mut done = 0;
        while done < input.count {
            let left = input.count - done;
            // The largest bundle that fits, as often as it fits.
            let tokens = [8, 4, 2, 1]
                .into_iter()
                .find(|size| *size <= left)
                .unwrap_or(1);
            let bundles = left / tokens;
            let rows = Run {
                first: done,
                tokens,
                bundles,
            };
            self.launch(device, input, rows, what, None)?;
            done += tokens * bundles;
        }
        Ok(())
    }

    /// The same by chosen experts: choice `i` maps token `i / per_token` through its expert into row `i` of `out`,
    /// `[choices, rows of one expert]`.
    ///
    /// # Errors
    /// [`DeviceError`].
    ///
    /// # Panics
    /// As [`Self::multiply`].
    pub fn multiply_experts(
        &self,
        device: &Device,
        input: Prepared,
        chosen: &Chosen,
        bias: Option<&Buffer>,
        out: &Buffer,
    ) -> Result<(), DeviceError> {
        assert!(input.columns == self.columns && self.rows.is_multiple_of(chosen.rows));
        assert!(chosen.experts.bytes() >= chosen.choices * 4);
        assert!(chosen.choices <= input.count * chosen.per_token);
        assert!(out.bytes() >= chosen.choices * chosen.rows * 4);
        assert!(bias.is_none_or(|bias| bias.bytes() >= self.rows * 4));
        let rows = Run {
            first: 0,
            tokens: 1,
            bundles: chosen.choices,
        };
        let what = (chosen.rows, 1.0, bias, out);
        if chosen.sorted.is_some() {
            return self.launch_tiles(device, input, what, Some(chosen));
        }
        self.launch(device, input, rows, what, Some(chosen))
    }

    /// Products of many tokens.
    fn launch_tiles(
        &self,
        device: &Device,
        input: Prepared,
        (rows, factor, bias, out): (usize, f32, Option<&Buffer>, &Buffer),
        chosen: Option<&Chosen>,
    ) -> Result<(), DeviceError> {
        let sorted = chosen.and_then(|chosen| chosen.sorted);
        let tiles = match (chosen, sorted) {
            (Some(chosen), Some(sorted)) => {
                let experts = self.rows / chosen.rows;
                let tiles = Sorted::most_tiles(chosen.choices, experts);
                assert!(sorted.order.bytes() >= chosen.choices * 4);
                assert!(sorted.offsets.bytes() >= (experts + 1) * 4);
                assert!(sorted.tiles.bytes() >= tiles * 8);
                tiles
            }
            _ => input.count.div_ceil(TILE_TOKENS),
        };
        let (rows_of_tile, block, shared_bytes) = if is_quantized(self.kind) {
            (TILE_ROWS, TILE_THREADS, TILE_BYTES)
        } else {
            (FLOAT_TILE_ROWS, FLOAT_TILE_THREADS, FLOAT_TILE_BYTES)
        };
        let shape = Shape {
            grid: [small(rows.div_ceil(rows_of_tile)), small(tiles), 1],
            block,
            shared_bytes,
        };
        let mut arguments = self.as_arguments();
        arguments.extend(input.as_arguments(is_quantized(self.kind)));
        arguments.extend([
            Argument::Buffer(out),
            Argument::optional(bias),
            Argument::Float(factor),
            Argument::Number(small(rows)),
            Argument::Number(small(self.columns)),
            Argument::Number(small(input.count)),
            Argument::optional(sorted.map(|sorted| sorted.order)),
            Argument::optional(sorted.map(|sorted| sorted.tiles)),
            Argument::optional(sorted.map(|sorted| sorted.offsets)),
            Argument::Number(small(chosen.map_or(1, |chosen| chosen.per_token))),
        ]);
        device.launch(&format!("tiles_{}", self.suffix), shape, &arguments)
    }

    fn launch(
        &self,
        device: &Device,
        input: Prepared,
        run: Run,
        (rows, factor, bias, out): (usize, f32, Option<&Buffer>, &Buffer),
        chosen: Option<&Chosen>,
    ) -> Result<(), DeviceError> {
        let rows_of_block = if is_quantized(self.kind) {
            ROWS_OF_BLOCK
        } else {
            FLOAT_ROWS_OF_BLOCK
        };
        let shape = Shape {
            grid: [small(rows.div_ceil(rows_of_block)), small(run.bundles), 1],
            block: MULTIPLY_THREADS,
            shared_bytes: 0,
        };
        let mut arguments = self.as_arguments();
        arguments.extend(input.as_arguments(is_quantized(self.kind)));
        arguments.extend([
            Argument::Buffer(out),
            Argument::optional(bias),
            Argument::Float(factor),
            Argument::Number(small(rows)),
            Argument::Number(small(self.columns)),
            Argument::optional(chosen.map(|chosen| chosen.experts)),
            Argument::Number(small(chosen.map_or(1, |chosen| chosen.per_token))),
            Argument::Number(small(run.first)),
        ]);
        let kernel = format!("multiply_{}_{}", self.suffix, run.tokens);
        device.launch(&kernel, shape, &arguments)
    }
}

/// Tokens of one launch.
#[derive(Debug, Clone, Copy)]
struct Run {
    first: usize,
    tokens: usize,
    bundles: usize,
}

/// A size as kernels take it. Sizes were proven small when the model was described (`decoder/limits.rs`).
pub(super) fn small(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}
