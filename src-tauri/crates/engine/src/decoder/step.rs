//! A step: tokens of several sequences through all layers, and the logits that are wanted.

use super::layer::{FeedForwardWeights, Layer, Mixer};
use super::mixers::{PagedStep, RecurrentStep, Span};
use super::mixture::MixtureStep;
use super::model::Place;
use super::ops::{self, Rows};
use super::per_layer::Shares;
use super::scratch::ScratchSizes;
use super::{Chunk, Decoder, Description, LogitsWanted};
use crate::cpu::Sequence;
use crate::kv::{PAGE_TOKENS, PageId, PageStore};
use engine_api::EngineError;

impl Decoder {
    /// Computes a step: writes the chunks' keys and values into their pages, moves their states on, and returns the
    /// wanted rows of logits, `[rows, vocabulary]`, in the order of the chunks.
    ///
    /// What a chunk gets does not depend on the other chunks, nor on how its sequence was cut into chunks, to the bit.
    ///
    /// # Errors
    /// [`EngineError::InvalidRequest`] for a chunk without tokens, a token outside of the vocabulary, too few pages or
    /// no state. Nothing has been computed then.
    pub fn step(
        &mut self,
        pages: &mut PageStore,
        chunks: &mut [Chunk],
    ) -> Result<&[f32], EngineError> {
        check(&self.description, &self.state_elements, pages, chunks)?;
        let rows: usize = chunks.iter().map(|chunk| chunk.tokens.len()).sum();
        if rows == 0 {
            return Ok(&[]);
        }
        let wanted = wanted_rows(chunks);
        self.scratch
            .grow(&ScratchSizes::of(&self.description, rows, wanted.len()));
        self.begin(chunks, rows);
        let last = self.weights.layers.len() - 1;
        for layer in 0..last {
            self.mix(layer, pages, chunks, rows);
            self.feed(layer, rows);
        }
        self.mix(last, pages, chunks, rows);
        if self.weights.per_layer.is_some() {
            self.feed(last, rows);
            self.keep(&wanted);
        } else {
            self.keep(&wanted);
            self.feed(last, wanted.len());
        }
        Ok(self.finish(wanted.len()))
    }

    /// Row `at` of the logits of the latest step, to be changed at will.
    ///
    /// # Panics
    /// When it had no such row.
    pub fn row(&mut self, at: usize) -> &mut [f32] {
        let length = self.description.vocabulary;
        &mut self.scratch.logits[at * length..(at + 1) * length]
    }

    /// Embeddings, positions, turns.
    fn begin(&mut self, chunks: &[Chunk], rows: usize) {
        let Self {
            description,
            weights,
            scratch,
            pool,
            ..
        } = self;
        let embedding = description.embedding;
        let tokens = || chunks.iter().flat_map(|chunk| chunk.tokens.iter().copied());
        let residual = &mut scratch.residual[..rows * embedding];
        for (token, row) in tokens().zip(residual.chunks_exact_mut(embedding)) {
            ops::embed(&weights.embedding, token, row);
        }
        ops::scale(residual, description.embedding_scale);
        scratch.positions.clear();
        for chunk in chunks {
            scratch
                .positions
                .extend(chunk.start..chunk.start + chunk.tokens.len());
        }
        scratch
            .turns
            .resize_with(weights.ropes.len(), Default::default);
        for (rope, turns) in weights.ropes.iter().zip(&mut scratch.turns) {
            turns.set(rope, &scratch.positions);
        }
        if let Some(per_layer) = &weights.per_layer {
            let shares =
                rows * description.layers.len() * description.per_layer_embedding.unwrap_or(0);
            let shares = &mut scratch.per_layer[..shares];
            per_layer.forward(
                pool,
                &mut scratch.input,
                tokens(),
                Rows::new(residual, embedding),
                shares,
            );
        }
    }

    /// The first part of a layer.
    fn mix(&mut self, at: usize, pages: &mut PageStore, chunks: &mut [Chunk], rows: usize) {
        let elements = rows * self.description.embedding;
        if !matches!(self.weights.layers[at].mixer, Mixer::None) {
            self.mixer(at, pages, chunks, elements);
            self.add(at, elements, |layer| &layer.mixer_post_norm);
        }
        self.pulse.beat();
    }

    /// The second part of a layer.
    fn feed(&mut self, at: usize, rows: usize) {
        let elements = rows * self.description.embedding;
        if rows == 0 {
            return;
        }
        if !matches!(
            self.weights.layers[at].feed_forward,
            FeedForwardWeights::None
        ) {
            self.feed_forward(at, elements);
            self.add(at, elements, |layer| &layer.feed_forward_post_norm);
        }
        self.mix_per_layer(at, rows);
        let scale = self.weights.layers[at].output_scale;
        ops::scale(&mut self.scratch.residual[..elements], scale);
        self.pulse.beat();
    }

