//! Models: for now those that are on the disk already, the **library**.
//!
//! What it deliberately is not, yet: Hugging Face. Search, revisions and verified downloads come to this crate with a
//! later issue, and with them the only HTTP client of the house; its cache on the disk is looked at. It also deliberately
//! does not read what is inside a model file beyond its first four bytes, and of a folder only whether its files are all
//! there: the rest is the engine's, behind its pipe.
//!
//! Invariant: whatever lies in the library's folders, listing them neither fails nor changes anything there; what can't
//! be used is left out with a warning in the trace.

mod checkpoint;
mod error;
mod file_name;
mod library;
mod model;
mod parts;
mod search;

pub use error::Error;
pub use library::{Library, LibraryRoot};
pub use model::{Model, ModelId};
