//! Softmax attention over pages of keys and values, in all the shapes that a description can give it.

use super::PagedStep;
use crate::cpu::{self, AttentionSpec};
use crate::decoder::description::{AttentionDescription, KvSource, Norm, NormKind, QkNorm};
use crate::decoder::norm::NormWeights;
use crate::decoder::ops::{self, Rows, Scratch};
use crate::decoder::source::{LayerSource, Linear};
use crate::kv::LayerKv;
use engine_api::EngineError;

/// Its weights.
#[derive(Debug, Clone)]
pub struct Attention {
    pub(crate) description: AttentionDescription,
    embedding: usize,
    pub(crate) query: Linear,
    /// None where the cache of another layer is read.
    pub(crate) key: Option<Linear>,
    /// None where values are keys.
    pub(crate) value: Option<Linear>,
    pub(crate) output: Linear,
    pub(crate) query_norm: Option<NormWeights>,
    pub(crate) key_norm: Option<NormWeights>,
    pub(crate) value_norm: Option<NormWeights>,
    pub(crate) sinks: Option<Vec<f32>>,
}

/// Widths of a row of queries (with gates), keys, values and results.
#[derive(Debug, Clone, Copy)]
struct Widths {
    query: usize,
    /// Queries and gates as they come out of the matrix.
    projected: usize,
    key: usize,
    value: usize,
    result: usize,
}

impl Widths {
    fn of(description: &AttentionDescription) -> Self {
        let query = description.heads * description.key_dim;
        Self {
            query,
            projected: if description.output_gate {
                2 * query
            } else {
                query
            },
            key: description.kv_heads * description.key_dim,
            value: description.kv_heads * description.value_dim,
            result: description.heads * description.value_dim,
        }
    }
}

impl AttentionDescription {
    /// What it keeps of each position; nothing where it reads another layer's.
    pub fn layer_kv(&self) -> Option<LayerKv> {
        (!matches!(self.kv, KvSource::Layer(_))).then_some(LayerKv {
            kv_heads: self.kv_heads,
            key_dim: self.key_dim,
            value_dim: self.value_dim,
        })
    }

    /// The most numbers of one row that it prepares for its own matrices.
    pub fn widest_input(&self) -> usize {
        self.heads * self.value_dim
    }

    /// Numbers of scratch that a step of so many rows takes.
    pub fn scratch_elements(&self, rows: usize) -> usize {
        let widths = Widths::of(self);
        let gate = if self.output_gate {
            widths.projected
        } else {
            0
        };
        rows * (widths.query + gate + widths.key + widths.value + widths.result)
    }
}

impl Attention {
    /// Its weights, from the layer's tensors.
    ///
    /// # Errors
    /// As [`LayerSource`]'s.
    pub fn build(
        description: &AttentionDescription,
        embedding: usize,
        source: &mut LayerSource,
    ) -> Result<Self, EngineError> {
        let widths = Widths::of(description);
        let (query, key, value) = projections(description, widths, embedding, source)?;
        let sinks = description.sinks;
        let sinks = sinks.then(|| source.floats("attn_sinks.weight", &[description.heads]));
        let own = key.is_some();
        Ok(Self {
            embedding,
            query,
            key,
            value,
            output: source.linear("attn_output", embedding, widths.result)?,
            query_norm: qk_norm(description, "attn_q_norm", widths.query, source)?,
            key_norm: if own {
                qk_norm(description, "attn_k_norm", widths.key, source)?
            } else {
                None
            },
            value_norm: value_norm(description),
            sinks: sinks.transpose()?,
            description: description.clone(),
        })
    }

    /// Computes `step.out` from `step.rows`.
    pub fn forward(&self, step: &mut PagedStep) {
        let widths = Widths::of(&self.description);
        let count = step.rows.len() / self.embedding;
        let mut scratch = Scratch::new(std::mem::take(&mut step.scratch));
        let queries = scratch.take(count * widths.query);
        let projected = scratch.take(if self.description.output_gate {
            count * widths.projected
        } else {
            0
        });
        let keys = scratch.take(count * widths.key);
        let values = scratch.take(count * widths.value);
        let results = scratch.take(count * widths.result);
        self.project(
            step,
            if projected.is_empty() {
                &mut *queries
            } else {
                &mut *projected
            },
            keys,
            values,
        );
        if !projected.is_empty() {
            ops::split_gates(projected, queries, self.description.key_dim);
        }
        self.place(step, queries, keys, values);
        if self.key.is_some() {
            cpu::write_kv(step.store, step.kv_layer, step.sequences, keys, values);
        }
        cpu::attention(
            step.pool,
            &self.spec(),
            step.store,
            step.kv_layer,
            queries,
            step.sequences,
            results,
        );
        if !projected.is_empty() {
            ops::apply_gates(projected, results, self.description.key_dim);
        }
        let results = Rows::new(results, widths.result);
        ops::linears(
            step.pool,
            step.input,
            results,
            &mut [(&self.output, &mut *step.out)],
        );
    }