    /// Only wanted rows go on.
    fn keep(&mut self, wanted: &[usize]) {
        let embedding = self.description.embedding;
        for (to, row) in wanted.iter().enumerate() {
            let from = row * embedding..(row + 1) * embedding;
            self.scratch.residual.copy_within(from, to * embedding);
        }
    }

    /// Norms what a part gave and adds it to the stream.
    fn add(
        &mut self,
        at: usize,
        elements: usize,
        norm: impl Fn(&Layer) -> &Option<super::norm::NormWeights>,
    ) {
        let layer = &self.weights.layers[at];
        let given = &mut self.scratch.given[..elements];
        if let Some(norm) = norm(layer) {
            norm.forward_in_place(&self.pool, given);
        }
        ops::add_scaled(
            &self.pool,
            &mut self.scratch.residual[..elements],
            given,
            layer.residual_scale,
        );
    }

    fn mixer(&mut self, at: usize, pages: &mut PageStore, chunks: &mut [Chunk], elements: usize) {
        let Self {
            weights,
            scratch,
            pool,
            ..
        } = self;
        let layer = &weights.layers[at];
        let normed = &mut scratch.normed[..elements];
        norm_or_copy(
            pool,
            layer.mixer_norm.as_ref(),
            &scratch.residual[..elements],
            normed,
        );
        let out = &mut scratch.given[..elements];
        let place = weights.places[at];
        if let Place::State(recurrent) = place {
            let spans = spans(chunks);
            let step = RecurrentStep {
                pool,
                spans: &spans,
                chunks,
                recurrent,
                rows: normed,
                input: &mut scratch.input,
                scratch: &mut scratch.mixer,
                out,
            };
            recur(&layer.mixer, step);
        } else if let Place::Pages(kv_layer) = place {
            let sequences = sequences(chunks);
            let mut step = PagedStep {
                pool,
                sequences: &sequences,
                positions: &scratch.positions,
                turns: &scratch.turns,
                store: pages,
                kv_layer,
                rows: normed,
                input: &mut scratch.input,
                scratch: &mut scratch.mixer,
                out,
            };
            attend(&layer.mixer, &mut step);
        }
    }

    fn feed_forward(&mut self, at: usize, elements: usize) {
        let Self {
            weights,
            scratch,
            pool,
            description,
            ..
        } = self;
        let layer = &weights.layers[at];
        let residual = &scratch.residual[..elements];
        let normed = &mut scratch.normed[..elements];
        norm_or_copy(pool, layer.feed_forward_norm.as_ref(), residual, normed);
        let out = &mut scratch.given[..elements];
        match &layer.feed_forward {
            FeedForwardWeights::Dense(dense) => {
                let rows = Rows::new(normed, description.embedding);
                dense.forward(
                    pool,
                    &mut scratch.input,
                    rows,
                    &mut scratch.feed_forward,
                    out,
                );
            }
            FeedForwardWeights::Mixture(mixture) => {
                let mut step = MixtureStep {
                    pool,
                    input: &mut scratch.input,
                    room: &mut scratch.room,
                    embedding: description.embedding,
                    residual,
                    normed,
                };
                mixture.forward(&mut step, &mut scratch.feed_forward, out);
            }
            FeedForwardWeights::None => {}
        }
    }

    fn mix_per_layer(&mut self, at: usize, rows: usize) {
        let Self {
            weights,
            scratch,
            pool,
            description,
            ..
        } = self;
        let Some(per_layer) = &weights.layers[at].second else {
            return;
        };
        let (embedding, layers) = (description.embedding, description.layers.len());
        let width = description.per_layer_embedding.unwrap_or(0);
        let (shares, room) = scratch.per_layer.split_at_mut(rows * layers * width);
        let shares = Shares {
            all: shares,
            layers,
            layer: at,
        };
        let residual = &mut scratch.residual[..rows * embedding];
        let given = &mut scratch.given[..rows * embedding];
        per_layer.forward(
            pool,
            &mut scratch.input,
            Rows::new(residual, embedding),
            shares,
            room,
            given,
        );
        ops::add_scaled(pool, residual, given, 1.0);
    }

