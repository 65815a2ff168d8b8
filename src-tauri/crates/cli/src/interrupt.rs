//! Ctrl+C: the first asks for an orderly end, the second doesn't wait for one.

use crate::stop::INTERRUPTED;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Whether the person has pressed Ctrl+C.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on. Must be called inside a tokio runtime.
    pub(crate) fn listen() -> Self {
        let (sender, receiver) = watch::channel(false);
        match signal(SignalKind::interrupt()) {
            Ok(presses) => drop(tokio::spawn(count(presses, sender))),
            Err(error) => tracing::warn!(%error, "Ctrl+C will end this at once"),
        }
        Self(receiver)
    }

    /// One that never comes.
    #[cfg(test)]
    pub(crate) fn never() -> Self {
        Self(watch::channel(false).1)
    }

    /// One that has come already.
    #[cfg(test)]
    pub(crate) fn now() -> Self {
        Self(watch::channel(true).1)
    }

    /// Whether it has come.
    pub(crate) fn has_come(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when it comes; at once when it has.
    pub(crate) async fn comes(&mut self) {
        if self.0.wait_for(|come| *come).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn count(mut presses: Signal, sender: watch::Sender<bool>) {
    presses.recv().await;
    sender.send_replace(true);
    presses.recv().await;
    // A worker dies with the process that started it; at most an unfinished file of `wick logits` is left behind.
    std::process::exit(INTERRUPTED.into());
}
