//! What goes and what stays, gathered name by name.

use super::entry::Entry;
use super::users::place_of;
use super::{Kept, Leaving, Removal, Steps, Versions};
use crate::ModelId;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// A removal while it is thought out.
#[derive(Debug)]
pub(super) struct Plan {
    /// Without any link. Nothing goes that lies elsewhere.
    root: PathBuf,
    /// Who else in the library uses a file or a link, by its place.
    users: HashMap<PathBuf, String>,
    entries: Vec<Entry>,
    going: HashSet<PathBuf>,
    folders: Vec<PathBuf>,
    kept: Vec<Kept>,
}

impl Plan {
    pub(super) fn new(root: &Path, users: HashMap<PathBuf, String>) -> Self {
        Self {
            root: root.canonicalize().unwrap_or_else(|_| root.to_owned()),
            users,
            entries: Vec::new(),
            going: HashSet::new(),
            folders: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// A file or a link goes, whoever uses it; says why if it can't.
    pub(super) fn delete(&mut self, path: &Path) -> bool {
        if self.goes(path) {
            return true;
        }
        match Entry::of(path, &self.root) {
            Ok(entry) => {
                self.going.insert(path.to_owned());
                self.entries.push(entry);
                true
            }
            Err(reason) => {
                self.keep(path, reason);
                false
            }
        }
    }

    /// A content goes if nobody else in the library uses it.
    pub(super) fn delete_unless_used(&mut self, path: &Path) -> bool {
        self.is_unused(path) && self.delete(path)
    }

    /// Whether nobody else in the library uses it; says who does.
    pub(super) fn is_unused(&mut self, path: &Path) -> bool {
        let user = self.users.get(&place_of(path));
        let because = user.map(|user| format!("also used by {user}"));
        let Some(because) = because else {
            return true;
        };
        self.keep(path, because);
        false
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A folder goes if it is empty then. To be called for the deeper one first.
    pub(super) fn delete_if_empty(&mut self, folder: PathBuf) {
        let is_inside = folder
            .canonicalize()
            .is_ok_and(|folder| folder.starts_with(&self.root) && folder != self.root);
        if is_inside && !folder.is_symlink() && !self.folders.contains(&folder) {
            self.folders.push(folder);
        }
    }

    pub(super) fn keep(&mut self, path: &Path, because: impl Into<String>) {
        let (path, because) = (path.display().to_string(), because.into());
        let kept = Kept { path, because };
        if !self.kept.contains(&kept) {
            self.kept.push(kept);
        }
    }

    pub(super) fn goes(&self, path: &Path) -> bool {
        self.going.contains(path)
    }

    pub(super) fn removal(mut self, model: ModelId, versions: Versions) -> Removal {
        let freed = self.freed();
        for (entry, freed) in self.entries.iter().zip(&freed) {
            let is_partly = entry.file().is_some_and(|(_, names)| names > 1) && *freed == 0;
            if is_partly && entry.bytes() > 0 {
                self.kept.push(Kept {
                    path: entry.path.display().to_string(),
                    because: "its content has another name on this disk (a hard link)".into(),
                });
            }
        }
        let leaving = self.entries.iter().zip(&freed);
        let files = leaving.map(|(entry, freed)| Leaving {
            path: entry.path.display().to_string(),
            freed_bytes: *freed,
        });
        Removal {
            model,
            files: files.collect(),
            freed_bytes: freed.iter().sum(),
            kept: self.kept,
            steps: Steps {
                versions,
                entries: self.entries,
                folders: self.folders,
            },
        }
    }

    /// What each entry frees: the last name of a file all of it.
    fn freed(&self) -> Vec<u64> {
        let mut names: BTreeMap<_, i128> = BTreeMap::new();
        let freed = self.entries.iter().map(|entry| {
            let Some((file, all_names)) = entry.file() else {
                return 0;
            };
            let gone = names.entry(file).or_default();
            *gone += 1;
            if *gone == all_names { entry.bytes() } else { 0 }
        });
        freed.collect()
    }
}
