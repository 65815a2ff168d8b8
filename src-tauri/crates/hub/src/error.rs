//! What can go wrong, by what the caller can do about it.

use crate::{FileHash, RepoId};
use std::path::PathBuf;
use std::time::Duration;

/// An error of the library, of the hub or of a transfer.
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
    /// The disk failed, or does not let us.
    #[error("{path} can't be used: {source}")]
    Io {
        /// What was being read or written.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// What was asked for can't be: a name that is no repository's, a revision that is none.
    #[error("{0}")]
    Invalid(String),
    /// The hub can't be reached, or Wick was told not to ask it: wait, or look at the network.
    #[error("the hub is offline or can't be reached at {endpoint}: {reason}")]
    Offline {
        /// The hub's address.
        endpoint: String,
        /// Why, in words.
        reason: String,
    },
    /// The hub does not let this person at it.
    #[error("the repository {repo} is not open to you: {}", access.words())]
    AccessDenied {
        /// What was asked for.
        repo: RepoId,
        /// What is missing.
        access: Access,
        /// The page where it can be had.
        link: String,
    },
    /// There is no such thing on the hub.
    #[error("{what} is not on the hub")]
    NotOnHub {
        /// What was asked for, in words.
        what: String,
    },
    /// Too many requests: wait as long as it says.
    #[error("the hub asks to wait for {} s", wait.as_secs())]
    RateLimited {
        /// How long.
        wait: Duration,
    },
    /// The hub or its CDN failed, or sent what makes no sense: try again later.
    #[error("the hub failed: {reason}")]
    Server {
        /// What it sent, in words.
        reason: String,
    },
    /// The hub names a file that no honest repository has: nothing of it is fetched.
    #[error("the repository {repo} names a file that can't be written safely: {path:?}")]
    UnsafePath {
        /// Where.
        repo: RepoId,
        /// The name as it came.
        path: String,
    },
    /// The disk is full, or would be: make room. What was fetched stays.
    #[error("{} bytes are missing on the disk of {folder}", missing_bytes)]
    DiskFull {
        /// The folder that it should go to.
        folder: PathBuf,
        /// How much more room is needed, with the reserve.
        missing_bytes: u64,
    },
    /// What came, twice, is not what the hub says it has. Nothing of it was kept.
    #[error("the file {file} is damaged: its hash should be {expected} and is {found}")]
    Mismatch {
        /// The file in its repository.
        file: String,
        /// What the hub says.
        expected: FileHash,
        /// What came.
        found: FileHash,
    },
    /// Another program is fetching the same file into the same cache.
    #[error("another program is fetching {file}")]
    Locked {
        /// The file in its repository.
        file: String,
    },
    /// Something was not as it was when one looked: look again. Nothing was removed.
    #[error("{path} has changed since one looked; nothing was removed")]
    Changed {
        /// What.
        path: PathBuf,
    },
    /// The disk failed, or does not let us, in the middle of a removal. What was removed is gone; the rest stays.
    #[error(
        "{} of {} files were removed, which freed {freed_bytes} bytes; {path} could not be: {source}",
        removed.len(),
        removed.len() + left.len()
    )]
    PartlyRemoved {
        /// What is gone.
        removed: Vec<PathBuf>,
        /// What is still there.
        left: Vec<PathBuf>,
        /// What that freed.
        freed_bytes: u64,
        /// What failed.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Somebody wanted it so. What was fetched stays.
    #[error("it was stopped")]
    Stopped,
}

/// What is missing for a repository to be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// The hub wants to know who asks: there is no access token.
    NoToken,
    /// The hub does not know the access token (any more).
    WrongToken,
    /// Its licence is to be accepted on its page first.
    LicenceNotAccepted,
    /// It is private, or not there: the hub does not tell which.
    PrivateOrMissing,
}

impl Access {
    fn words(self) -> &'static str {
        match self {
            Self::NoToken => "it wants an access token, and there is none",
            Self::WrongToken => "the hub does not accept the access token",
            Self::LicenceNotAccepted => "its licence has not been accepted",
            Self::PrivateOrMissing => "it is private, or there is no such repository",
        }
    }
}

impl Error {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn server(reason: impl std::fmt::Display) -> Self {
        Self::Server {
            reason: reason.to_string(),
        }
    }
}

fn there_is(known: &[String]) -> String {
    match known {
        [] => "the library is empty".into(),
        [only] => format!("there is only {only}"),
        many => format!("there are {}", many.join(", ")),
    }
}
