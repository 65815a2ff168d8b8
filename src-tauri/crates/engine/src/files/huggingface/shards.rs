//! The safetensors files of a folder: one, or those that an index names.

use super::config::read_json;
use crate::files::safetensors::{self, Entry};
use crate::files::source;
use engine_api::EngineError;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

const ONE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// All files, opened.
#[derive(Debug, Default)]
pub(super) struct Shards {
    pub(super) parts: Vec<(PathBuf, File)>,
    /// Each with the part that it lies in.
    pub(super) tensors: BTreeMap<String, (usize, Entry)>,
}

fn invalid(path: &Path, reason: impl Into<String>) -> EngineError {
    EngineError::InvalidModel {
        file: path.display().to_string(),
        reason: reason.into(),
    }
}

/// Opens them, and proves that all tensors are where the index says.
pub(super) fn open(folder: &Path) -> Result<Shards, EngineError> {
    let index = folder.join(INDEX);
    let announced = if index.is_file() {
        weight_map(&index)?
    } else {
        BTreeMap::new()
    };
    let mut names: BTreeSet<&str> = announced.values().map(String::as_str).collect();
    if names.is_empty() {
        names.insert(ONE);
    }
    let mut shards = Shards::default();
    for name in names {
        shards.add(folder, name)?;
    }
    shards.expect(&index, &announced)?;
    Ok(shards)
}

/// Tensor to file.
fn weight_map(index: &Path) -> Result<BTreeMap<String, String>, EngineError> {
    let read = read_json(index).map_err(|reason| invalid(index, reason))?;
    let map = read.get("weight_map").and_then(Value::as_object);
    let map = map.ok_or_else(|| invalid(index, "it is damaged: it has no weight_map"))?;
    let entry = |(name, file): (&String, &Value)| {
        let file = file.as_str().filter(|file| is_plain_name(file));
        let bad = || invalid(index, format!("it is damaged: {name} lies in no file"));
        Ok((name.clone(), file.ok_or_else(bad)?.to_owned()))
    };
    map.iter().map(entry).collect()
}

/// A name within the folder: an index from elsewhere must not open what lies outside.
fn is_plain_name(name: &str) -> bool {
    Path::new(name).file_name().is_some_and(|last| last == name)
}

impl Shards {
    fn add(&mut self, folder: &Path, name: &str) -> Result<(), EngineError> {
        let path = folder.join(name);
        if !path.exists() {
            return Err(invalid(folder, format!("{name} is missing")));
        }
        let file = source::open(&path).map_err(|error| invalid(&path, error.to_string()))?;
        let entries =
            safetensors::read(&file).map_err(|error| invalid(&path, error.to_string()))?;
        let part = self.parts.len();
        for (name, entry) in entries {
            if self.tensors.insert(name.clone(), (part, entry)).is_some() {
                let reason = format!("it is damaged: {name} is in another file too");
                return Err(invalid(&path, reason));
            }
        }
        self.parts.push((path, file));
        Ok(())
    }

    fn expect(
        &self,
        index: &Path,
        announced: &BTreeMap<String, String>,
    ) -> Result<(), EngineError> {
        let in_place = |name: &String, file: &String| {
            let found = self.tensors.get(name).map(|(part, _)| &self.parts[*part].0);
            found.is_some_and(|path| path.ends_with(file))
        };
        let mut wrong = announced
            .iter()
            .filter(|(name, file)| !in_place(name, file));
        match wrong.next() {
            None => Ok(()),
            Some((name, file)) => Err(invalid(
                index,
                format!("it is damaged: it says that {name} lies in {file}, where it is not"),
            )),
        }
    }
}
