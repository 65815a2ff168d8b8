//! Files that are whole, in parts, large, damaged and hostile.

mod gguf;
mod huggingface;
mod safetensors;
pub(crate) mod writer;
