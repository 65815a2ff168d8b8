//! Files of one commit, one after the other.
//!
//! Invariant: before the first byte is asked for, all names are known to be safe and the disk to have room.

use super::blocking::blocking;
use super::file::Journey;
use super::journal::remove;
use super::lock::Lock;
use super::partial::left_bytes;
use super::paths::refuse_unsafe;
use super::report::Report;
use super::space::Space;
use super::{Progress, Stop, TransferOptions, Tuning, Wanted};
use crate::cache::layout::RepoFolder;
use crate::{Error, Hub, RepoFile};
use std::collections::HashSet;
use std::path::PathBuf;
use tokio::sync::watch;

/// What is there of a file before anything is fetched.
#[derive(Debug)]
struct Found {
    left_bytes: u64,
    /// Its content is there whole.
    whole: bool,
    /// It is there by its name too.
    linked: bool,
}

pub(super) async fn fetch(
    hub: &Hub,
    wanted: &Wanted,
    options: &TransferOptions,
    progress: &watch::Sender<Progress>,
    stop: Stop,
    tuning: &Tuning,
) -> Result<PathBuf, Error> {
    refuse_unsafe(wanted)?;
    let report = Report::new(progress, wanted.total_bytes());
    let folder = RepoFolder::new(hub.cache_dir(), &wanted.repo);
    let found = survey(&folder, wanted).await?;
    prepare(hub, wanted, options, &found)?;
    let mut done_bytes = found.iter().map(|found| found.left_bytes).sum();
    report.begin(done_bytes, 0);
    let journey = Journey {
        hub,
        wanted,
        folder: &folder,
        options,
        report: &report,
        stop,
        tuning,
    };
    let unfinished = wanted
        .files
        .iter()
        .zip(&found)
        .filter(|(_, found)| !found.linked);
    for (file, found) in unfinished {
        let others_bytes = done_bytes - found.left_bytes;
        journey.bring(file, others_bytes).await?;
        done_bytes = others_bytes + file.size_bytes;
        report.begin(done_bytes, 0);
    }
    finish(folder, wanted).await
}

async fn survey(folder: &RepoFolder, wanted: &Wanted) -> Result<Vec<Found>, Error> {
    let (folder, wanted) = (folder.clone(), wanted.clone());
    let look = move |file: &RepoFile| {
        let whole = folder.has(file);
        Found {
            left_bytes: if whole {
                file.size_bytes
            } else {
                left_bytes(&folder, file)
            },
            whole,
            linked: whole && folder.is_linked(&wanted.commit, file),
        }
    };
    let files = wanted.files.clone();
    blocking(move || Ok(files.iter().map(look).collect())).await
}

/// Whether it can be begun at all.
fn prepare(
    hub: &Hub,
    wanted: &Wanted,
    options: &TransferOptions,
    found: &[Found],
) -> Result<(), Error> {
    let mut contents = HashSet::new();
    let missing = wanted.files.iter().zip(found);
    let missing = missing.filter(|(file, found)| !found.whole && contents.insert(&file.hash));
    let missing = missing.map(|(file, found)| file.size_bytes - found.left_bytes);
    let Some(missing_bytes) = missing.reduce(u64::saturating_add) else {
        return Ok(());
    };
    if hub.http().is_offline() {
        return Err(hub.http().unreachable("HF_HUB_OFFLINE is set"));
    }
    Space::of(hub.cache_dir(), options.reserve_bytes).check(missing_bytes)
}

async fn finish(folder: RepoFolder, wanted: &Wanted) -> Result<PathBuf, Error> {
    let (revision, commit) = (wanted.revision.clone(), wanted.commit.clone());
    blocking(move || {
        folder.refer(&revision, &commit)?;
        Ok(folder.snapshot(&commit))
    })
    .await
}

pub(super) fn discard(hub: &Hub, wanted: &Wanted) -> Result<(), Error> {
    refuse_unsafe(wanted)?;
    let folder = RepoFolder::new(hub.cache_dir(), &wanted.repo);
    for file in &wanted.files {
        let left = [folder.incomplete(&file.hash), folder.journal(&file.hash)];
        if !left.iter().any(|path| path.symlink_metadata().is_ok()) {
            continue;
        }
        let lock = folder.lock(&file.hash);
        folder.make(lock.parent().unwrap_or(&lock))?;
        let Some(_held) = Lock::take(&lock).map_err(Error::io(&lock))? else {
            continue;
        };
        for path in left {
            remove(&path).map_err(Error::io(&path))?;
        }
    }
    Ok(())
}
