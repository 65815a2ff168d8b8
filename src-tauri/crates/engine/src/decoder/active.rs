//! Which part of each tensor has to do with one token: all of it, but of experts those that are used, and of an embedding
//! one row.
//!
//! It knows tensors by their names alone, so that it also tells of models that can't be run here.

use crate::files::{Checkpoint, TensorInfo};

/// Of the tensors of one file.
#[derive(Debug, Clone, Copy)]
pub struct Active {
    experts_used: u64,
    /// The embedding is the output matrix too.
    is_tied: bool,
}

impl Active {
    /// Of this file's.
    pub fn of(checkpoint: &Checkpoint) -> Self {
        let architecture = checkpoint.metadata.architecture().unwrap_or_default();
        let key = format!("{architecture}.expert_used_count");
        Self {
            experts_used: checkpoint.metadata.unsigned(&key).unwrap_or(0),
            is_tied: checkpoint.tensor("output.weight").is_none(),
        }
    }

    /// The part of `whole` (elements or bytes of the tensor) that computes with a token: of experts those that are used.
    pub fn computes(self, name: &str, tensor: &TensorInfo, whole: u64) -> u64 {
        match tensor.shape.as_slice() {
            [experts, ..] if name.contains("_exps.") && tensor.shape.len() == 3 => {
                let experts = (*experts as u64).max(1);
                whole / experts * self.experts_used.min(experts)
            }
            _ => whole,
        }
    }

    /// The part of `whole` bytes that decoding a token reads. Embeddings give it a row.
    pub fn reads(self, name: &str, tensor: &TensorInfo, whole: u64) -> u64 {
        let is_embedding = match name {
            "token_embd.weight" => !self.is_tied,
            name => name == "per_layer_token_embd.weight",
        };
        if is_embedding {
            let rows = tensor.shape.first().copied().unwrap_or(1);
            return whole / (rows as u64).max(1);
        }
        self.computes(name, tensor, whole)
    }
}
