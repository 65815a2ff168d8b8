//! From headers to a checkpoint: one file, or all parts of one that is split. Any part opens the whole.
//!
//! Parts are told by `split.no` and `split.count`; their names differ in `-00001-of-00005.gguf` alone (llama.cpp's
//! convention). The first one holds the metadata. Invariant: all parts are there, each in its place, and have together
//! as many tensors as they say.

use super::{Error, Header};
use crate::files::source::{self, Place, Source};
use crate::files::{Checkpoint, Metadata, TensorInfo};
use engine_api::EngineError;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Opens the model that the file at `path` is, or is a part of.
///
/// # Errors
/// [`EngineError::InvalidModel`] for what is damaged, missing or no GGUF file, [`EngineError::UnsupportedModel`] for
/// types and versions that are unknown here.
pub fn open(path: &Path) -> Result<Checkpoint, EngineError> {
    let (header, file) = open_one(path)?;
    let count = split_count(&header);
    let parts = if count > 1 {
        open_all(path, count)?
    } else {
        vec![(path.to_owned(), header, file)]
    };
    assemble(path, parts)
}

type Part = (PathBuf, Header, File);

fn open_one(path: &Path) -> Result<(Header, File), EngineError> {
    let opened = source::open(path).map_err(Error::from);
    let read = |file: File| Ok((Header::of(&file)?, file));
    opened.and_then(read).map_err(|error| {
        let (file, reason) = (path.display().to_string(), error.to_string());
        match error {
            Error::UnknownType { .. } | Error::UnknownVersion { .. } => {
                EngineError::UnsupportedModel { file, reason }
            }
            _ => EngineError::InvalidModel { file, reason },
        }
    })
}

fn number(header: &Header, key: &str) -> Option<u64> {
    header.metadata.get(key)?.as_unsigned()
}

fn split_count(header: &Header) -> u64 {
    number(header, "split.count").unwrap_or(1)
}

fn invalid(path: &Path, reason: impl Into<String>) -> EngineError {
    EngineError::InvalidModel {
        file: path.display().to_string(),
        reason: reason.into(),
    }
}

fn open_all(path: &Path, count: u64) -> Result<Vec<Part>, EngineError> {
    let names = PartNames::of(path).filter(|names| names.count == count);
    let names = names.ok_or_else(|| {
        invalid(
            path,
            format!("it is one of {count} parts of a model, but its name does not end in the likes of -00001-of-{count:05}.gguf, so that the others can't be found"),
        )
    })?;
    let open = |number| {
        let part = names.path(number);
        if !part.exists() {
            let name = part.display();
            let reason = format!("it is one of {count} parts of a model, and {name} is missing");
            return Err(invalid(path, reason));
        }
        let (header, file) = open_one(&part)?;
        expect_place(&part, &header, number, count)?;
        Ok((part, header, file))
    };
    (1..=count).map(open).collect()
}

fn expect_place(path: &Path, part: &Header, number: u64, count: u64) -> Result<(), EngineError> {
    let found = (self::number(part, "split.no"), split_count(part));
    if found == (Some(number - 1), count) {
        return Ok(());
    }
    let says = found
        .0
        .map_or("no part".into(), |no| format!("part {}", no + 1));
    let reason = format!(
        "it is called part {number} of {count} of a model, but says that it is {says} of {}",
        found.1
    );
    Err(invalid(path, reason))
}

/// The names of a split model's parts.
struct PartNames {
    folder: PathBuf,
    prefix: String,
    count: u64,
}

impl PartNames {
    /// By the name of one: `PREFIX-00001-of-00005.gguf`.
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_suffix(".gguf")?;
        let (rest, count) = name.rsplit_once("-of-")?;
        let (prefix, number) = rest.rsplit_once('-')?;
        let five_digits = |text: &str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
        if !five_digits(count) || !five_digits(number) {
            return None;
        }
        Some(Self {
            folder: path.parent()?.to_owned(),
            prefix: prefix.into(),
            count: count.parse().ok()?,
        })
    }

    fn path(&self, number: u64) -> PathBuf {
        let Self { prefix, count, .. } = self;
        self.folder
            .join(format!("{prefix}-{number:05}-of-{count:05}.gguf"))
    }
}

fn assemble(path: &Path, parts: Vec<Part>) -> Result<Checkpoint, EngineError> {
    let mut checkpoint = Checkpoint {
        path: path.to_owned(),
        metadata: Metadata::default(),
        tensors: BTreeMap::new(),
        parts: Vec::new(),
    };
    for (part, header, file) in parts {
        add_tensors(&mut checkpoint, &part, &header)?;
        if checkpoint.parts.is_empty() {
            checkpoint.metadata = Metadata(header.metadata);
        }
        checkpoint.parts.push((part, file));
    }
    let found = checkpoint.tensors.len() as u64;
    match checkpoint.metadata.unsigned("split.tensors.count") {
        Some(said) if checkpoint.parts.len() > 1 && said != found => Err(invalid(
            path,
            format!("it is damaged: its parts have {found} tensors together, {said} are announced"),
        )),
        _ => {
            let merged = super::experts::merge(&mut checkpoint);
            merged.map_err(|reason| invalid(path, format!("it is damaged: {reason}")))?;
            Ok(checkpoint)
        }
    }
}

fn add_tensors(
    checkpoint: &mut Checkpoint,
    path: &Path,
    header: &Header,
) -> Result<(), EngineError> {
    for (name, entry) in &header.tensors {
        let place = Place {
            part: checkpoint.parts.len(),
            offset: header.data_offset + entry.offset,
        };
        let tensor = TensorInfo {
            shape: entry.shape.clone(),
            tensor_type: entry.tensor_type,
            source: Source::Plain(place),
        };
        if checkpoint.tensors.insert(name.clone(), tensor).is_some() {
            let reason = format!("tensor {name} is in another part too");
            return Err(invalid(path, format!("it is damaged: {reason}")));
        }
    }
    Ok(())
}
