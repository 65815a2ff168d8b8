//! The words on the pipe: one JSON value a line in each direction.
//!
//! The app writes [`Command`]s, the worker writes [`Report`]s. The end of the app's stream is the order to stop: a
//! worker whose standard input ends exits. Nothing here is ever read from a file or a network.

use crate::{
    Answer, EngineError, GenerateRequest, GenerationEvent, GenerationId, LoadOptions, LoadProgress,
    LoadedModel, MemoryUse, Question, QuestionId,
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Longest line that either side takes, in bytes. A whole conversation of a million tokens fits.
pub const MAX_LINE_BYTES: usize = 64 << 20;

/// From the app to the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// Load a model; once in a worker's life.
    Load {
        /// The model.
        path: PathBuf,
        /// How.
        #[serde(default)]
        options: LoadOptions,
    },
    /// Start a generation.
    Generate {
        /// Its name, chosen by the app.
        id: GenerationId,
        /// What to do.
        request: Box<GenerateRequest>,
    },
    /// End a generation after the step that is running.
    Cancel {
        /// Its name.
        id: GenerationId,
    },
    /// Forget the KV cache, so that the next prompt is computed whole, and overwrite it. Answered by `Forgotten`.
    ForgetCache,
    /// Answer a question beside the generations.
    Ask {
        /// Its name, chosen by the app.
        id: QuestionId,
        /// What is asked.
        question: Box<Question>,
    },
    /// Nobody waits for the answer to a question any more.
    Withdraw {
        /// Its name.
        id: QuestionId,
    },
}

/// From the worker to the app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Report {
    /// A load goes on.
    Loading(LoadProgress),
    /// The model is ready.
    Loaded(LoadedModel),
    /// The load failed. The worker holds no model; the app ends it.
    LoadFailed {
        /// Why.
        error: EngineError,
    },
    /// It is at work: twice a second while it loads or computes, from a thread that does neither.
    Progress {
        /// Steps done since its start.
        steps: u64,
    },
    /// The memory in use changed.
    Memory(MemoryUse),
    /// The KV cache is forgotten and overwritten, but for what running generations hold; as often as it was ordered.
    Forgotten,
    /// A step of a generation.
    Generation {
        /// Its name.
        id: GenerationId,
        /// The step.
        event: GenerationEvent,
    },
    /// A generation failed; nothing follows for it.
    GenerationFailed {
        /// Its name.
        id: GenerationId,
        /// Why.
        error: EngineError,
    },
    /// A part of the answer to a question, or all of it.
    Answer {
        /// The question's name.
        id: QuestionId,
        /// The part.
        answer: Answer,
    },
    /// A question can't be answered; nothing follows for it.
    Unanswered {
        /// The question's name.
        id: QuestionId,
        /// Why.
        error: EngineError,
    },
}

/// One message as the line that carries it, newline included.
///
/// # Errors
/// Only if the message holds something JSON has no form for, which the types rule out but for non-UTF-8 paths.
pub fn to_line(message: &impl Serialize) -> Result<String, EngineError> {
    let mut line = serde_json::to_string(message).map_err(EngineError::internal)?;
    line.push('\n');
    Ok(line)
}
