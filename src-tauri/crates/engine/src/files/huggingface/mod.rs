//! A checkpoint as Hugging Face lays it out: a folder with config.json and safetensors, seen as the GGUF file that
//! llama.cpp's conversion would make of it.
//!
//! Each family says which metadata its config.json means and how its tensors are made; nothing is converted on the disk,
//! and headers alone are read. It deliberately reads no tokenizer: `tokenizer.json` stays where it is. Invariant: a tensor
//! that nobody has learnt to name is an error, not left out.
//! Source: llama.cpp b11434 (`conversion/`), with which a test compares each family.

mod common;
mod companions;
mod config;
mod draft;
mod drafts;
mod families;
mod keys;
mod name;
mod names;
mod rotation;
mod shards;

pub use companions::Companions;
pub use config::{read_json, read_text};

use super::{Checkpoint, Value};
use config::Config;
use drafts::Drafts;
use engine_api::EngineError;
use keys::Keys;
use std::path::Path;

/// Why a checkpoint is not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("it is damaged: {0}")]
    Damaged(String),
    #[error("{0}")]
    Unsupported(String),
}

impl Refusal {
    fn of(self, file: &Path) -> EngineError {
        let (file, reason) = (file.display().to_string(), self.to_string());
        match self {
            Self::Damaged(_) => EngineError::InvalidModel { file, reason },
            Self::Unsupported(_) => EngineError::UnsupportedModel { file, reason },
        }
    }
}

/// Opens the checkpoint in `folder`.
///
/// # Errors
/// [`EngineError::InvalidModel`] for what is damaged, missing or cut off; [`EngineError::UnsupportedModel`] for families
/// and kinds of weights that are unknown here.
pub fn open(folder: &Path) -> Result<Checkpoint, EngineError> {
    let path = folder.join("config.json");
    let config = Config::open(&path)?;
    let family = families::of(&config).map_err(|refusal| refusal.of(&path))?;
    let shards = shards::open(folder)?;
    let made = || {
        let mut keys = Keys::new(family.architecture);
        (family.keys)(&config, &mut keys)?;
        let mut drafts = Drafts::new(&config, family)?;
        for (name, (part, entry)) in &shards.tensors {
            drafts.add(name, *part, entry)?;
        }
        Ok((keys, drafts.finish()?))
    };
    let (mut keys, tensors) = made().map_err(|refusal: Refusal| refusal.of(folder))?;
    Companions::of(folder).describe(&mut keys);
    if let Some(name) = name::of(folder, &config) {
        keys.general("name", Value::Text(name));
    }
    Ok(Checkpoint {
        path: folder.to_owned(),
        metadata: keys.into_metadata(),
        tensors,
        parts: shards.parts,
    })
}
