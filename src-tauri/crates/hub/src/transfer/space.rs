//! Whether a disk has room for what comes, and leaves free what is to stay free.

use crate::Error;
use rustix::fs::statvfs;
use std::io;
use std::path::{Path, PathBuf};

/// The disk of a folder.
#[derive(Debug, Clone)]
pub(super) struct Space {
    folder: PathBuf,
    reserve_bytes: u64,
    /// How much the disk still takes, in a test of a full one.
    #[cfg(test)]
    left_bytes: Option<std::sync::Arc<std::sync::atomic::AtomicU64>>,
}

#[cfg(test)]
impl Space {
    pub(super) fn ending(
        mut self,
        left: Option<std::sync::Arc<std::sync::atomic::AtomicU64>>,
    ) -> Self {
        self.left_bytes = left;
        self
    }

    pub(super) fn take(&self, bytes: u64) -> io::Result<()> {
        use std::sync::atomic::Ordering::Relaxed;
        let Some(left) = &self.left_bytes else {
            return Ok(());
        };
        let taken = left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes));
        taken
            .map(drop)
            .map_err(|_| io::ErrorKind::StorageFull.into())
    }
}

impl Space {
    /// The folder need not exist yet.
    pub(super) fn of(folder: &Path, reserve_bytes: u64) -> Self {
        let folder = folder.to_owned();
        Self {
            folder,
            reserve_bytes,
            #[cfg(test)]
            left_bytes: None,
        }
    }

    /// # Errors
    /// [`Error::DiskFull`] if these many bytes more would touch the reserve.
    pub(super) fn check(&self, more_bytes: u64) -> Result<(), Error> {
        let wanted = more_bytes.saturating_add(self.reserve_bytes);
        match wanted.saturating_sub(self.free_bytes()?) {
            0 => Ok(()),
            missing_bytes => Err(Error::DiskFull {
                folder: self.folder.clone(),
                missing_bytes,
            }),
        }
    }

    /// What a failure to write means, when these many bytes were still to come.
    pub(super) fn failure(&self, error: io::Error, path: &Path, rest_bytes: u64) -> Error {
        if !is_full(&error) {
            return Error::io(path)(error);
        }
        // Room that the system still counts may not be ours: a quota, or blocks that are kept back.
        let told = self.check(rest_bytes).err();
        told.unwrap_or_else(|| Error::DiskFull {
            folder: self.folder.clone(),
            missing_bytes: rest_bytes,
        })
    }

    fn free_bytes(&self) -> Result<u64, Error> {
        free_bytes(&self.folder)
    }
}

/// Bytes that are free where this folder is, or would be made.
///
/// # Errors
/// [`Error::Io`].
pub fn free_bytes(folder: &Path) -> Result<u64, Error> {
    let there = folder.ancestors().find(|folder| folder.exists());
    let told = statvfs(there.unwrap_or(folder));
    let told = told.map_err(|error| Error::io(folder)(error.into()))?;
    Ok(told.f_bavail.saturating_mul(told.f_frsize))
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_counts_the_reserve() {
        let folder = tempfile::tempdir().expect("a folder");
        let unmade = folder.path().join("not/there/yet");
        let check = |reserve: u64, more: u64, full: bool| {
            let told = Space::of(&unmade, reserve).check(more);
            assert_eq!(
                matches!(told, Err(Error::DiskFull { .. })),
                full,
                "{told:?}"
            );
        };
        check(0, 1, false);
        check(1, 0, false);
        check(u64::MAX, 0, true);
        check(u64::MAX, u64::MAX, true);
        check(0, u64::MAX, true);
    }

    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        let folder = tempfile::tempdir().expect("a folder");
        let space = Space::of(folder.path(), 0);
        let check = |error: rustix::io::Errno, expected: Option<u64>| {
            let told = space.failure(error.into(), folder.path(), 5);
            let missing = match told {
                Error::DiskFull { missing_bytes, .. } => Some(missing_bytes),
                _ => None,
            };
            assert_eq!(missing, expected, "{error:?}");
        };
        check(rustix::io::Errno::NOSPC, Some(5));
        check(rustix::io::Errno::DQUOT, Some(5));
        check(rustix::io::Errno::IO, None);
        check(rustix::io::Errno::ACCESS, None);
    }
}
