//! What lies in the roots: every way that leads to a model, and what looks like a model and is none.
//!
//! Invariant: whatever lies there, it ends, changes nothing, and looks at a folder once, however many links lead to it.

use super::companions::{is_companion, is_projector, projector};
use super::parts::Part;
use super::{LibraryRoot, Model, RootKind, absolute, checkpoint, ollama};
use crate::Error;
use crate::cache::scan::CachedRepo;
use serde::Serialize;
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How deep below a root models are looked for.
const MAX_DEPTH: usize = 5;
/// Files and folders of one root that are looked at.
const MAX_ENTRIES: usize = 20_000;
/// A cache that a tool keeps may hold repositories of ten thousand files.
const MAX_CACHE_ENTRIES: usize = 400_000;

/// What looks like a model and is not in the library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, specta::Type)]
pub struct LeftOut {
    /// Where it is.
    pub path: String,
    /// Why, in words.
    pub reason: String,
}

impl LeftOut {
    pub(crate) fn new(path: &Path, reason: impl Into<String>) -> Self {
        let (path, reason) = (path.display().to_string(), reason.into());
        Self { path, reason }
    }
}

/// A way to a model.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) model: Model,
    /// Which of the roots.
    pub(crate) root: usize,
    /// The manifest that names it, if it is Ollama's.
    pub(crate) manifest: Option<ollama::Manifest>,
}

/// All ways to models, and what is none.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) found: Vec<Found>,
    pub(crate) left_out: Vec<LeftOut>,
}

impl Survey {
    pub(crate) fn of(roots: &[LibraryRoot]) -> Self {
        let mut survey = Self::default();
        for (index, root) in roots.iter().enumerate() {
            // What Hugging Face's cache holds beside its repositories is not made for people.
            let max_depth = match root.kind {
                RootKind::HuggingFace => 1,
                _ => MAX_DEPTH,
            };
            survey.add(root, index, max_depth);
        }
        survey
    }

    /// What lies in one folder itself.
    pub(crate) fn of_folder(folder: &Path) -> Self {
        let mut survey = Self::default();
        survey.add(&LibraryRoot::added(folder), 0, 0);
        survey
    }

    fn add(&mut self, root: &LibraryRoot, index: usize, max_depth: usize) {
        let Some(path) = absolute(root) else {
            return; // only the empty path has no absolute form
        };
        let max_entries = match root.kind {
            RootKind::HuggingFace => MAX_CACHE_ENTRIES,
            _ => MAX_ENTRIES,
        };
        let mut walk = Walk {
            root,
            index,
            max_entries,
            entries_left: max_entries,
            visited: HashSet::new(),
            survey: self,
        };
        walk.everything_below(path, max_depth);
    }
}

/// One root while it is looked at.
struct Walk<'a> {
    root: &'a LibraryRoot,
    index: usize,
    max_entries: usize,
    entries_left: usize,
    visited: HashSet<(u64, u64)>,
    survey: &'a mut Survey,
}

