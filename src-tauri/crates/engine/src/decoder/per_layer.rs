//! The second, small embedding of Gemma's E models: each layer mixes its own share of it into the stream.

use super::description::{Activation, Description, Norm, NormKind};
use super::families::{inverse_root, root};
use super::norm::NormWeights;
use super::ops::{self, Rows};
use super::source::{LayerSource, Linear, Source};
use crate::cpu::{Input, Pool};
use crate::weights::Matrix;
use engine_api::EngineError;

/// What all layers share of it.
#[derive(Debug, Clone)]
pub(super) struct PerLayerEmbedding {
    width: usize,
    tokens: Matrix,
    projection: Linear,
    norm: NormWeights,
}

/// What one layer has of it.
#[derive(Debug, Clone)]
pub(super) struct PerLayer {
    width: usize,
    gate: Linear,
    projection: Linear,
    norm: NormWeights,
}

impl PerLayerEmbedding {
    pub(super) fn build(
        description: &Description,
        width: usize,
        source: &mut Source,
    ) -> Result<Self, EngineError> {
        let all = width * description.layers.len();
        let embedding = description.embedding;
        let weights = source.floats("per_layer_proj_norm.weight", &[width])?;
        Ok(Self {
            width,
            tokens: source.matrix("per_layer_token_embd.weight", description.vocabulary, all)?,
            projection: source.linear("per_layer_model_proj", all, embedding)?,
            norm: NormWeights::rms(weights, description.output_norm.epsilon),
        })
    }

    /// Every layer's share for each row: `[rows, layers, width]`, from the scaled embeddings.
    pub(super) fn forward(
        &self,
        pool: &Pool,
        input: &mut Input,
        tokens: impl Iterator<Item = u32>,
        embedded: Rows,
        out: &mut [f32],
    ) {
        let all = self.projection.matrix.rows();
        ops::linears(pool, input, embedded, &mut [(&self.projection, &mut *out)]);
        ops::scale(out, inverse_root(embedded.columns()));
        self.norm.forward_in_place(pool, out);
        let mut own = vec![0.0; all];
        let (half, grown) = (std::f32::consts::FRAC_1_SQRT_2, root(self.width));
        for (token, out) in tokens.zip(out.chunks_exact_mut(all)) {
            ops::embed(&self.tokens, token, &mut own);
            out.iter_mut()
                .zip(&own)
                .for_each(|(out, own)| *out = (*out + own * grown) * half);
        }
    }
}

impl PerLayer {
    pub(super) fn build(
        description: &Description,
        width: usize,
        source: &mut LayerSource,
    ) -> Result<Self, EngineError> {
        let embedding = description.embedding;
        let norm = Norm {
            tensor: "post_norm",
            kind: NormKind::Rms,
            epsilon: description.output_norm.epsilon,
        };
        Ok(Self {
            width,
            gate: source.linear("inp_gate", width, embedding)?,
            projection: source.linear("proj", embedding, width)?,
            norm: NormWeights::build(&norm, embedding, source)?,
        })
    }

    /// Computes what is added to the stream. `shares` are `[rows, layers, width]`, of which `layer` is taken; `room` is
    /// `[rows, width]`.
    pub(super) fn forward(
        &self,
        pool: &Pool,
        input: &mut Input,
        rows: Rows,
        shares: Shares,
        room: &mut [f32],
        out: &mut [f32],
    ) {
        let room = &mut room[..rows.count() * self.width];
        ops::linears(pool, input, rows, &mut [(&self.gate, &mut *room)]);
        ops::activate(pool, Activation::Gelu, room);
        for (row, room) in room.chunks_exact_mut(self.width).enumerate() {
            let share = shares.of(row, self.width);
            room.iter_mut()
                .zip(share)
                .for_each(|(room, share)| *room *= share);
        }
        let room = Rows::new(room, self.width);
        ops::linears(pool, input, room, &mut [(&self.projection, &mut *out)]);
        self.norm.forward_in_place(pool, out);
    }
}

/// One layer's shares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shares<'a> {
    pub(super) all: &'a [f32],
    pub(super) layers: usize,
    pub(super) layer: usize,
}

impl<'a> Shares<'a> {
    fn of(&self, row: usize, width: usize) -> &'a [f32] {
        let from = (row * self.layers + self.layer) * width;
        &self.all[from..from + width]
    }
}
