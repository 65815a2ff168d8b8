//! The library: models in a few folders, looked at anew each time that one asks.

use crate::search::search;
use crate::{Error, Model, checkpoint};
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
    /// Whether another program keeps it, as Hugging Face's cache is kept: nobody is told to put a file there.
    pub is_cache: bool,
}

/// The models in some folders and in the folders directly below those: GGUF files, and folders as Hugging Face lays them
/// out, also those of its cache.
#[derive(Debug, Clone)]
pub struct Library {
    roots: Vec<LibraryRoot>,
}

impl Library {
    /// A library of these folders. A file that several of them lead to is counted for the first.
    pub fn new(roots: Vec<LibraryRoot>) -> Self {
        Self { roots }
    }

    /// All models, by file name: first the files, then the folders. What is hidden, unfinished (`*.incomplete`, a folder
    /// without all of its weights), unreadable or neither a GGUF file nor such a folder is left out.
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
        // Who names no model gets the first one. Folders are mostly unquantized, and in the cache often no language models.
        models.sort_by_cached_key(|model| {
            let is_folder = Path::new(&model.path).is_dir();
            (is_folder, model.file_name.to_lowercase(), model.id.clone())
        });
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
    let (files, folders) = entries(&path);
    let mut models = all_usable(files, &root.label);
    for folder in folders {
        if let Some(snapshots) = checkpoint::snapshots(&folder) {
            let mut whole = snapshots
                .iter()
                .filter_map(|path| checkpoint_in(path, &root.label));
            models.extend(whole.next());
            continue;
        }
        let (files, below) = entries(&folder);
        models.extend(all_usable(files, &root.label));
        let folders = std::iter::once(&folder).chain(&below);
        models.extend(folders.filter_map(|path| checkpoint_in(path, &root.label)));
    }
    models
}

fn all_usable(files: Vec<PathBuf>, label: &str) -> Vec<Model> {
    let usable = |path: PathBuf| usable(&path, label);
    files.into_iter().filter_map(usable).collect()
}

fn checkpoint_in(folder: &Path, label: &str) -> Option<Model> {
    checkpoint::is_meant(folder).then(|| usable(folder, label))?
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
    // With escapes: a name may hold line ends and commands for a terminal.
    let folder = folder.display().to_string();
    let folder = folder.escape_debug();
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
        .inspect_err(|error| {
            // With escapes, as above.
            let error = error.to_string();
            tracing::warn!(error = %error.escape_debug(), "a model is left out of the library");
        })
        .ok()
}
