//! The library as a person sees it: what is there, what was left out, what is used, what is newer on the hub.

use crate::models::blocking;
use crate::store::Order;
use crate::{DownloadId, Error, Paths, SettingsFile, Studio};
use hub::{
    Checked, Commit, FileState, Format, LeftOut, Library, LibraryRoot, Model, ModelId, Removal,
    Repo, Variant, VerifyProgress, Wanted,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What one sees when one looks at the library.
#[derive(Debug, Clone, PartialEq, Serialize, specta::Type)]
pub struct LibraryView {
    /// All models.
    pub models: Vec<Model>,
    /// What looks like a model and is none.
    pub left_out: Vec<LeftOut>,
    /// When a model was last loaded, by its id, in milliseconds since 1970.
    #[specta(type = BTreeMap<String, f64>)]
    pub last_used_ms: BTreeMap<String, i64>,
    /// The newer commit of a model's repository, by the model's id, as far as the hub was asked.
    pub newer: BTreeMap<String, Commit>,
    /// Folders that were added.
    pub folders: Vec<String>,
}

/// What deleting freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, specta::Type)]
pub struct Freed {
    /// Bytes of the disk.
    #[specta(type = u32)]
    pub freed_bytes: u64,
}

/// How often it is told how far a verification is.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// Newer commits that the hub has told of.
#[derive(Debug, Default)]
pub(crate) struct Newer(Mutex<BTreeMap<String, Commit>>);

impl Newer {
    fn get(&self) -> BTreeMap<String, Commit> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, newer: BTreeMap<String, Commit>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = newer;
    }
}

impl Studio {
    /// Looks at the library anew.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`](crate::ErrorCode::Internal) when the disk fails.
    pub async fn library(&self) -> Result<LibraryView, Error> {
        let looked = self.inner.models.look().await?;
        let uses = match self.store() {
            Ok(store) => store.uses().await?,
            Err(_) => Vec::new(), // without conversations there is a library all the same
        };
        Ok(LibraryView {
            models: looked.models,
            left_out: looked.left_out,
            last_used_ms: uses.into_iter().collect(),
            newer: self.inner.newer.get(),
            folders: self.inner.settings.get().library.folders,
        })
    }

    /// Adds a folder in which models are looked for. One that is among them already is as it should be.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`](crate::ErrorCode::InvalidRequest) for what is no folder.
    pub async fn add_folder(&self, path: String) -> Result<(), Error> {
        let folder = tokio::task::spawn_blocking(move || folder(&path)).await;
        let folder = folder.map_err(|error| {
            Error::internal(format!("The folder could not be looked at: {error}."))
        })??;
        self.inner.settings.change(|settings| {
            if !settings.library.folders.contains(&folder) {
                settings.library.folders.push(folder);
            }
        })?;
        Ok(())
    }

    /// Takes a folder from those in which models are looked for. Nothing in it is touched.
    ///
    /// # Errors
    /// As the settings' file has them.
    pub fn remove_folder(&self, path: &str) -> Result<(), Error> {
        self.inner
            .settings
            .change(|settings| settings.library.folders.retain(|folder| folder != path))?;
        Ok(())
    }

    /// Adds a single file, or the folder of a model, where it lies.
    ///
    /// # Errors
    /// [`ErrorCode::UnsupportedModel`](crate::ErrorCode::UnsupportedModel) for what is no model.
    pub async fn add_model(&self, path: String) -> Result<Model, Error> {
        let model = blocking(move || Library::model_at(path)).await?;
        let known = self.inner.models.look().await?.models;
        if let Some(known) = known.into_iter().find(|known| known.id == model.id) {
            return Ok(known);
        }
        self.inner
            .settings
            .change(|settings| settings.library.files.push(model.path.clone()))?;
        Ok(model)
    }

    /// Asks the hub which repositories of the library have a newer commit.
    ///
    /// # Errors
    /// [`ErrorCode::Offline`](crate::ErrorCode::Offline); a repository that is gone has none.
    pub async fn check_for_updates(&self) -> Result<(), Error> {
        let models = self.inner.models.look().await?.models;
        let repos: BTreeSet<_> = models
            .iter()
            .filter_map(|model| model.repo.clone())
            .collect();
        let mut newest = BTreeMap::new();
        for repo in repos {
            match self.hub()?.newest(&repo, "main").await {
                Ok(commit) => drop(newest.insert(repo, commit)),
                Err(error @ (hub::Error::Offline { .. } | hub::Error::RateLimited { .. })) => {
                    return Err(error.into());
                }
                Err(error) => tracing::debug!(%repo, %error, "its newest commit is unknown"),
            }
        }
        let newer = |model: &Model| {
            let commit = newest.get(model.repo.as_ref()?)?;
            (model.commit.as_ref()? != commit).then(|| (model.id.0.clone(), commit.clone()))
        };
        self.inner
            .newer
            .set(models.iter().filter_map(newer).collect());
        Ok(())
    }

    /// Brings the newest commit of a model. What has not changed is not fetched.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`](crate::ErrorCode::InvalidRequest) for a model that is from no repository.
    pub async fn update_model(&self, id: ModelId) -> Result<DownloadId, Error> {
        let model = self.inner.models.model(id).await?;
        self.bring_model(&model, "main").await
    }

    /// Brings a model as it is at a revision.
    pub(crate) async fn bring_model(
        &self,
        model: &Model,
        revision: &str,
    ) -> Result<DownloadId, Error> {
        let (repo, variant) = self.variant_of(model, revision).await?;
        let wanted = Wanted {
            repo: repo.id,
            revision: repo.revision,
            commit: repo.commit,
            files: variant.files,
        };
        let (label, key) = (variant.label, variant.key);
        self.bring(Order { wanted, label, key }).await
    }

