//! The library: model files in a few folders, looked at anew each time that one asks.

use crate::search::search;
use crate::{Error, Model};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// A folder in which models are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibraryRoot {
    /// The folder; it need not exist.
    pub path: PathBuf,
    /// What a person calls it.
    pub label: String,
}

/// The models in some folders and in the folders directly below those.
#[derive(Debug, Clone)]
pub struct Library {
    roots: Vec<LibraryRoot>,
}

impl Library {
    /// A library of these folders. A file that several of them lead to is counted for the first.
    pub fn new(roots: Vec<LibraryRoot>) -> Self {
        Self { roots }
    }

    /// All models, by file name. What is hidden, unfinished (`*.incomplete`), unreadable or no GGUF file is left out.
    ///
    /// # Errors
    /// None yet; a library that is kept in a file could fail as a whole.
    pub fn models(&self) -> Result<Vec<Model>, Error> {
        let mut seen = BTreeSet::new();
        let mut models: Vec<Model> = self
            .roots
            .iter()
            .flat_map(models_below)
            .filter(|model| seen.insert(model.id.clone()))
            .collect();
        models.sort_by_cached_key(|model| (model.file_name.to_lowercase(), model.id.clone()));
        Ok(models)
    }

    /// The model that goes by this name: its id, file name or name; or, when only one model fits, the beginning or any
    /// part of its file name, in capitals or not.
    ///
    /// # Errors
    /// [`Error::NotFound`] with all there are, [`Error::Ambiguous`] with all that fit equally well.
    pub fn find(&self, name: &str) -> Result<Model, Error> {
        search(self.models()?, name)
    }

    /// The model at a path given by hand, in the library or not.
    ///
    /// # Errors
    /// [`Error::NotAModel`] for what can't be one, [`Error::Io`] when it can't be told.
    pub fn model_at(path: impl AsRef<Path>) -> Result<Model, Error> {
        let path = path.as_ref();
        let absolute = std::path::absolute(path).map_err(|source| Error::Io {
            path: path.to_owned(),
            source,
        })?;
        let folder = absolute.parent().unwrap_or(&absolute).to_string_lossy();
        Model::at(&absolute, &folder)
    }
}

fn models_below(root: &LibraryRoot) -> Vec<Model> {
    let Ok(path) = std::path::absolute(&root.path) else {
        return Vec::new(); // only the empty path has no absolute form
    };
    let (mut files, folders) = entries(&path);
    for folder in folders {
        files.extend(entries(&folder).0);
    }
    files
        .into_iter()
        .filter_map(|path| usable(&path, &root.label))
        .collect()
}

/// The visible GGUF files in a folder, and its visible subfolders. A folder that can't be read has none.
fn entries(folder: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let entries = fs::read_dir(folder).inspect_err(|error| tell_unreadable(folder, error));
    let (folders, files): (Vec<_>, Vec<_>) = entries
        .into_iter()
        .flatten() // no entries of a folder that can't be read
        .flatten() // an entry that can't be read is gone
        .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
        .map(|entry| entry.path())
        .partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| is_gguf(path)).collect();
    (files, folders)
}

/// A folder that is not there is nothing to warn of: nobody has put a model there yet.
fn tell_unreadable(folder: &Path, error: &io::Error) {
    let folder = folder.display();
    if error.kind() == io::ErrorKind::NotFound {
        tracing::debug!(%folder, "a library folder is not there");
    } else {
        tracing::warn!(%folder, %error, "a library folder is left out");
    }
}

fn is_gguf(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case(OsStr::new("gguf")))
}

fn usable(path: &Path, label: &str) -> Option<Model> {
    Model::at(path, label)
        .inspect_err(|error| tracing::warn!(%error, "a file is left out of the library"))
        .ok()
}
