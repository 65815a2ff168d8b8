//! The log of visitor sessions: for each its length and figures, and nothing that was said.

use super::view::{KioskLog, KioskSession};
use crate::Error;
use crate::store::Store;
use std::path::PathBuf;

/// The sessions since this moment, and all of them together.
pub(crate) async fn log_since(_store: &Store, _since_ms: i64) -> Result<KioskLog, Error> {
    Err(Error::internal("not yet"))
}

/// Writes all sessions into a new CSV file in this folder; its path.
pub(crate) async fn export(_store: &Store, _folder: PathBuf) -> Result<String, Error> {
    Err(Error::internal("not yet"))
}

/// Keeps how a session stands: after each turn, and when it ends. One that began at the same moment is the same.
pub(crate) fn note(_store: &Store, _session: KioskSession) {}
