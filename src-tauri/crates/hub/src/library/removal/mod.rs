//! Deleting a model: what goes, what that frees and what stays, first; then exactly that.
//!
//! Nothing is deleted here that was not named before. Invariants: a content goes only when nothing of the library leads to
//! it any more; what a link of the root leads out to stays; what came with Wick stays.

mod cached;
mod carry_out;
mod entry;
mod ollama;
mod plain;
mod plan;
mod shared;
mod users;

use super::survey::{Found, Survey};
use super::{Library, ModelId, RootKind, absolute};
use crate::Error;
use crate::cache::scan::Cached;
use entry::Entry;
use plan::Plan;
use serde::Serialize;
use std::path::{Path, PathBuf};
use users::users;

/// What deleting a model would do. It is good as long as nothing changes on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, specta::Type)]
pub struct Removal {
    /// Which model.
    pub model: ModelId,
    /// What is deleted, in this order: names first, contents last. Folders that are empty then go too.
    pub files: Vec<Leaving>,
    /// Bytes on the disk that are free afterwards, folders aside.
    #[specta(type = u32)]
    pub freed_bytes: u64,
    /// What belongs to the model, or leads to it, and stays.
    pub kept: Vec<Kept>,
    #[serde(skip)]
    #[specta(skip)]
    steps: Steps,
}

/// A file or a link that is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, specta::Type)]
pub struct Leaving {
    /// Where it is.
    pub path: String,
    /// What deleting it frees: nothing for a link and for a file that has another name.
    #[specta(type = u32)]
    pub freed_bytes: u64,
}

/// What is not deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, specta::Type)]
pub struct Kept {
    /// Where it is.
    pub path: String,
    /// Why, in words: `also used by …`.
    pub because: String,
}

/// How it is done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Steps {
    versions: Versions,
    entries: Vec<Entry>,
    /// Deepest first; only what is empty goes.
    folders: Vec<PathBuf>,
}

/// Which versions of a model in Hugging Face's cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Versions {
    /// The one that the library shows.
    #[default]
    Shown,
    /// Those of other commits, which an update left.
    Others,
}

impl Library {
    /// What deleting this model would do. Of a model in Hugging Face's cache the version that is shown goes, through
    /// whatever commits it is linked; another version stays, is said, and is in the library afterwards.
    ///
    /// # Errors
    /// [`Error::NotFound`] for what is not in the library, [`Error::Invalid`] for more files than can be looked at.
    pub fn removal(&self, model: &ModelId) -> Result<Removal, Error> {
        self.removal_of(model, Versions::Shown)
    }

    /// What deleting the other versions of this model would do, those of earlier commits of its repository that an update
    /// left in Hugging Face's cache. It removes nothing of the model itself, and nothing elsewhere than there.
    ///
    /// # Errors
    /// As [`Library::removal`].
    pub fn removal_of_other_versions(&self, model: &ModelId) -> Result<Removal, Error> {
        self.removal_of(model, Versions::Others)
    }

    /// Does what a removal says and nothing else; returns the bytes that it freed. It looks again first, and at each file
    /// before it goes.
    ///
    /// # Errors
    /// [`Error::Changed`] and nothing was removed, [`Error::PartlyRemoved`] with what was and what was not.
    pub fn remove(&self, removal: &Removal) -> Result<u64, Error> {
        let now = self.removal_of(&removal.model, removal.steps.versions);
        let now = now.map_err(|error| match error {
            Error::NotFound { wanted, .. } => Error::Changed {
                path: wanted.into(),
            },
            error => error,
        })?;
        if now != *removal {
            return Err(Error::Changed {
                path: removal.first_difference(&now),
            });
        }
        carry_out::carry_out(removal)
    }

    fn removal_of(&self, model: &ModelId, versions: Versions) -> Result<Removal, Error> {
        let survey = Survey::of(&self.roots);
        let shown = survey.found.iter().find(|found| found.model.id == *model);
        let Some(shown) = shown else {
            let models = self.models()?.into_iter();
            return Err(Error::NotFound {
                wanted: model.to_string(),
                known: models.map(|model| model.file_name).collect(),
            });
        };
        let root = &self.roots[shown.root];
        let path = absolute(root).unwrap_or_default();
        let mut plan = Plan::new(&path, users(&survey, shown));
        if root.kind == RootKind::CameWithWick {
            plan.keep(Path::new(&shown.model.path), "it came with Wick");
        } else {
            plan_for(&mut plan, shown, root.kind, versions)?;
        }
        Ok(plan.removal(model.clone(), versions))
    }
}

fn plan_for(
    plan: &mut Plan,
    shown: &Found,
    kind: RootKind,
    versions: Versions,
) -> Result<(), Error> {
    if let Some(cached) = Cached::of(Path::new(&shown.model.path)) {
        return cached::plan(plan, &cached, shown, versions);
    }
    match (&shown.manifest, versions) {
        (_, Versions::Others) => {} // there are none
        (Some(manifest), _) => ollama::plan(plan, manifest),
        (None, _) => plain::plan(plan, shown, kind),
    }
    Ok(())
}

impl Removal {
    /// Where the disk is not as it was.
    fn first_difference(&self, now: &Self) -> PathBuf {
        let path = |removal: &Self| Some(removal.files.first()?.path.clone());
        let pairs = self.steps.entries.iter().zip(&now.steps.entries);
        let changed = pairs.into_iter().find(|(before, now)| before != now);
        let changed = changed.map(|(before, _)| before.path.clone());
        let any = || path(self).or_else(|| path(now)).map(PathBuf::from);
        changed
            .or_else(any)
            .unwrap_or_else(|| self.model.0.clone().into())
    }
}
