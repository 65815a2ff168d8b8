//! What is computed element by element: activations, gates, sums, turns.
//!
//! Loops that the compiler turns into vector code, by several threads where there is much to do. Each element takes the
//! same path wherever it stands, so its bits don't depend on what is computed with it.

use super::description::{Activation, RopeStyle, Temperature};
use super::ops::Rows;
use super::rope::Rope;
use crate::cpu::wide::wide;
use crate::cpu::{self, Pool};
use std::sync::{Mutex, PoisonError};

/// Fewer elements are not worth waking a thread.
const MUCH: usize = 1 << 14;

/// Changes rows of `width`, some at a time, by several threads: `change(first, rows)`.
pub fn in_parallel(
    pool: &Pool,
    values: &mut [f32],
    width: usize,
    change: impl Fn(usize, &mut [f32]) + Sync,
) {
    if values.len() < MUCH || width == 0 {
        return change(0, values);
    }
    let rows = (values.len() / width).div_ceil(pool.threads() * 2).max(1);
    // Each task locks its own part, which nobody else ever wants.
    let parts: Vec<_> = values.chunks_mut(rows * width).map(Mutex::new).collect();
    pool.run(parts.len(), &|part| {
        let mut values = parts[part].lock().unwrap_or_else(PoisonError::into_inner);
        change(part * rows, &mut values);
    });
}

/// `1 / (1 + e^−x)`.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a function of its own would not have the wider registers"
)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + cpu::exp(-x))
}

/// `x · σ(x)`.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a function of its own would not have the wider registers"
)]
pub fn silu(x: f32) -> f32 {
    x / (1.0 + cpu::exp(-x))
}

/// `out[row] = Σ weight · given[pick]` over the row's picks, in their order.
pub fn weighted_sums(
    pool: &Pool,
    given: &[f32],
    width: usize,
    chosen: &[(u32, f32)],
    used: usize,
    out: &mut [f32],
) {
    in_parallel(pool, out, width, |first, out| {
        out.fill(0.0);
        for (row, out) in out.chunks_exact_mut(width).enumerate() {
            for pick in (first + row) * used..(first + row + 1) * used {
                let (weight, given) = (chosen[pick].1, &given[pick * width..(pick + 1) * width]);
                for (out, given) in out.iter_mut().zip(given) {
                    *out += weight * given;
                }
            }
        }
    });
}

/// A gated activation: `gate = f(gate) · up`.
pub fn gate(pool: &Pool, activation: Activation, gate: &mut [f32], up: &[f32]) {
    in_parallel(pool, gate, 1, |first, gate| {
        let up = &up[first..first + gate.len()];
        wide!(gate_plainly; activation: Activation = activation, gate: &mut [f32] = gate, up: &[f32] = up => ());
    });
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a function of its own would not have the wider registers"
)]
fn gate_plainly(activation: Activation, gate: &mut [f32], up: &[f32]) {
    match activation {
        Activation::Silu => zip(gate, up, |gate, up| silu(gate) * up),
        Activation::Gelu => zip(gate, up, |gate, up| gelu(gate) * up),
        Activation::Relu2 => zip(gate, up, |gate, up| relu2(gate) * up),
        Activation::ClampedSwiglu { alpha, limit } => zip(gate, up, |gate, up| {
            let (gate, up) = (gate.min(limit), up.clamp(-limit, limit));
            gate / (1.0 + cpu::exp(-alpha * gate)) * (up + 1.0)
        }),
    }
}

/// An activation without a gate, in place.
pub fn activate(pool: &Pool, activation: Activation, values: &mut [f32]) {
    in_parallel(pool, values, 1, |_, values| {
        wide!(activate_plainly; activation: Activation = activation, values: &mut [f32] = values => ());
    });
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a function of its own would not have the wider registers"
)]
fn activate_plainly(activation: Activation, values: &mut [f32]) {
    match activation {
        Activation::Silu | Activation::ClampedSwiglu { .. } => map(values, silu),
        Activation::Gelu => map(values, gelu),
        Activation::Relu2 => map(values, relu2),
    }
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a function of its own would not have the wider registers"
)]
fn zip(values: &mut [f32], others: &[f32], f: impl Fn(f32, f32) -> f32) {
    for (value, other) in values.iter_mut().zip(others) {
        *value = f(*value, *other);
    }
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a function of its own would not have the wider registers"
)]
fn map(values: &mut [f32], f: impl Fn(f32) -> f32) {
    for value in values {
        *value = f(*value);
    }
}

