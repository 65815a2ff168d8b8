//! Files for tests: a folder that goes away, and GGUF files of any content.

use crate::files::{TensorType, Value};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder of its own, deleted at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("wick-files-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).expect("it takes the bytes");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn put_text(into: &mut Vec<u8>, text: &str) {
    into.extend((text.len() as u64).to_le_bytes());
    into.extend(text.as_bytes());
}

/// Writes a value and gives the number of its kind.
fn put_value(into: &mut Vec<u8>, value: &Value) -> u32 {
    match value {
        Value::Bool(truth) => {
            into.push(u8::from(*truth));
            7
        }
        Value::Text(text) => {
            put_text(into, text);
            8
        }
        Value::Array(values) => {
            let mut bytes = Vec::new();
            let kinds = values.iter().map(|value| put_value(&mut bytes, value));
            let kind = kinds.last().unwrap_or(4);
            into.extend(kind.to_le_bytes());
            into.extend((values.len() as u64).to_le_bytes());
            into.extend(bytes);
            9
        }
        Value::Unsigned(number) => {
            into.extend(number.to_le_bytes());
            10
        }
        Value::Signed(number) => {
            into.extend(number.to_le_bytes());
            11
        }
        Value::Float(number) => {
            into.extend(number.to_le_bytes());
            12
        }
    }
}

/// A GGUF file being written.
#[derive(Default, Clone)]
pub(crate) struct Gguf {
    pub(crate) metadata: Vec<u8>,
    pub(crate) metadata_count: u64,
    tensors: Vec<u8>,
    tensor_count: u64,
    data: Vec<u8>,
}

impl Gguf {
    pub(crate) fn key(&mut self, key: &str, kind: u32) -> &mut Vec<u8> {
        self.metadata_count += 1;
        put_text(&mut self.metadata, key);
        self.metadata.extend(kind.to_le_bytes());
        &mut self.metadata
    }

    pub(crate) fn number(mut self, key: &str, value: u32) -> Self {
        self.key(key, 4).extend(value.to_le_bytes());
        self
    }

    pub(crate) fn text(mut self, key: &str, value: &str) -> Self {
        put_text(self.key(key, 8), value);
        self
    }

    /// What a reader has found.
    pub(crate) fn value(mut self, key: &str, value: &Value) -> Self {
        let mut bytes = Vec::new();
        let kind = put_value(&mut bytes, value);
        self.key(key, kind).extend(bytes);
        self
    }

    /// A tensor of this type number with these bytes; `shape` with the slowest dimension first.
    pub(crate) fn raw(self, name: &str, shape: &[u64], kind: u32, bytes: &[u8]) -> Self {
        let offset = self.data.len() as u64;
        let mut file = self.entry(name, shape, kind, offset);
        file.data.extend(bytes);
        file.data.resize(file.data.len().next_multiple_of(32), 0);
        file
    }

    /// An entry that claims a place.
    pub(crate) fn entry(mut self, name: &str, shape: &[u64], kind: u32, offset: u64) -> Self {
        self.tensor_count += 1;
        put_text(&mut self.tensors, name);
        let dimensions = u32::try_from(shape.len()).expect("few");
        self.tensors.extend(dimensions.to_le_bytes());
        for size in shape.iter().rev() {
            self.tensors.extend(size.to_le_bytes());
        }
        self.tensors.extend(kind.to_le_bytes());
        self.tensors.extend(offset.to_le_bytes());
        self
    }

    /// An F32 vector.
    pub(crate) fn floats(self, name: &str, values: &[f32]) -> Self {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let shape = [values.len() as u64];
        self.raw(name, &shape, TensorType::F32.id(), &bytes)
    }

    pub(crate) fn finish(&self) -> Vec<u8> {
        self.version(3)
    }

    pub(crate) fn version(&self, version: u32) -> Vec<u8> {
        let mut file = b"GGUF".to_vec();
        file.extend(version.to_le_bytes());
        file.extend(self.tensor_count.to_le_bytes());
        file.extend(self.metadata_count.to_le_bytes());
        file.extend(&self.metadata);
        file.extend(&self.tensors);
        file.resize(file.len().next_multiple_of(32), 0);
        file.extend(&self.data);
        file
    }
}

/// A safetensors file being written.
#[derive(Default, Clone)]
pub(crate) struct Safetensors {
    entries: Vec<String>,
    data: Vec<u8>,
}

impl Safetensors {
    pub(crate) fn tensor(mut self, name: &str, dtype: &str, shape: &[usize], bytes: &[u8]) -> Self {
        let (start, end) = (self.data.len(), self.data.len() + bytes.len());
        self.entries.push(format!(
            r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{start},{end}]}}"#
        ));
        self.data.extend(bytes);
        self
    }

    /// With this text as its header, whatever it says.
    pub(crate) fn with_header(&self, header: &str) -> Vec<u8> {
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.as_bytes());
        file.extend(&self.data);
        file
    }

    pub(crate) fn finish(&self) -> Vec<u8> {
        let entries = self.entries.join(",");
        self.with_header(&format!(
            r#"{{"__metadata__":{{"format":"pt"}},{entries}}}"#
        ))
    }
}
