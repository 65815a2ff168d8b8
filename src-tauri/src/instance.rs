//! One app for one data folder. The first holds a lock there and listens on a socket; a second one hands its order over
//! (to show itself, or to become a kiosk), and ends.
//!
//! The kernel gives the lock back however the first one ends, so there is nothing stale to clean up by hand. No D-Bus:
//! a kiosk or a bare X server has none.

use crate::arguments::Order;
use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the first one may take to answer; it may itself just be starting.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest order: no output has a longer name.
const LONGEST: u64 = 4096;
/// What the first one answers when it did as it was told; anything else are words that say why not.
const DONE: &str = "raised";
const KIOSK: &str = "kiosk";

/// Why it is unclear whether this is the only one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the folder {path} can't be used: {error}")]
    Folder { path: PathBuf, error: io::Error },
    #[error("Wick is running already with {path}, but does not answer: {error}")]
    Deaf { path: PathBuf, error: io::Error },
    #[error("Wick is running already, and: {0}")]
    Refused(String),
}

/// The right to be the only one. Ends with the process.
#[derive(Debug)]
pub(crate) struct Instance {
    _lock: File,
    listener: Option<UnixListener>,
}

impl Instance {
    /// `None`: another one is there and has done what was ordered.
    pub(crate) fn claim(data_dir: &Path, order: &Order) -> Result<Option<Self>, Error> {
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
                let answer = tell_first(&socket_path(data_dir), order);
                let answer = answer.map_err(|error| Error::Deaf {
                    path: data_dir.to_owned(),
                    error,
                })?;
                (answer == DONE)
                    .then_some(None)
                    .ok_or(Error::Refused(answer))
            }
            Err(TryLockError::Error(error)) => Err(folder(error)),
        }
    }

    /// Calls `obey` whenever another one was started. What it says against it is told there.
    pub(crate) fn on_second_start(
        self,
        obey: impl Fn(Order) -> Result<(), String> + Send + 'static,
    ) {
        let answer = move || {
            // The lock lives as long as this thread, which is as long as the process.
            let Self { _lock, listener } = self;
            let Some(listener) = listener else {
                loop {
                    std::thread::park();
                }
            };
            for stream in listener.incoming() {
                // The other one waits for an answer, but may have gone.
                let _ = stream.and_then(|stream| answer(stream, &obey));
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

fn answer(mut stream: UnixStream, obey: impl Fn(Order) -> Result<(), String>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut order = String::new();
    (&stream).take(LONGEST).read_to_string(&mut order)?;
    let done = obey(read_order(&order));
    stream.write_all(done.err().as_deref().unwrap_or(DONE).as_bytes())
}

/// An order on the socket: `kiosk` with the output's name in a second line if it has one; anything else is the desk.
fn read_order(order: &str) -> Order {
    let mut lines = order.lines();
    match lines.next() {
        Some(KIOSK) => Order::Kiosk {
            display: lines.next().map(String::from),
        },
        _ => Order::Desk,
    }
}

fn write_order(order: &Order) -> String {
    match order {
        Order::Kiosk {
            display: Some(name),
        } => format!("{KIOSK}\n{name}\n"),
        Order::Kiosk { display: None } => format!("{KIOSK}\n"),
        _ => String::new(),
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

fn tell_first(path: &Path, order: &Order) -> io::Result<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match hand_over(path, order) {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn hand_over(path: &Path, order: &Order) -> io::Result<String> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(write_order(order).as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no answer"));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn claim(folder: &Path, order: &Order) -> Result<Option<Instance>, Error> {
        Instance::claim(folder, order)
    }

    #[test]
    fn the_second_hands_its_order_to_the_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = claim(folder.path(), &Order::Desk).expect("claim");
        let first = first.expect("nobody else is there");
        let (obeyed, was_obeyed) = mpsc::channel();
        first.on_second_start(move |order| {
            obeyed.send(order).expect("the test listens");
            Ok(())
        });
        for order in [
            Order::Desk,
            Order::Kiosk { display: None },
            Order::Kiosk {
                display: Some("HDMI-1".into()),
            },
        ] {
            assert!(claim(folder.path(), &order).expect("claim").is_none());
            let obeyed = was_obeyed.try_recv();
            assert_eq!(obeyed.expect("before the second returned"), order);
        }
    }

    #[test]
    fn the_second_says_why_the_first_did_not_obey() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = claim(folder.path(), &Order::Desk).expect("claim");
        let first = first.expect("nobody else is there");
        first.on_second_start(|_| Err("Set a PIN first.".into()));
        let refused = claim(folder.path(), &Order::Kiosk { display: None });
        assert!(matches!(refused, Err(Error::Refused(words)) if words == "Set a PIN first."));
    }

    #[test]
    fn what_a_killed_one_left_is_no_hindrance() {
        let folder = tempfile::tempdir().expect("a folder");
        drop(claim(folder.path(), &Order::Desk).expect("claim"));
        assert!(folder.path().join("wick.sock").exists(), "nothing was left");
        let again = claim(folder.path(), &Order::Desk).expect("claim");
        assert!(again.is_some_and(|instance| instance.listener.is_some()));
    }
}
