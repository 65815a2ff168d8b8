//! The dense feed-forward part: up, gate, an activation between, down.

use super::description::{Activation, Dense, Gate};
use super::ops::{self, Rows};
use super::source::{LayerSource, Linear};
use crate::cpu::{Input, Pool};
use engine_api::EngineError;

/// Names of the three tensors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    pub(super) gate: &'static str,
    pub(super) up: &'static str,
    pub(super) down: &'static str,
}

/// Those of a layer's own part.
pub(super) const PLAIN: Names = Names {
    gate: "ffn_gate",
    up: "ffn_up",
    down: "ffn_down",
};

/// Those of a mixture's shared part.
pub(super) const SHARED: Names = Names {
    gate: "ffn_gate_shexp",
    up: "ffn_up_shexp",
    down: "ffn_down_shexp",
};

/// Its weights.
#[derive(Debug, Clone)]
pub(crate) struct DenseWeights {
    pub(crate) size: usize,
    pub(crate) activation: Activation,
    pub(crate) gate: Option<Linear>,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
}

impl DenseWeights {
    pub(super) fn build(
        dense: &Dense,
        names: Names,
        embedding: usize,
        source: &mut LayerSource,
    ) -> Result<Self, EngineError> {
        let size = dense.size;
        let (gate, up) = match dense.gate {
            Gate::None => (None, source.linear(names.up, size, embedding)?),
            Gate::Separate => {
                let gate = source.linear(names.gate, size, embedding)?;
                (Some(gate), source.linear(names.up, size, embedding)?)
            }
            Gate::Fused => {
                let [gate, up] = source.parts(names.up, [size, size], embedding)?;
                (Some(gate), up)
            }
        };
        Ok(Self {
            size,
            activation: dense.activation,
            gate,
            up,
            down: source.linear(names.down, embedding, size)?,
        })
    }

    /// Numbers of scratch for a step of so many rows.
    pub(super) fn scratch_elements(size: usize, rows: usize) -> usize {
        2 * size * rows
    }

    /// Computes `out` from `rows`, both `[rows, embedding]`.
    pub(super) fn forward(
        &self,
        pool: &Pool,
        input: &mut Input,
        rows: Rows,
        scratch: &mut [f32],
        out: &mut [f32],
    ) {
        let (gate, rest) = scratch.split_at_mut(rows.count() * self.size);
        let up = &mut rest[..rows.count() * self.size];
        let inner: &[f32] = if let Some(weights) = &self.gate {
            ops::linears(
                pool,
                input,
                rows,
                &mut [(weights, &mut *gate), (&self.up, &mut *up)],
            );
            ops::gate(pool, self.activation, gate, up);
            gate
        } else {
            ops::linears(pool, input, rows, &mut [(&self.up, &mut *up)]);
            ops::activate(pool, self.activation, up);
            up
        };
        ops::linears(
            pool,
            input,
            Rows::new(inner, self.size),
            &mut [(&self.down, out)],
        );
    }
}
