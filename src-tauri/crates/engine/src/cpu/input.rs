//! Rows of activations, prepared for the matrices that will read them.
//!
//! Matrices of floats read them as they are. Quantized ones read them as 8-bit numbers with a scale for each 32, made
//! once and shared by all (queries, keys and values; gate and up): `x ≈ scale · q`, with `scale = max|x| / 127`, as
//! GGUF's `Q8_0` but with the scale in `f32`. Buffers are used again: nothing is allocated once they have grown.

use crate::files::TensorType;

/// Activations that share a scale.
pub(super) const GROUP: usize = 32;

/// Rows, prepared.
#[derive(Debug, Default)]
pub struct Input {
    pub(super) columns: usize,
    pub(super) rows: Vec<f32>,
    /// `[rows, columns]`; empty if no quantized matrix reads them.
    pub(super) quants: Vec<i8>,
    /// `[rows, columns / 32]`.
    pub(super) scales: Vec<f32>,
    /// The sum of what the quants stand for, for each 16: `[rows, columns / 16]`.
    pub(super) sums: Vec<f32>,
}

impl Input {
    /// Prepares `rows`, `[count, columns]`, for matrices of these types.
    pub fn prepare(
        &mut self,
        pool: &super::Pool,
        rows: &[f32],
        columns: usize,
        types: impl IntoIterator<Item = TensorType>,
    ) {
        let _ = pool;
        self.columns = columns;
        self.rows.clear();
        self.rows.extend_from_slice(rows);
        self.quants.clear();
        self.scales.clear();
        self.sums.clear();
        if types.into_iter().any(super::unpack::can_unpack) {
            self.quantize();
        }
    }

    /// How many rows.
    pub fn count(&self) -> usize {
        self.rows.len() / self.columns.max(1)
    }

    /// Bytes that it takes now.
    pub fn held_bytes(&self) -> usize {
        let floats = self.rows.capacity() + self.scales.capacity() + self.sums.capacity();
        floats * size_of::<f32>() + self.quants.capacity()
    }

    /// Bytes that so many rows of so many columns take at most.
    pub fn bytes(rows: usize, columns: usize) -> usize {
        rows * columns * 5 + rows * columns / GROUP * 12
    }

    fn quantize(&mut self) {
        self.quants.resize(self.rows.len(), 0);
        for (group, quants) in self
            .rows
            .chunks_exact(GROUP)
            .zip(self.quants.chunks_exact_mut(GROUP))
        {
            let largest = group
                .iter()
                .fold(0.0_f32, |largest, x| largest.max(x.abs()));
            let scale = largest / 127.0;
            let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
            for (quant, x) in quants.iter_mut().zip(group) {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "at most 127; a NaN becomes 0"
                )]
                let rounded = (x * inverse).round_ties_even() as i8;
                *quant = rounded;
            }
            self.scales.push(scale);
            for half in quants.chunks_exact(GROUP / 2) {
                #[expect(clippy::cast_precision_loss, reason = "at most 16 · 127")]
                let sum = half.iter().map(|quant| i32::from(*quant)).sum::<i32>() as f32;
                self.sums.push(sum * scale);
            }
        }
    }
}
