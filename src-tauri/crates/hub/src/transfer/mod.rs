//! Brings files of one commit into the cache, over whatever happens on the way.

mod blocking;
mod file;
mod fill;
mod journal;
mod lock;
mod partial;
mod paths;
mod ranges;
mod report;
mod run;
mod sink;
mod source;
mod space;
mod speed;
#[cfg(test)]
mod tests;
mod trouble;
mod tuning;

pub use space::free_bytes;
pub use speed::SpeedLimit;

use tuning::Tuning;

use crate::{Commit, Error, Hub, RepoFile, RepoId};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::watch;

/// What is to be brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// From where.
    pub repo: RepoId,
    /// The revision that was asked for: its ref is written at the end.
    pub revision: String,
    /// What that was when it was asked for. It stays so, whatever moves meanwhile.
    pub commit: Commit,
    /// The files, with lengths and hashes.
    pub files: Vec<RepoFile>,
}

impl Wanted {
    /// Bytes of all files.
    pub fn total_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }
}

/// How it is brought.
#[derive(Debug, Clone)]
pub struct TransferOptions {
    /// Requests that run side by side for one large file, 1 to 16.
    pub segments: u8,
    /// How fast, for all transfers that share it.
    pub speed: SpeedLimit,
    /// Bytes of the disk that are never touched.
    pub reserve_bytes: u64,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Bytes on the disk, those of earlier attempts among them.
    pub done_bytes: u64,
    /// Bytes of all files.
    pub total_bytes: u64,
    /// What is being done.
    pub phase: Phase,
    /// What a person should know, such as that the server made it start over.
    pub note: Option<String>,
}

/// What is being done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Looking at the disk and asking the hub.
    Starting,
    /// Bytes come.
    Fetching,
    /// Nothing comes; it is tried again by itself.
    Waiting {
        /// Why, in words.
        reason: String,
        /// How long until the next try.
        wait: Duration,
    },
    /// What came is being hashed.
    Verifying,
}

/// The order to stop, given once.
#[derive(Debug, Clone)]
pub struct Stop(pub watch::Receiver<bool>);

impl Stop {
    /// The outcome of some work, or [`Error::Stopped`] as soon as the order is given.
    async fn or<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        let mut order = self.0.clone();
        let ordered = async {
            if order.wait_for(|given| *given).await.is_err() {
                // Nobody is left to give it.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = ordered => Err(Error::Stopped),
            done = work => Ok(done),
        }
    }
}

impl Hub {
    /// Brings what is wanted and returns its snapshot. What an earlier attempt left is used; what is there whole is not
    /// fetched. Network failures are waited out; everything else ends it, and what was fetched stays.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::DiskFull`], [`Error::AccessDenied`], [`Error::NotOnHub`], [`Error::Mismatch`],
    /// [`Error::UnsafePath`], [`Error::Io`], [`Error::Offline`] when the hub is not to be asked, [`Error::Server`] when it
    /// makes no sense.
    pub async fn fetch(
        &self,
        wanted: &Wanted,
        options: &TransferOptions,
        progress: &watch::Sender<Progress>,
        stop: Stop,
    ) -> Result<PathBuf, Error> {
        let tuning = Tuning::default();
        run::fetch(self, wanted, options, progress, stop, &tuning).await
    }

    /// Removes what an attempt left that will not go on: unfinished files and journals, nothing that is whole, and nothing
    /// that somebody is fetching. Blocks on the disk.
    ///
    /// # Errors
    /// [`Error::UnsafePath`], [`Error::Io`].
    pub fn discard(&self, wanted: &Wanted) -> Result<(), Error> {
        run::discard(self, wanted)
    }
}
