//! Buffers of a step, used again from step to step: nothing is allocated for a token once they have grown.
//!
//! Their sizes follow from the description, the rows and the rows of logits alone, so that a plan knows them.

use super::description::{Description, FeedForward, LayerDescription, MixerDescription};
use super::feed_forward::DenseWeights;
use super::mixture::{MixtureRoom, MixtureWeights};
use super::ops::Turns;
use crate::cpu::Input;
use crate::wipe::wipe;

/// Numbers in each buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScratchSizes {
    residual: usize,
    mixer: usize,
    feed_forward: usize,
    logits: usize,
    per_layer: usize,
    turns: usize,
    room_bytes: usize,
    /// The most that is prepared for matrices at once.
    input: usize,
}

impl ScratchSizes {
    /// Sizes for a step of so many rows, of which so many want logits.
    pub(super) fn of(description: &Description, rows: usize, logit_rows: usize) -> Self {
        let layers = &description.layers;
        let largest = |of: &dyn Fn(usize) -> usize| (0..layers.len()).map(of).max().unwrap_or(0);
        let embedding = description.embedding;
        let per_layer = description.per_layer_embedding.unwrap_or(0);
        Self {
            residual: rows * embedding,
            mixer: largest(&|layer| mixer_elements(&layers[layer].mixer, rows)),
            feed_forward: largest(&|layer| {
                feed_forward_elements(&layers[layer].feed_forward, embedding, rows)
            }),
            logits: logit_rows * description.vocabulary,
            per_layer: rows * per_layer * (layers.len() + 1),
            turns: description.ropes.iter().map(|rope| rows * rope.dims).sum(),
            input: rows * largest(&|layer| widest_input(&layers[layer], embedding)),
            room_bytes: largest(&|layer| match &layers[layer].feed_forward {
                FeedForward::Mixture(mixture) => MixtureRoom::bytes(mixture, rows),
                _ => 0,
            }),
        }
    }

    /// Bytes of all of them, if matrices are `quantized` or not.
    pub(super) fn bytes(&self, quantized: bool) -> usize {
        let input = if quantized {
            Input::bytes(1, self.input)
        } else {
            self.input * size_of::<f32>()
        };
        let numbers = 3 * self.residual
            + self.mixer
            + self.feed_forward
            + self.logits
            + self.per_layer
            + self.turns;
        numbers * size_of::<f32>() + self.room_bytes + input
    }
}

fn mixer_elements(mixer: &MixerDescription, rows: usize) -> usize {
    match mixer {
        MixerDescription::Attention(spec) => spec.scratch_elements(rows),
        MixerDescription::Mla(spec) => spec.scratch_elements(rows),
        MixerDescription::ShortConv(spec) => spec.scratch_elements(rows),
        MixerDescription::DeltaNet(spec) => spec.scratch_elements(rows),
        MixerDescription::Mamba2(spec) => spec.scratch_elements(rows),
        MixerDescription::None => 0,
    }
}

/// The most numbers of one row that a layer prepares for its matrices.
fn widest_input(layer: &LayerDescription, embedding: usize) -> usize {
    let mixer = match &layer.mixer {
        MixerDescription::Attention(spec) => spec.widest_input(),
        MixerDescription::Mla(spec) => spec.widest_input(),
        MixerDescription::ShortConv(spec) => spec.widest_input(),
        MixerDescription::DeltaNet(spec) => spec.widest_input(),
        MixerDescription::Mamba2(spec) => spec.widest_input(),
        MixerDescription::None => 0,
    };
    let feed_forward = match &layer.feed_forward {
        FeedForward::Dense(dense) => dense.size,
        FeedForward::Mixture(mixture) => {
            let shared = mixture.shared.map_or(0, |shared| shared.dense.size);
            shared.max(mixture.used * mixture.size)
        }
        FeedForward::None => 0,
    };
    embedding.max(mixer).max(feed_forward)
}

fn feed_forward_elements(feed_forward: &FeedForward, embedding: usize, rows: usize) -> usize {
    match feed_forward {
        FeedForward::Dense(dense) => DenseWeights::scratch_elements(dense.size, rows),
        FeedForward::Mixture(mixture) => MixtureWeights::scratch_elements(mixture, embedding, rows),
        FeedForward::None => 0,
    }
}

/// The buffers.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The residual stream.
    pub(super) residual: Vec<f32>,
    /// The stream through a norm.
    pub(super) normed: Vec<f32>,
    /// What a part of a layer gives.
    pub(super) given: Vec<f32>,
    /// For mixers.
    pub(super) mixer: Vec<f32>,
    /// For feed-forward parts.
    pub(super) feed_forward: Vec<f32>,
    /// What a step gives.
    pub(super) logits: Vec<f32>,
    /// Each layer's share of the second embedding, `[rows, layers, width]`, then room for one layer.
    pub(super) per_layer: Vec<f32>,
    /// Each row's position.
    pub(super) positions: Vec<usize>,
    /// How far each row turns, for each rotation.
    pub(super) turns: Vec<Turns>,
    /// Prepared rows.
    pub(super) input: Input,
    /// For mixtures.
    pub(super) room: MixtureRoom,
}

impl Scratch {
    /// Grows what is too small.
    pub(super) fn grow(&mut self, sizes: &ScratchSizes) {
        grow(&mut self.residual, sizes.residual);
        grow(&mut self.normed, sizes.residual);
        grow(&mut self.given, sizes.residual);
        grow(&mut self.mixer, sizes.mixer);
        grow(&mut self.feed_forward, sizes.feed_forward);
        grow(&mut self.logits, sizes.logits);
        grow(&mut self.per_layer, sizes.per_layer);
    }

    /// Overwrites what a step left.
    pub(super) fn wipe(&mut self) {
        let buffers = [
            &mut self.residual,
            &mut self.normed,
            &mut self.given,
            &mut self.mixer,
            &mut self.feed_forward,
            &mut self.logits,
            &mut self.per_layer,
        ];
        for buffer in buffers {
            wipe(buffer);
        }
        self.input.wipe();
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        let buffers = [
            &self.residual,
            &self.normed,
            &self.given,
            &self.mixer,
            &self.feed_forward,
            &self.logits,
            &self.per_layer,
        ];
        let numbers: usize = buffers.iter().map(|buffer| buffer.capacity()).sum();
        let turns: usize = self.turns.iter().map(Turns::bytes).sum();
        numbers * size_of::<f32>() + turns + self.room.bytes_held() + self.input.held_bytes()
    }
}

/// What was in it is of no use: it is given back first, so that the heap has no hole where it lay.
fn grow(buffer: &mut Vec<f32>, length: usize) {
    if buffer.len() < length {
        *buffer = Vec::new();
        *buffer = vec![0.0; length];
    }
}
