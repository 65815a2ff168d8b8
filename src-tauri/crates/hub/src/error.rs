//! What can go wrong with the library, by what the caller can do about it.

use std::path::PathBuf;

/// An error of the library.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No model goes by that name: choose one of those there are.
    #[error("there is no model {wanted:?} in the library; {}", there_is(known))]
    NotFound {
        /// The name as it was given.
        wanted: String,
        /// The file names of all models there are.
        known: Vec<String>,
    },
    /// Several models go by that name: say more of it.
    #[error("{wanted:?} could be any of {}", candidates.join(", "))]
    Ambiguous {
        /// The name as it was given.
        wanted: String,
        /// What each of them is called without doubt: its file name, or its path where that is not enough.
        candidates: Vec<String>,
    },
    /// The path leads to nothing that Wick can use: choose another file.
    #[error("{path} is not a model: {reason}")]
    NotAModel {
        /// The path as it was given.
        path: PathBuf,
        /// Why, in words.
        reason: String,
    },
    /// The disk failed.
    #[error("{path} can't be read: {source}")]
    Io {
        /// What was being read.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

fn there_is(known: &[String]) -> String {
    match known {
        [] => "the library is empty".into(),
        [only] => format!("there is only {only}"),
        many => format!("there are {}", many.join(", ")),
    }
}
