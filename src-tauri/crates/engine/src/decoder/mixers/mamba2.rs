//! A selective state space (Nemotron-H): one matrix gives gate, inputs and steps; inputs go through a short convolution,
//! then through [`selective_scan_head`]; what comes out is gated and normed in groups.
//!
//! A sequence's state: the convolution's last inputs, then each head's `[head_dim, state_dim]`. Source: transformers'
//! `NemotronHMamba2Mixer`; names of tensors as llama.cpp's conversion writes them (`ssm_a` is negative already).

use super::{RecurrentStep, Span, each_head};
use crate::cpu::causal_conv::{causal_conv, transposed};
use crate::cpu::selective_scan::{ScanHead, ScanShape, selective_scan_head, softplus};
use crate::decoder::ops::{self, Rows, Scratch, silu};
use crate::decoder::source::{LayerSource, Linear};
use engine_api::EngineError;

/// Its sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct Mamba2Description {
    /// Heads and their sizes.
    pub shape: ScanShape,
    /// Positions that the convolution looks at.
    pub kernel: usize,
    /// Of the norm after it.
    pub epsilon: f32,
}

/// Its weights.
#[derive(Debug, Clone)]
pub struct Mamba2 {
    shape: ScanShape,
    epsilon: f32,
    input: Linear,
    /// `[kernel, mixed]`.
    taps: Vec<f32>,
    bias: Vec<f32>,
    /// Added to steps before softplus: `[heads]`.
    step_bias: Vec<f32>,
    a: Vec<f32>,
    d: Vec<f32>,
    norm: Vec<f32>,
    output: Linear,
}

impl Mamba2Description {
    /// Proves that sizes are positive, divide, and are small.
    ///
    /// # Errors
    /// In words, what doesn't hold.
    pub fn prove(&self) -> Result<(), String> {
        let ScanShape {
            heads,
            head_dim,
            groups,
            state_dim,
        } = self.shape;
        let small = [heads, head_dim, groups, state_dim]
            .iter()
            .all(|size| (1..=1 << 12).contains(size));
        if !small || !heads.is_multiple_of(groups) {
            return Err(format!(
                "its state space has {heads} heads of {head_dim} in {groups} groups, with {state_dim} states"
            ));
        }
        if !(2..=64).contains(&self.kernel) {
            return Err(format!(
                "its convolution looks at {} positions",
                self.kernel
            ));
        }
        Ok(())
    }

    fn inner(&self) -> usize {
        self.shape.heads * self.shape.head_dim
    }

    /// What the first matrix gives for a row: gate, inputs, steps.
    fn projected(&self) -> usize {
        self.inner() + self.shape.mixed() + self.shape.heads
    }

    /// Numbers that a sequence's state has in such a layer; a new sequence's are zero.
    pub fn state_elements(&self) -> usize {
        (self.kernel - 1) * self.shape.mixed() + self.shape.heads * self.shape.head_state()
    }

    /// The most numbers of one row that it prepares for its own matrices.
    pub fn widest_input(&self) -> usize {
        self.inner()
    }

    /// Numbers of scratch that a step of so many rows takes.
    pub fn scratch_elements(&self, rows: usize) -> usize {
        rows * (self.projected() + self.shape.mixed() + self.shape.heads + 2 * self.inner())
    }
}

impl Mamba2 {
    /// Its weights, from the layer's tensors.
    ///
    /// # Errors
    /// As [`LayerSource`]'s.
    pub fn build(
        description: &Mamba2Description,
        embedding: usize,
        source: &mut LayerSource,
    ) -> Result<Self, EngineError> {
        let (shape, inner) = (description.shape, description.inner());
        let (mixed, heads) = (shape.mixed(), shape.heads);
        let taps = source.floats("ssm_conv1d.weight", &[mixed, description.kernel])?;
        Ok(Self {
            shape,
            epsilon: description.epsilon,
            input: source.linear("ssm_in", description.projected(), embedding)?,
            taps: transposed(&taps, mixed),
            bias: source
                .optional("ssm_conv1d.bias", &[mixed])?
                .unwrap_or_default(),
            step_bias: source.floats("ssm_dt.bias", &[heads])?,
            a: source.floats("ssm_a", &[heads, 1])?,
            d: source.floats("ssm_d", &[heads, 1])?,
            norm: source.floats("ssm_norm.weight", &[shape.groups, inner / shape.groups])?,
            output: source.linear("ssm_out", embedding, inner)?,
        })
    }

