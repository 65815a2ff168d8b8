//! The header of a safetensors file, read with suspicion: a length, JSON that names tensors with types, shapes and places.
//!
//! It deliberately knows neither models nor GGUF. Invariant: what comes out lies whole inside the file and apart from the
//! others. Format: <https://huggingface.co/docs/safetensors>.

use super::TensorType;
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// The longest header that the reference implementation takes.
const MAX_HEADER_BYTES: u64 = 100_000_000;
const MAX_DIMENSIONS: usize = 8;

/// What is wrong with a safetensors file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error("it can't be read: {0}")]
    Io(#[from] std::io::Error),
    /// It ends too early, or is no safetensors file.
    #[error("it is cut off or no safetensors file: {0}")]
    Truncated(String),
    /// It contradicts itself.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

/// The type of a tensor's elements, by safetensors' name for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dtype {
    /// A type that GGUF has too.
    Known(TensorType),
    /// Bytes, in which quantized checkpoints pack what they like.
    Bytes,
    /// Another one: its name.
    Other(String),
}

impl std::fmt::Display for Dtype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Known(kind) => f.write_str(kind.name()),
            Self::Bytes => f.write_str("U8"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

impl Dtype {
    /// It, and bytes of an element if that is known.
    fn of(name: &str) -> (Self, Option<u64>) {
        let known = |kind: TensorType| (Self::Known(kind), Some(kind.block_bytes() as u64));
        match name {
            "F32" => known(TensorType::F32),
            "F16" => known(TensorType::F16),
            "BF16" => known(TensorType::BF16),
            "F64" => known(TensorType::F64),
            "I8" => known(TensorType::I8),
            "I16" => known(TensorType::I16),
            "I32" => known(TensorType::I32),
            "I64" => known(TensorType::I64),
            "U8" => (Self::Bytes, Some(1)),
            _ => (Self::Other(name.into()), None),
        }
    }
}

/// A tensor of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The type of its elements.
    pub dtype: Dtype,
    /// Sizes, slowest dimension first.
    pub shape: Vec<usize>,
    /// Bytes from the start of the file.
    pub offset: u64,
    /// Bytes of its data.
    pub size_bytes: u64,
}

/// The tensors of an open file.
///
/// # Errors
/// [`Error`]
pub fn read(file: &File) -> Result<BTreeMap<String, Entry>, Error> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Error::Damaged("it is not a file".into()));
    }
    let file_bytes = metadata.len();
    let length = header_length(file_bytes, |into| file.read_exact_at(into, 0))?;
    let mut json = vec![0; length];
    file.read_exact_at(&mut json, 8)?;
    parse(&json, file_bytes)
}

/// The tensors of a file that lies in memory.
///
/// # Errors
/// [`Error`]
pub fn from_bytes(bytes: &[u8]) -> Result<BTreeMap<String, Entry>, Error> {
    let file_bytes = bytes.len() as u64;
    let length = header_length(file_bytes, |into| {
        into.copy_from_slice(&bytes[..8]);
        Ok(())
    })?;
    parse(&bytes[8..8 + length], file_bytes)
}

fn header_length(
    file_bytes: u64,
    read: impl FnOnce(&mut [u8; 8]) -> std::io::Result<()>,
) -> Result<usize, Error> {
    let Some(left_bytes) = file_bytes.checked_sub(8) else {
        return Err(Error::Truncated(format!("it has {file_bytes} bytes")));
    };
    let mut bytes = [0; 8];
    read(&mut bytes)?;
    let length = u64::from_le_bytes(bytes);
    if length > left_bytes {
        let reason = format!("its header would have {length} bytes, {left_bytes} are left");
        return Err(Error::Truncated(reason));
    }
    if length > MAX_HEADER_BYTES {
        let reason = format!("its header has {length} bytes; {MAX_HEADER_BYTES} are the most");
        return Err(Error::Damaged(reason));
    }
    usize::try_from(length).map_err(|_| Error::Damaged("its header is too long".into()))
}

#[derive(Deserialize)]
struct Raw {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// All entries but `__metadata__`, which holds texts for people.
struct Tensors(BTreeMap<String, Raw>);

impl<'de> Deserialize<'de> for Tensors {
    fn deserialize<D: serde::Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Tensors;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("tensors by name")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tensors, A::Error> {
                let mut tensors = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                    } else if let Some(_twice) = tensors.insert(name.clone(), map.next_value()?) {
                        let reason = format!("tensor {name} is there twice");
                        return Err(serde::de::Error::custom(reason));
                    }
                }
                Ok(Tensors(tensors))
            }
        }
        source.deserialize_map(Entries)
    }
}

fn parse(json: &[u8], file_bytes: u64) -> Result<BTreeMap<String, Entry>, Error> {
    let tensors: Tensors = serde_json::from_slice(json)
        .map_err(|error| Error::Damaged(format!("its header is not understood: {error}")))?;
    let data_offset = 8 + json.len() as u64;
    let prove = |(name, raw): (String, Raw)| {
        let entry = raw.prove(data_offset, file_bytes);
        let entry = entry.map_err(|reason| Error::Damaged(format!("tensor {name} {reason}")))?;
        Ok((name, entry))
    };
    let tensors: Result<BTreeMap<_, _>, Error> = tensors.0.into_iter().map(prove).collect();
    tensors.and_then(apart)
}

impl Raw {
    fn prove(self, data_offset: u64, file_bytes: u64) -> Result<Entry, String> {
        let (dtype, size) = Dtype::of(&self.dtype);
        if self.shape.len() > MAX_DIMENSIONS {
            return Err(format!("has {} dimensions", self.shape.len()));
        }
        let elements = self
            .shape
            .iter()
            .try_fold(1_u64, |product, size| product.checked_mul(*size));
        let expected = elements.and_then(|elements| match size {
            Some(size) => elements.checked_mul(size),
            // A type that nobody reads: its bytes are what they are.
            None => self.data_offsets[1].checked_sub(self.data_offsets[0]),
        });
        let [start, end] = self.data_offsets;
        let (Some(expected), Some(found)) = (expected, end.checked_sub(start)) else {
            return Err(format!("has an impossible shape {:?} or place", self.shape));
        };
        if expected != found {
            return Err(format!(
                "has {found} bytes where {:?} of {} are {expected}",
                self.shape, self.dtype
            ));
        }
        if data_offset
            .checked_add(end)
            .is_none_or(|end| end > file_bytes)
        {
            return Err(format!(
                "ends {end} bytes after the header, beyond the file"
            ));
        }
        let shape: Result<Vec<usize>, _> = self
            .shape
            .iter()
            .map(|size| usize::try_from(*size))
            .collect();
        Ok(Entry {
            dtype,
            shape: shape.map_err(|_| "is too large for this machine")?,
            offset: data_offset + start,
            size_bytes: expected,
        })
    }
}

/// Tensors that share bytes of the file would take more memory than the file justifies.
fn apart(tensors: BTreeMap<String, Entry>) -> Result<BTreeMap<String, Entry>, Error> {
    let mut places: Vec<_> = tensors
        .iter()
        .filter(|(_, entry)| entry.size_bytes > 0)
        .map(|(name, entry)| (entry.offset, entry.size_bytes, name))
        .collect();
    places.sort_unstable();
    for pair in places.windows(2) {
        if let [(offset, size_bytes, name), (next, _, other)] = pair
            && offset + size_bytes > *next
        {
            let reason = format!("its tensors overlap: {name} and {other} share bytes");
            return Err(Error::Damaged(reason));
        }
    }
    Ok(tensors)
}
