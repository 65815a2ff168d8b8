//! Sees to it that a model is there while the kiosk is on: loads, swaps, and replaces a worker that dies.
//!
//! It alone loads; whoever wants to answer waits for what it says. Nobody is told an error: which model can't be had, and
//! why, is in the trace. Invariant: a worker that keeps dying is started less and less often.

use super::Kiosk;
use super::config::Config;
use super::folder::InForce;
use super::shared::Shared;
use super::view::{KioskModel, KioskModelId};
use crate::slot::{LoadedEngine, SlotState};
use crate::{Error, LoadWish};
use hub::{Model, ModelId};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// The pause before a worker that died is replaced. The first is replaced at once.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Who lived so long did not die of what the last one died of.
const LONG_LIFE: Duration = Duration::from_secs(60);

/// The model that answers.
#[derive(Debug, Clone, Default)]
pub(super) struct Ready {
    /// For whose choice it was looked for.
    chosen: Option<ModelId>,
    found: Found,
}

#[derive(Debug, Clone, Default)]
enum Found {
    /// It is being loaded.
    #[default]
    Waiting,
    Loaded(Arc<LoadedEngine>),
    /// None can be loaded now.
    Nothing,
}

/// A model that is allowed, and how it is loaded.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) model: Model,
    wish: LoadWish,
}

/// What of the allowed models is there.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    pub(super) found: Vec<Wanted>,
    /// Named and not in the library.
    pub(super) missing: Vec<String>,
}

impl Ready {
    /// The model that answers.
    pub(super) fn engine(&self) -> Option<&Arc<LoadedEngine>> {
        match &self.found {
            Found::Loaded(engine) => Some(engine),
            Found::Waiting | Found::Nothing => None,
        }
    }

    pub(super) fn name(&self) -> Option<String> {
        Some(self.engine()?.model.name.clone())
    }

    /// Whether there is nothing to wait for.
    pub(super) fn is_settled(&self) -> bool {
        !matches!(self.found, Found::Waiting)
    }

    /// Whether that is so for this choice.
    pub(super) fn is_settled_for(&self, chosen: Option<&ModelId>) -> bool {
        self.is_settled() && self.chosen.as_ref() == chosen
    }
}

impl Wanted {
    pub(super) fn named(&self) -> KioskModel {
        KioskModel {
            id: KioskModelId::of(&self.model.id),
            name: self.model.name.clone(),
        }
    }

    fn new(model: Model) -> Self {
        let wish = LoadWish::default();
        Self { model, wish }
    }
}

/// Whether an operator may call a model so.
fn is_called(model: &Model, name: &str) -> bool {
    let is_repo = |repo: &hub::RepoId| repo.as_str() == name;
    model.id.0 == name
        || model.name == name
        || model.file_name == name
        || model.repo.as_ref().is_some_and(is_repo)
}

impl Shared {
    /// The allowed models, in their order; where none is named, the one used last.
    pub(super) async fn allowed(&self, config: &Config) -> Result<Allowed, Error> {
        let models = &self.parts.models;
        if config.visitor.models.is_empty() {
            let chosen = models.choose().await;
            let found = chosen.map(|(model, wish)| vec![Wanted { model, wish }]);
            return Ok(Allowed {
                // An empty library is no fault: there is no model.
                found: found.unwrap_or_default(),
                missing: Vec::new(),
            });
        }
        let all = models.all().await?;
        let mut allowed = Allowed::default();
        for name in &config.visitor.models {
            let known = all.iter().find(|model| is_called(model, name)).cloned();
            let found = match known {
                // A model may also be named by its place, wherever that is.
                None if Path::new(name).is_absolute() => {
                    models.model(ModelId(name.clone())).await.ok()
                }
                known => known,
            };
            match found {
                Some(model) => allowed.found.push(Wanted::new(model)),
                None => allowed.missing.push(name.clone()),
            }
        }
        Ok(allowed)
    }
}