    fn project(
        &self,
        step: &mut PagedStep,
        queries: &mut [f32],
        keys: &mut [f32],
        values: &mut [f32],
    ) {
        let rows = Rows::new(step.rows, self.embedding);
        match (&self.key, &self.value) {
            (Some(key), Some(value)) => {
                let all = &mut [(&self.query, queries), (key, keys), (value, values)];
                ops::linears(step.pool, step.input, rows, all);
            }
            (Some(key), None) => {
                ops::linears(
                    step.pool,
                    step.input,
                    rows,
                    &mut [(&self.query, queries), (key, &mut *keys)],
                );
                values.copy_from_slice(keys);
            }
            _ => ops::linears(step.pool, step.input, rows, &mut [(&self.query, queries)]),
        }
    }

    /// Norms and turns.
    fn place(
        &self,
        step: &mut PagedStep,
        queries: &mut [f32],
        keys: &mut [f32],
        values: &mut [f32],
    ) {
        let own = self.key.is_some();
        if let Some(norm) = &self.value_norm {
            norm.forward_in_place(step.pool, values);
        }
        self.norm(step, queries, keys);
        if let Some(rope) = self.description.rope {
            let key_dim = self.description.key_dim;
            step.turns[rope].apply(step.pool, queries, self.description.heads, key_dim);
            if own {
                step.turns[rope].apply(step.pool, keys, self.description.kv_heads, key_dim);
            }
        }
        if let Some(temperature) = &self.description.temperature {
            ops::warm(temperature, step.positions, queries);
        }
    }

    fn norm(&self, step: &mut PagedStep, queries: &mut [f32], keys: &mut [f32]) {
        if let Some(norm) = &self.query_norm {
            norm.forward_in_place(step.pool, queries);
        }
        if let Some(norm) = &self.key_norm {
            norm.forward_in_place(step.pool, keys);
        }
    }

    fn spec(&self) -> AttentionSpec<'_> {
        let description = &self.description;
        AttentionSpec {
            heads: description.heads,
            kv_heads: description.kv_heads,
            key_dim: description.key_dim,
            value_dim: description.value_dim,
            scale: description.scale,
            softcap: description.softcap,
            window: description.window,
            sinks: self.sinks.as_deref(),
            values_in_keys: false,
        }
    }
}

type Projections = (Linear, Option<Linear>, Option<Linear>);

fn projections(
    description: &AttentionDescription,
    widths: Widths,
    embedding: usize,
    source: &mut LayerSource,
) -> Result<Projections, EngineError> {
    if source.has("attn_qkv.weight") && description.kv == KvSource::Own {
        let rows = [widths.projected, widths.key, widths.value];
        let [mut query, mut key, mut value] = source.parts("attn_qkv", rows, embedding)?;
        // Some files have one matrix and three biases.
        for (part, name, rows) in [
            (&mut query, "attn_q.bias", rows[0]),
            (&mut key, "attn_k.bias", rows[1]),
            (&mut value, "attn_v.bias", rows[2]),
        ] {
            if part.bias.is_none() {
                part.bias = source.optional(name, &[rows])?;
            }
        }
        return Ok((query, Some(key), Some(value)));
    }
    let query = source.linear("attn_q", widths.projected, embedding)?;
    let key = match description.kv {
        KvSource::Layer(_) => None,
        _ => Some(source.linear("attn_k", widths.key, embedding)?),
    };
    let value = match description.kv {
        KvSource::Own => Some(source.linear("attn_v", widths.value, embedding)?),
        _ => None,
    };
    Ok((query, key, value))
}

fn qk_norm(
    description: &AttentionDescription,
    tensor: &'static str,
    whole: usize,
    source: &mut LayerSource,
) -> Result<Option<NormWeights>, EngineError> {
    let norm = Norm {
        tensor,
        kind: NormKind::Rms,
        epsilon: description.epsilon,
    };
    match description.qk_norm {
        QkNorm::None => Ok(None),
        QkNorm::PerHead => NormWeights::build(&norm, description.key_dim, source).map(Some),
        QkNorm::Whole => NormWeights::build(&norm, whole, source).map(Some),
    }
}

fn value_norm(description: &AttentionDescription) -> Option<NormWeights> {
    let weights = || vec![1.0; description.value_dim];
    description
        .value_norm
        .then(|| NormWeights::rms(weights(), description.epsilon))
}
