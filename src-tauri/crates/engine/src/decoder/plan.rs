//! How much memory a model will take, from its header alone.
//!
//! It walks the description as loading does and asks the same functions for sizes that the real allocations ask; so it
//! is right by construction, and a test compares the two.

use super::active::Active;
use super::description::Description;
use super::model::ModelWeights;
use super::scratch::ScratchSizes;
use super::source::{Form, Source, Wanted};
use crate::files::{Checkpoint, TensorType};
use crate::kv::{KvType, PAGE_TOKENS};
use engine_api::EngineError;
use std::collections::BTreeMap;

/// What is asked of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Positions of one sequence.
    pub context_tokens: usize,
    /// Sequences at once.
    pub parallel: usize,
    /// How keys and values are kept.
    pub kv_type: KvType,
    /// The most tokens of one step.
    pub step_tokens: usize,
    /// The most rows of logits of one step.
    pub step_logits: usize,
    /// What float matrices are turned into while loading.
    pub quantize: Option<TensorType>,
}

/// What a device keeps ready for a model beside its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserve {
    /// How keys and values are kept.
    pub kv_type: KvType,
    /// Pages of them.
    pub pages: usize,
    /// The most tokens of one step.
    pub step_tokens: usize,
    /// The most rows of logits of one step.
    pub step_logits: usize,
}

/// Bytes, in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Weights as they will lie in memory.
    pub weights_bytes: u64,
    /// The part of them that decoding one token reads.
    pub active_bytes: u64,
    /// Pages of keys and values for all sequences at full length.
    pub kv_bytes: u64,
    /// States of recurrent layers of all sequences.
    pub state_bytes: u64,
    /// Buffers of the largest step.
    pub scratch_bytes: u64,
}

impl Plan {
    /// All of it.
    pub fn total_bytes(&self) -> u64 {
        self.weights_bytes + self.kv_bytes + self.state_bytes + self.scratch_bytes
    }
}

/// The bytes that the model of this description takes for this demand.
///
/// # Errors
/// As loading it: what the description needs and the file lacks.
pub fn plan(
    description: &Description,
    checkpoint: &Checkpoint,
    demand: &Demand,
) -> Result<Plan, EngineError> {
    let mut source = Source::new(checkpoint, demand.quantize);
    ModelWeights::build(description, demand.context_tokens, &mut source)?;
    let weights = source.into_wanted();
    let scratch = ScratchSizes::of(description, demand.step_tokens, demand.step_logits);
    let quantized = weights.values().any(is_quantized);
    let parallel = demand.parallel as u64;
    Ok(Plan {
        weights_bytes: weights
            .values()
            .map(|wanted: &Wanted| wanted.bytes as u64)
            .sum(),
        active_bytes: active_bytes(checkpoint, &weights),
        kv_bytes: parallel * kv_bytes(description, demand.context_tokens, demand.kv_type),
        state_bytes: parallel * state_bytes(description),
        scratch_bytes: scratch.bytes(quantized) as u64,
    })
}

fn active_bytes(checkpoint: &Checkpoint, weights: &BTreeMap<String, Wanted>) -> u64 {
    let active = Active::of(checkpoint);
    let of = |(name, wanted): (&String, &Wanted)| {
        let tensor = checkpoint.tensor(name)?;
        Some(active.reads(name, tensor, wanted.bytes as u64))
    };
    weights.iter().filter_map(of).sum()
}

fn is_quantized(wanted: &Wanted) -> bool {
    match wanted.form {
        Form::Matrix { tensor_type, .. } => tensor_type.block_elements() > 1,
        Form::Floats(_) => false,
    }
}

/// Bytes of the pages of one sequence with so many positions.
pub fn kv_bytes(description: &Description, positions: usize, kv_type: KvType) -> u64 {
    let pages = positions.div_ceil(PAGE_TOKENS) as u64;
    pages * description.page_shape(kv_type).page_bytes() as u64
}

/// Bytes of the state of one sequence.
pub fn state_bytes(description: &Description) -> u64 {
    let elements: usize = description.state_elements().iter().sum();
    (elements * size_of::<f32>()) as u64
}
