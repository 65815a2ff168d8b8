//! What a file's content is known by: SHA-256 for large files, git's SHA-1 of a blob for small ones.
//!
//! Source: git's object format, `blob LENGTH\0CONTENT`; Git LFS's `oid sha256:`.

use serde::{Deserialize, Serialize};
use sha2::Digest;
use std::fmt::Write;

/// What a file's content is known by, in small hexadecimal letters; also the name of its blob in the cache.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, specta::Type,
)]
#[serde(tag = "kind", content = "hex", rename_all = "snake_case")]
pub enum FileHash {
    /// Of the content: files in LFS or Xet.
    Sha256(String),
    /// Of git's blob: files in git itself.
    GitSha1(String),
}

impl FileHash {
    /// The hash that a blob's name says; `None` for a name that is none.
    pub fn of_name(name: &str) -> Option<Self> {
        let hex = name
            .bytes()
            .all(|letter| matches!(letter, b'0'..=b'9' | b'a'..=b'f'));
        match name.len() {
            64 if hex => Some(Self::Sha256(name.to_owned())),
            40 if hex => Some(Self::GitSha1(name.to_owned())),
            _ => None,
        }
    }

    /// The letters alone.
    pub fn hex(&self) -> &str {
        match self {
            Self::Sha256(hex) | Self::GitSha1(hex) => hex,
        }
    }
}

impl std::fmt::Display for FileHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.hex())
    }
}

/// Makes a [`FileHash`] of a content that comes in pieces, in order.
#[derive(Debug, Clone)]
pub(crate) enum Hasher {
    /// Of the content.
    Sha256(sha2::Sha256),
    /// Of git's blob.
    GitSha1(sha1::Sha1),
}

impl Hasher {
    /// One that makes a hash of the same kind; git's wants to know the length first.
    pub(crate) fn like(hash: &FileHash, size_bytes: u64) -> Self {
        match hash {
            FileHash::Sha256(_) => Self::Sha256(sha2::Sha256::new()),
            FileHash::GitSha1(_) => {
                Self::GitSha1(sha1::Sha1::new_with_prefix(format!("blob {size_bytes}\0")))
            }
        }
    }

    /// Takes the next piece.
    pub(crate) fn update(&mut self, piece: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(piece),
            Self::GitSha1(hasher) => hasher.update(piece),
        }
    }

    /// The hash of all that was taken.
    pub(crate) fn finish(self) -> FileHash {
        match self {
            Self::Sha256(hasher) => FileHash::Sha256(letters(&hasher.finalize())),
            Self::GitSha1(hasher) => FileHash::GitSha1(letters(&hasher.finalize())),
        }
    }
}

fn letters(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_is_known_by_the_hash_that_sha256sum_and_git_say() {
        let check = |kind: &str, content: &[u8], expected: &str| {
            let kind = FileHash::of_name(kind).expect("a hash");
            let mut hasher = Hasher::like(&kind, content.len() as u64);
            content.chunks(3).for_each(|piece| hasher.update(piece));
            assert_eq!(hasher.finish(), FileHash::of_name(expected).expect("hash"));
        };
        let (sha256, sha1) = ("0".repeat(64), "0".repeat(40));
        check(
            &sha256,
            b"abc",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        );
        check(
            &sha256,
            b"",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        );
        check(&sha1, b"", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        check(
            &sha1,
            b"test content\n",
            "d670460b4b4aece5915caf5c68d12f560a9fe3e4",
        );
    }
}