    /// What deleting a model would do.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`](crate::ErrorCode::NotFound) for what is not in the library.
    pub async fn removal(&self, id: ModelId) -> Result<Removal, Error> {
        let library = self.inner.models.library();
        blocking(move || library.removal(&id)).await
    }

    /// Deletes a model, as [`Studio::removal`] says, and returns what that freed. One that is loaded is unloaded first.
    ///
    /// # Errors
    /// [`ErrorCode::Busy`](crate::ErrorCode::Busy) when something has changed meanwhile, and nothing was removed;
    /// [`ErrorCode::Internal`](crate::ErrorCode::Internal) with what was and what was not.
    pub async fn remove_model(&self, id: ModelId) -> Result<Freed, Error> {
        if self.inner.models.is_loaded(&id) {
            self.unload_model().await?;
        }
        let library = self.inner.models.library();
        let removed = id.clone();
        let freed_bytes = blocking(move || library.remove(&library.removal(&removed)?)).await?;
        if self.inner.settings.get().library.files.contains(&id.0) {
            self.inner
                .settings
                .change(|settings| settings.library.files.retain(|file| *file != id.0))?;
        }
        Ok(Freed { freed_bytes })
    }

    /// Reads the files of a model and compares their hashes with those that they should have. It reads gently, and ends when
    /// nobody waits any more.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`](crate::ErrorCode::Internal) when the disk fails.
    pub async fn verify_model(
        &self,
        id: ModelId,
        tell: impl Fn(VerifyProgress) + Send + 'static,
    ) -> Result<Vec<Checked>, Error> {
        let model = self.inner.models.model(id).await?;
        let alive = Arc::new(());
        let watched = Arc::downgrade(&alive);
        let mut told = Instant::now();
        let on_progress = move |progress: VerifyProgress| {
            let is_last = progress.done_bytes == progress.total_bytes;
            if is_last || told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                tell(progress);
            }
        };
        let closing = self.inner.closing.subscribe();
        let stop = move || watched.strong_count() == 0 || *closing.borrow();
        let checked = blocking(move || model.verify(on_progress, stop)).await;
        drop(alive);
        checked
    }

    /// Brings the damaged and missing files of a model again. The damaged ones lie aside until they have come.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`](crate::ErrorCode::InvalidRequest) for a model that is not from the hub; nothing was
    /// changed then. [`ErrorCode::Offline`](crate::ErrorCode::Offline).
    pub async fn repair_model(&self, id: ModelId) -> Result<DownloadId, Error> {
        let model = self.inner.models.model(id.clone()).await?;
        let commit = model.commit.clone();
        let revision = commit.as_ref().map_or("main", Commit::as_str);
        // Asked for first: without the hub nothing is put aside.
        let (repo, variant) = self.variant_of(&model, revision).await?;
        let checked = self.verify_model(id, |_| ()).await?;
        let damaged = checked
            .into_iter()
            .filter(|file| matches!(file.state, FileState::Damaged { .. }));
        let blobs: Vec<_> = damaged.filter_map(|file| file.blob).collect();
        blocking(move || {
            blobs
                .iter()
                .try_for_each(|blob| hub::set_aside(blob).map(drop))
        })
        .await?;
        let revision = model.revision.clone().unwrap_or(repo.revision);
        let wanted = Wanted {
            repo: repo.id,
            revision,
            commit: repo.commit,
            files: variant.files,
        };
        let (label, key) = (variant.label, variant.key);
        self.bring(Order { wanted, label, key }).await
    }

    /// What a model is at a revision of its repository.
    pub(crate) async fn variant_of(
        &self,
        model: &Model,
        revision: &str,
    ) -> Result<(Repo, Variant), Error> {
        let Some(id) = &model.repo else {
            return Err(Error::invalid(format!(
                "{} is from no repository that Wick knows.",
                model.file_name
            ))
            .hint("Bring it from the hub, or replace its file by hand."));
        };
        let repo = self.hub()?.repo(id, revision).await?;
        let is_it = |variant: &&Variant| {
            variant.format == model.format
                && (model.format == Format::Safetensors || is_key(model, &variant.key))
        };
        let variant = repo.variants.iter().find(is_it).cloned();
        let variant = variant.ok_or_else(|| {
            Error::not_found("file").hint(format!(
                "{id} has no {} at {revision}: look at what it has now.",
                model.file_name
            ))
        })?;
        Ok((repo, variant))
    }
}

/// Whether a model lies in its snapshot under this name.
fn is_key(model: &Model, key: &str) -> bool {
    Path::new(&model.path).ends_with(key)
}

fn folder(path: &str) -> Result<String, Error> {
    let path = path.trim();
    let real = Path::new(path)
        .canonicalize()
        .ok()
        .filter(|path| path.is_dir());
    let text = real.and_then(|path| path.into_os_string().into_string().ok());
    text.ok_or_else(|| {
        Error::invalid(format!("{path:?} is no folder. Nothing was added."))
            .hint("Choose a folder that is there.")
    })
}

/// The library of these paths with the folders that were added, for who has no [`Studio`].
pub fn library_of(paths: &Paths) -> Library {
    let added = SettingsFile::open(&paths.data_dir).get().library.folders;
    with_added(&paths.library_roots, &added)
}

/// The roots with those that were added, and single files.
pub(crate) fn with_added(roots: &[LibraryRoot], folders: &[String]) -> Library {
    let added = folders.iter().map(LibraryRoot::added);
    Library::new(roots.iter().cloned().chain(added).collect())
}
