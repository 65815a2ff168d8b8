//! A model of the library, and its name that never changes.

use crate::Error;
use crate::parts::Part;
use crate::{checkpoint, file_name};
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

/// A model on the disk. What it is called comes from its file name alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, specta::Type)]
pub struct Model {
    /// Names it for good.
    pub id: ModelId,
    /// The file name without quantization and ending: `SmolLM2-135M-Instruct`; of a folder the whole.
    pub name: String,
    /// The quantization that the file name tells: `Q4_1`.
    pub quantization: Option<String>,
    /// The file name as it is; of a folder its name, or its repository in Hugging Face's cache: `Qwen/Qwen3-0.6B`.
    pub file_name: String,
    /// Where it was found, as an absolute path. It may be a link; `id` is where the link leads.
    pub path: String,
    /// Length of the file, or of all its parts; of a folder, of the weights in it.
    #[specta(type = u32)]
    pub size_bytes: u64,
    /// Where it comes from, for a person: the label of its library root, or the folder of a path given by hand.
    pub source: String,
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
        let (file_name, (name, quantization)) = if metadata.is_dir() {
            let name = checkpoint::name(path).ok_or_else(not_text)?;
            (name.clone(), (name, None))
        } else {
            let file_name = path.file_name().and_then(|name| name.to_str());
            let file_name = file_name.ok_or_else(not_text)?.to_owned();
            let told = file_name::name_and_quantization(&file_name);
            (file_name, told)
        };
        Ok(Self {
            id: ModelId(id.to_str().ok_or_else(not_text)?.to_owned()),
            name,
            quantization,
            file_name,
            path: path.to_str().ok_or_else(not_text)?.to_owned(),
            size_bytes,
            source: source.to_owned(),
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
