//! A gated delta rule (Qwen3-Next, Qwen3.5): queries, keys and values go through a short convolution, then through
//! [`gated_delta_head`]; what comes out is normed and gated.
//!
//! A sequence's state: the convolution's last inputs, then each head's `[key_dim, value_dim]`. Source: transformers'
//! `Qwen3NextGatedDeltaNet`; names of tensors as llama.cpp's conversion writes them.

use super::{RecurrentStep, Span, each_head};
use crate::cpu::causal_conv::{causal_conv, transposed};
use crate::cpu::gated_delta::{DeltaInputs, DeltaShape, gated_delta_head};
use crate::cpu::selective_scan::softplus;
use crate::decoder::ops::{self, Rows, Scratch, sigmoid, silu};
use crate::decoder::source::{LayerSource, Linear};
use engine_api::EngineError;

/// Its sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct DeltaNetDescription {
    /// Heads and their sizes.
    pub shape: DeltaShape,
    /// Positions that the convolution looks at.
    pub kernel: usize,
    /// Of the norm after it, and of the length of queries and keys.
    pub epsilon: f32,
    /// Where strengths and decays come from.
    pub rates: RateNames,
}

/// Where strengths and decays come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateNames {
    /// One matrix, `ssm_ba`: for each key head the strengths of its value heads, then their decays.
    Joint,
    /// Two matrices: `ssm_beta` and `ssm_alpha`.
    Apart,
}

/// Its weights.
#[derive(Debug, Clone)]
pub struct DeltaNet {
    shape: DeltaShape,
    epsilon: f32,
    mixed: Linear,
    gate: Linear,
    rates: Rates,
    /// `[kernel, mixed]`.
    taps: Vec<f32>,
    /// Added to decays before softplus; a factor after it (negative). `[value_heads]`.
    decay_bias: Vec<f32>,
    decay_factor: Vec<f32>,
    norm: Vec<f32>,
    output: Linear,
}

#[derive(Debug, Clone)]
enum Rates {
    Joint(Linear),
    Apart { strength: Linear, decay: Linear },
}

