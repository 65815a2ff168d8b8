//! A file that is not whole yet: what of it is written, and what of that is durable.
//!
//! Invariants: no byte is written twice, so what was hashed stays what it was; none is written beyond the length; the lock
//! on the content is held as long as this lives, whoever still writes.

use super::journal::{Journal, remove};
use super::lock::Lock;
use super::ranges::Ranges;
use super::space::Space;
use crate::cache::Hasher;
use crate::cache::layout::RepoFolder;
use crate::{Error, RepoFile};
use rustix::fs::{Mode, OFlags, open};
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::{Range, RangeInclusive};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, mpsc};

const READ_BYTES: usize = 1024 * 1024;

/// Closes a channel when it is dropped.
pub(super) type Alive = mpsc::Sender<Infallible>;

/// A file that is not whole yet. All that it does blocks on the disk, except where it says so.
#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
    file: File,
    size_bytes: u64,
    space: Space,
    state: Mutex<State>,
    /// Also keeps two from recording at once.
    journal: Mutex<Journal>,
    grown: Notify,
    adopted: bool,
    /// In this order: once the channel closes, the lock is let go.
    _held: (Arc<Lock>, Alive),
}

#[derive(Debug, Default)]
struct State {
    written: Ranges,
    recorded: Ranges,
    /// What somebody is fetching.
    taken: Vec<Range<u64>>,
}

impl Partial {
    /// Goes on with what an earlier attempt left: ours, or else the beginning that an older Python client left, whose
    /// length is believed because the hash is not.
    pub(super) fn open(
        folder: &RepoFolder,
        of: &RepoFile,
        space: Space,
        held: (Arc<Lock>, Alive),
    ) -> Result<Self, Error> {
        let path = folder.incomplete(&of.hash);
        folder.make(path.parent().unwrap_or(&path))?;
        // Other tools that look meanwhile take a repository without snapshots for a damaged one.
        folder.make(&folder.path().join("snapshots"))?;
        let (journal, recorded) = Journal::read(folder.journal(&of.hash), of);
        let beginning = adopt(&folder.beginning(&of.hash), &path, of.size_bytes);
        let mut written = beginning.map_or(recorded, |end| Ranges::from(0..end));
        let file = open_file(&path).map_err(Error::io(&path))?;
        let length = file.metadata().map_err(Error::io(&path))?.len();
        written.cut(length.min(of.size_bytes));
        file.set_len(length.min(of.size_bytes))
            .map_err(Error::io(&path))?;
        let state = State {
            // What was adopted is in no journal yet.
            recorded: beginning.map_or_else(|| written.clone(), |_| Ranges::default()),
            written,
            taken: Vec::new(),
        };
        Ok(Self {
            path,
            file,
            size_bytes: of.size_bytes,
            space,
            state: Mutex::new(state),
            journal: Mutex::new(journal),
            grown: Notify::new(),
            adopted: beginning.is_some(),
            _held: held,
        })
    }

    /// Whether it goes on with what another program left.
    pub(super) fn is_adopted(&self) -> bool {
        self.adopted
    }

    /// How much of it is written. Does not block.
    pub(super) fn written_bytes(&self) -> u64 {
        self.state().written.total_bytes()
    }

    /// The first part of these bytes that is not written. Does not block.
    pub(super) fn gap(&self, within: Range<u64>) -> Option<Range<u64>> {
        self.state().written.gap(within)
    }

    /// The next part that nobody fetches, of a length that leaves each of the segments a few. Does not block.
    pub(super) fn take(&self, lengths: &RangeInclusive<u64>, segments: u64) -> Option<Range<u64>> {
        let mut state = self.state();
        let busy = state.written.iter().chain(&state.taken).cloned();
        let busy: Ranges = busy.collect();
        let gap = busy.gap(0..self.size_bytes)?;
        let rest = self.size_bytes - busy.total_bytes();
        let length = rest / (4 * segments.max(1));
        let length = length.clamp(*lengths.start(), *lengths.end());
        let unit = gap.start..gap.end.min(gap.start + length);
        state.taken.push(unit.clone());
        Some(unit)
    }

    /// Nobody fetches that part any more, whether it is written or not. Does not block.
    pub(super) fn give_back(&self, unit: &Range<u64>) {
        self.state().taken.retain(|taken| taken != unit);
    }

