//! A gated convolution over few positions (LFM2).
//!
//! Not written yet: no family describes it, so nothing reaches it.

use super::RecurrentStep;
use crate::decoder::source::LayerSource;
use engine_api::EngineError;

/// Its sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct ShortConvDescription {}

/// Its weights.
#[derive(Debug, Clone)]
pub struct ShortConv {}

impl ShortConvDescription {
    /// Proves that sizes are positive, divide, and are small.
    ///
    /// # Errors
    /// In words, what doesn't hold.
    pub fn prove(&self) -> Result<(), String> {
        Err("it has a layer that this engine has not learnt".into())
    }

    /// Numbers that a sequence's state has in such a layer; a new sequence's are zero.
    pub fn state_elements(&self) -> usize {
        0
    }

    /// Numbers of scratch that a step of so many rows takes.
    pub fn scratch_elements(&self, _rows: usize) -> usize {
        0
    }
}

impl ShortConv {
    /// Its weights, from the layer's tensors.
    ///
    /// # Errors
    /// As [`LayerSource`]'s.
    pub fn build(
        _description: &ShortConvDescription,
        _embedding: usize,
        _source: &mut LayerSource,
    ) -> Result<Self, EngineError> {
        Ok(Self {})
    }

    /// Computes the step.
    pub fn forward(&self, _step: RecurrentStep) {}
}
