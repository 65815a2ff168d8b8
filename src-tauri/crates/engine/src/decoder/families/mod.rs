//! Families of architectures: how each one's metadata becomes a [`Description`].
//!
//! A family only reads numbers and looks which tensors are there; it computes nothing and reads no weights. What it
//! says is proven as a whole by [`super::limits`]. Invariant: an architecture is either in [`KNOWN`] or refused by
//! name, and a setting that changes what a model computes is either honoured or refused.
//! Sources: llama.cpp b11434 (`src/models/`, `conversion/`) for what files hold, transformers for what models compute.

mod common;
mod deepseek;
mod gemma;
mod gemma4;
mod glm;
mod gpt_oss;
mod granite;
mod keys;
mod lfm2;
mod llama;
mod mixture;
mod nemotron_h;
mod olmo;
mod phi;
mod qwen;
mod qwen_next;

pub use common::{inverse_root, root};
pub use keys::{Keys, invalid, unsupported};

use super::description::Description;
use crate::files::Checkpoint;
use engine_api::EngineError;

/// Reads a file's description.
type Reader = fn(&Keys) -> Result<Description, EngineError>;

/// Every architecture that this engine runs, by the name that files give it.
pub const KNOWN: &[(&str, Reader)] = &[
    ("llama", llama::llama),
    ("mistral3", llama::mistral3),
    ("smollm3", llama::smollm3),
    ("qwen2", qwen::qwen2),
    ("qwen3", qwen::qwen3),
    ("qwen3moe", qwen::qwen3moe),
    ("gpt-oss", gpt_oss::gpt_oss),
    ("gemma2", gemma::gemma2),
    ("gemma3", gemma::gemma3),
    ("gemma4", gemma4::gemma4),
    ("phi3", phi::phi3),
    ("glm4", glm::glm4),
    ("glm4moe", glm::glm4moe),
    ("granite", granite::granite),
    ("granitemoe", granite::granite),
    ("olmo2", olmo::olmo2),
    ("lfm2", lfm2::lfm2),
    ("lfm2moe", lfm2::lfm2),
    ("deepseek2", deepseek::deepseek2),
    ("qwen3next", qwen_next::qwen3next),
    ("qwen35", qwen_next::qwen35),
    ("qwen35moe", qwen_next::qwen35moe),
    ("nemotron_h", nemotron_h::nemotron_h),
    ("nemotron_h_moe", nemotron_h::nemotron_h),
];

/// What the file's model computes.
///
/// # Errors
/// [`EngineError::UnsupportedModel`] for an architecture or a setting that is unknown here,
/// [`EngineError::InvalidModel`] for metadata that is missing or makes no sense.
pub fn describe(checkpoint: &Checkpoint) -> Result<Description, EngineError> {
    let keys = Keys::new(checkpoint)?;
    let family = KNOWN.iter().find(|(name, _)| *name == keys.architecture);
    let Some((_, read)) = family else {
        let names: Vec<&str> = KNOWN.iter().map(|(name, _)| *name).collect();
        let (name, known) = (keys.architecture, names.join(", "));
        return Err(keys.unsupported(format!(
            "its architecture is {name}; this engine knows: {known}"
        )));
    };
    let description = read(&keys)?;
    super::limits::prove(&description).map_err(|reason| keys.invalid(reason))?;
    Ok(description)
}
