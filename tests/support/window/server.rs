//! A display server as a process: it ends with its handle, and with the test.

use super::PATIENCE;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A running one.
pub(super) struct Server(pub(super) Child);

impl Server {
    /// Starts it and waits until this path is there.
    pub(super) async fn start(mut command: Command, ready: &Path) -> Self {
        let started = command.spawn();
        let mut server = Self(started.unwrap_or_else(|error| panic!("{command:?}: {error}")));
        let deadline = Instant::now() + PATIENCE;
        while !ready.exists() {
            let ended = server.0.try_wait().expect("a child");
            assert!(ended.is_none(), "{command:?} ended: {ended:?}");
            assert!(Instant::now() < deadline, "no {}", ready.display());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server
    }

    pub(super) fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
