//! A model of the library, and its name that never changes.

use super::companions::is_companion;
use super::parts::Part;
use super::{checkpoint, file_name};
use crate::cache::scan::Cached;
use crate::{Commit, Error, Format, RepoId};
use serde::{Deserialize, Serialize};
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::path::Path;

/// Names a model for good: the canonical path of its file (the first of several parts), or of its folder.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, specta::Type,
)]
#[serde(transparent)]
pub struct ModelId(pub String);

impl std::fmt::Display for ModelId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A model on the disk. What it is called comes from its names alone, not from its weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, specta::Type)]
pub struct Model {
    /// Names it for good.
    pub id: ModelId,
    /// The file name without quantization and ending: `SmolLM2-135M-Instruct`; of a folder the whole; of Ollama's
    /// `NAME:TAG`.
    pub name: String,
    /// The quantization that the file name, a folder's config.json or Ollama tells: `Q4_1`, `BF16`.
    pub quantization: Option<String>,
    /// The file name as it is; of a folder its name, or its repository in Hugging Face's cache: `Qwen/Qwen3-0.6B`; of
    /// Ollama's `NAME:TAG`.
    pub file_name: String,
    /// Where it was found, as an absolute path. It may be a link; `id` is where the link leads.
    pub path: String,
    /// Length of the file, or of all its parts; of a folder, of the weights in it.
    #[specta(type = u32)]
    pub size_bytes: u64,
    /// Where it comes from, for a person: the label of its library root, or the folder of a path given by hand.
    pub source: String,
    /// How its weights are kept.
    pub format: Format,
    /// The hub's repository that it is of, where its place tells.
    pub repo: Option<RepoId>,
    /// The commit of that repository, in Hugging Face's cache.
    pub commit: Option<Commit>,
    /// The revision that this commit was when it was fetched: `main`.
    pub revision: Option<String>,
    /// The file beside it with which it sees or hears.
    pub projector: Option<String>,
}

impl Model {
    /// Looks at the file at an absolute path, or at the folder, if weights lie in it as Hugging Face lays them out. Any part
    /// of a model in several files is that model.
    ///
    /// # Errors
    /// [`Error::NotAModel`] for what can't be one, [`Error::Io`] when it can't be told.
    pub(crate) fn at(path: &Path, source: &str) -> Result<Self, Error> {
        let not_a_model = |reason: &str| Error::NotAModel {
            path: path.to_owned(),
            reason: reason.into(),
        };
        let io_error = |source: std::io::Error| match source.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => not_a_model("there is no such file"),
            _ => Error::Io {
                path: path.to_owned(),
                source,
            },
        };
        let part = Part::of(path).filter(|_| path.is_file());
        let first = part.as_ref().map(Part::first);
        let path = first
            .as_deref()
            .filter(|first| first.is_file())
            .unwrap_or(path);
        let id = path.canonicalize().map_err(io_error)?;
        let metadata = path.metadata().map_err(io_error)?;
        let weighed = weigh(path, &metadata, part.as_ref()).map_err(io_error)?;
        let size_bytes = weighed.map_err(|reason| not_a_model(&reason))?;
        let not_text = || not_a_model("its path is not UTF-8");
        let called = Called::of(path, metadata.is_dir()).ok_or_else(not_text)?;
        let format = if metadata.is_dir() {
            Format::Safetensors
        } else {
            Format::Gguf
        };
        let model = Self {
            id: ModelId(id.to_str().ok_or_else(not_text)?.to_owned()),
            name: called.name,
            quantization: called.quantization,
            file_name: called.file_name,
            path: path.to_str().ok_or_else(not_text)?.to_owned(),
            size_bytes,
            source: source.to_owned(),
            format,
            repo: None,
            commit: None,
            revision: None,
            projector: None,
        };
        Ok(model.of_repository(path))
    }

    /// With what its place in Hugging Face's cache tells.
    fn of_repository(self, path: &Path) -> Self {
        let Some(cached) = Cached::of(path) else {
            return self;
        };
        Self {
            repo: cached.repo.id(),
            commit: cached.commit(),
            revision: cached.repo.revision(cached.commit_name()),
            ..self
        }
    }
}

/// What its path tells.
struct Called {
    name: String,
    quantization: Option<String>,
    file_name: String,
}

impl Called {
    /// `None` for a path that is no text.
    fn of(path: &Path, is_folder: bool) -> Option<Self> {
        let own = path.file_name()?.to_str()?;
        if !is_folder {
            let (name, quantization) = file_name::name_and_quantization(own);
            return Some(Self {
                name,
                quantization,
                file_name: own.to_owned(),
            });
        }
        let cached = Cached::of(path).filter(|cached| cached.snapshot == path);
        let name = cached.map_or_else(|| own.to_owned(), |cached| cached.repo.name);
        Some(Self {
            name: name.clone(),
            quantization: checkpoint::quantization(path),
            file_name: name,
        })
    }
}

/// Its length in bytes, all parts together, or why it is no model.
fn weigh(
    path: &Path,
    metadata: &Metadata,
    part: Option<&Part>,
) -> std::io::Result<Result<u64, String>> {
    if metadata.is_dir() {
        return checkpoint::weights_bytes(path);
    }
    if !metadata.is_file() {
        return Ok(Err("it is a device, not a file".into()));
    }
    if path
        .file_name()
        .and_then(|name| name.to_str())
        .is_some_and(is_companion)
    {
        return Ok(Err("it belongs to a model and is none itself".into()));
    }
    if !begins_like_gguf(path)? {
        return Ok(Err("it does not begin as a GGUF file does".into()));
    }
    part.map_or(Ok(Ok(metadata.len())), Part::size_bytes)
}

/// Whether the first four bytes are GGUF's (ggml `docs/gguf.md`: magic `GGUF`).
fn begins_like_gguf(path: &Path) -> std::io::Result<bool> {
    let mut magic = Vec::with_capacity(4);
    File::open(path)?.take(4).read_to_end(&mut magic)?;
    Ok(magic == b"GGUF")
}
