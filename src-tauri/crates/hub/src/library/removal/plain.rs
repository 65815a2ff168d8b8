//! What goes with a model in a plain folder: its files, where links lead as long as that is in the root, and its projector.

use super::plan::Plan;
use crate::Format;
use crate::cache::scan::hop;
use crate::library::parts::Part;
use crate::library::survey::Found;
use crate::library::{RootKind, checkpoint};
use std::fs;
use std::path::{Path, PathBuf};

/// More links in a row lead nowhere.
const MAX_HOPS: usize = 16;

pub(super) fn plan(plan: &mut Plan, shown: &Found, kind: RootKind) {
    let path = Path::new(&shown.model.path);
    if shown.model.format == Format::Safetensors {
        return folder(plan, path);
    }
    let parts = Part::of(path).map(|part| part.paths().collect());
    for part in parts.unwrap_or_else(|| vec![path.to_owned()]) {
        file(plan, part);
    }
    if let Some(projector) = &shown.model.projector {
        plan.delete_unless_used(Path::new(projector));
    }
    if kind == RootKind::LmStudio {
        // PUBLISHER/REPO
        for folder in path.ancestors().skip(1).take(2) {
            plan.delete_if_empty(folder.to_owned());
        }
    }
}

/// A file, or a link and what it leads to.
fn file(plan: &mut Plan, path: PathBuf) {
    let (mut path, mut is_first) = (path, true);
    for _ in 0..MAX_HOPS {
        let next = hop(&path);
        let is_dropped = if is_first {
            plan.delete(&path)
        } else {
            plan.delete_unless_used(&path)
        };
        match next {
            Some(next) if is_dropped => path = next,
            _ => return,
        }
        is_first = false;
    }
}

/// The files of a folder that are the model's as Hugging Face lays it out. What else is in it stays.
fn folder(plan: &mut Plan, folder: &Path) {
    if folder.is_symlink() {
        let target = hop(folder).unwrap_or_default();
        plan.delete(folder);
        plan.keep(&target, "only a link to it is in the library");
        return;
    }
    let mut files: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    for path in files {
        let name = path.file_name().and_then(|name| name.to_str());
        if path.is_dir() {
            plan.keep(&path, "it is a folder in the model's folder");
        } else if name.is_some_and(checkpoint::is_part) {
            file(plan, path);
        } else {
            plan.keep(&path, "it is no part of the model");
        }
    }
    plan.delete_if_empty(folder.to_owned());
}
