//! Whether the files of a model are what they should be.
//!
//! What they should be is in the names of blobs, in Hugging Face's cache and in Ollama's store; of other files nobody knows.
//! It deliberately takes no name behind a blob's for a hash: what several repositories share is called by another kind.

use super::parts::Part;
use super::{Model, checkpoint, is_gguf, ollama};
use crate::cache::scan::{CachedRepo, hop};
use crate::cache::verify::{gently, hash};
use crate::{Blob, Error, FileHash, Format};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// More links in a row lead nowhere.
const MAX_HOPS: usize = 16;

/// A file of a model, looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, specta::Type)]
pub struct Checked {
    /// Where it is.
    pub path: String,
    /// Its path in its repository or in the model's folder.
    pub name: String,
    /// What was found.
    pub state: FileState,
    /// The blob that it is, where that has a hash for its name; for a repair.
    #[serde(skip)]
    #[specta(skip)]
    pub blob: Option<Blob>,
}

/// What was found of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, specta::Type)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FileState {
    /// It is what it should be.
    Whole,
    /// It is something else.
    Damaged {
        /// The hash that it should have.
        expected: FileHash,
        /// The hash that it has.
        found: FileHash,
    },
    /// It is not there.
    Missing,
    /// Nothing tells what it should be. It was not read.
    Unknown,
}

/// How far a verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, specta::Type)]
pub struct VerifyProgress {
    /// Bytes that were read.
    #[specta(type = u32)]
    pub done_bytes: u64,
    /// Bytes that are to be read.
    #[specta(type = u32)]
    pub total_bytes: u64,
}

impl Model {
    /// Reads the model's files, its projector and what belongs to its folder, and compares their hashes. It blocks for as
    /// long as that takes, and reads gently: see `cache/verify.rs`. Progress comes with each MiB; so does the question
    /// whether to stop.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Io`] when the disk fails.
    pub fn verify(
        &self,
        mut on_progress: impl FnMut(VerifyProgress) + Send,
        stop: impl Fn() -> bool + Sync,
    ) -> Result<Vec<Checked>, Error> {
        gently(|| {
            let files = files(self);
            let lengths = files.iter().map(File::bytes_to_read);
            let mut progress = VerifyProgress {
                done_bytes: 0,
                total_bytes: lengths.sum(),
            };
            let mut on_read = |bytes: u64| {
                progress.done_bytes = progress.done_bytes.saturating_add(bytes);
                on_progress(progress);
                !stop()
            };
            let check = |file: File| file.check(&mut on_read);
            files.into_iter().map(check).collect()
        })
    }
}

/// A file to look at.
struct File {
    path: PathBuf,
    name: String,
    blob: Option<Blob>,
}

impl File {
    fn of(path: PathBuf, folder: &Path) -> Self {
        let name = path.strip_prefix(folder).unwrap_or(&path);
        Self {
            name: name.display().to_string(),
            blob: blob(&path),
            path,
        }
    }

    fn bytes_to_read(&self) -> u64 {
        let length = self.path.metadata().map_or(0, |file| file.len());
        self.blob.as_ref().map_or(0, |_| length)
    }

    fn check(self, on_read: &mut dyn FnMut(u64) -> bool) -> Result<Checked, Error> {
        let state = match &self.blob {
            _ if !self.path.is_file() => FileState::Missing,
            None => FileState::Unknown,
            Some(blob) => {
                let found = hash(&self.path, &blob.hash, on_read);
                let found = found.map_err(Error::io(&self.path))?;
                let found = found.ok_or(Error::Stopped)?;
                if found == blob.hash {
                    FileState::Whole
                } else {
                    let expected = blob.hash.clone();
                    FileState::Damaged { expected, found }
                }
            }
        };
        Ok(Checked {
            path: self.path.display().to_string(),
            name: self.name,
            state,
            blob: self.blob,
        })
    }
}

/// The first on the way from a name to its content whose own name is a hash of the content.
fn blob(path: &Path) -> Option<Blob> {
    let mut next = Some(path.to_owned());
    for _ in 0..MAX_HOPS {
        let path = next?;
        let folder = path.parent().filter(|folder| folder.ends_with("blobs"));
        let in_repo = folder.and_then(|folder| CachedRepo::of(folder.parent()?));
        let own = in_repo.and_then(|_| FileHash::of_name(path.file_name()?.to_str()?));
        let hash = own.or_else(|| folder.and_then(|_| ollama::hash_of(&path)));
        if let Some(hash) = hash {
            return Some(Blob { path, hash });
        }
        next = hop(&path);
    }
    None
}

fn files(model: &Model) -> Vec<File> {
    let path = Path::new(&model.path);
    if model.format == Format::Safetensors {
        return folder(path);
    }
    let cached = crate::cache::scan::Cached::of(path);
    let beside = path.parent().unwrap_or(path);
    let folder = cached.map_or_else(|| beside.to_owned(), |cached| cached.snapshot);
    let parts = Part::of(path).map(|part| part.paths().collect());
    let mut paths: Vec<_> = parts.unwrap_or_else(|| vec![path.to_owned()]);
    paths.extend(model.projector.as_ref().map(PathBuf::from));
    let files = paths.into_iter();
    files.map(|path| File::of(path, &folder)).collect()
}

/// What its index names, there or not, and what else of the folder belongs to it.
fn folder(folder: &Path) -> Vec<File> {
    let mut names = checkpoint::weights(folder).unwrap_or_default();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let there = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let of_the_model = there.filter(|name| checkpoint::is_part(name) && !is_gguf(name.as_ref()));
    names.extend(of_the_model.collect::<BTreeSet<_>>());
    let paths = names.iter().map(|name| folder.join(name));
    let files = paths.filter(|path| !path.is_dir());
    files.map(|path| File::of(path, folder)).collect()
}