impl Walk<'_> {
    /// Nearest first, so that the limit cuts what lies deepest.
    fn everything_below(&mut self, root: PathBuf, max_depth: usize) {
        let mut folders = VecDeque::from([(root, 0)]);
        while let Some((folder, depth)) = folders.pop_front() {
            if !self.is_new(&folder) {
                continue;
            }
            if let Some((repo, snapshots)) = CachedRepo::of(&folder)
                .and_then(|repo| repo.snapshots().map(|snapshots| (repo, snapshots)))
            {
                self.repository(&repo, &snapshots);
            } else if ollama::is_store(&folder) {
                self.store(&folder);
            } else {
                let below = self.folder(&folder);
                let below = below.into_iter().filter(|_| depth < max_depth);
                folders.extend(below.map(|folder| (folder, depth + 1)));
            }
        }
        if self.entries_left == 0 {
            let most = self.max_entries;
            let reason = format!("more than {most} files lie in it: the rest was left out");
            self.leave_out(&self.root.path, reason);
        }
    }

    /// Whether it was not looked at before. What is not there is new: it is told once.
    fn is_new(&mut self, folder: &Path) -> bool {
        let place = folder.metadata().map(|entry| (entry.dev(), entry.ino()));
        place.map_or(true, |place| self.visited.insert(place))
    }

    fn leave_out(&mut self, path: &Path, reason: impl Into<String>) {
        self.survey.left_out.push(LeftOut::new(path, reason));
    }

    fn keep(&mut self, model: Model) {
        self.survey.found.push(Found {
            model,
            root: self.index,
            manifest: None,
        });
    }

    /// Its models; returns its subfolders.
    fn folder(&mut self, folder: &Path) -> Vec<PathBuf> {
        let (files, folders) = self.entries(folder);
        for model in self.files(&files, false) {
            self.keep(model);
        }
        if checkpoint::is_meant(folder) {
            match Model::at(folder, &self.root.label) {
                Ok(model) => self.keep(model),
                Err(error) => self.leave_out(folder, reason(error)),
            }
        }
        folders
    }

    /// The models among GGUF files of one folder or snapshot. In the cache, what is not there is still being fetched.
    fn files(&mut self, files: &[PathBuf], is_cached: bool) -> Vec<Model> {
        let projectors = files.iter().filter(|path| is_named(path, is_projector));
        let projectors: Vec<_> = projectors.cloned().collect();
        let whole: BTreeSet<_> = files
            .iter()
            .filter(|path| !is_named(path, is_companion))
            .map(|path| Part::of(path).map_or_else(|| path.clone(), |part| part.first()))
            .collect();
        let mut models = Vec::new();
        for path in whole {
            match Model::at(&path, &self.root.label) {
                Ok(model) => models.push(model),
                Err(_) if is_cached && is_unfinished(&path) => {}
                Err(error) => self.leave_out(&path, reason(error)),
            }
        }
        let names: BTreeSet<_> = models.iter().map(|model| model.name.clone()).collect();
        for model in &mut models {
            let found = projector(&model.name, names.len() == 1, &projectors);
            model.projector = found.and_then(|path| Some(path.to_str()?.to_owned()));
        }
        models
    }

    /// A repository of the cache: of each of its files, and of its weights as a folder, the best snapshot that is whole.
    fn repository(&mut self, repo: &CachedRepo, snapshots: &[PathBuf]) {
        let mut seen = BTreeSet::new();
        let mut has_folder = false;
        for snapshot in snapshots {
            let files = self.files_below(snapshot);
            for model in self.files(&files, true) {
                let path = PathBuf::from(&model.path);
                let name = path.strip_prefix(snapshot).unwrap_or(&path);
                if seen.insert(name.to_owned()) {
                    self.keep(model);
                }
            }
            if has_folder || !checkpoint::is_meant(snapshot) {
                continue;
            }
            match Model::at(snapshot, &self.root.label) {
                Ok(model) => {
                    has_folder = true;
                    self.keep(model);
                }
                Err(_) if checkpoint::is_unfinished(snapshot) => {}
                Err(error) => self.leave_out(&repo.folder, reason(error)),
            }
        }
    }

    /// The GGUF files of a snapshot, those in subfolders too.
    fn files_below(&mut self, snapshot: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![(snapshot.to_owned(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            let (files, below) = self.entries(&folder);
            found.extend(files);
            // The cache has no links to folders.
            let below = below.into_iter().filter(|path| !path.is_symlink());
            let below = below.filter(|_| depth < MAX_DEPTH);
            folders.extend(below.map(|folder| (folder, depth + 1)));
        }
        found
    }

    fn store(&mut self, store: &Path) {
        for manifest in ollama::manifests(store) {
            let read = manifest.and_then(|manifest| {
                let model = manifest.model(&self.root.label);
                let model = model.map_err(|reason| LeftOut::new(&manifest.path, reason))?;
                Ok(Found {
                    model,
                    root: self.index,
                    manifest: Some(manifest),
                })
            });
            match read {
                Ok(found) => self.survey.found.push(found),
                Err(left_out) => self.survey.left_out.push(left_out),
            }
        }
    }

    /// The visible GGUF files in a folder, and its visible subfolders, by name.
    fn entries(&mut self, folder: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                // Nobody has put a model there yet.
                if error.kind() != ErrorKind::NotFound {
                    self.leave_out(folder, format!("it can't be read: {error}"));
                }
                return (files, folders);
            }
        };
        for entry in entries.flatten() {
            let Some(left) = self.entries_left.checked_sub(1) else {
                break;
            };
            self.entries_left = left;
            let (name, path) = (entry.file_name(), entry.path());
            let kind = entry.file_type().ok();
            let is_folder = kind.is_some_and(|kind| kind.is_dir())
                || kind.is_some_and(|kind| kind.is_symlink() && path.is_dir());
            if is_folder && !is_passed_over(&name) {
                folders.push(path);
            } else if !is_folder && is_gguf(&path) && !is_hidden(&name) {
                files.push(path);
            }
        }
        files.sort();
        folders.sort();
        (files, folders)
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Hidden ones, and what Hugging Face's cache holds that is no model.
fn is_passed_over(name: &OsStr) -> bool {
    let others = ["datasets--", "spaces--", "kernels--"];
    let is_other = |start: &&str| name.as_encoded_bytes().starts_with(start.as_bytes());
    is_hidden(name) || others.iter().any(is_other)
}

fn is_named(path: &Path, what: fn(&str) -> bool) -> bool {
    path.file_name()
        .is_some_and(|name| what(&name.to_string_lossy()))
}

pub(crate) fn is_gguf(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case(OsStr::new("gguf")))
}

/// Whether a file of a snapshot, or a part of it, is not there yet.
fn is_unfinished(path: &Path) -> bool {
    let part = Part::of(path);
    part.map_or_else(
        || !path.exists(),
        |part| part.paths().any(|path| !path.exists()),
    )
}

fn reason(error: Error) -> String {
    match error {
        Error::NotAModel { reason, .. } => reason,
        Error::Io { source, .. } => format!("it can't be read: {source}"),
        error => error.to_string(),
    }
}