/// `x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))`, which is `x · σ(2√(2/π) · (…))`.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a function of its own would not have the wider registers"
)]
fn gelu(x: f32) -> f32 {
    x * sigmoid(1.595_769 * x * (1.0 + 0.044_715 * x * x))
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a function of its own would not have the wider registers"
)]
fn relu2(x: f32) -> f32 {
    x.max(0.0) * x.max(0.0)
}

/// From `up` to `inner`, both in rows of a mixture: as wide, without a gate; or `up` twice as wide, each row's gate
/// before its up.
pub fn close(pool: &Pool, activation: Activation, up: &[f32], inner: &mut [f32], size: usize) {
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

/// `σ(weights · row)` of each row.
pub fn sigmoid_dots(rows: Rows, weights: &[f32], out: &mut [f32]) {
    for (row, out) in rows.each().zip(out) {
        let products = row
            .iter()
            .zip(weights)
            .map(|(value, weight)| value * weight);
        *out = sigmoid(products.sum());
    }
}

/// `out[row] += weight[row] · more[row]`.
pub fn add_weighted(out: &mut [f32], more: &[f32], weights: &[f32]) {
    let width = (out.len() / weights.len().max(1)).max(1);
    let rows = out.chunks_exact_mut(width).zip(more.chunks_exact(width));
    for ((out, more), weight) in rows.zip(weights) {
        zip(out, more, |out, more| out + weight * more);
    }
}

/// `out += factor · more`.
pub fn add_scaled(pool: &Pool, out: &mut [f32], more: &[f32], factor: f32) {
    in_parallel(pool, out, 1, |first, out| {
        zip(out, &more[first..], |out, more| out + factor * more);
    });
}

/// `values *= factor`.
pub fn scale(values: &mut [f32], factor: f32) {
    map(values, |value| value * factor);
}

/// `cap · tanh(value / cap)`.
pub fn cap(pool: &Pool, cap: f32, values: &mut [f32]) {
    in_parallel(pool, values, 1, |_, values| {
        map(values, |value| {
            cap * (2.0 * sigmoid(2.0 * value / cap) - 1.0)
        });
    });
}

/// `out = row / √(mean(row²) + ε) ⊙ weights`.
pub fn rms_norm_row(row: &[f32], weights: &[f32], epsilon: f32, out: &mut [f32]) {
    let factor = cpu::rms_factor(row, epsilon);
    for ((out, x), weight) in out.iter_mut().zip(row).zip(weights) {
        *out = x * factor * weight;
    }
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
        zip(result, gates, |value, gate| value * sigmoid(gate));
    }
}

/// Queries grow with their position.
pub fn warm(temperature: &Temperature, positions: &[usize], queries: &mut [f32]) {
    let width = queries.len() / positions.len().max(1);
    for (row, position) in queries.chunks_exact_mut(width.max(1)).zip(positions) {
        scale(row, warmth(temperature, *position));
    }
}

/// By how much at this position.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "positions are far below 2^52"
)]
pub fn warmth(temperature: &Temperature, position: usize) -> f32 {
    let steps = (position as f64 + f64::from(temperature.offset)) / temperature.length as f64;
    (1.0 + f64::from(temperature.scale) * (1.0 + steps.floor()).ln()) as f32
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
        let interleaved = self.style == Some(RopeStyle::Interleaved);
        let width = heads * head;
        in_parallel(pool, values, width, |first, values| {
            for (row, values) in values.chunks_exact_mut(width).enumerate() {
                let from = (first + row) * pairs;
                let cosines = &self.cosines[from..from + pairs];
                let sines = &self.sines[from..from + pairs];
                for head in values.chunks_exact_mut(head) {
                    turn(&mut head[..self.dims], cosines, sines, interleaved);
                }
            }
        });
    }
}

fn turn(head: &mut [f32], cosines: &[f32], sines: &[f32], interleaved: bool) {
    let turns = cosines.iter().zip(sines);
    if interleaved {
        for (pair, (cosine, sine)) in head.chunks_exact_mut(2).zip(turns) {
            let (x, y) = (pair[0], pair[1]);
            pair[0] = x * cosine - y * sine;
            pair[1] = x * sine + y * cosine;
        }
        return;
    }
    let (first, second) = head.split_at_mut(cosines.len());
    for ((x, y), (cosine, sine)) in first.iter_mut().zip(second).zip(turns) {
        (*x, *y) = (*x * cosine - *y * sine, *x * sine + *y * cosine);
    }
}
