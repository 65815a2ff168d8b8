//! A model's files, opened: what is in them, and reading a tensor's bytes.

use super::huggingface::{self, Companions};
use super::source::{Place, Source};
use super::{Metadata, TensorType, gguf};
use engine_api::EngineError;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// What a tensor is, and how its bytes come out of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Slowest dimension first: `[rows, columns]`, `[experts, rows, columns]`.
    pub shape: Vec<usize>,
    /// The type of its elements as [`Checkpoint::read`] gives them.
    pub tensor_type: TensorType,
    /// Where they come from.
    pub(crate) source: Source,
}

impl TensorInfo {
    /// Number of elements.
    pub fn elements(&self) -> u64 {
        self.shape.iter().map(|size| *size as u64).product()
    }

    /// Bytes of its data.
    pub fn size_bytes(&self) -> u64 {
        self.elements() / self.tensor_type.block_elements() as u64
            * self.tensor_type.block_bytes() as u64
    }

    /// So many of its bytes come out of the files together; reading fewer at a time reads the same place repeatedly. `None`
    /// where any piece is as good as another.
    pub fn together_bytes(&self) -> Option<u64> {
        self.source.together_bytes()
    }

    /// Where its first byte lies. Reading tensors in this order reads files from their beginning to their end.
    pub fn place(&self) -> Place {
        self.source.first()
    }
}

/// A model's files, opened and proven.
#[derive(Debug)]
pub struct Checkpoint {
    /// The path that was asked for; the folder, if it is a checkpoint of several files.
    pub path: PathBuf,
    /// Key-value pairs.
    pub metadata: Metadata,
    /// Tensors by GGUF's names.
    pub tensors: BTreeMap<String, TensorInfo>,
    /// The opened files.
    pub(crate) parts: Vec<(PathBuf, File)>,
}

impl Checkpoint {
    /// Opens a GGUF file (for a split one: any of its parts), a folder with config.json and safetensors, or a
    /// safetensors file in such a folder. Reads headers only.
    ///
    /// # Errors
    /// [`EngineError::InvalidModel`] for what is damaged, cut off or no model; [`EngineError::UnsupportedModel`] for
    /// what is well-formed and unknown here.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        let is_checkpoint = path.extension().is_some_and(|end| end == "safetensors")
            || path.ends_with("config.json")
            || path.ends_with("model.safetensors.index.json");
        match path.parent() {
            _ if path.is_dir() => huggingface::open(path),
            Some(folder) if is_checkpoint => huggingface::open(folder),
            _ => gguf::open(path),
        }
    }

    /// The files beside the weights: of a checkpoint of several files, what lies in its folder; none for a GGUF file,
    /// which brings all along.
    pub fn companions(&self) -> Companions {
        if self.path.is_dir() {
            Companions::of(&self.path)
        } else {
            Companions::default()
        }
    }

    /// What is known of the tensor `name`.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name)
    }

    /// The opened files with their sizes in bytes.
    ///
    /// # Errors
    /// What the system says.
    pub fn files(&self) -> io::Result<Vec<(&Path, u64)>> {
        let parts = self.parts.iter();
        parts
            .map(|(path, file)| Ok((path.as_path(), file.metadata()?.len())))
            .collect()
    }

    /// Lets the system read no further than [`Self::read`] asks for: several threads are about to read all of it.
    pub fn read_no_further(&self) {
        for (_, file) in &self.parts {
            super::source::read_no_further(file);
        }
    }

    /// Reads `into.len()` bytes of the tensor's data, from `skip` bytes after its beginning. Doesn't move any file
    /// position, so that several threads can read at once.
    ///
    /// # Errors
    /// What the system says, or that there is no such tensor or place in it.
    pub fn read(&self, name: &str, skip: u64, into: &mut [u8]) -> io::Result<()> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, name.to_owned());
        let tensor = self.tensor(name).ok_or_else(missing)?;
        let end = skip.checked_add(into.len() as u64);
        if end.is_none_or(|end| end > tensor.size_bytes()) {
            return Err(missing());
        }
        tensor.source.read(&self.parts, skip, into)
    }

    /// Whether the page cache holds this stretch of the tensor's data already; `false` where nobody can tell.
    pub fn is_cached(&self, name: &str, skip: u64, length: u64) -> bool {
        let tensor = self.tensor(name);
        tensor.is_some_and(|tensor| tensor.source.is_cached(&self.parts, skip, length))
    }

    /// Tells the system that this stretch of the tensor's data is not wanted again, so that its copy in the page cache
    /// can go. Only advice: nothing depends on it.
    pub fn forget(&self, name: &str, skip: u64, length: u64) {
        if let Some(tensor) = self.tensor(name) {
            tensor.source.forget(&self.parts, skip, length);
        }
    }
}
