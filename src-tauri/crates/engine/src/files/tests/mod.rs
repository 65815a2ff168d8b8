//! Files that are whole, in parts, large, damaged and hostile.

mod gguf;
pub(super) mod writer;
