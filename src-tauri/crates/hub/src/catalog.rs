//! Models to begin with: `models/catalog.toml`, which is part of the program, so that it is there offline.
//!
//! It deliberately knows no sizes, files or hashes: those the hub says. Invariant, kept by the tests here: every entry names
//! a repository that can be asked for, once.

use crate::RepoId;
use serde::{Deserialize, Serialize};

const CATALOG: &str = include_str!("../../../../models/catalog.toml");

/// What a model is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Talking about anything.
    Chat,
    /// Writing and changing programs.
    Code,
    /// Thinking before answering.
    Reasoning,
    /// Being quick beside other work.
    Small,
    /// Seeing pictures, with a projector.
    Vision,
}

/// A model to begin with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(deny_unknown_fields)]
pub struct CatalogEntry {
    /// What it is good for.
    pub purpose: Purpose,
    /// Where it is.
    pub repo: RepoId,
    /// The quantization that is recommended, as [`crate::Variant::quantization`] has it.
    pub quantization: String,
    /// Number of parameters, in round figures.
    #[specta(type = u32)]
    pub parameters: u64,
    /// The memory of the smallest machine that it is for, as such machines are sold: 64 or 128.
    pub machine_gb: u32,
    /// What it is, in a sentence.
    pub about: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalog {
    model: Vec<CatalogEntry>,
}

/// All entries, in the order in which they are to be shown.
pub fn catalog() -> Vec<CatalogEntry> {
    let read = toml::from_str(CATALOG);
    let read = read.inspect_err(|error| tracing::error!(%error, "the catalog can't be read"));
    let Catalog { model } = read.unwrap_or_default();
    model
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::file_name::name_and_quantization;
    use std::collections::HashSet;

    #[test]
    fn the_catalog_can_be_read_and_names_each_repository_once() {
        let read: Result<Catalog, _> = toml::from_str(CATALOG);
        let entries = read.expect("models/catalog.toml").model;
        assert_eq!(entries, catalog());
        assert!((18..=26).contains(&entries.len()), "{}", entries.len());
        let repos: HashSet<_> = entries.iter().map(|entry| &entry.repo).collect();
        assert_eq!(repos.len(), entries.len());
        let purposes: HashSet<_> = entries.iter().map(|entry| entry.purpose).collect();
        assert_eq!(purposes.len(), 5);
    }

    #[test]
    fn each_entry_makes_sense() {
        for entry in catalog() {
            let name = entry.repo.to_string();
            assert!(name.contains('/'), "{name}");
            let told = name_and_quantization(&format!("m-{}.gguf", entry.quantization)).1;
            assert_eq!(told.as_ref(), Some(&entry.quantization), "{name}");
            let sentence = entry.about.ends_with('.') && entry.about.matches(". ").count() == 0;
            assert!(sentence && entry.about.len() < 140, "{name}");
            // About five bits a parameter, and a quarter of the machine for everything else.
            let bytes = entry.parameters / 8 * 5;
            let room = u64::from(entry.machine_gb) * 750_000_000;
            assert!(
                [64, 128].contains(&entry.machine_gb) && bytes < room,
                "{name}"
            );
        }
    }
}
