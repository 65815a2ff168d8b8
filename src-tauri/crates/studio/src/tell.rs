//! Tells other programs of the same person what the status and the monitor show: `wick top` asks here.
//!
//! A socket in the data folder answers each line that it is sent, whatever stands in it, with a [`Snapshot`] as one line
//! of JSON. It deliberately takes no orders: nothing can be changed through it.
//!
//! Invariant: whoever connects costs a bounded line and a bounded time, and no more than [`Limits::clients`] are served;
//! nobody who is slow, silent or rude keeps anything from going on.

use crate::{Inner, MonitorNow, Span, Status, Studio};
use serde::{Deserialize, Serialize};
use std::fs::{Permissions, symlink_metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

/// What a question may be long, in bytes.
const MOST_LINE_BYTES: usize = 1024;
/// How long a listener that can't take a client waits until it tries again: it lacks file descriptors, for instance.
const PAUSE: Duration = Duration::from_secs(1);

/// The status and what is going on, at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// What the strip shows.
    pub status: Status,
    /// What the monitor shows beside it.
    pub now: MonitorNow,
}

/// Where a running Wick with this data folder tells its readings.
pub fn readings_socket(data_dir: &Path) -> PathBuf {
    data_dir.join("readings.sock")
}

/// What one may ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How many are served at once. One more is turned away.
    pub(crate) clients: usize,
    /// How long one may say nothing, or take nothing.
    pub(crate) patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 16,
            patience: Duration::from_secs(10),
        }
    }
}

/// Whether the socket is there.
#[derive(Debug, Default)]
pub(crate) struct Telling(watch::Sender<bool>);

impl Telling {
    /// Returns when the socket is gone; at once where there was none.
    pub(crate) async fn over(&self) {
        let _ = self.0.subscribe().wait_for(|is_there| !is_there).await;
    }

    /// Returns when the socket is there.
    #[cfg(test)]
    pub(crate) async fn begun(&self) {
        let _ = self.0.subscribe().wait_for(|is_there| *is_there).await;
    }
}

impl Studio {
    /// The status and what is going on now. Whoever asks looks, as with [`Studio::timeline`]: for the next second and a
    /// half, readings are taken four times a second.
    pub fn snapshot(&self) -> Snapshot {
        // Nothing is newer than this: it only says that somebody looks.
        let _ = self.timeline(Span::FiveMinutes, i64::MAX);
        Snapshot {
            status: self.status(),
            now: self.monitor_now(),
        }
    }

    /// Answers other programs of this person at [`readings_socket`], until the application closes. The data folder must
    /// be there. Where no socket can be made, or somebody else answers there, it says so in a trace and ends: Wick
    /// works without.
    pub fn tell_readings(&self) -> impl Future<Output = ()> + Send + 'static {
        self.tell_within(Limits::default())
    }

    pub(crate) fn tell_within(
        &self,
        limits: Limits,
    ) -> impl Future<Output = ()> + Send + use<> + 'static {
        let path = readings_socket(&self.inner.data_dir);
        let is_there = self.inner.telling.0.clone();
        let mut closing = self.inner.closing.subscribe();
        let teller = Teller {
            // Telling doesn't keep the application alive.
            inner: Arc::downgrade(&self.inner),
            places: Arc::new(Semaphore::new(limits.clients)),
            patience: limits.patience,
        };
        async move {
            match Socket::listen(path) {
                Ok(socket) => {
                    is_there.send_replace(true);
                    tokio::select! {
                        () = teller.accept(&socket.listener) => {}
                        () = crate::closed(&mut closing) => {}
                    }
                    drop(socket);
                    is_there.send_replace(false);
                }
                Err(error) => tracing::warn!(%error, "`wick top` can't ask this Wick"),
            }
        }
    }
}

/// A listening socket with a name, which goes with it.
#[derive(Debug)]
struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and number: a file of this name that is another one is not ours.
    identity: Option<(u64, u64)>,
}

impl Socket {
    /// Listens there, in the place of what a killed one left.
    fn listen(path: PathBuf) -> io::Result<Self> {
        make_way(&path)?;
        // Under another name until only this person may use it: it takes its place in one step.
        let beside = path.with_file_name("readings.new");
        remove(&beside)?;
        let listener = UnixListener::bind(&beside)?;
        std::fs::set_permissions(&beside, Permissions::from_mode(0o600))?;
        std::fs::rename(&beside, &path)?;
        Ok(Self {
            listener,
            identity: identity(&path),
            path,
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            // What can't be removed is found to be stale by the next one.
            let _ = remove(&self.path);
        }
    }
}

/// Says whether the name may be taken: nothing is there, or a socket at which nobody answers.
fn make_way(path: &Path) -> io::Result<()> {
    let taken = |words: &str| Err(io::Error::new(ErrorKind::AddrInUse, words));
    match symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(there) if !there.file_type().is_socket() => taken("readings.sock is no socket"),
        // One that listens is there, however slow it is.
        Ok(_) => match std::os::unix::net::UnixStream::connect(path) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
            Err(error) => Err(error),
            Ok(_) => taken("somebody answers at readings.sock already"),
        },
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let there = symlink_metadata(path).ok()?;
    Some((there.dev(), there.ino()))
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What answers.
#[derive(Debug, Clone)]
struct Teller {
    inner: Weak<Inner>,
    places: Arc<Semaphore>,
    patience: Duration,
}

impl Teller {
    /// Serves whoever comes, as long as it is let.
    async fn accept(&self, listener: &UnixListener) {
        loop {
            match listener.accept().await {
                Ok((client, _)) => self.serve(client),
                Err(error) => {
                    tracing::debug!(%error, "nobody can ask for readings");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// One that finds no place is turned away at once: its connection ends.
    fn serve(&self, client: UnixStream) {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return;
        };
        let teller = self.clone();
        tokio::spawn(async move {
            let ended = teller.answer(client).await;
            tracing::trace!(?ended, "one who asked for readings is gone");
            drop(place);
        });
    }

    /// Answers until it hangs up, is silent or slow for too long, sends too long a line, or the application is gone.
    async fn answer(&self, mut client: UnixStream) -> io::Result<()> {
        let mut bytes = [0; MOST_LINE_BYTES];
        let mut line_bytes = 0;
        loop {
            let read = timeout(self.patience, client.read(&mut bytes)).await??;
            if read == 0 {
                return Ok(());
            }
            for byte in &bytes[..read] {
                line_bytes += 1;
                if *byte == b'\n' {
                    line_bytes = 0;
                    let line = self.line()?;
                    timeout(self.patience, client.write_all(&line)).await??;
                }
            }
            if line_bytes > MOST_LINE_BYTES {
                return Err(io::Error::new(ErrorKind::InvalidData, "a long line"));
            }
        }
    }

    fn line(&self) -> io::Result<Vec<u8>> {
        let inner = self.inner.upgrade().ok_or(ErrorKind::NotConnected)?;
        let mut line = serde_json::to_vec(&Studio { inner }.snapshot())?;
        line.push(b'\n');
        Ok(line)
    }
}
