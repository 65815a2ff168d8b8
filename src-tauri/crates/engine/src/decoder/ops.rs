//! What layers ask of the kernels, in the words of layers: linear maps with their biases, of all rows and of experts.
//!
//! The one place (with the mixers over pages) that speaks to [`crate::cpu`]. Invariant: each row's result depends on
//! that row alone.

pub use super::elementwise::*;

use super::source::{LayerSource, Linear};
use crate::cpu::{self, Input, Pool};
use crate::weights::Matrix;
use engine_api::EngineError;

/// Rows of numbers, all of one width.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    values: &'a [f32],
    columns: usize,
}

impl<'a> Rows<'a> {
    /// These numbers in rows of `columns`.
    pub fn new(values: &'a [f32], columns: usize) -> Self {
        Self { values, columns }
    }

    /// How many rows.
    pub fn count(&self) -> usize {
        self.values.len() / self.columns
    }

    /// One after another.
    pub fn each(&self) -> impl Iterator<Item = &'a [f32]> {
        self.values.chunks_exact(self.columns)
    }

    /// Their width.
    pub fn columns(&self) -> usize {
        self.columns
    }
}

/// A run of scratch that is handed out piece by piece.
#[derive(Debug)]
pub struct Scratch<'a>(&'a mut [f32]);

impl<'a> Scratch<'a> {
    /// All of this.
    pub fn new(all: &'a mut [f32]) -> Self {
        Self(all)
    }

    /// The next so many numbers, with anything in them.
    pub fn take(&mut self, count: usize) -> &'a mut [f32] {
        let (taken, rest) = std::mem::take(&mut self.0).split_at_mut(count);
        self.0 = rest;
        taken
    }

    /// What is left.
    pub fn rest(&mut self) -> &mut [f32] {
        self.0
    }
}

/// Several linear maps of the same rows, which are prepared once.
pub fn linears(pool: &Pool, input: &mut Input, rows: Rows, maps: &mut [(&Linear, &mut [f32])]) {
    let matrices = || maps.iter().map(|(linear, _)| linear.matrix.tensor_type());
    input.prepare(pool, rows.values, rows.columns, matrices());
    for (linear, out) in maps {
        cpu::matmul(pool, &linear.matrix, input, out);
        finish(linear, out);
    }
}

fn finish(linear: &Linear, out: &mut [f32]) {
    if let Some(factor) = linear.scale {
        scale(out, factor);
    }
    if let Some(bias) = &linear.bias {
        for row in out.chunks_exact_mut(bias.len()) {
            row.iter_mut()
                .zip(bias)
                .for_each(|(value, bias)| *value += bias);
        }
    }
}

/// The same matrix of all experts of a mixture.
#[derive(Debug, Clone)]
pub struct Experts {
    pub(crate) matrix: Matrix,
    count: usize,
    pub(crate) rows: usize,
    /// `[experts, rows]`.
    pub(crate) bias: Option<Vec<f32>>,
    /// One factor for each expert.
    pub(crate) scale: Option<Vec<f32>>,
}

impl Experts {
    /// `name.weight` of `experts × rows × columns`, with the `name.bias` and `name.scale` that the file may have.
    ///
    /// # Errors
    /// As [`LayerSource`]'s.
    pub fn build(
        name: &str,
        experts: usize,
        rows: usize,
        columns: usize,
        source: &mut LayerSource,
    ) -> Result<Self, EngineError> {
        Ok(Self {
            matrix: source.experts(&format!("{name}.weight"), experts, rows, columns)?,
            count: experts,
            rows,
            bias: source.optional(&format!("{name}.bias"), &[experts, rows])?,
            scale: source.optional(&format!("{name}.scale"), &[experts])?,
        })
    }
}

/// Several maps by chosen experts of the same rows: `chosen[i]`'s expert maps row `i / per_row` into
/// `out[i]`.
pub fn experts(
    pool: &Pool,
    input: &mut Input,
    rows: Rows,
    chosen: &[(u32, f32)],
    per_row: usize,
    maps: &mut [(&Experts, &mut [f32])],
) {
    let kinds = maps.iter().map(|(experts, _)| experts.matrix.tensor_type());
    input.prepare(pool, rows.values, rows.columns, kinds);
    for (experts, out) in maps {
        cpu::matmul_experts(
            pool,
            &experts.matrix,
            experts.count,
            input,
            chosen,
            per_row,
            out,
        );
        for ((expert, _), row) in chosen.iter().zip(out.chunks_exact_mut(experts.rows)) {
            finish_expert(experts, *expert as usize, row);
        }
    }
}

fn finish_expert(experts: &Experts, expert: usize, row: &mut [f32]) {
    if let Some(factors) = &experts.scale {
        scale(row, factors[expert]);
    }
    if let Some(bias) = &experts.bias {
        let bias = &bias[expert * experts.rows..(expert + 1) * experts.rows];
        row.iter_mut()
            .zip(bias)
            .for_each(|(value, bias)| *value += bias);
    }
}

/// `1 / (1 + e^−x)`.
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// `x · σ(x)`.
pub fn silu(x: f32) -> f32 {
    x / (1.0 + (-x).exp())
}

/// `row / √(mean(row²) + ε) ⊙ weights`, for one row.
pub fn rms_norm_row(row: &[f32], weights: &[f32], epsilon: f32, out: &mut [f32]) {
    let factor = cpu::rms_factor(row, epsilon);
    for ((out, x), weight) in out.iter_mut().zip(row).zip(weights) {
        *out = x * factor * weight;
    }
}

/// A token's row of an embedding.
pub fn embed(matrix: &Matrix, token: u32, out: &mut [f32]) {
    cpu::dequantize_row(matrix, token as usize, out);
}
