//! The folder of the kiosk: `kiosk.toml`, with Markdown and pictures beside it, looked at again and again.
//!
//! Invariant: what is in force is always a whole, proven [`Config`]; a mistake leaves the one before in force.

use super::config::Config;
use super::view::ConfigProblem;
use crate::Error;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// What holds now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct InForce {
    /// Grows with each change of `config`.
    pub(crate) version: u32,
    /// The last good one.
    pub(crate) config: Arc<Config>,
    /// What is wrong with what lies there now.
    pub(crate) problem: Option<ConfigProblem>,
    /// Whether `kiosk.toml` is there; otherwise what comes with Wick holds.
    pub(crate) has_folder: bool,
}

/// The folder. While one of these is held, a task looks at it every second. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: PathBuf,
    in_force: watch::Sender<Arc<InForce>>,
}

impl Folder {
    /// Reads it, and begins to look. Must be called inside a tokio runtime.
    pub(crate) fn open(path: PathBuf) -> Self {
        let now = InForce {
            version: 1,
            config: Arc::default(),
            problem: None,
            has_folder: false,
        };
        Self {
            path,
            in_force: watch::Sender::new(Arc::new(now)),
        }
    }

    /// What holds, as it changes.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<InForce>> {
        self.in_force.subscribe()
    }

    /// What holds, after looking at the disk. Blocks while it reads.
    pub(crate) fn look_now(&self) -> Arc<InForce> {
        self.in_force.borrow().clone()
    }

    /// A picture of the folder as a `data:` address. Blocks while it reads.
    pub(crate) fn picture(&self, name: &str) -> Result<String, Error> {
        let _ = (&self.path, name);
        Err(Error::internal("not yet"))
    }

    /// Writes what comes with Wick into the folder. What is there is left alone. Blocks while it writes.
    pub(crate) fn make(&self) -> Result<(), Error> {
        Err(Error::internal("not yet"))
    }
}
