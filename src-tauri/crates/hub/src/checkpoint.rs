//! Models that are folders: config.json and safetensors as Hugging Face lays them out, in any folder or in its cache
//! (`models--ORG--NAME/snapshots/COMMIT/`).
//!
//! It reads of config.json and of the index only what tells whether all is there. Invariant: a folder whose weights are
//! not all there is no model.
//! Source: `huggingface_hub`'s documentation of its cache.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const CONFIG: &str = "config.json";
const ONE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// Longer ones are no indexes.
const MAX_INDEX_BYTES: u64 = 32 << 20;
/// A commit has 40 letters.
const MAX_REF_BYTES: u64 = 256;

/// Bytes of the weights in a folder, or why it is no model.
pub(crate) fn weights_bytes(folder: &Path) -> io::Result<Result<u64, String>> {
    if !folder.join(CONFIG).is_file() {
        return Ok(Err(
            "it is a folder without config.json and safetensors".into()
        ));
    }
    let names = match files(folder)? {
        Ok(names) => names,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut sum = 0;
    for name in names {
        match folder.join(&name).metadata() {
            Ok(file) if file.is_file() => sum += file.len(),
            // In the cache, a link whose blob is not there yet.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => return Ok(Err(format!("its file {name} is missing"))),
        }
    }
    Ok(Ok(sum))
}

/// The files that its weights should be in: those that the index names, or the only one.
fn files(folder: &Path) -> io::Result<Result<BTreeSet<String>, String>> {
    let index = folder.join(INDEX);
    if !index.is_file() {
        if folder.join(ONE).is_file() {
            return Ok(Ok(BTreeSet::from([ONE.to_owned()])));
        }
        return Ok(Err(format!(
            "it is a folder without {ONE} and without {INDEX}"
        )));
    }
    let damaged = || Err(format!("its {INDEX} is damaged"));
    if index.metadata()?.len() > MAX_INDEX_BYTES {
        return Ok(damaged());
    }
    let read = serde_json::from_slice::<serde_json::Value>(&fs::read(&index)?);
    let names = read.ok().and_then(|read| {
        let names = read.get("weight_map")?.as_object()?.values();
        names
            .map(|name| name.as_str().map(str::to_owned))
            .collect::<Option<BTreeSet<_>>>()
    });
    Ok(names
        .filter(|names| !names.is_empty())
        .map_or_else(damaged, Ok))
}

/// What a folder is called: by its repository where it is a snapshot in the cache (`ORG/NAME`), else as it is.
pub(crate) fn name(folder: &Path) -> Option<String> {
    let own = folder.file_name()?.to_str()?;
    let snapshots = folder
        .parent()
        .filter(|parent| parent.ends_with("snapshots"));
    let repository = snapshots.and_then(Path::parent).and_then(repository);
    Some(repository.unwrap_or_else(|| own.to_owned()))
}

/// `models--ORG--NAME` is `ORG/NAME`.
fn repository(folder: &Path) -> Option<String> {
    let name = folder.file_name()?.to_str()?.strip_prefix("models--")?;
    Some(name.replace("--", "/"))
}

/// The snapshots of a repository in the cache, the best first: the one that `main` is, then the newest. `None` for
/// another folder.
pub(crate) fn snapshots(folder: &Path) -> Option<Vec<PathBuf>> {
    repository(folder)?;
    let main = commit(&folder.join("refs/main")).unwrap_or_default();
    let entries = fs::read_dir(folder.join("snapshots")).ok()?;
    let mut found: Vec<_> = entries
        .flatten() // an entry that can't be read is gone
        .map(|entry| {
            let is_main = entry.file_name().to_str() == Some(main.trim());
            let changed = entry.metadata().and_then(|entry| entry.modified());
            let changed = changed.unwrap_or(SystemTime::UNIX_EPOCH);
            (is_main, changed, entry.path())
        })
        .collect();
    found.sort();
    Some(found.into_iter().rev().map(|(.., path)| path).collect())
}

/// The commit that a ref names. A pipe or a device is no ref: one hangs, another never ends.
fn commit(path: &Path) -> Option<String> {
    let file = fs::metadata(path).ok()?;
    let is_ref = file.is_file() && file.len() <= MAX_REF_BYTES;
    is_ref.then(|| fs::read_to_string(path).ok())?
}

/// Whether it claims to be a model, so that something is to be said if it is none.
pub(crate) fn is_meant(folder: &Path) -> bool {
    let there = |name: &str| folder.join(name).is_file();
    there(CONFIG) && (there(ONE) || there(INDEX))
}
