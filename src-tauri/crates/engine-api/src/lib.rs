//! What the app knows of inference.
//!
//! A loaded model is a process. This crate holds the words spoken with it ([`wire`]), the handle that speaks them
//! over any pair of byte pipes ([`Engine`]), and the start and end of the process ([`Worker`]). It deliberately knows
//! no tensor, no tokenizer and no file format: those live on the other side of the pipe.
//!
//! Invariant: however the worker ends or misbehaves (answers, dies, writes rubbish), every [`Generation`] ends, either with
//! [`GenerationEvent::Finished`] or with an [`EngineError`].

mod chat;
mod error;
mod event;
mod gpu;
mod handle;
mod load;
mod progress;
mod question;
mod reads;
mod request;
mod sampling;
pub mod wire;
mod worker;

pub use chat::{Chat, ChatMessage, Role, Tool, ToolCall};
pub use error::EngineError;
pub use event::{
    FinishReason, GenerationEvent, InterToken, LoadProgress, LoadedModel, Logprobs, MemoryUse,
    Timings, TokenLogprob,
};
pub use gpu::{CUDA_NEEDED, OLDEST_CAPABILITY};
pub use handle::{Answers, Engine, Generation};
pub use load::{KvType, LoadOptions, MemoryPlan, Quantize};
pub use progress::Progress;
pub use question::{
    Answer, Input, Inspection, Perplexity, Question, QuestionId, Row, TensorShare, Text,
};
pub use reads::{KvRead, KvReads};
pub use request::{Constraint, GenerateRequest, GenerationId, Prompt};
pub use sampling::{Dry, Sampling};
pub use worker::{GPU_FAILED, Worker, WorkerExit};
