//! How much of the disk each library root takes.

use super::survey::Survey;
use super::{Library, RootKind, absolute};
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Files that are counted below one root.
const MAX_ENTRIES: usize = 200_000;

/// What one library root takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, specta::Type)]
pub struct RootUsage {
    /// The folder.
    pub path: String,
    /// What a person calls it.
    pub label: String,
    /// Whose it is.
    pub kind: RootKind,
    /// Bytes on the disk: of a cache that another tool keeps everything in it, unfinished files and data sets among
    /// them; of any other folder its models.
    #[specta(type = u32)]
    pub bytes: u64,
    /// How many models of the library are in it.
    pub models: u32,
}

impl Library {
    /// What each root takes, in order. It looks at the length of every file in the caches, which takes longer than
    /// [`Library::look`]. A model that lies in several roots is counted in the first.
    pub fn usage(&self) -> Vec<RootUsage> {
        let mut by_root: BTreeMap<usize, (u64, u32)> = BTreeMap::new();
        let mut seen = HashSet::new();
        for found in Survey::of(&self.roots).found {
            if seen.insert(found.model.id) {
                let (bytes, models) = by_root.entry(found.root).or_default();
                *bytes = bytes.saturating_add(found.model.size_bytes);
                *models += 1;
            }
        }
        let usage = self.roots.iter().enumerate().map(|(index, root)| {
            let (bytes, models) = by_root.remove(&index).unwrap_or_default();
            let is_whole = matches!(root.kind, RootKind::HuggingFace | RootKind::Ollama);
            let whole = absolute(root).filter(|_| is_whole);
            RootUsage {
                path: root.path.display().to_string(),
                label: root.label.clone(),
                kind: root.kind,
                bytes: whole.map_or(bytes, |path| bytes_below(&path)),
                models,
            }
        });
        usage.collect()
    }
}

/// Bytes of all files below a folder, each once, whatever its names; links are not followed.
fn bytes_below(folder: &Path) -> u64 {
    let (mut sum, mut seen) = (0_u64, HashSet::new());
    let mut folders = vec![folder.to_owned()];
    let mut entries_left = MAX_ENTRIES;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Some(left) = entries_left.checked_sub(1) else {
                return sum;
            };
            entries_left = left;
            let Ok(entry_is) = entry.metadata() else {
                continue; // it is gone
            };
            if entry_is.is_dir() {
                folders.push(entry.path());
            } else if entry_is.is_file() && seen.insert((entry_is.dev(), entry_is.ino())) {
                sum = sum.saturating_add(entry_is.len());
            }
        }
    }
    sum
}
