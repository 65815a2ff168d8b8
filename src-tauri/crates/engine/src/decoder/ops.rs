//! What layers ask of the kernels, in the words of layers: linear maps with their biases, activations, turns.
//!
//! The one place (with the mixers over pages) that speaks to [`crate::cpu`]. Invariant: each row's result depends on
//! that row alone.

use super::description::{Activation, RopeStyle, Temperature};
use super::rope::Rope;
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
    matrix: Matrix,
    count: usize,
    rows: usize,
    /// `[experts, rows]`.
    bias: Option<Vec<f32>>,
    /// One factor for each expert.
    scale: Option<Vec<f32>>,
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

/// `out[row] = Σ weight · given[pick]` over the row's picks, in their order.
pub fn weighted_sums(
    _pool: &Pool,
    given: &[f32],
    width: usize,
    chosen: &[(u32, f32)],
    used: usize,
    out: &mut [f32],
) {
    out.fill(0.0);
    for ((at, (_, weight)), given) in chosen.iter().enumerate().zip(given.chunks_exact(width)) {
        let row = at / used * width;
        let row = &mut out[row..row + width];
        row.iter_mut()
            .zip(given)
            .for_each(|(out, given)| *out += weight * given);
    }
}

/// A gated activation: `gate = f(gate) · up`.
pub fn gate(_pool: &Pool, activation: Activation, gate: &mut [f32], up: &[f32]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = gated(activation, *gate, *up);
    }
}

/// An activation without a gate, in place.
pub fn activate(_pool: &Pool, activation: Activation, values: &mut [f32]) {
    for value in values {
        *value = activated(activation, *value);
    }
}

/// From `up` to `inner`, row by row of a mixture: twice as wide, each row's gate before its up, or as wide, without gate.
pub fn close(pool: &Pool, activation: Activation, up: &mut [f32], inner: &mut [f32], size: usize) {
    if up.len() == inner.len() {
        inner.copy_from_slice(up);
        return activate(pool, activation, inner);
    }
    for (both, inner) in up.chunks_exact(2 * size).zip(inner.chunks_exact_mut(size)) {
        let (gates, ups) = both.split_at(size);
        inner.copy_from_slice(gates);
        gate(pool, activation, inner, ups);
    }
}

fn gated(activation: Activation, gate: f32, up: f32) -> f32 {
    match activation {
        Activation::ClampedSwiglu { alpha, limit } => {
            let (gate, up) = (gate.min(limit), up.clamp(-limit, limit));
            gate / (1.0 + (-alpha * gate).exp()) * (up + 1.0)
        }
        other => activated(other, gate) * up,
    }
}

