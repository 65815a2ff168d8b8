//! Which files of a repository are a model as Hugging Face lays it out.
//!
//! Only its root is looked at: weights in folders are parts of pipelines, or other checkpoints. The index is not read here,
//! so that a list of files is enough. Invariant: config.json and weights are there, or there is no variant.

use super::repo::{Format, RepoFile, Variant};
use crate::library::file_name::split_part_number;
use std::collections::BTreeMap;

const CONFIG: &str = "config.json";
const INDEX: &str = "model.safetensors.index.json";
const ONE: &str = "model.safetensors";
/// What tokenizing, templates and generation need, as transformers names it.
const COMPANIONS: [&str; 10] = [
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
];

/// The model at the root of a repository, if there is one.
pub(crate) fn safetensors(files: &[RepoFile]) -> Option<Variant> {
    let root: BTreeMap<&str, &RepoFile> = files
        .iter()
        .map(|file| (file.path.as_str(), file))
        .collect();
    let at = |path: &str| root.get(path).copied();
    let weights = shards(files)
        .and_then(|shards| Some([vec![at(INDEX)?], shards].concat()))
        .or_else(|| Some(vec![at(ONE)?]))?;
    let key = weights.iter().find(|file| file.path != INDEX)?.path.clone();
    let companions = COMPANIONS.iter().filter_map(|name| at(name));
    let files: Vec<RepoFile> = std::iter::once(at(CONFIG)?)
        .chain(weights)
        .chain(companions)
        .cloned()
        .collect();
    Some(Variant {
        key,
        label: "safetensors".into(),
        quantization: None,
        format: Format::Safetensors,
        size_bytes: files.iter().map(|file| file.size_bytes).sum(),
        files,
    })
}

/// `model-00001-of-00004.safetensors` and so on, if none is missing. Some number from 0, and then have one more than they say.
fn shards(files: &[RepoFile]) -> Option<Vec<&RepoFile>> {
    let mut shards: BTreeMap<&str, &RepoFile> = BTreeMap::new();
    for file in files {
        if let Some(numbers) = file.path.strip_suffix(".safetensors").and_then(numbers) {
            shards.insert(numbers, file);
        }
    }
    let (last, _) = shards.last_key_value()?;
    let count: usize = last.rsplit_once('-')?.1.parse().ok()?;
    let from = |first: usize| {
        let named = |number| format!("-{number:05}-of-{count:05}");
        (first..=count)
            .map(named)
            .eq(shards.keys().map(ToString::to_string))
    };
    (count > 0 && (from(1) || from(0))).then(|| shards.into_values().collect())
}

fn numbers(stem: &str) -> Option<&str> {
    let (name, numbers) = split_part_number(stem);
    (name == "model" && !numbers.is_empty()).then_some(numbers)
}
