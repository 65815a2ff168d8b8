//! Who in the library uses which file.

use crate::Format;
use crate::cache::scan::hop;
use crate::library::checkpoint;
use crate::library::parts::Part;
use crate::library::survey::{Found, Survey};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// More links in a row lead nowhere.
const MAX_HOPS: usize = 16;

/// What all but this one use, files and the links that lead to them, by their places.
pub(super) fn users(survey: &Survey, except: &Found) -> HashMap<PathBuf, String> {
    let own = way(except);
    let mut users = HashMap::new();
    for found in survey.found.iter().filter(|found| way(found) != own) {
        for file in files(found) {
            let mut next = Some(file);
            for _ in 0..MAX_HOPS {
                let Some(path) = next else { break };
                let user = || format!("{} ({})", name(found), found.model.source);
                users.entry(place_of(&path)).or_insert_with(user);
                next = hop(&path);
            }
        }
    }
    users
}

/// Where a file or a link is, its folder without any link.
pub(super) fn place_of(path: &Path) -> PathBuf {
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    let name = path.file_name().unwrap_or_default();
    folder.map_or_else(|| path.to_owned(), |folder| folder.join(name))
}

/// The name by which it is found: two roots may lead to one folder.
fn way(found: &Found) -> PathBuf {
    let manifest = found.manifest.as_ref();
    place_of(manifest.map_or(Path::new(&found.model.path), |manifest| &*manifest.path))
}

/// Shorter than its path where that says as much.
fn name(found: &Found) -> String {
    let model = &found.model;
    match &model.repo {
        Some(repo) if model.format == Format::Gguf => format!("{} of {repo}", model.file_name),
        _ if found.manifest.is_some() => model.name.clone(),
        Some(repo) => repo.to_string(),
        None => model.path.clone(),
    }
}

/// The files that a model can't do without, and its projector.
fn files(found: &Found) -> Vec<PathBuf> {
    let path = Path::new(&found.model.path);
    if let Some(manifest) = &found.manifest {
        let layers = manifest.layers.iter();
        return layers.map(|layer| layer.blob.clone()).collect();
    }
    if found.model.format == Format::Safetensors {
        let names = checkpoint::weights(path).unwrap_or_default();
        return names.iter().map(|name| path.join(name)).collect();
    }
    let parts = Part::of(path).map(|part| part.paths().collect());
    let mut files: Vec<_> = parts.unwrap_or_else(|| vec![path.to_owned()]);
    files.extend(found.model.projector.as_ref().map(PathBuf::from));
    files
}