impl DeltaNetDescription {
    /// Proves that sizes are positive, divide, and are small.
    ///
    /// # Errors
    /// In words, what doesn't hold.
    pub fn prove(&self) -> Result<(), String> {
        let DeltaShape {
            key_heads,
            value_heads,
            key_dim,
            value_dim,
            ..
        } = self.shape;
        let small = [key_heads, value_heads, key_dim, value_dim]
            .iter()
            .all(|size| (1..=1 << 12).contains(size));
        if !small || !value_heads.is_multiple_of(key_heads) {
            return Err(format!(
                "its delta rule has {key_heads} key heads of {key_dim} and {value_heads} value heads of {value_dim}"
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

    fn values(&self) -> usize {
        self.shape.value_heads * self.shape.value_dim
    }

    /// Numbers that a sequence's state has in such a layer; a new sequence's are zero.
    pub fn state_elements(&self) -> usize {
        (self.kernel - 1) * self.shape.mixed() + self.shape.value_heads * self.shape.head_state()
    }

    /// The most numbers of one row that it prepares for its own matrices.
    pub fn widest_input(&self) -> usize {
        self.values()
    }

    /// Numbers of scratch that a step of so many rows takes.
    pub fn scratch_elements(&self, rows: usize) -> usize {
        rows * (self.shape.mixed() + 3 * self.values() + 4 * self.shape.value_heads)
    }
}

impl DeltaNet {
    /// Its weights, from the layer's tensors.
    ///
    /// # Errors
    /// As [`LayerSource`]'s.
    pub fn build(
        description: &DeltaNetDescription,
        embedding: usize,
        source: &mut LayerSource,
    ) -> Result<Self, EngineError> {
        let (shape, values) = (description.shape, description.values());
        let (mixed, heads) = (shape.mixed(), shape.value_heads);
        let taps = source.floats("ssm_conv1d.weight", &[mixed, description.kernel])?;
        let rates = match description.rates {
            RateNames::Joint => Rates::Joint(source.linear("ssm_ba", 2 * heads, embedding)?),
            RateNames::Apart => Rates::Apart {
                strength: source.linear("ssm_beta", heads, embedding)?,
                decay: source.linear("ssm_alpha", heads, embedding)?,
            },
        };
        Ok(Self {
            shape,
            epsilon: description.epsilon,
            mixed: source.linear("attn_qkv", mixed, embedding)?,
            gate: source.linear("attn_gate", values, embedding)?,
            rates,
            taps: transposed(&taps, mixed),
            decay_bias: source.floats("ssm_dt.bias", &[heads])?,
            decay_factor: source.floats("ssm_a", &[heads])?,
            norm: source.floats("ssm_norm.weight", &[shape.value_dim])?,
            output: source.linear("ssm_out", embedding, values)?,
        })
    }

    /// Computes the step.
    pub fn forward(&self, mut step: RecurrentStep) {
        let (shape, heads) = (&self.shape, self.shape.value_heads);
        let values = heads * shape.value_dim;
        let count: usize = step.spans.iter().map(|span| span.count).sum();
        let mut scratch = Scratch::new(std::mem::take(&mut step.scratch));
        let mixed = scratch.take(count * shape.mixed());
        let gate = scratch.take(count * values);
        let (strength, decay) = (scratch.take(count * heads), scratch.take(count * heads));
        let joint = scratch.take(2 * count * heads);
        let by_head = scratch.take(count * values);
        let normed = scratch.take(count * values);
        self.project(
            &mut step,
            count,
            mixed,
            gate,
            (&mut *strength, &mut *decay, joint),
        );
        for at in 0..step.spans.len() {
            let span = step.spans[at];
            let mixed = &mut mixed[span.first * shape.mixed()..][..span.count * shape.mixed()];
            let rates = span.first * heads..(span.first + span.count) * heads;
            let by_head = &mut by_head[span.first * values..][..span.count * values];
            let rates = (&strength[rates.clone()], &decay[rates]);
            self.span(&mut step, at, mixed, rates, by_head);
            self.norm_and_gate(span, by_head, gate, normed);
        }
        ops::linears(
            step.pool,
            step.input,
            Rows::new(normed, values),
            &mut [(&self.output, step.out)],
        );
    }

    /// All that the matrices give for all rows.
    fn project(
        &self,
        step: &mut RecurrentStep,
        count: usize,
        mixed: &mut [f32],
        gate: &mut [f32],
        (strength, decay, joint): (&mut [f32], &mut [f32], &mut [f32]),
    ) {
        let rows = Rows::new(step.rows, step.rows.len() / count.max(1));
        match &self.rates {
            Rates::Joint(both) => {
                let outputs = &mut [
                    (&self.mixed, mixed),
                    (&self.gate, gate),
                    (both, &mut *joint),
                ];
                ops::linears(step.pool, step.input, rows, outputs);
                self.part(joint, strength, decay);
            }
            Rates::Apart {
                strength: of_strength,
                decay: of_decay,
            } => {
                let outputs = &mut [
                    (&self.mixed, mixed),
                    (&self.gate, gate),
                    (of_strength, &mut *strength),
                    (of_decay, &mut *decay),
                ];
                ops::linears(step.pool, step.input, rows, outputs);
            }
        }
        let heads = self.shape.value_heads;
        for (strength, decay) in strength
            .chunks_exact_mut(heads)
            .zip(decay.chunks_exact_mut(heads))
        {
            for head in 0..heads {
                strength[head] = sigmoid(strength[head]);
                decay[head] =
                    softplus(decay[head] + self.decay_bias[head]) * self.decay_factor[head];
            }
        }
    }

    /// Takes strengths and decays out of the rows of the joint matrix.
    fn part(&self, joint: &[f32], strength: &mut [f32], decay: &mut [f32]) {
        let heads = self.shape.value_heads;
        let shared = heads / self.shape.key_heads;
        let rows = joint.chunks_exact(2 * heads);
        let rates = strength
            .chunks_exact_mut(heads)
            .zip(decay.chunks_exact_mut(heads));
        for (row, (strength, decay)) in rows.zip(rates) {
            for (group, row) in row.chunks_exact(2 * shared).enumerate() {
                strength[group * shared..][..shared].copy_from_slice(&row[..shared]);
                decay[group * shared..][..shared].copy_from_slice(&row[shared..]);
            }
        }
    }

    /// One sequence: `by_head` is `[value_heads, positions, value_dim]`.
    fn span(
        &self,
        step: &mut RecurrentStep,
        at: usize,
        mixed: &mut [f32],
        (strength, decay): (&[f32], &[f32]),
        by_head: &mut [f32],
    ) {
        let (shape, pool) = (&self.shape, step.pool);
        let conv = self.taps.len() - shape.mixed();
        let (inputs, states) = step.state(at).split_at_mut(conv);
        causal_conv(mixed, &self.taps, &[], inputs, shape.mixed());
        for element in mixed.iter_mut() {
            *element = silu(*element);
        }
        let inputs = DeltaInputs {
            mixed,
            decay,
            strength,
            epsilon: self.epsilon,
        };
        each_head(
            pool,
            shape.value_heads,
            states,
            by_head,
            |head, state, out| {
                gated_delta_head(shape, head, &inputs, state, out);
            },
        );
    }

    /// `norm(x) ⊙ silu(gate)`, from head after head to row after row.
    fn norm_and_gate(&self, span: Span, by_head: &[f32], gate: &[f32], normed: &mut [f32]) {
        let dim = self.shape.value_dim;
        let heads = self.shape.value_heads;
        for (head, rows) in by_head.chunks_exact(span.count * dim).enumerate() {
            for (position, row) in rows.chunks_exact(dim).enumerate() {
                let from = ((span.first + position) * heads + head) * dim;
                let (gate, out) = (&gate[from..from + dim], &mut normed[from..from + dim]);
                ops::rms_norm_row(row, &self.norm, self.epsilon, out);
                for (out, gate) in out.iter_mut().zip(gate) {
                    *out *= silu(*gate);
                }
            }
        }
    }
}
