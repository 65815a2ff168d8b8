//! The decoder: one machine that a [`Description`] configures for every architecture.
//!
//! A step takes chunks of several sequences, writes their keys and values into their pages, and gives logits for the
//! positions that want them. It deliberately knows neither text nor who waits for what. Invariant: what a sequence gets
//! does not depend on what else is in the step, to the last bit.

pub mod active;
pub mod description;
pub mod elementwise;
pub mod families;
pub(crate) mod feed_forward;
pub(crate) mod layer;
pub mod limits;
pub mod load;
pub mod mixers;
pub(crate) mod mixture;
pub(crate) mod model;
pub mod norm;
pub mod ops;
#[cfg(any(test, feature = "cuda"))]
pub(crate) mod parts;
mod per_layer;
pub mod plan;
pub mod reads;
pub mod rope;
pub mod routing;
mod scratch;
pub mod source;
pub(crate) mod step;
#[cfg(test)]
pub(crate) mod tests;

pub use description::Description;
pub use norm::NormWeights;
pub use ops::{Experts, Rows, Scratch, Turns};
pub use plan::{Demand, Plan, Reserve, plan};

use crate::cpu::Pool;
use crate::files::{Checkpoint, TensorType};
use crate::kv::{KvType, PageId, PageShape};
use crate::pulse::Pulse;
use engine_api::{EngineError, LoadProgress};
use model::ModelWeights;
use source::Source;
use std::sync::atomic::AtomicBool;

/// Which positions of a chunk want a row of logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogitsWanted {
    /// None: the prompt goes on.
    None,
    /// The last one.
    Last,
    /// All of them, for comparisons and perplexity.
    All,
}

/// Tokens of one sequence to compute in a step.
#[derive(Debug)]
pub struct Chunk<'a> {
    /// The tokens, at least one.
    pub tokens: &'a [u32],
    /// Position of the first of them: how many the sequence holds before.
    pub start: usize,
    /// The sequence's pages, in order, with room for `start + tokens.len()` positions.
    pub pages: &'a [PageId],
    /// State of the layers that keep one instead of keys and values (convolutions, delta nets, state spaces); `None`
    /// for a model without such layers.
    pub state: Option<&'a mut RecurrentState>,
    /// Which logits are wanted.
    pub logits: LogitsWanted,
}

/// What recurrent layers remember of a sequence. A clone is a snapshot, the only way to go back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecurrentState {
    /// A buffer for each recurrent layer, laid out as its mixer likes.
    pub layers: Vec<Vec<f32>>,
}

/// How a model is loaded.
#[derive(Debug, Clone, Copy)]
pub struct LoadOptions<'a> {
    /// Positions that a sequence may have; some models turn differently in long contexts.
    pub context_tokens: usize,
    /// Threads that read and compute.
    pub threads: usize,
    /// What float matrices are turned into.
    pub quantize: Option<TensorType>,
    /// Loading stops soon after this is set.
    pub cancelled: &'a AtomicBool,
}

/// A model that is ready to compute.
#[derive(Debug)]
pub struct Decoder {
    description: Description,
    state_elements: Vec<usize>,
    weights: ModelWeights,
    weights_bytes: u64,
    scratch: scratch::Scratch,
    pool: Pool,
    pulse: Pulse,
}

impl Decoder {
    /// Loads the model of a file.
    ///
    /// # Errors
    /// [`EngineError::UnsupportedModel`] for an architecture, setting or tensor type that is unknown here;
    /// [`EngineError::InvalidModel`] for a file that lacks or contradicts what its metadata says, before anything is
    /// read; [`EngineError::InvalidRequest`] when it was cancelled.
    pub fn load(
        checkpoint: &Checkpoint,
        options: &LoadOptions,
        on_progress: &mut dyn FnMut(LoadProgress),
    ) -> Result<Self, EngineError> {
        let description = families::describe(checkpoint)?;
        let context = options.context_tokens;
        let mut proof = Source::new(checkpoint, options.quantize);
        ModelWeights::build(&description, context, &mut proof)?;
        let wanted = proof.into_wanted();
        let weights_bytes = wanted.values().map(|wanted| wanted.bytes as u64).sum();
        let loaded = load::load(
            checkpoint,
            &wanted,
            options.threads,
            options.cancelled,
            on_progress,
        )?;
        let mut source = Source::with(checkpoint, loaded);
        Ok(Self {
            state_elements: description.state_elements(),
            weights: ModelWeights::build(&description, context, &mut source)?,
            weights_bytes,
            scratch: scratch::Scratch::default(),
            pool: Pool::new(options.threads),
            pulse: Pulse::default(),
            description,
        })
    }

    /// Counts the halves of layers that it computes here from now on.
    pub fn count_on(&mut self, pulse: Pulse) {
        self.pulse = pulse;
    }

    /// Its weights.
    #[cfg(test)]
    pub(crate) fn weights(&self) -> &ModelWeights {
        &self.weights
    }

    /// What it computes.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// What its pages look like.
    pub fn page_shape(&self, kv_type: KvType) -> PageShape {
        self.description.page_shape(kv_type)
    }

    /// The state of a sequence that has not begun; `None` for a model without recurrent layers.
    pub fn empty_state(&self) -> Option<RecurrentState> {
        let layers: Vec<_> = self
            .state_elements
            .iter()
            .map(|size| vec![0.0; *size])
            .collect();
        (!layers.is_empty()).then_some(RecurrentState { layers })
    }

    /// Bytes of its weights.
    pub fn weights_bytes(&self) -> u64 {
        self.weights_bytes
    }

    /// Bytes of the buffers that its largest step so far has left.
    pub fn scratch_bytes(&self) -> u64 {
        self.scratch.bytes() as u64
    }

    /// Overwrites what the last step left in its buffers. They stay as large as they are.
    pub fn wipe_scratch(&mut self) {
        self.scratch.wipe();
    }
}
