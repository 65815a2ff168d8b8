//! Hugging Face's cache on the disk: `models--ORG--NAME/{blobs,snapshots,refs}` and `.locks`, as `huggingface_hub` has it.
//!
//! Invariant: what has a final name here is whole and was verified, and other tools find it where they look.
//! Source: `huggingface_hub`'s documentation of its cache, and its `file_download.py` (2.4).

mod hash;
pub(crate) mod layout;
mod publish;
mod repair;
pub(crate) mod scan;
mod usage;
pub(crate) mod verify;

pub use hash::FileHash;
pub(crate) use hash::Hasher;
pub use layout::Blob;
pub use repair::{SetAside, set_aside};
