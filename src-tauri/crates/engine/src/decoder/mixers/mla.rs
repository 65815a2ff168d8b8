//! Attention over one compressed vector a position (`DeepSeek` V2 and V3; arXiv 2405.04434, section 2.1).
//!
//! The cache holds, for each position, the compressed vector `c` and one key that turns, for all heads together. A head's
//! query is taken into the space of `c` (`q · K_b`), so that scores and sums are computed with `c` itself and nothing is
//! decompressed; then each head's matrix `V_b` makes its values of the sum. Names of tensors as llama.cpp's conversion
//! writes them (`attn_k_b`, `attn_v_b`: one matrix for each head).

use super::PagedStep;
use crate::cpu::{self, AttentionSpec};
use crate::decoder::description::{Norm, NormKind};
use crate::decoder::norm::NormWeights;
use crate::decoder::ops::{self, Experts, Rows, Scratch};
use crate::decoder::source::{LayerSource, Linear};
use crate::kv::LayerKv;
use engine_api::EngineError;

/// Its sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct MlaDescription {
    /// Query heads.
    pub heads: usize,
    /// Width of compressed queries; `None` where queries come from the residual stream directly.
    pub query_rank: Option<usize>,
    /// Width of the compressed keys and values.
    pub kv_rank: usize,
    /// Elements of a query's and a key's head that don't turn.
    pub still_dim: usize,
    /// Elements that turn.
    pub turned_dim: usize,
    /// Elements of a value's head.
    pub value_dim: usize,
    /// Factor on the scores.
    pub scale: f32,
    /// The kind of rotation, by index into the description's.
    pub rope: usize,
    /// Of the norms of what is compressed.
    pub epsilon: f32,
}

/// Its weights.
#[derive(Debug, Clone)]
pub struct Mla {
    description: MlaDescription,
    embedding: usize,
    queries: Queries,
    compress: Linear,
    norm: NormWeights,
    keys: Experts,
    values: Experts,
    output: Linear,
}

#[derive(Debug, Clone)]
enum Queries {
    Direct(Linear),
    Compressed {
        down: Linear,
        norm: NormWeights,
        up: Linear,
    },
}

impl MlaDescription {
    /// Proves that sizes are positive, divide, and are small.
    ///
    /// # Errors
    /// In words, what doesn't hold.
    pub fn prove(&self) -> Result<(), String> {
        let sizes = [
            self.heads,
            self.query_rank.unwrap_or(1),
            self.kv_rank,
            self.still_dim,
            self.turned_dim,
            self.value_dim,
        ];
        if sizes.iter().any(|size| !(1..=1 << 14).contains(size)) {
            return Err(format!("its compressed attention has the sizes {sizes:?}"));
        }
        if !self.turned_dim.is_multiple_of(2) {
            return Err(format!("its rotation turns {} elements", self.turned_dim));
        }
        Ok(())
    }

    fn key_dim(&self) -> usize {
        self.kv_rank + self.turned_dim
    }

    fn query_dim(&self) -> usize {
        self.still_dim + self.turned_dim
    }

    /// What it keeps of each position.
    pub fn layer_kv(&self) -> LayerKv {
        LayerKv {
            kv_heads: 1,
            key_dim: self.key_dim(),
            value_dim: 0,
        }
    }

    /// The most numbers of one row that it prepares for its own matrices.
    pub fn widest_input(&self) -> usize {
        let head = self.kv_rank.max(self.still_dim).max(self.value_dim);
        (self.heads * head).max(self.query_rank.unwrap_or(0))
    }

    /// Numbers of scratch that a step of so many rows takes.
    pub fn scratch_elements(&self, rows: usize) -> usize {
        let head = self.query_dim()
            + self.still_dim
            + self.turned_dim
            + 2 * self.kv_rank
            + self.key_dim()
            + self.value_dim;
        rows * (self.query_rank.unwrap_or(0) + self.heads * head + self.key_dim() + self.turned_dim)
    }
}

impl Mla {
    /// Its weights, from the layer's tensors.
    ///
    /// # Errors
    /// As [`LayerSource`]'s.
    pub fn build(
        description: &MlaDescription,
        embedding: usize,
        source: &mut LayerSource,
    ) -> Result<Self, EngineError> {
        let MlaDescription {
            heads,
            kv_rank,
            still_dim,
            value_dim,
            ..
        } = *description;
        let norm = |tensor| Norm {
            tensor,
            kind: NormKind::Rms,
            epsilon: description.epsilon,
        };
        let all = heads * description.query_dim();
        let queries = match description.query_rank {
            None => Queries::Direct(source.linear("attn_q", all, embedding)?),
            Some(rank) => Queries::Compressed {
                down: source.linear("attn_q_a", rank, embedding)?,
                norm: NormWeights::build(&norm("attn_q_a_norm"), rank, source)?,
                up: source.linear("attn_q_b", all, rank)?,
            },
        };
        Ok(Self {
            queries,
            compress: source.linear("attn_kv_a_mqa", description.key_dim(), embedding)?,
            norm: NormWeights::build(&norm("attn_kv_a_norm"), kv_rank, source)?,
            keys: Experts::build("attn_k_b", heads, kv_rank, still_dim, source)?,
            values: Experts::build("attn_v_b", heads, value_dim, kv_rank, source)?,
            output: source.linear("attn_output", embedding, heads * value_dim)?,
            embedding,
            description: description.clone(),
        })
    }

