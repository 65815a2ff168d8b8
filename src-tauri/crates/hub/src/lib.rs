//! Models: those that are on the disk, the **library**, and those on Hugging Face, the **hub**.
//!
//! `library/` looks at folders; `remote/` asks the hub; `transfer/` brings files into `cache/`, the folder that Hugging
//! Face's own tools share. It is the only crate of the house with an HTTP client. It deliberately does not read what is
//! inside a model file beyond how long its header is: the rest is the engine's, behind its pipe. It also keeps no queue and
//! no settings: those are `studio`'s.
//!
//! Invariants: whatever lies in the library's folders, listing them neither fails nor changes anything there; nothing
//! unverified ever has a final name; the access token goes to the hub's own host and to no other.

mod cache;
mod catalog;
mod error;
mod library;
mod remote;
mod small_file;
mod transfer;

pub use cache::{Blob, FileHash, SetAside, set_aside};
pub use catalog::{CatalogEntry, Purpose, catalog};
pub use error::{Access, Error};
pub use library::{
    Checked, FileState, Kept, Leaving, LeftOut, Library, LibraryRoot, Looked, Model, ModelId,
    Removal, RootKind, RootUsage, VerifyProgress,
};
pub use remote::{
    Commit, Format, Found, Gate, Hub, HubSettings, Repo, RepoFile, RepoId, SearchPage, SearchQuery,
    Secret, Sort, TokenState, Variant,
};
pub use transfer::{Phase, Progress, SpeedLimit, Stop, TransferOptions, Wanted, free_bytes};
