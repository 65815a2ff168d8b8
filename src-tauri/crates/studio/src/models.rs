//! The models of the library, and the one that is loaded.

use crate::library::with_added;
use crate::slot::{LoadResult, LoadedEngine, Slot, SlotState};
use crate::store::Store;
use crate::{Error, ErrorCode, SettingsFile, Studio};
use hub::{Library, LibraryRoot, Looked, Model, ModelId};
use std::sync::{Arc, OnceLock};

/// Where the store keeps the id of the model that was loaded last.
const LAST_MODEL: &str = "last_model";

/// The library and the slot of the loaded model. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Models {
    roots: Vec<LibraryRoot>,
    settings: SettingsFile,
    slot: Slot,
    store: Arc<OnceLock<Store>>,
}

impl Models {
    pub(crate) fn new(
        roots: Vec<LibraryRoot>,
        settings: SettingsFile,
        slot: Slot,
        store: Arc<OnceLock<Store>>,
    ) -> Self {
        Self {
            roots,
            settings,
            slot,
            store,
        }
    }

    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }

    /// The loaded model; if there is none, the one loaded last, or else the first of the library, gets loaded.
    pub(crate) async fn ensure(&self) -> LoadResult {
        match self.slot.join().await {
            Err(error) if error.code == ErrorCode::ModelNotLoaded => {}
            engine => return engine,
        }
        let model = self.choose().await?;
        let engine = self.slot.load_if_empty(model).await?;
        self.remember(&engine);
        Ok(engine)
    }

    /// Says that this engine no longer answers.
    pub(crate) fn discard(&self, engine: Arc<LoadedEngine>) {
        self.slot.discard(engine);
    }

    /// The name of the model that is loaded or on its way.
    pub(crate) fn current_name(&self) -> Option<String> {
        match self.slot.state() {
            SlotState::Loading { model, .. } => Some(model.name),
            SlotState::Loaded(engine) => Some(engine.model.name.clone()),
            SlotState::Empty | SlotState::Failed { .. } => None,
        }
    }

    /// Whether this model is loaded or on its way.
    pub(crate) fn is_loaded(&self, id: &ModelId) -> bool {
        match self.slot.state() {
            SlotState::Loading { model, .. } => model.id == *id,
            SlotState::Loaded(engine) => engine.model.id == *id,
            SlotState::Empty | SlotState::Failed { .. } => false,
        }
    }

    async fn load(&self, id: ModelId) -> Result<(), Error> {
        let model = self.model(id).await?;
        let engine = self.slot.load(model).await?;
        self.remember(&engine);
        Ok(())
    }

    /// The library in the folders of the environment and those that were added.
    pub(crate) fn library(&self) -> Library {
        with_added(&self.roots, &self.settings.get().library.folders)
    }

    /// What is in the library, single files that were added among it.
    pub(crate) async fn look(&self) -> Result<Looked, Error> {
        let (library, files) = (self.library(), self.settings.get().library.files);
        blocking(move || {
            let mut looked = library.look();
            // What was added and is gone is simply not there any more.
            let added = files.iter().filter_map(|path| Library::model_at(path).ok());
            let is_new = |model: &Model| looked.models.iter().all(|known| known.id != model.id);
            let added: Vec<_> = added.filter(is_new).collect();
            looked.models.extend(added);
            Ok(looked)
        })
        .await
    }

    async fn all(&self) -> Result<Vec<Model>, Error> {
        Ok(self.look().await?.models)
    }

    /// The model of the library with this id, or the file that has it for its path.
    pub(crate) async fn model(&self, id: ModelId) -> Result<Model, Error> {
        match self.all().await?.into_iter().find(|model| model.id == id) {
            Some(model) => Ok(model),
            None => blocking(move || Library::model_at(id.0)).await,
        }
    }

    async fn choose(&self) -> Result<Model, Error> {
        let last = match self.store.get() {
            Some(store) => store.meta(LAST_MODEL).await?,
            None => None,
        };
        let mut models = self.all().await?;
        let last = models
            .iter()
            .position(|model| Some(&model.id.0) == last.as_ref());
        if models.is_empty() {
            return Err(Error::no_model());
        }
        Ok(models.swap_remove(last.unwrap_or(0)))
    }

    fn remember(&self, engine: &LoadedEngine) {
        if let Some(store) = self.store.get() {
            store.set_meta(LAST_MODEL, engine.model.id.0.clone());
            store.note_use(engine.model.id.0.clone());
        }
    }
}

/// What reads the disk must not keep a tokio thread.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, hub::Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(Error::internal(format!(
            "The library could not be read: {error}."
        ))),
    }
}

impl Studio {
    /// Loads a model in the place of the one that is loaded, and returns when it is ready. What that one was writing is
    /// kept as interrupted.
    ///
    /// # Errors
    /// [`ErrorCode::UnsupportedModel`], [`ErrorCode::OutOfMemory`] or [`ErrorCode::EngineCrashed`] when it can't be
    /// loaded; [`ErrorCode::Cancelled`] when somebody else loads another one or unloads it meanwhile.
    pub async fn load_model(&self, id: ModelId) -> Result<(), Error> {
        self.inner.models.load(id).await
    }

    /// Unloads the loaded model, or ends its loading. Its memory is back when this returns.
    ///
    /// # Errors
    /// None: that nothing is loaded is as it should be.
    pub async fn unload_model(&self) -> Result<(), Error> {
        self.inner.models.slot().unload().await;
        Ok(())
    }
}
