//! A repository's files as a person chooses among them: quantizations in one file or in parts, or a folder of safetensors.
//!
//! Only names are looked at, as whoever publishes follows habits and no rule; whether a file is what its name says, its
//! header tells. Invariant: what is offered is whole as far as the list says, and each file is in one place only.

use super::repo::{Format, RepoFile, Variant};
use super::safetensors::safetensors;
use crate::library::file_name::{name_and_quantization, split_part_number};
use std::collections::{BTreeMap, BTreeSet};

/// What can be chosen, the smallest first; the projectors; and how many other files there are.
pub(crate) fn group(files: Vec<RepoFile>) -> (Vec<Variant>, Vec<RepoFile>, u32) {
    let count = files.len();
    let (ggufs, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| is_gguf(&file.path));
    let (projectors, models): (Vec<_>, Vec<_>) = ggufs
        .into_iter()
        .filter(|file| !is_importance_matrix(&file.path))
        .partition(|file| is_projector(&file.path));
    let mut variants = gguf(models);
    tell_apart(&mut variants);
    variants.extend(safetensors(&others));
    variants.sort_by(|a, b| (a.size_bytes, &a.label).cmp(&(b.size_bytes, &b.label)));
    let taken: usize = variants.iter().map(|variant| variant.files.len()).sum();
    let other = count - taken - projectors.len();
    (
        variants,
        projectors,
        u32::try_from(other).unwrap_or(u32::MAX),
    )
}

/// Where a file of parts belongs: its path up to the number, and how many there are.
type Whole = (String, u32);

fn gguf(files: Vec<RepoFile>) -> Vec<Variant> {
    let mut wholes: BTreeMap<Whole, BTreeMap<u32, RepoFile>> = BTreeMap::new();
    for file in files {
        let (whole, number) = part(&file.path);
        wholes.entry(whole).or_default().insert(number, file);
    }
    let all_there = |(whole, parts): (Whole, BTreeMap<u32, RepoFile>)| {
        let there = parts.keys().copied().eq(1..=whole.1);
        there.then(|| variant(parts.into_values().collect()))
    };
    wholes.into_iter().filter_map(all_there).collect()
}

/// What a file is a part of, and the how many-eth it is. A file alone is the first of one.
pub(crate) fn part(path: &str) -> (Whole, u32) {
    let stem = stem(path);
    let (rest, numbers) = split_part_number(stem);
    let read = || {
        let (number, count) = numbers.strip_prefix('-')?.split_once("-of-")?;
        Some((number.parse().ok()?, count.parse().ok()?))
    };
    match read() {
        Some((number, count)) => ((rest.to_owned(), count), number),
        None => ((path.to_owned(), 1), 1),
    }
}

fn variant(files: Vec<RepoFile>) -> Variant {
    let key = files
        .first()
        .map_or_else(String::new, |file| file.path.clone());
    let quantization = quantization(&key);
    let name = || split_part_number(stem(file_name(&key))).0.to_owned();
    Variant {
        label: quantization.clone().unwrap_or_else(name),
        quantization,
        format: Format::Gguf,
        size_bytes: files.iter().map(|file| file.size_bytes).sum(),
        files,
        key,
    }
}

/// What the file's name tells, or else the folder's: `Q4_K_M/model-00001-of-00002.gguf`.
fn quantization(path: &str) -> Option<String> {
    let told = |name: &str| name_and_quantization(name).1;
    let folder = path.rsplit('/').nth(1);
    // A folder has no name before its quantization.
    told(file_name(path)).or_else(|| told(&format!("x-{}", folder?)))
}

/// Another label for a variant, if it has one of this kind.
type Way = fn(&Variant) -> Option<String>;

const WAYS: [Way; 4] = [
    |variant| {
        let parts = variant.files.len();
        (parts > 1).then(|| format!("{} in {parts} parts", quantized(variant)))
    },
    |variant| {
        let (folder, _) = variant.key.rsplit_once('/')?;
        Some(format!("{} in {folder}", quantized(variant)))
    },
    |variant| {
        let (name, _) = name_and_quantization(file_name(&variant.key));
        Some(format!("{} of {name}", quantized(variant)))
    },
    |variant| Some(variant.key.clone()),
];

/// Labels that several variants have get the number of parts, the folder or the name with them, or become the whole path.
fn tell_apart(variants: &mut [Variant]) {
    for way in WAYS {
        let twice = twice(variants);
        let unclear = |variant: &&mut Variant| twice.contains(&variant.label);
        for variant in variants.iter_mut().filter(unclear) {
            variant.label = way(variant).unwrap_or_else(|| variant.label.clone());
        }
    }
}

fn quantized(variant: &Variant) -> &str {
    variant.quantization.as_deref().unwrap_or(&variant.label)
}

fn twice(variants: &[Variant]) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let labels = variants.iter().map(|variant| &variant.label);
    labels
        .filter(|label| !seen.insert(*label))
        .cloned()
        .collect()
}

fn is_gguf(path: &str) -> bool {
    let ending = path.rsplit_once('.').map(|(_, ending)| ending);
    ending.is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"))
}

/// `mmproj-F16.gguf`, `gemma-3-4b-it-mmproj-model-f16.gguf`.
fn is_projector(path: &str) -> bool {
    file_name(path).to_ascii_lowercase().contains("mmproj")
}

/// `imatrix.gguf`, `gemma-3-27b-it-imatrix.gguf`; not `Llama-imatrix-Q4_K_M.gguf`, which was quantized with one.
fn is_importance_matrix(path: &str) -> bool {
    let stem = stem(file_name(path)).to_ascii_lowercase();
    stem.starts_with("imatrix") || stem.ends_with("imatrix")
}

pub(crate) fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Without its ending.
pub(crate) fn stem(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(stem, _)| stem)
}

#[cfg(test)]
mod tests;
