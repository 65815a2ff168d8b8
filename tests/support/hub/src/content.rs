//! What is in a file, piece by piece, so that gigabytes need no memory.

use crate::hash;
use axum::body::Bytes;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

/// The longest piece of a content that is handed out at once.
pub(crate) const PIECE: u64 = 256 * 1024;
/// What random contents are cut out of.
const NOISE_WORDS: u64 = 256 * 1024;

/// What is in a file.
#[derive(Debug, Clone)]
pub enum Content {
    /// These bytes.
    Bytes(Arc<[u8]>),
    /// Bytes that look like chance, the same for the same seed; nothing of them is held.
    Random {
        /// Two seeds are two contents.
        seed: u64,
        /// How many bytes.
        len: u64,
    },
    /// A file of the disk, which must stay as it is.
    File(PathBuf),
    /// This content in LFS, whatever its name and length.
    Large(Box<Content>),
    /// This content in git itself, whatever its name and length.
    Small(Box<Content>),
}

impl Content {
    /// In LFS, whatever its name and length.
    #[must_use]
    pub fn large(self) -> Self {
        Self::Large(Box::new(self))
    }

    /// In git itself, whatever its name and length.
    #[must_use]
    pub fn small(self) -> Self {
        Self::Small(Box::new(self))
    }

    /// All of it, to compare with.
    ///
    /// # Panics
    /// When a file of the disk can't be read.
    pub fn to_vec(&self) -> Vec<u8> {
        let source = Source::open(self);
        let source = source.expect("the file of a content can be read");
        let pieces = source.pieces(0..source.len());
        pieces.flat_map(|piece| piece.to_vec()).collect()
    }

    /// Whether it was said where it lies.
    pub(crate) fn forced(&self) -> Option<bool> {
        match self {
            Self::Large(_) => Some(true),
            Self::Small(_) => Some(false),
            _ => None,
        }
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<&[u8]> for Content {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

/// Chance, made once, when the first random content is read.
static NOISE: LazyLock<Bytes> = LazyLock::new(|| {
    let mut noise = Vec::with_capacity(place(NOISE_WORDS * 8));
    for word in 0..NOISE_WORDS {
        noise.extend_from_slice(&hash::mix(word).to_le_bytes());
    }
    noise.into()
});

/// A piece of a random content: another cut of the noise for each number and seed.
fn cut(seed: u64, piece: u64) -> Bytes {
    let places = NOISE_WORDS * 8 - PIECE;
    let start = hash::mix(seed ^ hash::mix(piece)) % places;
    NOISE.slice(place(start)..place(start + PIECE))
}

/// A content that can be read from anywhere.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Bytes(Bytes),
    Random { seed: u64, len: u64 },
    File { file: Arc<File>, len: u64 },
}

impl Source {
    pub(crate) fn open(content: &Content) -> io::Result<Self> {
        Ok(match content {
            Content::Bytes(bytes) => Self::Bytes(Bytes::from_owner(Arc::clone(bytes))),
            Content::Random { seed, len } => Self::Random {
                seed: *seed,
                len: *len,
            },
            Content::File(path) => {
                let file = File::open(path)?;
                let len = file.metadata()?.len();
                let file = Arc::new(file);
                Self::File { file, len }
            }
            Content::Large(inner) | Content::Small(inner) => Self::open(inner)?,
        })
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Random { len, .. } | Self::File { len, .. } => *len,
        }
    }

    /// What begins here: not empty before the end, and at most [`PIECE`] or `most` long.
    pub(crate) fn piece(&self, start: u64, most: u64) -> io::Result<Bytes> {
        let end = self.len().min(start.saturating_add(most.min(PIECE)));
        if start >= end {
            return Ok(Bytes::new());
        }
        match self {
            Self::Bytes(bytes) => Ok(bytes.slice(place(start)..place(end))),
            Self::Random { seed, .. } => {
                let (number, skip) = (start / PIECE, start % PIECE);
                let end = (end - start + skip).min(PIECE);
                Ok(cut(*seed, number).slice(place(skip)..place(end)))
            }
            Self::File { file, .. } => {
                let mut piece = vec![0; place(end - start)];
                file.read_exact_at(&mut piece, start)?;
                Ok(piece.into())
            }
        }
    }

    /// All pieces of a range; it ends early where a file of the disk can't be read.
    pub(crate) fn pieces(&self, range: Range<u64>) -> impl Iterator<Item = Bytes> + '_ {
        let mut start = range.start;
        std::iter::from_fn(move || {
            let most = range.end.saturating_sub(start);
            let piece = self.piece(start, most).ok()?;
            start += piece.len() as u64;
            (!piece.is_empty()).then_some(piece)
        })
    }
}

/// A place within memory; what is longer than memory is never asked for.
fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
