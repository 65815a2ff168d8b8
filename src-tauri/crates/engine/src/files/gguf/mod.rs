//! The header of a GGUF file, read with suspicion.
//!
//! Everything that a later step relies on is proven here: each length fits into what is left of the file, each tensor
//! lies whole inside it and apart from the others, each count is one that the file's size can justify. A type that
//! nothing here computes is described all the same: whoever wants that tensor refuses it. It deliberately reads no
//! weights.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

mod experts;
mod open;
mod reader;
mod tensor;
mod value;

pub use open::open;
use reader::Reader;
use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
pub use tensor::TensorEntry;
pub use value::Value;

const MAGIC: &[u8; 4] = b"GGUF";
const DEFAULT_ALIGNMENT: u64 = 32;
const HEADER_BUFFER_BYTES: usize = 64 << 10;
/// The smallest entries that can exist: an empty key with a one-byte value, an unnamed tensor without dimensions.
const MIN_METADATA_ENTRY_BYTES: u64 = 8 + 4 + 1;
const MIN_TENSOR_ENTRY_BYTES: u64 = 8 + 4 + 4 + 8;

/// What is wrong with a GGUF file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be opened or read.
    #[error("it can't be read: {0}")]
    Io(#[from] std::io::Error),
    /// It is some other kind of file.
    #[error("it is not a GGUF file: it begins with {found}")]
    NotGguf {
        /// Its first bytes, printable.
        found: String,
    },
    /// A version that this reader does not know.
    #[error("it is GGUF version {version}; versions 2 and 3 are known")]
    UnknownVersion {
        /// The version in its header.
        version: u32,
    },
    /// It ends too early.
    #[error("it is cut off: {what} would need {needed_bytes} bytes, {left_bytes} are left")]
    Truncated {
        /// What was being read.
        what: String,
        /// Bytes that it needs.
        needed_bytes: u64,
        /// Bytes from there to the end.
        left_bytes: u64,
    },
    /// It contradicts itself.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// A tensor has a type that the format did not have when this was written.
    #[error("tensor {tensor} has the type number {id}, which this engine does not know")]
    UnknownType {
        /// The tensor's name.
        tensor: String,
        /// The number in the file.
        id: u32,
    },
}

/// A proven header.
#[derive(Debug)]
pub struct Header {
    /// Key-value pairs.
    pub metadata: HashMap<String, Value>,
    /// Tensors by name.
    pub tensors: HashMap<String, TensorEntry>,
    /// Where the first tensor's data may begin, in bytes from the start of the file.
    pub data_offset: u64,
}

impl Header {
    /// Reads and proves the header of an open file, from its beginning.
    pub fn of(file: &File) -> Result<Self, Error> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(Error::Damaged("it is not a file".into()));
        }
        // Nothing is read ahead of what is asked for.
        let length = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        let buffer = length.min(HEADER_BUFFER_BYTES);
        let reader = BufReader::with_capacity(buffer, file);
        Self::read(&mut Reader::new(reader, metadata.len()))
    }

    /// Reads and proves the header of a file that lies in memory.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::read(&mut Reader::new(bytes, bytes.len() as u64))
    }

    fn read<R: std::io::Read>(reader: &mut Reader<R>) -> Result<Self, Error> {
        read_magic(reader)?;
        let tensor_count = reader.u64("the number of tensors")?;
        let metadata_count = reader.u64("the number of metadata entries")?;
        reader.expect_room("the metadata", metadata_count, MIN_METADATA_ENTRY_BYTES)?;
        reader.expect_room("the list of tensors", tensor_count, MIN_TENSOR_ENTRY_BYTES)?;
        let metadata = read_metadata(reader, metadata_count)?;
        let tensors = read_tensors(reader, tensor_count)?;
        let alignment = alignment(&metadata)?;
        let data_offset = reader.position().next_multiple_of(alignment);
        for (name, tensor) in &tensors {
            tensor.expect_inside(name, data_offset, reader.file_bytes())?;
        }
        expect_apart(&tensors)?;
        Ok(Self {
            metadata,
            tensors,
            data_offset,
        })
    }
}

fn read_magic<R: std::io::Read>(reader: &mut Reader<R>) -> Result<(), Error> {
    let magic = reader.bytes("the first four bytes", 4)?;
    if magic != MAGIC {
        let found = magic.escape_ascii().to_string();
        return Err(Error::NotGguf {
            found: format!("\"{found}\""),
        });
    }
    match reader.u32("the version")? {
        2 | 3 => Ok(()),
        version => Err(Error::UnknownVersion { version }),
    }
}

fn read_metadata<R: std::io::Read>(
    reader: &mut Reader<R>,
    count: u64,
) -> Result<HashMap<String, Value>, Error> {
    let mut metadata = HashMap::new();
    for _ in 0..count {
        let key = reader.text("a metadata key")?;
        let value = Value::read(reader, &key)?;
        if metadata.contains_key(&key) {
            return Err(Error::Damaged(format!("{key} is there twice")));
        }
        metadata.insert(key, value);
    }
    Ok(metadata)
}

fn read_tensors<R: std::io::Read>(
    reader: &mut Reader<R>,
    count: u64,
) -> Result<HashMap<String, TensorEntry>, Error> {
    let mut tensors = HashMap::new();
    for _ in 0..count {
        let name = reader.text("a tensor's name")?;
        let tensor = TensorEntry::read(reader, &name)?;
        if tensors.insert(name.clone(), tensor).is_some() {
            return Err(Error::Damaged(format!("tensor {name} is there twice")));
        }
    }
    Ok(tensors)
}

/// Tensors that share bytes of the file would take more memory than the file justifies.
fn expect_apart(tensors: &HashMap<String, TensorEntry>) -> Result<(), Error> {
    let mut places: Vec<_> = tensors
        .iter()
        .map(|(name, tensor)| (tensor.offset, tensor.size_bytes(), name))
        .collect();
    places.sort_unstable();
    for pair in places.windows(2) {
        let [(offset, size_bytes, name), (next, _, other)] = pair else {
            continue;
        };
        if offset.saturating_add(*size_bytes) > *next {
            return Err(Error::Damaged(format!(
                "its tensors overlap: {name} and {other} share bytes"
            )));
        }
    }
    Ok(())
}

fn alignment(metadata: &HashMap<String, Value>) -> Result<u64, Error> {
    match metadata.get("general.alignment").map(Value::as_unsigned) {
        None => Ok(DEFAULT_ALIGNMENT),
        Some(Some(alignment)) if alignment.is_power_of_two() && alignment <= 1 << 20 => {
            Ok(alignment)
        }
        Some(_) => Err(Error::Damaged(
            "general.alignment is no power of two".into(),
        )),
    }
}
