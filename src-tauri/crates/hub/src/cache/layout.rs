//! Where things of one repository lie.

use crate::{Commit, FileHash, RepoId};
use std::path::{Path, PathBuf};

/// A file of the cache by its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Where it lies.
    pub path: PathBuf,
    /// What its name says of its content.
    pub hash: FileHash,
}

/// One repository's folder in the cache.
#[derive(Debug, Clone)]
pub(crate) struct RepoFolder {
    cache: PathBuf,
    folder: PathBuf,
}

impl RepoFolder {
    /// It need not exist.
    pub(crate) fn new(cache: &Path, repo: &RepoId) -> Self {
        Self {
            cache: cache.to_owned(),
            folder: cache.join(Self::name(repo)),
        }
    }

    fn name(repo: &RepoId) -> String {
        format!("models--{}", repo.as_str().replace('/', "--"))
    }

    /// `blobs/HASH`, the final name of a content.
    pub(crate) fn blob(&self, hash: &FileHash) -> PathBuf {
        self.folder.join("blobs").join(hash.hex())
    }

    /// `blobs/HASH.wick.incomplete`, what of a content has come so far, in whatever order.
    ///
    /// Not `HASH.incomplete`: older Python clients take that for the beginning of the file, as far as it is long, and give
    /// it the final name once it is long enough. Newer ones (2.4) call theirs `HASH.XXXXXXXX.incomplete` and reuse none; all
    /// count whatever ends in `.incomplete` as what can be pruned.
    pub(crate) fn incomplete(&self, hash: &FileHash) -> PathBuf {
        self.beside(hash, "wick.incomplete")
    }

    /// `blobs/HASH.wick.journal`, which says how much of that is to be relied on.
    pub(crate) fn journal(&self, hash: &FileHash) -> PathBuf {
        self.beside(hash, "wick.journal")
    }

    /// `blobs/HASH.incomplete`, the beginning of a content, as Python clients before 2.0 leave it.
    pub(crate) fn beginning(&self, hash: &FileHash) -> PathBuf {
        self.beside(hash, "incomplete")
    }

    /// `blobs/HASH.ENDING`.
    pub(super) fn beside(&self, hash: &FileHash, ending: &str) -> PathBuf {
        let name = format!("{}.{ending}", hash.hex());
        self.folder.join("blobs").join(name)
    }

    /// `snapshots/COMMIT`, whose links are the files by their names.
    pub(crate) fn snapshot(&self, commit: &Commit) -> PathBuf {
        self.folder.join("snapshots").join(commit.as_str())
    }

    /// `refs/REVISION`, which says the commit.
    pub(crate) fn reference(&self, revision: &str) -> PathBuf {
        self.folder.join("refs").join(revision)
    }

    /// `.locks/models--…/HASH.lock`, as the Python client has it.
    pub(crate) fn lock(&self, hash: &FileHash) -> PathBuf {
        let name = self.folder.file_name().unwrap_or_default();
        let file = format!("{}.lock", hash.hex());
        self.cache.join(".locks").join(name).join(file)
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// The cache that it is in.
    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }
}