    /// The last norm and the output matrix.
    fn finish(&mut self, rows: usize) -> &[f32] {
        let Self {
            weights,
            scratch,
            pool,
            description,
            ..
        } = self;
        let embedding = description.embedding;
        let normed = &mut scratch.residual[..rows * embedding];
        weights.output_norm.forward_in_place(pool, normed);
        let logits = &mut scratch.logits[..rows * description.vocabulary];
        if rows > 0 {
            let normed = Rows::new(normed, embedding);
            ops::linears(
                pool,
                &mut scratch.input,
                normed,
                &mut [(&weights.output, &mut *logits)],
            );
        }
        ops::scale(logits, description.logit_scale);
        if let Some(cap) = description.logit_softcap {
            ops::cap(pool, cap, logits);
        }
        logits
    }
}

fn norm_or_copy(
    pool: &crate::cpu::Pool,
    norm: Option<&super::norm::NormWeights>,
    from: &[f32],
    to: &mut [f32],
) {
    match norm {
        Some(norm) => norm.forward(pool, from, to),
        None => to.copy_from_slice(from),
    }
}

fn attend(mixer: &Mixer, step: &mut PagedStep) {
    match mixer {
        Mixer::Attention(attention) => attention.forward(step),
        Mixer::Mla(mla) => mla.forward(step),
        _ => {}
    }
}

fn recur(mixer: &Mixer, step: RecurrentStep) {
    match mixer {
        Mixer::ShortConv(mixer) => mixer.forward(step),
        Mixer::DeltaNet(mixer) => mixer.forward(step),
        Mixer::Mamba2(mixer) => mixer.forward(step),
        _ => {}
    }
}

/// Rows whose logits are wanted.
fn wanted_rows(chunks: &[Chunk]) -> Vec<usize> {
    let mut first = 0;
    let mut rows = Vec::new();
    for chunk in chunks {
        let end = first + chunk.tokens.len();
        match chunk.logits {
            LogitsWanted::None => {}
            LogitsWanted::Last => rows.push(end - 1),
            LogitsWanted::All => rows.extend(first..end),
        }
        first = end;
    }
    rows
}

fn spans(chunks: &[Chunk]) -> Vec<Span> {
    let mut first = 0;
    let span = |chunk: &Chunk| {
        first += chunk.tokens.len();
        Span {
            first: first - chunk.tokens.len(),
            count: chunk.tokens.len(),
            start: chunk.start,
        }
    };
    chunks.iter().map(span).collect()
}

fn sequences<'a>(chunks: &'a [Chunk]) -> Vec<Sequence<'a>> {
    let sequence = |chunk: &'a Chunk| Sequence {
        pages: chunk.pages,
        start: chunk.start,
        count: chunk.tokens.len(),
    };
    chunks.iter().map(sequence).collect()
}

/// Proves that these chunks can be computed with these pages.
///
/// # Errors
/// As [`Decoder::step`]'s.
pub(crate) fn check(
    description: &Description,
    state_elements: &[usize],
    store: &PageStore,
    chunks: &[Chunk],
) -> Result<(), EngineError> {
    let shape = description.page_shape(store.shape().kv_type);
    let reason = if !description.can_keep(store.shape().kv_type) {
        Some("this model's keys and values can't be kept in that type")
    } else if shape == *store.shape() {
        let reason = |chunk| refusal(description, state_elements, store, chunk);
        chunks.iter().find_map(reason)
    } else {
        Some("these pages are another model's")
    };
    let refuse = |reason: &str| EngineError::InvalidRequest {
        reason: reason.to_owned(),
    };
    reason.map_or(Ok(()), |reason| Err(refuse(reason)))
}

fn refusal(
    description: &Description,
    state_elements: &[usize],
    store: &PageStore,
    chunk: &Chunk,
) -> Option<&'static str> {
    let known = |token: &u32| (*token as usize) < description.vocabulary;
    if chunk.tokens.is_empty() || !chunk.tokens.iter().all(known) {
        return Some("a chunk has no tokens, or one that the vocabulary hasn't");
    }
    let room = chunk.pages.len() * PAGE_TOKENS;
    let end = chunk.start.checked_add(chunk.tokens.len());
    let paged = store.shape().layers.is_empty() || end.is_some_and(|end| end <= room);
    let here = |id: &PageId| (id.0 as usize) < store.len();
    if !paged || !chunk.pages.iter().all(here) {
        return Some("a chunk has too few pages");
    }
    (!fits(state_elements, chunk)).then_some("a chunk lacks its recurrent state")
}

fn fits(state_elements: &[usize], chunk: &Chunk) -> bool {
    let state = chunk.state.as_ref().map(|state| state.layers.as_slice());
    let found = state.unwrap_or_default().iter().map(Vec::len);
    state_elements.is_empty() || found.eq(state_elements.iter().copied())
}
