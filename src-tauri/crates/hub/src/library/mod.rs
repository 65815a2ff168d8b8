//! The library: models in a few folders, looked at anew each time that one asks.

mod checkpoint;
mod companions;
pub(crate) mod file_name;
mod model;
mod ollama;
pub(crate) mod parts;
mod removal;
mod root;
mod search;
mod survey;
mod usage;
mod verify;

pub use model::{Model, ModelId};
pub use removal::{Kept, Leaving, Removal};
pub use root::{LibraryRoot, RootKind};
pub use survey::LeftOut;
pub use usage::RootUsage;
pub use verify::{Checked, FileState, VerifyProgress};

use crate::{Error, Format};
use search::search;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use survey::{Survey, is_gguf};

/// The models in some folders and up to five folders below those: GGUF files, folders as Hugging Face lays them out, those
/// of its cache, and those of Ollama's store. Nothing is copied.
#[derive(Debug, Clone)]
pub struct Library {
    roots: Vec<LibraryRoot>,
}

/// What one sees when one looks at the library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, specta::Type)]
pub struct Looked {
    /// All models, by file name: first the files, then the folders.
    pub models: Vec<Model>,
    /// What looks like a model and is none, and folders that can't be read. What is still being fetched is not among them.
    pub left_out: Vec<LeftOut>,
}

impl Library {
    /// A library of these folders. A file that several of them lead to is counted for the first.
    pub fn new(roots: Vec<LibraryRoot>) -> Self {
        Self { roots }
    }

    /// The folders it is in.
    pub fn roots(&self) -> &[LibraryRoot] {
        &self.roots
    }

    /// Looks at the disk. It reads names, a few bytes of each file and small JSON files.
    pub fn look(&self) -> Looked {
        let survey = Survey::of(&self.roots);
        let mut seen = BTreeSet::new();
        let found = survey.found.into_iter().map(|found| found.model);
        let mut models: Vec<Model> = found
            .filter(|model| seen.insert(model.id.clone()))
            .collect();
        // Who names no model gets the first one. Folders are mostly unquantized, and in the cache often no language models.
        models.sort_by_cached_key(|model| {
            let is_folder = model.format == Format::Safetensors;
            (is_folder, model.file_name.to_lowercase(), model.id.clone())
        });
        Looked {
            models,
            left_out: survey.left_out,
        }
    }

    /// All models, as [`Library::look`] finds them.
    ///
    /// # Errors
    /// None yet; a library that is kept in a file could fail as a whole.
    pub fn models(&self) -> Result<Vec<Model>, Error> {
        Ok(self.look().models)
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
        let model = Model::at(&absolute, &folder)?;
        Ok(Model {
            projector: projector_beside(&model),
            ..model
        })
    }
}

/// The projector in the folder of a file, if it is this model's without doubt.
fn projector_beside(model: &Model) -> Option<String> {
    let path = Path::new(&model.path);
    let folder = path.parent().filter(|_| model.format == Format::Gguf)?;
    let beside = Survey::of_folder(folder).found.into_iter();
    let mut same = beside.filter(|found| found.model.path == model.path);
    same.next()?.model.projector
}

pub(crate) fn absolute(root: &LibraryRoot) -> Option<PathBuf> {
    std::path::absolute(&root.path).ok()
}
