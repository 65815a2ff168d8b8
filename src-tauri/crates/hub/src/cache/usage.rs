//! How much of the disk the cache takes, and what is missing in it.

use super::layout::RepoFolder;
use crate::{Hub, Wanted};
use std::fs;
use std::path::Path;

impl Hub {
    /// Bytes of all whole blobs in the cache. Takes the time that the disk takes.
    pub fn cache_bytes(&self) -> u64 {
        let repositories = entries(self.cache_dir());
        repositories
            .map(|folder| blobs_bytes(&folder.path().join("blobs")))
            .sum()
    }

    /// Bytes of what is wanted that are not in the cache as whole files.
    pub fn missing_bytes(&self, wanted: &Wanted) -> u64 {
        let folder = RepoFolder::new(self.cache_dir(), &wanted.repo);
        let missing = wanted
            .files
            .iter()
            .filter(|file| !folder.blob(&file.hash).is_file());
        missing.map(|file| file.size_bytes).sum()
    }
}

/// What can't be read takes no room that anybody could name.
fn entries(folder: &Path) -> impl Iterator<Item = fs::DirEntry> {
    fs::read_dir(folder).into_iter().flatten().flatten()
}

fn blobs_bytes(folder: &Path) -> u64 {
    // A name with a dot is unfinished or set aside.
    let whole =
        entries(folder).filter(|entry| !entry.file_name().as_encoded_bytes().contains(&b'.'));
    whole
        .filter_map(|entry| Some(entry.metadata().ok()?.len()))
        .sum()
}
