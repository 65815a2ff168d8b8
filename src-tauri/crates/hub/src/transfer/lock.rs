//! The lock on a content: who holds it alone writes that content's unfinished file, its blob and the links to it.
//!
//! Source: `flock` on `.locks/models--…/HASH.lock`, as Python's `filelock` has it: the file stays where it is, and a lock on
//! one that has been removed meanwhile is none.

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, open};
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Held until it is dropped, or the process ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: OwnedFd,
}

impl Lock {
    /// `None` if somebody else holds it. The folder must be there.
    pub(super) fn take(path: &Path) -> io::Result<Option<Self>> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        // Group-writable, as huggingface_hub makes it for those who share a cache.
        let file = open(path, flags, Mode::from_raw_mode(0o664))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if fstat(&file)?.st_nlink == 0 => Ok(None),
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(Errno::WOULDBLOCK | Errno::ACCESS) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_and_it_is_free_again_after() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("hash.lock");
        let take = || Lock::take(&path).expect("no failure");
        let first = take().expect("free");
        assert!(take().is_none());
        drop(first);
        let second = take().expect("free again");
        std::fs::remove_file(&path).expect("removed");
        let third = take();
        assert!(third.is_some(), "another file, another lock");
        drop(second);
    }
}