fn activated(activation: Activation, x: f32) -> f32 {
    match activation {
        Activation::Silu | Activation::ClampedSwiglu { .. } => x / (1.0 + (-x).exp()),
        Activation::Gelu => 0.5 * x * (1.0 + (0.797_884_6 * x * (1.0 + 0.044_715 * x * x)).tanh()),
        Activation::Relu2 => x.max(0.0) * x.max(0.0),
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

/// `σ(weights · row)` of each row.
pub fn sigmoid_dots(rows: Rows, weights: &[f32], out: &mut [f32]) {
    for (row, out) in rows.values.chunks_exact(rows.columns).zip(out) {
        let dot: f32 = row
            .iter()
            .zip(weights)
            .map(|(value, weight)| value * weight)
            .sum();
        *out = 1.0 / (1.0 + (-dot).exp());
    }
}

/// `out[row] += weight[row] · more[row]`.
pub fn add_weighted(out: &mut [f32], more: &[f32], weights: &[f32]) {
    let width = out.len() / weights.len().max(1);
    let rows = out
        .chunks_exact_mut(width.max(1))
        .zip(more.chunks_exact(width.max(1)));
    for ((out, more), weight) in rows.zip(weights) {
        out.iter_mut()
            .zip(more)
            .for_each(|(out, more)| *out += weight * more);
    }
}

/// `out += factor · more`.
pub fn add_scaled(out: &mut [f32], more: &[f32], factor: f32) {
    for (out, more) in out.iter_mut().zip(more) {
        *out += factor * more;
    }
}

/// `values *= factor`.
pub fn scale(values: &mut [f32], factor: f32) {
    for value in values {
        *value *= factor;
    }
}

/// `cap · tanh(value / cap)`.
pub fn cap(_pool: &Pool, cap: f32, values: &mut [f32]) {
    for value in values {
        *value = cap * (*value / cap).tanh();
    }
}

/// A token's row of an embedding.
pub fn embed(matrix: &Matrix, token: u32, out: &mut [f32]) {
    cpu::dequantize_row(matrix, token as usize, out);
}

/// Queries and gates, head by head, taken apart: `projected` is `[rows, heads, 2, dim]`; queries go to `[rows, heads,
/// dim]`, gates stay where they are.
pub fn split_gates(projected: &[f32], queries: &mut [f32], dim: usize) {
    for (both, query) in projected
        .chunks_exact(2 * dim)
        .zip(queries.chunks_exact_mut(dim))
    {
        query.copy_from_slice(&both[..dim]);
    }
}

/// `results · σ(gate)`, where gates lie as in [`split_gates`].
pub fn apply_gates(projected: &[f32], results: &mut [f32], dim: usize) {
    for (both, result) in projected
        .chunks_exact(2 * dim)
        .zip(results.chunks_exact_mut(dim))
    {
        let gates = &both[dim..];
        result
            .iter_mut()
            .zip(gates)
            .for_each(|(value, gate)| *value /= 1.0 + (-gate).exp());
    }
}

/// Queries grow with their position.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "positions are far below 2^52"
)]
pub fn warm(temperature: &Temperature, positions: &[usize], queries: &mut [f32]) {
    let width = queries.len() / positions.len().max(1);
    for (row, position) in queries.chunks_exact_mut(width.max(1)).zip(positions) {
        let steps = (*position as f64 + f64::from(temperature.offset)) / temperature.length as f64;
        let factor = 1.0 + f64::from(temperature.scale) * (1.0 + steps.floor()).ln();
        scale(row, factor as f32);
    }
}

/// How far each row of a step turns by one rotation.
#[derive(Debug, Clone, Default)]
pub struct Turns {
    style: Option<RopeStyle>,
    dims: usize,
    cosines: Vec<f32>,
    sines: Vec<f32>,
}

impl Turns {
    /// For rows at these positions.
    pub fn set(&mut self, rope: &Rope, positions: &[usize]) {
        self.style = Some(rope.style);
        self.dims = rope.dims;
        rope.turn(positions, &mut self.cosines, &mut self.sines);
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        (self.cosines.capacity() + self.sines.capacity()) * size_of::<f32>()
    }

    /// Turns the first `dims` elements of each head: `[rows, heads, head]`.
    pub fn apply(&self, pool: &Pool, values: &mut [f32], heads: usize, head: usize) {
        let pairs = self.dims / 2;
        let rows = values.chunks_exact_mut(heads * head);
        let turns = self
            .cosines
            .chunks_exact(pairs)
            .zip(self.sines.chunks_exact(pairs));
        let _ = pool;
        for (row, (cosines, sines)) in rows.zip(turns) {
            for head in row.chunks_exact_mut(head) {
                let interleaved = self.style == Some(RopeStyle::Interleaved);
                turn(&mut head[..self.dims], cosines, sines, interleaved);
            }
        }
    }
}

fn turn(head: &mut [f32], cosines: &[f32], sines: &[f32], interleaved: bool) {
    let pairs = cosines.len();
    for (pair, (cosine, sine)) in cosines.iter().zip(sines).enumerate() {
        let (a, b) = if interleaved {
            (2 * pair, 2 * pair + 1)
        } else {
            (pair, pair + pairs)
        };
        let (x, y) = (head[a], head[b]);
        head[a] = x * cosine - y * sine;
        head[b] = x * sine + y * cosine;
    }
}
