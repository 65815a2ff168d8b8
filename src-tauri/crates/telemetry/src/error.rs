//! Why a reading could not be taken, by what the caller can do about it.

use std::path::PathBuf;

/// An error of a reading.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process has ended: there is nothing left to read, now or later.
    #[error("process {pid} is gone")]
    Gone {
        /// The process asked for.
        pid: u32,
    },
    /// The file is there but does not say what it should: this system is not one that Wick knows.
    #[error("{path} can't be understood: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// The file can't be read.
    #[error("{path} can't be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}
