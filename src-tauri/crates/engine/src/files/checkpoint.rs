//! A model's files, opened: what is in them, and reading a tensor's bytes.

use super::{Metadata, TensorType};
use engine_api::EngineError;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Where a tensor lies and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Slowest dimension first: `[rows, columns]`, `[experts, rows, columns]`.
    pub shape: Vec<usize>,
    /// The type of its elements as they lie in the file.
    pub tensor_type: TensorType,
    /// The file, as an index into the checkpoint's parts.
    pub part: usize,
    /// Bytes from the start of that file.
    pub offset: u64,
}

impl TensorInfo {
    /// Number of elements.
    pub fn elements(&self) -> u64 {
        self.shape.iter().map(|size| *size as u64).product()
    }

    /// Bytes of its data in the file.
    pub fn size_bytes(&self) -> u64 {
        self.elements() / self.tensor_type.block_elements() as u64
            * self.tensor_type.block_bytes() as u64
    }
}

/// A model's files, opened and proven.
#[derive(Debug)]
pub struct Checkpoint {
    /// The path that was asked for.
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
        let header = crate::gguf::Header::open(path).map_err(|error| {
            let (file, reason) = (path.display().to_string(), error.to_string());
            match error {
                crate::gguf::Error::UnsupportedType { .. } => {
                    EngineError::UnsupportedModel { file, reason }
                }
                _ => EngineError::InvalidModel { file, reason },
            }
        })?;
        let file = File::open(path).map_err(EngineError::internal)?;
        let tensors = header
            .tensors
            .iter()
            .map(|(name, tensor)| {
                let info = TensorInfo {
                    shape: tensor.shape.clone(),
                    tensor_type: tensor.tensor_type,
                    part: 0,
                    offset: header.data_offset + tensor.offset,
                };
                (name.clone(), info)
            })
            .collect();
        Ok(Self {
            path: path.to_owned(),
            metadata: Metadata(header.metadata),
            tensors,
            parts: vec![(path.to_owned(), file)],
        })
    }

    /// What is known of the tensor `name`.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name)
    }

    /// Reads `into.len()` bytes of the tensor's data, from `skip` bytes after its beginning. Doesn't move any file
    /// position, so that several threads can read at once.
    ///
    /// # Errors
    /// What the system says, or that there is no such tensor or place in it.
    pub fn read(&self, name: &str, skip: u64, into: &mut [u8]) -> std::io::Result<()> {
        use std::os::unix::fs::FileExt;
        let missing = || std::io::Error::new(std::io::ErrorKind::NotFound, name.to_owned());
        let tensor = self.tensor(name).ok_or_else(missing)?;
        if skip + into.len() as u64 > tensor.size_bytes() {
            return Err(missing());
        }
        self.parts[tensor.part]
            .1
            .read_exact_at(into, tensor.offset + skip)
    }
}
