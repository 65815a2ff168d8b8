//! One app for one data folder. The first holds a lock there and listens on a socket; a second one asks the first to
//! show itself, and ends.
//!
//! The kernel gives the lock back however the first one ends, so there is nothing stale to clean up by hand. No D-Bus:
//! a kiosk or a bare X server has none.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the first one may take to answer; it may itself just be starting.
const PATIENCE: Duration = Duration::from_secs(5);
const RAISED: &[u8] = b"raised";

/// Why it is unclear whether this is the only one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the folder {path} can't be used: {error}")]
    Folder { path: PathBuf, error: io::Error },
    #[error("Wick is running already with {path}, but does not answer: {error}")]
    Deaf { path: PathBuf, error: io::Error },
}

/// The right to be the only one. Ends with the process.
#[derive(Debug)]
pub(crate) struct Instance {
    _lock: File,
    listener: Option<UnixListener>,
}

impl Instance {
    /// `None`: another one is there and has been asked to show itself.
    pub(crate) fn claim(data_dir: &Path) -> Result<Option<Self>, Error> {
        let folder = |error| Error::Folder {
            path: data_dir.to_owned(),
            error,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data_dir)
            .map_err(folder)?;
        let lock = File::create(data_dir.join("wick.lock")).map_err(folder)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self {
                _lock: lock,
                listener: listen(&socket_path(data_dir)),
            })),
            Err(TryLockError::WouldBlock) => {
                raise_first(&socket_path(data_dir)).map_err(|error| Error::Deaf {
                    path: data_dir.to_owned(),
                    error,
                })?;
                Ok(None)
            }
            Err(TryLockError::Error(error)) => Err(folder(error)),
        }
    }

    /// Calls `raise` whenever another one was started.
    pub(crate) fn on_second_start(self, raise: impl Fn() + Send + 'static) {
        let answer = move || {
            // The lock lives as long as this thread, which is as long as the process.
            let Self { _lock, listener } = self;
            let Some(listener) = listener else {
                loop {
                    std::thread::park();
                }
            };
            for stream in listener.incoming() {
                raise();
                // The other one waits for this, but may have gone.
                let _ = stream.and_then(|mut stream| stream.write_all(RAISED));
            }
        };
        if let Err(error) = std::thread::Builder::new()
            .name("wick-instance".into())
            .spawn(answer)
        {
            tracing::warn!(%error, "a second start will not raise this window");
        }
    }
}

fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join("wick.sock")
}

/// Without a socket (a path over the kernel's 107 bytes, a file system without sockets) the app runs all the same.
fn listen(path: &Path) -> Option<UnixListener> {
    // Left over from one that was killed: the lock is ours, so nobody listens there.
    let _ = std::fs::remove_file(path);
    UnixListener::bind(path)
        .inspect_err(|error| tracing::warn!(%error, "a second start will not raise this window"))
        .ok()
}

fn raise_first(path: &Path) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask_to_raise(path) {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn ask_to_raise(path: &Path) -> io::Result<()> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    if answer == RAISED {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no answer"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn the_second_raises_the_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = Instance::claim(folder.path()).expect("claim");
        let first = first.expect("nobody else is there");
        let (raised, was_raised) = mpsc::channel();
        first.on_second_start(move || raised.send(()).expect("the test listens"));
        assert!(Instance::claim(folder.path()).expect("claim").is_none());
        was_raised
            .try_recv()
            .expect("it was raised before the second returned");
    }

    #[test]
    fn what_a_killed_one_left_is_no_hindrance() {
        let folder = tempfile::tempdir().expect("a folder");
        drop(Instance::claim(folder.path()).expect("claim"));
        assert!(folder.path().join("wick.sock").exists(), "nothing was left");
        let again = Instance::claim(folder.path()).expect("claim");
        assert!(again.is_some_and(|instance| instance.listener.is_some()));
    }
}
