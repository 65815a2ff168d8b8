//! Puts a damaged blob aside, so that its file can be fetched anew; it is gone only once that has come.
//!
//! Invariant: whatever happens in between, either the old content or a new one has the final name, or the old one lies beside
//! it as `HASH.damaged`.

use super::Blob;
use super::layout::RepoFolder;
use super::scan::CachedRepo;
use crate::{Error, Hub, Wanted};
use std::fs;
use std::path::{Path, PathBuf};

/// A blob that was put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "it is to be discarded or restored"]
pub struct SetAside {
    blob: PathBuf,
    aside: PathBuf,
}

/// Puts a blob of Hugging Face's cache aside. One that lies aside already, from a repair that was cut, is taken up again.
/// A blob that is a link into the store that repositories share is put aside as a link: what it leads to stays.
///
/// # Errors
/// [`Error::Invalid`] for what is no blob of that cache, [`Error::Io`].
pub fn set_aside(blob: &Blob) -> Result<SetAside, Error> {
    let name = blob.hash.hex();
    let blobs = blob.path.parent().filter(|blobs| blobs.ends_with("blobs"));
    let repo = blobs.and_then(|blobs| CachedRepo::of(blobs.parent()?));
    if repo.is_none() || blob.path.file_name() != Some(name.as_ref()) {
        let path = blob.path.display();
        return Err(Error::Invalid(format!(
            "{path} is not in Hugging Face's cache, and only what is can be fetched anew"
        )));
    }
    let set_aside = SetAside {
        aside: aside_of(&blob.path),
        blob: blob.path.clone(),
    };
    match fs::rename(&set_aside.blob, &set_aside.aside) {
        Err(error) if set_aside.aside.symlink_metadata().is_err() => {
            Err(Error::io(&set_aside.blob)(error))
        }
        _ => Ok(set_aside),
    }
}

/// Where a blob lies while it is aside. Blobs have no endings.
fn aside_of(blob: &Path) -> PathBuf {
    blob.with_extension("damaged")
}

impl SetAside {
    /// Where it lies now.
    pub fn path(&self) -> &std::path::Path {
        &self.aside
    }

    /// A whole one has come: the damaged one goes.
    ///
    /// # Errors
    /// [`Error::Io`], also when nothing has come: then it stays.
    pub fn discard(self) -> Result<(), Error> {
        self.blob.metadata().map_err(Error::io(&self.blob))?;
        fs::remove_file(&self.aside).map_err(Error::io(&self.aside))
    }

    /// None has come: the damaged one gets its name back. If one has come after all, that one stays.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn restore(self) -> Result<(), Error> {
        if self.blob.metadata().is_ok() {
            return self.discard();
        }
        fs::rename(&self.aside, &self.blob).map_err(Error::io(&self.blob))
    }
}

impl Hub {
    /// Ends the repairs of these files, whatever came of their transfer: where a whole file has come, the damaged one goes;
    /// where none has, the damaged one gets its name back.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn settle_repairs(&self, wanted: &Wanted) -> Result<(), Error> {
        let folder = RepoFolder::new(self.cache_dir(), &wanted.repo);
        let blobs = wanted.files.iter().map(|file| folder.blob(&file.hash));
        let aside = blobs.map(|blob| SetAside {
            aside: aside_of(&blob),
            blob,
        });
        let mut aside = aside.filter(|aside| aside.aside.symlink_metadata().is_ok());
        aside.try_for_each(SetAside::restore)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FileHash;
    use std::path::Path;

    fn blob(cache: &Path) -> Blob {
        let name = "a".repeat(64);
        let blobs = cache.join("models--o--a/blobs");
        fs::create_dir_all(&blobs).expect("a folder");
        Blob {
            path: blobs.join(&name),
            hash: FileHash::of_name(&name).expect("a hash"),
        }
    }

    #[test]
    fn a_damaged_blob_is_gone_only_when_a_whole_one_has_come() {
        let temp = tempfile::tempdir().expect("a folder");
        let blob = blob(temp.path());
        let content = |path: &Path| fs::read(path).ok();
        fs::write(&blob.path, "damaged").expect("a file");
        let aside = set_aside(&blob).expect("it is there");
        assert_eq!(content(&blob.path), None);
        let path = aside.path().to_owned();
        assert!(aside.clone().discard().is_err());
        assert_eq!(content(&path).as_deref(), Some(&b"damaged"[..]));
        // The repair was cut.
        assert_eq!(set_aside(&blob).expect("it is aside"), aside);
        aside.clone().restore().expect("a name");
        assert_eq!(content(&blob.path).as_deref(), Some(&b"damaged"[..]));
        let aside = set_aside(&blob).expect("it is there");
        fs::write(&blob.path, "whole").expect("a file");
        aside.restore().expect("nothing to restore");
        assert_eq!(content(&blob.path).as_deref(), Some(&b"whole"[..]));
        assert_eq!(content(&path), None);
    }

    #[test]
    fn what_is_no_blob_of_the_cache_is_left_alone() {
        let temp = tempfile::tempdir().expect("a folder");
        let blob = blob(temp.path());
        assert!(matches!(set_aside(&blob), Err(Error::Io { .. })));
        let check = |path: PathBuf| {
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(&path, "x").expect("a file");
            let hash = blob.hash.clone();
            let error = set_aside(&Blob {
                path: path.clone(),
                hash,
            });
            assert!(matches!(error, Err(Error::Invalid(_))), "{error:?}");
            assert!(path.exists());
        };
        let hex = blob.hash.hex();
        check(temp.path().join(format!("blobs/sha256-{hex}")));
        check(temp.path().join(format!("models--o--a/snapshots/{hex}")));
        check(blob.path.with_file_name("b".repeat(64)));
    }
}
