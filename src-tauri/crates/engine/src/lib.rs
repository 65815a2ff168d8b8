//! The worker: one loaded model, spoken to over a pair of byte streams with the words of [`engine_api::wire`].
//!
//! It is the only crate that knows candle. It deliberately knows nothing of the app: no library, no conversation, no
//! settings; a request brings all that it needs. Invariant: whatever a model file holds, loading it ends in a model or
//! in an [`engine_api::EngineError`], never in a panic or in memory that the file's size does not justify.

pub mod cpu;
pub mod decoder;
pub mod files;
#[cfg(any(test, feature = "cuda"))]
pub mod gpu;
pub mod grammar;
pub mod heap;
pub mod kv;
pub mod model;
pub mod program;
pub mod pulse;
pub mod sampler;
pub mod scheduler;
mod stop;
pub mod template;
mod timing;
pub mod tokenizer;
pub mod transcript;
pub mod vocabulary;
pub mod weights;
mod wipe;
mod worker;

pub use model::Model;
pub use worker::serve;
