//! How a tensor's bytes come out of the files. Invariant: each place was proven to lie inside its file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// A place in the files of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as an index into the checkpoint's parts.
    pub part: usize,
    /// Bytes from the start of that file.
    pub offset: u64,
}

/// Where the bytes of a tensor come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// They lie in a file just so.
    Plain(Place),
}

impl Source {
    pub(super) fn first(&self) -> Place {
        match self {
            Self::Plain(place) => *place,
        }
    }

    /// Reads what lies `skip` bytes after the beginning.
    pub(super) fn read(
        &self,
        parts: &[(PathBuf, File)],
        skip: u64,
        into: &mut [u8],
    ) -> io::Result<()> {
        match self {
            Self::Plain(place) => read_at(parts, *place, skip, into),
        }
    }

    pub(super) fn forget(&self, parts: &[(PathBuf, File)], skip: u64, length: u64) {
        let Self::Plain(place) = self;
        let (Some((_, file)), Some(length)) =
            (parts.get(place.part), std::num::NonZeroU64::new(length))
        else {
            return;
        };
        let advice = rustix::fs::Advice::DontNeed;
        let _ = rustix::fs::fadvise(file, place.offset + skip, Some(length), advice);
    }
}

fn read_at(parts: &[(PathBuf, File)], place: Place, skip: u64, into: &mut [u8]) -> io::Result<()> {
    let (_, file) = parts.get(place.part).ok_or(io::ErrorKind::NotFound)?;
    file.read_exact_at(into, place.offset + skip)
}
