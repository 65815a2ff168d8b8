//! Writing to the cache: final names, links and refs.
//!
//! It deliberately verifies nothing: whoever gives a content its final name has done so. The lock on the content is held by
//! whoever calls.
//!
//! Invariant: nothing is written outside the cache, whatever links lie in it; a name that is there is replaced at once.

use super::layout::RepoFolder;
use crate::{Commit, Error, FileHash, RepoFile};
use std::fs::File;
use std::hash::BuildHasher;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

impl RepoFolder {
    /// Makes a folder of the cache, and those that it lies in.
    ///
    /// # Errors
    /// [`Error::Io`], also when a link on the way leads out of the cache.
    pub(crate) fn make(&self, folder: &Path) -> Result<(), Error> {
        let failed = |path: &Path| Error::io(path.to_owned());
        std::fs::create_dir_all(self.cache()).map_err(failed(self.cache()))?;
        let cache = self.cache().canonicalize().map_err(failed(self.cache()))?;
        let inside = folder.strip_prefix(self.cache());
        let inside = inside.map_err(|error| failed(folder)(io::Error::other(error)))?;
        let mut path = self.cache().to_owned();
        for part in inside {
            path.push(part);
            match std::fs::create_dir(&path) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    return Err(failed(&path)(error));
                }
                _ => {}
            }
            let leads_to = path.canonicalize().map_err(failed(&path))?;
            if !leads_to.starts_with(&cache) {
                let reason = "a link leads out of the cache; remove it to go on";
                return Err(failed(&path)(io::Error::other(reason)));
            }
        }
        Ok(())
    }

    /// Gives a verified content its final name, durably. The file is the one at the path.
    pub(crate) fn publish(&self, file: &File, from: &Path, hash: &FileHash) -> Result<(), Error> {
        let blob = self.blob(hash);
        file.sync_all().map_err(Error::io(from))?;
        std::fs::rename(from, &blob).map_err(Error::io(&blob))?;
        let folder = blob.parent().unwrap_or(&blob);
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(Error::io(folder))
    }

    /// Whether a content is there whole. Its length is what is looked at.
    pub(crate) fn has(&self, file: &RepoFile) -> bool {
        let there = self.blob(&file.hash).metadata();
        there.is_ok_and(|there| there.is_file() && there.len() == file.size_bytes)
    }

    /// Whether a file of a commit is there by its name.
    pub(crate) fn is_linked(&self, commit: &Commit, file: &RepoFile) -> bool {
        let link = self.snapshot(commit).join(&file.path).canonicalize();
        let blob = self.blob(&file.hash).canonicalize();
        link.is_ok_and(|link| blob.is_ok_and(|blob| link == blob))
    }

    /// Makes `snapshots/COMMIT/PATH` a link to a content, `../../blobs/HASH`. The path is safe.
    pub(crate) fn link(&self, commit: &Commit, file: &RepoFile) -> Result<(), Error> {
        let link = self.snapshot(commit).join(&file.path);
        self.make(link.parent().unwrap_or(&link))?;
        let up = "../".repeat(2 + file.path.matches('/').count());
        let target = PathBuf::from(format!("{up}blobs/{}", file.hash));
        match symlink(&target, &link) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => return made.map_err(Error::io(&link)),
        }
        if link.read_link().is_ok_and(|there| there == target) {
            return Ok(());
        }
        let fresh = self.beside(&file.hash, "wick.link");
        let _ = std::fs::remove_file(&fresh);
        symlink(&target, &fresh).map_err(Error::io(&fresh))?;
        std::fs::rename(&fresh, &link).map_err(|error| {
            let _ = std::fs::remove_file(&fresh);
            Error::io(&link)(error)
        })
    }

    /// Makes `refs/REVISION` say a commit; nothing to do for a revision that is one. The revision is a safe path.
    pub(crate) fn refer(&self, revision: &str, commit: &Commit) -> Result<(), Error> {
        let path = self.reference(revision);
        let says = |path: &Path| std::fs::read_to_string(path).ok();
        if revision == commit.as_str() || says(&path).as_deref() == Some(commit.as_str()) {
            return Ok(());
        }
        self.make(path.parent().unwrap_or(&path))?;
        let mut name = path.file_name().unwrap_or_default().to_owned();
        // Nobody else's, in this process or another: refs have no lock.
        let chance = std::hash::RandomState::new().hash_one(std::process::id());
        name.push(format!(".{chance:016x}.tmp"));
        let fresh = path.with_file_name(name);
        let written = File::create_new(&fresh).and_then(|mut file| {
            file.write_all(commit.as_str().as_bytes())?;
            file.sync_data()
        });
        let replaced = written.and_then(|()| std::fs::rename(&fresh, &path));
        replaced.map_err(|error| {
            let _ = std::fs::remove_file(&fresh);
            Error::io(&path)(error)
        })
    }
}
