//! Attention over one compressed vector a position (`DeepSeek` V2 and V3).
//!
//! Not written yet: no family describes it, so nothing reaches it. Its cache is [`crate::kv::LayerKv`] with one head
//! and `value_dim: 0`: values are read out of the keys.

use super::PagedStep;
use crate::decoder::source::LayerSource;
use crate::kv::LayerKv;
use engine_api::EngineError;

/// Its sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct MlaDescription {}

/// Its weights.
#[derive(Debug, Clone)]
pub struct Mla {}

impl MlaDescription {
    /// Proves that sizes are positive, divide, and are small.
    ///
    /// # Errors
    /// In words, what doesn't hold.
    pub fn prove(&self) -> Result<(), String> {
        Err("it has a layer that this engine has not learnt".into())
    }

    /// What it keeps of each position.
    pub fn layer_kv(&self) -> LayerKv {
        LayerKv {
            kv_heads: 1,
            key_dim: 0,
            value_dim: 0,
        }
    }

    /// Numbers of scratch that a step of so many rows takes.
    pub fn scratch_elements(&self, _rows: usize) -> usize {
        0
    }
}

impl Mla {
    /// Its weights, from the layer's tensors.
    ///
    /// # Errors
    /// As [`LayerSource`]'s.
    pub fn build(
        _description: &MlaDescription,
        _embedding: usize,
        _source: &mut LayerSource,
    ) -> Result<Self, EngineError> {
        Ok(Self {})
    }

    /// Computes `step.out` from `step.rows`.
    pub fn forward(&self, _step: &mut PagedStep) {}
}
