//! The models of the library, and the one that is loaded.

use crate::guard::{Admission, Guard, Judgement, LoadWish, Replaced};
use crate::library::with_added;
use crate::slot::{Job, LoadResult, LoadedEngine, Slot, SlotState};
use crate::store::Store;
use crate::{Error, ErrorCode, SettingsFile, Studio};
use hub::{Library, LibraryRoot, Looked, Model, ModelId};
use std::sync::{Arc, OnceLock};

/// Where the store keeps the id of the model that was loaded last.
const LAST_MODEL: &str = "last_model";
/// Where it keeps how that one was wished for.
const LAST_WISH: &str = "last_wish";

/// The library and the slot of the loaded model. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Models {
    roots: Vec<LibraryRoot>,
    settings: SettingsFile,
    slot: Slot,
    guard: Guard,
    store: Arc<OnceLock<Store>>,
}

impl Models {
    pub(crate) fn new(
        roots: Vec<LibraryRoot>,
        settings: SettingsFile,
        slot: Slot,
        guard: Guard,
        store: Arc<OnceLock<Store>>,
    ) -> Self {
        Self {
            roots,
            settings,
            slot,
            guard,
            store,
        }
    }

    pub(crate) fn slot(&self) -> &Slot {
        &self.slot
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The loaded model; if there is none, the one loaded last, or else the first of the library, gets loaded.
    pub(crate) async fn ensure(&self) -> LoadResult {
        match self.slot.join().await {
            Err(error) if error.code == ErrorCode::ModelNotLoaded => {}
            engine => return engine,
        }
        let (model, wish) = self.choose().await?;
        let job = self.admitted(model, wish).await?;
        let engine = self.slot.load_if_empty(job).await?;
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

    async fn load(&self, id: ModelId, wish: LoadWish) -> Result<(), Error> {
        let model = self.model(id).await?;
        let engine = self.load_unremembered(model, wish).await?;
        self.remember(&engine);
        Ok(())
    }

    /// Loads a model in the place of any other. What a person used last stays what it was.
    pub(crate) async fn load_unremembered(&self, model: Model, wish: LoadWish) -> LoadResult {
        let job = if self.is_there(&model.id, wish) {
            let options = wish.as_wished();
            Job {
                model,
                wish,
                options,
            }
        } else {
            self.admitted(model, wish).await?
        };
        self.slot.load(job).await
    }

    /// The load, if the guard admits it.
    async fn admitted(&self, model: Model, wish: LoadWish) -> Result<Job, Error> {
        let Judgement { admission, options } = self.judge(&model, wish).await;
        match admission {
            Admission::Admitted { .. } => Ok(Job {
                model,
                wish,
                options,
            }),
            Admission::Refused { refusal } => Err(Error::no_room(&refusal)),
        }
    }

    async fn judge(&self, model: &Model, wish: LoadWish) -> Judgement {
        self.guard.judge(model, wish, self.replaced()).await
    }

    /// Whether this model is loaded like this.
    fn is_there(&self, id: &ModelId, wish: LoadWish) -> bool {
        match self.slot.state() {
            SlotState::Loaded(engine) => engine.model.id == *id && wish.is_met_by(&engine.wish),
            SlotState::Loading { .. } | SlotState::Empty | SlotState::Failed { .. } => false,
        }
    }

    /// What a load would take the place of.
    fn replaced(&self) -> Option<Replaced> {
        match self.slot.state() {
            SlotState::Empty | SlotState::Failed { .. } => None,
            SlotState::Loading {
                model, progress, ..
            } => Some(Replaced {
                name: model.name,
                bytes: progress.borrow().done_bytes,
            }),
            SlotState::Loaded(engine) => {
                let held = *engine.worker.engine().memory().borrow();
                Some(Replaced {
                    name: engine.model.name.clone(),
                    bytes: held.weights_bytes + held.kv_cache_bytes + held.scratch_bytes,
                })
            }
        }
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

    pub(crate) async fn all(&self) -> Result<Vec<Model>, Error> {
        Ok(self.look().await?.models)
    }

    /// The model of the library with this id, or the file that has it for its path.
    pub(crate) async fn model(&self, id: ModelId) -> Result<Model, Error> {
        match self.all().await?.into_iter().find(|model| model.id == id) {
            Some(model) => Ok(model),
            None => blocking(move || Library::model_at(id.0)).await,
        }
    }

    /// The model that is loaded when nobody says which, and how.
    pub(crate) async fn choose(&self) -> Result<(Model, LoadWish), Error> {
        let (last, wish) = match self.store.get() {
            Some(store) => (store.meta(LAST_MODEL).await?, store.meta(LAST_WISH).await?),
            None => (None, None),
        };
        let mut models = self.all().await?;
        if models.is_empty() {
            return Err(Error::no_model());
        }
        let last = models
            .iter()
            .position(|model| Some(&model.id.0) == last.as_ref());
        let wish = wish.filter(|_| last.is_some());
        let wish = wish.and_then(|text| serde_json::from_str(&text).ok());
        let model = models.swap_remove(last.unwrap_or(0));
        Ok((model, wish.unwrap_or_default()))
    }

    fn remember(&self, engine: &LoadedEngine) {
        let Some(store) = self.store.get() else {
            return;
        };
        // Whoever loaded it against all advice is asked again the next time.
        let wish = LoadWish {
            anyway: false,
            ..engine.wish
        };
        store.set_meta(LAST_MODEL, engine.model.id.0.clone());
        if let Ok(wish) = serde_json::to_string(&wish) {
            store.set_meta(LAST_WISH, wish);
        }
        store.note_use(engine.model.id.0.clone());
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
    /// Whether a model may be loaded like this, and what would help if not. Nothing is changed.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] and its like when there is no such model.
    pub async fn admission(&self, id: ModelId, wish: LoadWish) -> Result<Admission, Error> {
        let models = &self.inner.models;
        let model = models.model(id).await?;
        Ok(models.judge(&model, wish).await.admission)
    }

    /// Loads a model in the place of the one that is loaded, and returns when it is ready. What that one was writing is
    /// kept as interrupted.
    ///
    /// # Errors
    /// [`ErrorCode::OutOfMemory`] when it does not fit; then nothing was touched for it, and [`Studio::admission`] says
    /// what would help. [`ErrorCode::UnsupportedModel`], [`ErrorCode::OutOfMemory`] or [`ErrorCode::EngineCrashed`] when
    /// it can't be loaded; [`ErrorCode::Cancelled`] when somebody else loads another one or unloads it meanwhile.
    pub async fn load_model(&self, id: ModelId, wish: LoadWish) -> Result<(), Error> {
        self.inner.models.load(id, wish).await
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
