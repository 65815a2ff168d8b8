//! Work that blocks on the disk, away from the tasks that wait for the network.

use crate::Error;
use std::io;
use tokio::task::JoinError;

/// Runs it on a thread for such work. If nobody waits any more, it still runs to its end.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    settled(tokio::task::spawn_blocking(work).await)
}

/// What came of it.
pub(super) fn settled<T>(outcome: Result<Result<T, Error>, JoinError>) -> Result<T, Error> {
    outcome.unwrap_or_else(|error| Err(Error::io("")(io::Error::other(error))))
}