    /// Computes `step.out` from `step.rows`.
    pub fn forward(&self, step: &mut PagedStep) {
        let MlaDescription {
            heads,
            kv_rank,
            turned_dim,
            value_dim,
            ..
        } = self.description;
        let key_dim = self.description.key_dim();
        let count = step.rows.len() / self.embedding;
        let mut scratch = Scratch::new(std::mem::take(&mut step.scratch));
        // For each row and head, the "expert" whose matrices are that head's.
        let each_head: Vec<(u32, f32)> = (0..count)
            .flat_map(|_| (0..).take(heads).map(|head| (head, 1.0)))
            .collect();
        let keys = scratch.take(count * key_dim);
        let turned_keys = scratch.take(count * turned_dim);
        let queries = scratch.take(count * heads * key_dim);
        self.compressed(step, keys, turned_keys);
        self.queries(step, &each_head, &mut scratch, queries);
        cpu::write_kv(step.store, step.kv_layer, step.sequences, keys, &[]);
        let sums = scratch.take(count * heads * kv_rank);
        let results = scratch.take(count * heads * value_dim);
        let spec = self.spec();
        cpu::attention(
            step.pool,
            &spec,
            step.store,
            step.kv_layer,
            queries,
            step.sequences,
            sums,
        );
        let sums = Rows::new(sums, kv_rank);
        ops::experts(
            step.pool,
            step.input,
            sums,
            &each_head,
            1,
            &mut [(&self.values, &mut *results)],
        );
        let results = Rows::new(results, heads * value_dim);
        ops::linears(
            step.pool,
            step.input,
            results,
            &mut [(&self.output, &mut *step.out)],
        );
    }

    /// The vectors that are kept: `[rows, kv_rank + turned_dim]`.
    fn compressed(&self, step: &mut PagedStep, keys: &mut [f32], turned: &mut [f32]) {
        let MlaDescription {
            kv_rank,
            turned_dim,
            rope,
            ..
        } = self.description;
        let rows = Rows::new(step.rows, self.embedding);
        ops::linears(
            step.pool,
            step.input,
            rows,
            &mut [(&self.compress, &mut *keys)],
        );
        for (key, turned) in keys
            .chunks_exact(kv_rank + turned_dim)
            .zip(turned.chunks_exact_mut(turned_dim))
        {
            turned.copy_from_slice(&key[kv_rank..]);
        }
        step.turns[rope].apply(step.pool, turned, 1, turned_dim);
        for (key, turned) in keys
            .chunks_exact_mut(kv_rank + turned_dim)
            .zip(turned.chunks_exact(turned_dim))
        {
            self.norm.forward_in_place(step.pool, &mut key[..kv_rank]);
            key[kv_rank..].copy_from_slice(turned);
        }
    }

    /// Queries in the space of what is kept: `[rows, heads, kv_rank + turned_dim]`.
    fn queries(
        &self,
        step: &mut PagedStep,
        each_head: &[(u32, f32)],
        scratch: &mut Scratch,
        queries: &mut [f32],
    ) {
        let MlaDescription {
            heads,
            kv_rank,
            still_dim,
            turned_dim,
            rope,
            ..
        } = self.description;
        let whole = scratch.take(each_head.len() * self.description.query_dim());
        let still = scratch.take(each_head.len() * still_dim);
        let turned = scratch.take(each_head.len() * turned_dim);
        let absorbed = scratch.take(each_head.len() * kv_rank);
        self.project(step, scratch, whole);
        let parts = still
            .chunks_exact_mut(still_dim)
            .zip(turned.chunks_exact_mut(turned_dim));
        for (whole, (still, turned)) in whole.chunks_exact(still_dim + turned_dim).zip(parts) {
            still.copy_from_slice(&whole[..still_dim]);
            turned.copy_from_slice(&whole[still_dim..]);
        }
        step.turns[rope].apply(step.pool, turned, heads, turned_dim);
        let still = Rows::new(still, still_dim);
        ops::experts(
            step.pool,
            step.input,
            still,
            each_head,
            1,
            &mut [(&self.keys, &mut *absorbed)],
        );
        let parts = absorbed
            .chunks_exact(kv_rank)
            .zip(turned.chunks_exact(turned_dim));
        for (query, (absorbed, turned)) in queries.chunks_exact_mut(kv_rank + turned_dim).zip(parts)
        {
            query[..kv_rank].copy_from_slice(absorbed);
            query[kv_rank..].copy_from_slice(turned);
        }
    }

    fn project(&self, step: &mut PagedStep, scratch: &mut Scratch, whole: &mut [f32]) {
        let rows = Rows::new(step.rows, self.embedding);
        match &self.queries {
            Queries::Direct(query) => {
                ops::linears(step.pool, step.input, rows, &mut [(query, whole)]);
            }
            Queries::Compressed { down, norm, up } => {
                let rank = self.description.query_rank.unwrap_or(1);
                let narrow = scratch.take(rows.count() * rank);
                ops::linears(step.pool, step.input, rows, &mut [(down, &mut *narrow)]);
                norm.forward_in_place(step.pool, narrow);
                ops::linears(
                    step.pool,
                    step.input,
                    Rows::new(narrow, rank),
                    &mut [(up, whole)],
                );
            }
        }
    }

    fn spec(&self) -> AttentionSpec<'static> {
        AttentionSpec {
            heads: self.description.heads,
            kv_heads: 1,
            key_dim: self.description.key_dim(),
            value_dim: self.description.kv_rank,
            scale: self.description.scale,
            softcap: None,
            window: None,
            sinks: None,
            values_in_keys: true,
        }
    }
}