    /// Computes the step.
    pub fn forward(&self, mut step: RecurrentStep) {
        let shape = &self.shape;
        let inner = shape.heads * shape.head_dim;
        let width = inner + shape.mixed() + shape.heads;
        let count: usize = step.spans.iter().map(|span| span.count).sum();
        let mut scratch = Scratch::new(std::mem::take(&mut step.scratch));
        let projected = scratch.take(count * width);
        let mixed = scratch.take(count * shape.mixed());
        let steps = scratch.take(count * shape.heads);
        let (by_head, normed) = (scratch.take(count * inner), scratch.take(count * inner));
        let rows = Rows::new(step.rows, step.rows.len() / count.max(1));
        ops::linears(
            step.pool,
            step.input,
            rows,
            &mut [(&self.input, &mut *projected)],
        );
        self.part(projected, mixed, steps);
        for at in 0..step.spans.len() {
            let span = step.spans[at];
            let mixed = &mut mixed[span.first * shape.mixed()..][..span.count * shape.mixed()];
            let steps = &steps[span.first * shape.heads..][..span.count * shape.heads];
            let by_head = &mut by_head[span.first * inner..][..span.count * inner];
            self.span(&mut step, at, mixed, steps, by_head);
            self.gate_and_norm(span, by_head, projected, normed);
        }
        ops::linears(
            step.pool,
            step.input,
            Rows::new(normed, inner),
            &mut [(&self.output, step.out)],
        );
    }

    /// Takes inputs and steps out of what the first matrix gives.
    fn part(&self, projected: &[f32], mixed: &mut [f32], steps: &mut [f32]) {
        let (inner, width) = (self.shape.heads * self.shape.head_dim, self.shape.mixed());
        let heads = self.shape.heads;
        let rows = projected.chunks_exact(inner + width + heads);
        let parts = mixed
            .chunks_exact_mut(width)
            .zip(steps.chunks_exact_mut(heads));
        for (row, (mixed, steps)) in rows.zip(parts) {
            mixed.copy_from_slice(&row[inner..inner + width]);
            for ((step, raw), bias) in steps
                .iter_mut()
                .zip(&row[inner + width..])
                .zip(&self.step_bias)
            {
                *step = softplus(raw + bias);
            }
        }
    }

    /// One sequence: `by_head` is `[heads, positions, head_dim]`.
    fn span(
        &self,
        step: &mut RecurrentStep,
        at: usize,
        mixed: &mut [f32],
        steps: &[f32],
        by_head: &mut [f32],
    ) {
        let (shape, pool) = (&self.shape, step.pool);
        let conv = self.taps.len() - shape.mixed();
        let (inputs, states) = step.state(at).split_at_mut(conv);
        causal_conv(mixed, &self.taps, &self.bias, inputs, shape.mixed());
        for element in mixed.iter_mut() {
            *element = silu(*element);
        }
        let mixed = &*mixed;
        each_head(pool, shape.heads, states, by_head, |head, state, out| {
            let numbers = ScanHead {
                head,
                a: self.a[head],
                d: self.d[head],
            };
            selective_scan_head(shape, numbers, mixed, steps, state, out);
        });
    }

    /// `norm(x ⊙ silu(gate))` in groups, from head after head to row after row.
    fn gate_and_norm(&self, span: Span, by_head: &[f32], projected: &[f32], normed: &mut [f32]) {
        let shape = &self.shape;
        let (inner, dim) = (shape.heads * shape.head_dim, shape.head_dim);
        let width = inner + shape.mixed() + shape.heads;
        let mut row = vec![0.0; inner];
        for position in 0..span.count {
            let gate = &projected[(span.first + position) * width..][..inner];
            for (head, row) in row.chunks_exact_mut(dim).enumerate() {
                row.copy_from_slice(&by_head[(head * span.count + position) * dim..][..dim]);
            }
            for (element, gate) in row.iter_mut().zip(gate) {
                *element *= silu(*gate);
            }
            let size = inner / shape.groups;
            let out = &mut normed[(span.first + position) * inner..][..inner];
            let groups = row.chunks_exact(size).zip(self.norm.chunks_exact(size));
            for ((row, weights), out) in groups.zip(out.chunks_exact_mut(size)) {
                ops::rms_norm_row(row, weights, self.epsilon, out);
            }
        }
    }
}
