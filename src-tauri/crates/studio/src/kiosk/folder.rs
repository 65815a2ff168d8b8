//! The folder of the kiosk, `kiosk.toml` with Markdown and pictures beside it, looked at again and again.
//!
//! Deliberately not here: what its files mean (`config/`).
//!
//! Invariants: what is in force is always a whole, proven [`Config`]; a mistake leaves the one before in force; nothing
//! that is there is ever written over.

use super::config::{self, Config, Flaw, files};
use super::scenes;
use super::view::ConfigProblem;
use crate::Error;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// How often it is looked at. A change holds when two looks in a row saw the same, so that half a file does not.
const LOOK: Duration = Duration::from_millis(500);

/// Files that are looked at, at most.
const MOST_FILES: usize = 2000;

/// Folders in the folder that are looked into, at most.
const MOST_FOLDERS: usize = 100;

/// What holds now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct InForce {
    /// Grows with each edit that is good.
    pub(crate) version: u32,
    /// The last good one.
    pub(crate) config: Arc<Config>,
    /// What is wrong with what lies there now.
    pub(crate) problem: Option<ConfigProblem>,
    /// Whether `kiosk.toml` is there; otherwise what comes with Wick holds.
    pub(crate) has_folder: bool,
}

/// The folder. While one of these is held, a task looks at it. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    inner: Arc<Inner>,
    /// Ends the looking with the last clone.
    _looking: Arc<EndOnDrop>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    in_force: watch::Sender<Arc<InForce>>,
    /// How the files were when they were last read.
    read: Mutex<Files>,
}

#[derive(Debug)]
struct EndOnDrop(AbortHandle);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// For each file that matters, what changes when it does: size, time of its content and of its entry, number on the disk.
type Files = BTreeMap<PathBuf, (u64, i128, i128, u64)>;

impl Folder {
    /// Reads it, and begins to look. Must be called inside a tokio runtime; blocks while it reads.
    pub(crate) fn open(path: PathBuf) -> Self {
        let none = InForce {
            version: 1,
            config: Arc::default(),
            problem: None,
            has_folder: false,
        };
        let inner = Arc::new(Inner {
            path,
            in_force: watch::Sender::new(Arc::new(none)),
            read: Mutex::default(),
        });
        inner.look();
        let task = tokio::spawn(keep_looking(inner.clone()));
        Self {
            inner,
            _looking: Arc::new(EndOnDrop(task.abort_handle())),
        }
    }

    /// What holds, as it changes.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<InForce>> {
        self.inner.in_force.subscribe()
    }

    /// What holds, after looking at the disk. Blocks while it reads.
    pub(crate) fn look_now(&self) -> Arc<InForce> {
        self.inner.look();
        self.inner.in_force.borrow().clone()
    }

    /// A picture of the folder as a `data:` address. Blocks while it reads.
    ///
    /// # Errors
    /// [`crate::ErrorCode::InvalidRequest`] for a name outside the folder, a link, what is no picture or not there.
    pub(crate) fn picture(&self, name: &str) -> Result<String, Error> {
        let picture = files::picture(&self.inner.path, name).map_err(
            |Flaw {
                 message, remedy, ..
             }| { Error::invalid(format!("The kiosk {message}")).hint(remedy) },
        )?;
        let bytes = BASE64_STANDARD.encode(picture.bytes);
        Ok(format!("data:{};base64,{bytes}", picture.media_type))
    }

    /// Writes what comes with Wick into the folder, which is made if need be. What is there is left alone. Blocks while it
    /// writes.
    ///
    /// # Errors
    /// [`crate::ErrorCode::DiskFull`], [`crate::ErrorCode::Internal`] when the folder takes no file. Then there is no
    /// `kiosk.toml`, unless there was one.
    pub(crate) fn make(&self) -> Result<(), Error> {
        make(&self.inner.path)?;
        self.inner.look();
        Ok(())
    }
}

fn make(folder: &Path) -> Result<(), Error> {
    let missing = |(name, _): &(&str, &[u8])| folder.join(name).symlink_metadata().is_err();
    let mut files = scenes::FILES.into_iter().filter(missing);
    let written = fs::create_dir_all(folder)
        .and_then(|()| files.try_for_each(|(name, bytes)| write_new(folder, name, bytes)));
    written.map_err(|error| {
        crate::export::unwritten("The kiosk's folder was not made", folder, &error)
    })
}

/// Writes a file that is there whole, or not at all, or was there before.
fn write_new(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new()
        .prefix(".wick-")
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(folder.join(name)) {
        Err(taken) if taken.error.kind() != ErrorKind::AlreadyExists => Err(taken.error),
        _ => Ok(()),
    }
}

async fn keep_looking(inner: Arc<Inner>) {
    let mut before = None;
    loop {
        tokio::time::sleep(LOOK).await;
        let looked_at = inner.clone();
        let look = tokio::task::spawn_blocking(move || {
            let now = files_of(&looked_at.path);
            if before.as_ref() == Some(&now) && *looked_at.lock() != now {
                looked_at.look();
            }
            now
        });
        before = look.await.ok();
    }
}

impl Inner {
    /// Reads what lies there, and lets it hold if it is good.
    fn look(&self) {
        let mut read = self.lock();
        // Looked at before it is read: what changes in between is seen at the next look.
        let files = files_of(&self.path);
        let found = config::read_folder(&self.path);
        let changed = *read != files;
        *read = files;
        self.in_force.send_if_modified(|in_force| {
            let next = Arc::new(in_force.after(found, changed));
            let is_another = *in_force != next;
            *in_force = next;
            is_another
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Files> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InForce {
    /// What holds after this was found. `changed`: some file is another than before, be it only a picture.
    fn after(&self, found: Result<Option<Config>, ConfigProblem>, changed: bool) -> Self {
        let (config, has_folder) = match found {
            Ok(Some(config)) => (config, true),
            Ok(None) => (Config::default(), false),
            Err(problem) => {
                return Self {
                    problem: Some(problem),
                    has_folder: true,
                    ..self.clone()
                };
            }
        };
        let is_new = changed || *self.config != config;
        Self {
            version: self.version + u32::from(is_new),
            config: Arc::new(config),
            problem: None,
            has_folder,
        }
    }
}

/// The files that matter, in the folder and in those in it. What can't be looked at is as if it were not there: reading
/// says why.
fn files_of(folder: &Path) -> Files {
    let mut found = Files::new();
    let mut folders = vec![folder.to_owned()];
    for _ in 0..MOST_FOLDERS {
        let Some(folder) = folders.pop() else { break };
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        for entry in entries.take(MOST_FILES.saturating_sub(found.len())) {
            let name = entry.file_name();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.extend(Some(entry.path()).filter(|_| !is_hidden(&name)));
            } else if files::matters(&name.to_string_lossy()) {
                found.extend(seen(&entry.path()).map(|seen| (entry.path(), seen)));
            }
        }
    }
    found
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Follows a link: `kiosk.toml` may be one.
fn seen(path: &Path) -> Option<(u64, i128, i128, u64)> {
    let file = fs::metadata(path).ok()?;
    let nanoseconds =
        |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    let content = nanoseconds(file.mtime(), file.mtime_nsec());
    let entry = nanoseconds(file.ctime(), file.ctime_nsec());
    Some((file.len(), content, entry, file.ino()))
}

#[cfg(test)]
mod tests;