impl Kiosk {
    /// Keeps a model ready until the kiosk closes.
    pub(super) async fn keep_ready(self, mut in_force: watch::Receiver<Arc<InForce>>) {
        let mut chosen = self.inner.chosen.subscribe();
        let mut pause = Duration::ZERO;
        loop {
            let config = in_force.borrow_and_update().config.clone();
            let choice = chosen.borrow_and_update().clone();
            let engine = self.load_first(&config, choice.as_ref()).await;
            let began = Instant::now();
            let _in_use = engine.as_ref().map(LoadedEngine::begin_use);
            let found = engine.clone().map_or(Found::Nothing, Found::Loaded);
            self.settle(choice, found);
            let is_lost = tokio::select! {
                () = self.lost(engine.as_ref(), pause) => true,
                _ = chosen.changed() => false,
                () = self.others_allowed(&mut in_force, &config) => false,
            };
            if !is_lost {
                continue;
            }
            if began.elapsed() >= LONG_LIFE {
                pause = Duration::ZERO;
            }
            if let Some(engine) = engine {
                tracing::warn!(model = %engine.model.id, "the kiosk's worker is gone");
                let choice = chosen.borrow().clone();
                self.settle(choice, Found::Waiting);
                tokio::time::sleep(pause).await;
            }
            pause = longer(pause);
        }
    }

    /// Loads the first of the allowed models that can be loaded.
    async fn load_first(
        &self,
        config: &Config,
        choice: Option<&ModelId>,
    ) -> Option<Arc<LoadedEngine>> {
        let allowed = self.inner.allowed(config).await;
        let allowed = allowed.inspect_err(|error| tracing::warn!(%error, "no library"));
        let mut wanted = allowed.unwrap_or_default().found;
        // The others stay in their order.
        wanted.sort_by_key(|wanted| Some(&wanted.model.id) != choice);
        for Wanted { model, wish } in wanted {
            if !self.is_loaded(&model.id) {
                self.settle(choice.cloned(), Found::Waiting);
            }
            let id = model.id.clone();
            let models = &self.inner.parts.models;
            match models.load_unremembered(model, wish).await {
                Ok(engine) => {
                    self.inner.parts.bandwidth.want(&engine.loaded).await;
                    return Some(engine);
                }
                Err(error) => tracing::warn!(model = %id, %error, "the kiosk's model can't be had"),
            }
        }
        None
    }

    fn is_loaded(&self, id: &ModelId) -> bool {
        let state = self.inner.parts.models.slot().state();
        matches!(state, SlotState::Loaded(engine) if engine.model.id == *id)
    }

    fn settle(&self, chosen: Option<ModelId>, found: Found) {
        self.inner.ready.send_replace(Ready { chosen, found });
        self.inner.publish();
    }

    /// Returns when this worker is gone; without one, when it is time to try again.
    async fn lost(&self, engine: Option<&Arc<LoadedEngine>>, pause: Duration) {
        let Some(engine) = engine else {
            return tokio::time::sleep(longer(pause)).await;
        };
        let mut states = self.inner.parts.models.slot().states();
        let is_another = |state: &SlotState| !matches!(state, SlotState::Loaded(one) if Arc::ptr_eq(one, engine));
        let _ = states.wait_for(is_another).await;
    }

    /// Returns when other models are allowed, and nobody is talking with the old one.
    async fn others_allowed(&self, in_force: &mut watch::Receiver<Arc<InForce>>, before: &Config) {
        let is_other = |now: &Arc<InForce>| now.config.visitor.models != before.visitor.models;
        if in_force.wait_for(is_other).await.is_err() {
            std::future::pending::<()>().await;
        }
        self.nobody().await;
    }
}

fn longer(pause: Duration) -> Duration {
    (2 * pause).clamp(FIRST_PAUSE, LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_growing() {
        let mut pause = Duration::ZERO;
        let mut seen = Vec::new();
        for _ in 0..10 {
            pause = longer(pause);
            seen.push(pause.as_millis());
        }
        let expected = [
            200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30_000, 30_000,
        ];
        assert_eq!(seen, expected);
    }
}