    /// Writes what came, but for what is written and what lies beyond the end.
    pub(super) fn write(&self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        let end = self.size_bytes.min(at.saturating_add(bytes.len() as u64));
        let mut next = at;
        while let Some(gap) = self.gap(next..end) {
            next = gap.end;
            let skip = usize::try_from(gap.start - at).unwrap_or(usize::MAX);
            let length = usize::try_from(gap.end - gap.start).unwrap_or(usize::MAX);
            let piece = bytes
                .get(skip..skip.saturating_add(length))
                .unwrap_or_default();
            self.space.check(piece.len() as u64)?;
            let written = self.file.write_all_at(piece, gap.start);
            #[cfg(test)]
            let written = self.space.take(piece.len() as u64).and(written);
            written.map_err(|error| self.failure(error))?;
            self.grow(gap);
        }
        Ok(())
    }

    fn grow(&self, range: Range<u64>) {
        let mut state = self.state();
        let before = state.written.frontier();
        state.written.insert(range);
        if state.written.frontier() > before {
            self.grown.notify_one();
        }
    }

    /// Makes what is written durable, and says so in the journal.
    pub(super) fn record(&self) -> Result<(), Error> {
        let mut journal = self.journal();
        let written = self.state().written.clone();
        if written == self.state().recorded {
            return Ok(());
        }
        let recorded = self
            .file
            .sync_data()
            .and_then(|()| journal.record(&written));
        recorded.map_err(|error| self.failure(error))?;
        self.state().recorded = written;
        Ok(())
    }

    /// Waits until more than these bytes are there from the beginning on, and says how many.
    pub(super) async fn beyond(&self, at: u64) -> u64 {
        loop {
            let frontier = self.state().written.frontier();
            if frontier > at {
                return frontier;
            }
            self.grown.notified().await;
        }
    }

    /// Takes these bytes of it, which are written, into a hash.
    pub(super) fn hash(&self, hasher: &mut Hasher, mut range: Range<u64>) -> Result<(), Error> {
        let mut buffer = vec![0; READ_BYTES];
        while !range.is_empty() {
            let length = usize::try_from(range.end - range.start).unwrap_or(READ_BYTES);
            let piece = &mut buffer[..length.min(READ_BYTES)];
            let read = self.file.read_exact_at(piece, range.start);
            read.map_err(Error::io(&self.path))?;
            hasher.update(piece);
            range.start += piece.len() as u64;
        }
        Ok(())
    }

    /// Whether somebody removed it meanwhile, as `hf cache prune` does.
    pub(super) fn is_gone(&self) -> bool {
        let same = || {
            let (there, ours) = (self.path.symlink_metadata()?, self.file.metadata()?);
            Ok::<_, io::Error>((there.dev(), there.ino()) == (ours.dev(), ours.ino()))
        };
        !same().unwrap_or(false)
    }

    /// Gives it its final name. It is whole and its hash is right.
    pub(super) fn publish(&self, folder: &RepoFolder, of: &RepoFile) -> Result<(), Error> {
        folder.publish(&self.file, &self.path, &of.hash)?;
        let forgotten = self.journal().forget();
        forgotten.map_err(Error::io(&self.path))
    }

    /// Removes it and its journal.
    pub(super) fn remove(&self) -> Result<(), Error> {
        let removed = self.journal().forget().and_then(|()| remove(&self.path));
        removed.map_err(Error::io(&self.path))
    }

    fn failure(&self, error: io::Error) -> Error {
        let rest = self.size_bytes - self.written_bytes();
        self.space.failure(error, &self.path, rest)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an earlier attempt left of a file, in bytes.
pub(super) fn left_bytes(folder: &RepoFolder, of: &RepoFile) -> u64 {
    let length = |path: PathBuf| path.symlink_metadata().map(|there| there.len());
    if let Ok(length) = length(folder.incomplete(&of.hash)) {
        let (_, mut recorded) = Journal::read(folder.journal(&of.hash), of);
        recorded.cut(length.min(of.size_bytes));
        return recorded.total_bytes();
    }
    let beginning = length(folder.beginning(&of.hash)).unwrap_or(0);
    if beginning > of.size_bytes {
        0
    } else {
        beginning
    }
}

/// Takes over the beginning that another program left, and says how long it is.
fn adopt(beginning: &Path, path: &Path, size_bytes: u64) -> Option<u64> {
    let there = beginning.symlink_metadata().ok()?;
    let ours = path.symlink_metadata().is_ok();
    let useful = there.is_file() && (1..=size_bytes).contains(&there.len());
    (useful && !ours).then(|| std::fs::rename(beginning, path).ok())??;
    Some(there.len())
}

/// A link is not followed: it could lead anywhere.
fn open_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = File::from(open(path, flags, Mode::from_raw_mode(0o666))?);
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(ErrorKind::InvalidInput, "it is no file"))
}
