//! Model files, whatever their format: metadata, and tensors by name.
//!
//! A GGUF file (one or several parts) and a Hugging Face checkpoint (config.json and safetensors) both end in one
//! [`Checkpoint`] that speaks GGUF's names for metadata keys and tensors, so that what comes after has one vocabulary.
//! It deliberately computes nothing. Invariant: each length, shape and place is proven against the files' sizes before
//! anybody relies on it.

mod checkpoint;
pub mod dequant;
pub mod gguf;
pub mod huggingface;
mod metadata;
mod quantize;
pub mod safetensors;
mod source;
mod tensor_type;
#[cfg(test)]
pub(crate) mod tests;
mod view;

pub use checkpoint::{Checkpoint, TensorInfo};
pub use metadata::{Metadata, Value};
pub use quantize::quantize;
pub use source::Place;
pub use tensor_type::TensorType;
