//! What can go wrong in a worker or on the way to it, by what the caller can do about it.

use serde::{Deserialize, Serialize};

/// An error of the engine. It crosses the pipe as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EngineError {
    /// The file is not a whole, well-formed model: fetch it again.
    #[error("{file} can't be used: {reason}")]
    InvalidModel {
        /// The file's path as it was given.
        file: String,
        /// What is wrong with it, in words.
        reason: String,
    },
    /// The file is well-formed, but this engine can't run it: choose another model.
    #[error("{file} can't be run: {reason}")]
    UnsupportedModel {
        /// The file's path as it was given.
        file: String,
        /// What this engine lacks, in words.
        reason: String,
    },
    /// No model is loaded in this worker yet.
    #[error("no model is loaded")]
    ModelNotLoaded,
    /// The prompt does not fit: shorten it, or load the model with a longer context. Nothing was computed.
    #[error("the prompt is {prompt_tokens} tokens long, the model takes at most {limit_tokens}")]
    ContextExceeded {
        /// Length of the whole prompt, chat template included.
        prompt_tokens: u32,
        /// The most that a prompt may have: the context window less one token for the answer.
        limit_tokens: u32,
    },
    /// The request makes no sense: correct it.
    #[error("{reason}")]
    InvalidRequest {
        /// Which field and why.
        reason: String,
    },
    /// The device or the machine has no memory for this.
    #[error("not enough memory: {reason}")]
    OutOfMemory {
        /// What was being allocated.
        reason: String,
    },
    /// Too many requests wait already: try again when some are over. Nothing was computed.
    #[error("{waiting} requests are waiting already, and at most {limit} may")]
    Busy {
        /// How many wait.
        waiting: u32,
        /// How many may.
        limit: u32,
    },
    /// The worker is gone, or speaks nonsense. The model must be loaded again.
    #[error("the engine stopped: {reason}")]
    Crashed {
        /// How it ended, in words.
        reason: String,
    },
    /// The computation failed although the request and the model looked right.
    #[error("the engine failed: {reason}")]
    Internal {
        /// The error underneath.
        reason: String,
    },
}

impl EngineError {
    /// A [`EngineError::Crashed`] with this reason.
    pub fn crashed(reason: impl Into<String>) -> Self {
        Self::Crashed {
            reason: reason.into(),
        }
    }

    /// An [`EngineError::InvalidRequest`] with this reason.
    pub fn invalid_request(reason: impl Into<String>) -> Self {
        Self::InvalidRequest {
            reason: reason.into(),
        }
    }

    /// An [`EngineError::Internal`] with the first line of this error's text: a backtrace may follow it.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        let text = error.to_string();
        Self::Internal {
            reason: text.lines().next().unwrap_or_default().to_owned(),
        }
    }
}
