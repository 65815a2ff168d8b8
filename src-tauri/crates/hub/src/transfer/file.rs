//! One file on its way: lock, fetch, verify, final name, link.
//!
//! Invariant: a content gets its final name after its hash was found right, and at no other place.

use super::blocking::blocking;
use super::fill::Fill;
use super::lock::Lock;
use super::partial::{Alive, Partial};
use super::report::Report;
use super::source::Source;
use super::space::Space;
use super::{Phase, Stop, TransferOptions, Tuning, Wanted};
use crate::cache::Hasher;
use crate::cache::layout::RepoFolder;
use crate::{Error, FileHash, Hub, RepoFile};
use futures_util::future::try_join;
use std::io;
use std::sync::Arc;
use tokio::sync::mpsc;

/// How often a file that somebody removes while it comes is begun again.
const LOSSES: u32 = 3;

/// What it takes to bring files of one commit.
#[derive(Debug)]
pub(super) struct Journey<'a> {
    pub(super) hub: &'a Hub,
    pub(super) wanted: &'a Wanted,
    pub(super) folder: &'a RepoFolder,
    pub(super) options: &'a TransferOptions,
    pub(super) report: &'a Report<'a>,
    pub(super) stop: Stop,
    pub(super) tuning: &'a Tuning,
}

/// What came of an attempt.
#[derive(Debug)]
enum Outcome {
    Published,
    /// Its hash is another one.
    Damaged(FileHash),
    /// Somebody removed it.
    Lost,
}

impl Journey<'_> {
    /// Brings one file; all others have these bytes.
    pub(super) async fn bring(&self, file: &RepoFile, others_bytes: u64) -> Result<(), Error> {
        let lock = self.lock(file).await?;
        let (mut damages, mut losses) = (0, 0);
        while !self.folder.has(file) {
            let (alive, mut dead) = mpsc::channel(1);
            let partial = self.open(file, lock.clone(), alive).await?;
            self.report.begin(others_bytes, partial.written_bytes());
            let adopted = partial.is_adopted();
            let outcome = self.attempt(file, Arc::new(partial)).await;
            // Whoever comes next, to discard it or to go on, is not to find it still in use.
            dead.recv().await;
            match outcome? {
                Outcome::Published => {}
                Outcome::Lost if losses < LOSSES => losses += 1,
                Outcome::Lost => return Err(Error::io(self.folder.path())(gone())),
                // What another program left may be damaged; that is not the hub's fault.
                Outcome::Damaged(_) if adopted => {}
                Outcome::Damaged(_) if damages == 0 => {
                    damages += 1;
                    let path = &file.path;
                    self.report
                        .note(format!("{path} came damaged, so it is fetched again"));
                }
                Outcome::Damaged(found) => return Err(mismatch(file, found)),
            }
        }
        let (folder, commit) = (self.folder.clone(), self.wanted.commit.clone());
        let file = file.clone();
        blocking(move || folder.link(&commit, &file)).await
    }

    /// Waits for the lock on a content, as the Python client does.
    async fn lock(&self, file: &RepoFile) -> Result<Arc<Lock>, Error> {
        let mut waited = false;
        loop {
            let (folder, hash) = (self.folder.clone(), file.hash.clone());
            let taken = blocking(move || {
                let path = folder.lock(&hash);
                folder.make(path.parent().unwrap_or(&path))?;
                Lock::take(&path).map_err(Error::io(path))
            });
            if let Some(lock) = taken.await? {
                if waited {
                    self.report.phase(Phase::Starting);
                }
                return Ok(Arc::new(lock));
            }
            waited = true;
            let wait = self.tuning.look_every;
            let reason = format!("another program is fetching {}", file.path);
            self.report.phase(Phase::Waiting { reason, wait });
            self.stop.or(tokio::time::sleep(wait)).await?;
        }
    }

    async fn open(&self, file: &RepoFile, lock: Arc<Lock>, alive: Alive) -> Result<Partial, Error> {
        let (folder, file) = (self.folder.clone(), file.clone());
        let space = Space::of(self.folder.cache(), self.options.reserve_bytes);
        #[cfg(test)]
        let space = space.ending(self.tuning.disk_bytes.clone());
        blocking(move || Partial::open(&folder, &file, space, (lock, alive))).await
    }

    /// Fetches and verifies; what is damaged is removed.
    async fn attempt(&self, file: &RepoFile, partial: Arc<Partial>) -> Result<Outcome, Error> {
        let ended = tokio::select! {
            lost = self.keep_record(&partial) => lost.map(|()| None),
            found = self.fetch(file, &partial) => found.map(Some),
        };
        let (folder, file) = (self.folder.clone(), file.clone());
        blocking(move || match ended {
            _ if partial.is_gone() => Ok(Outcome::Lost),
            Ok(None) => Ok(Outcome::Lost),
            Ok(Some(found)) if found == file.hash => {
                partial.publish(&folder, &file)?;
                Ok(Outcome::Published)
            }
            Ok(Some(found)) => {
                partial.remove()?;
                Ok(Outcome::Damaged(found))
            }
            Err(error) => {
                // What ended it matters more than what could not be noted.
                let _ = partial.record();
                Err(error)
            }
        })
        .await
    }

    /// Fetches what is missing, hashes what is there as it grows, and says the hash of the whole.
    async fn fetch(&self, file: &RepoFile, partial: &Arc<Partial>) -> Result<FileHash, Error> {
        let parts = Fill {
            source: Source::new(self.hub, self.wanted, file, self.tuning.silence),
            hub: self.hub,
            file,
            partial: partial.clone(),
            options: self.options,
            report: self.report,
            stop: self.stop.clone(),
            tuning: self.tuning,
        };
        let whole = async {
            parts.run().await?;
            self.report.phase(Phase::Verifying);
            Ok(())
        };
        let hash = async { self.stop.or(self.hash(file, partial)).await? };
        let ((), found) = try_join(whole, hash).await?;
        Ok(found)
    }

    async fn hash(&self, file: &RepoFile, partial: &Arc<Partial>) -> Result<FileHash, Error> {
        let mut hasher = Hasher::like(&file.hash, file.size_bytes);
        let mut at = 0;
        while at < file.size_bytes {
            let end = partial.beyond(at).await.min(at + self.tuning.hash_bytes);
            let partial = partial.clone();
            hasher = blocking(move || {
                partial.hash(&mut hasher, at..end)?;
                Ok(hasher)
            })
            .await?;
            at = end;
        }
        Ok(hasher.finish())
    }

    /// Records what is written again and again; ends when somebody removed the file.
    async fn keep_record(&self, partial: &Arc<Partial>) -> Result<(), Error> {
        loop {
            tokio::time::sleep(self.tuning.record_every).await;
            self.report.flush();
            let partial = partial.clone();
            let there = blocking(move || {
                let there = !partial.is_gone();
                partial.record().map(|()| there)
            });
            if !there.await? {
                return Ok(());
            }
        }
    }
}

fn gone() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        "unfinished files are removed while they are fetched",
    )
}

fn mismatch(file: &RepoFile, found: FileHash) -> Error {
    Error::Mismatch {
        file: file.path.clone(),
        expected: file.hash.clone(),
        found,
    }
}
