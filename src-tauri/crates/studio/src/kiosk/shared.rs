//! What all parts of the kiosk share, behind one lock, and what they are told of it.
//!
//! It decides nothing. Invariant: the lock is never held while something is awaited; what is published is what the state
//! was at that moment, in order.

use super::config::Config;
use super::folder::{Folder, InForce};
use super::pin::PinKeeper;
use super::ready::Ready;
use super::view::{KioskNow, KioskPhase, KioskReadings, VisitId};
use super::visit::Visit;
use crate::bandwidth::Bandwidth;
use crate::meter::Meter;
use crate::models::Models;
use crate::monitor::Monitor;
use crate::running::Wish;
use crate::sampler::Sampler;
use crate::store::Store;
use crate::{Error, SettingsFile};
use hub::ModelId;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Of the application, what the kiosk uses.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) models: Models,
    pub(crate) meter: Meter,
    pub(crate) bandwidth: Bandwidth,
    pub(crate) sampler: Sampler,
    pub(crate) monitor: Monitor,
    pub(crate) store: Arc<OnceLock<Store>>,
    pub(crate) settings: SettingsFile,
    pub(crate) data_dir: PathBuf,
    pub(crate) closing: watch::Receiver<bool>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) parts: Parts,
    pub(super) pin: PinKeeper,
    pub(super) now: watch::Sender<KioskNow>,
    pub(super) readings: watch::Sender<KioskReadings>,
    /// The model that answers.
    pub(super) ready: watch::Sender<Ready>,
    /// The model that a visitor chose.
    pub(super) chosen: watch::Sender<Option<ModelId>>,
    /// Who opens, closes, begins or wipes does so alone.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// Something has changed of what the clock looks at.
    pub(super) stir: Notify,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) open: Option<Open>,
    pub(super) visit: Option<Visit>,
    pub(super) last_visit: u32,
    /// When that began: no two begin in the same millisecond.
    pub(super) last_began_at_ms: i64,
    /// The live scene that is being answered.
    pub(super) scene: Option<watch::Sender<Wish>>,
    /// Until when the operator is in.
    pub(super) unlocked_until: Option<Instant>,
}

/// What there is only while the kiosk is on.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) folder: Folder,
    /// They end with this.
    pub(super) tasks: JoinSet<()>,
}

impl Shared {
    pub(super) fn new(parts: Parts) -> Self {
        let now = KioskNow {
            version: 0,
            phase: KioskPhase::Attract,
            model: None,
        };
        let readings = super::readings::of(&parts);
        Self {
            pin: PinKeeper::new(&parts.data_dir),
            parts,
            now: watch::Sender::new(now),
            readings: watch::Sender::new(readings),
            ready: watch::Sender::default(),
            chosen: watch::Sender::default(),
            turn: tokio::sync::Mutex::default(),
            stir: Notify::new(),
            state: Mutex::default(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Each change of it is whole whatever its last user did.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells what is going on, if that has changed.
    pub(super) fn publish(&self) {
        // Under the lock, so that nobody tells an older state after a newer one.
        let state = self.state();
        let now = self.now_of(&state);
        self.now.send_if_modified(|told| {
            let is_new = *told != now;
            *told = now;
            is_new
        });
    }

    /// What is going on.
    pub(super) fn now_of(&self, state: &State) -> KioskNow {
        let in_force = state.open.as_ref().map(Open::in_force);
        let phase = match (&state.visit, &in_force) {
            (Some(visit), Some(in_force)) => visit.phase(&in_force.config.visitor),
            _ => KioskPhase::Attract,
        };
        KioskNow {
            version: in_force.map_or(0, |in_force| in_force.version),
            phase,
            model: self.ready.borrow().name(),
        }
    }

    /// The folder, while the kiosk is on.
    pub(super) fn folder(&self) -> Result<Folder, Error> {
        let state = self.state();
        let open = state.open.as_ref();
        open.map(|open| open.folder.clone())
            .ok_or_else(|| Error::cancelled("The kiosk is closed."))
    }

    /// What holds, while the kiosk is on.
    pub(super) fn in_force(&self) -> Result<Arc<InForce>, Error> {
        let state = self.state();
        let open = state.open.as_ref();
        open.map(Open::in_force)
            .ok_or_else(|| Error::cancelled("The kiosk is closed."))
    }

    /// The folder, read.
    pub(super) async fn look_at_folder(&self) -> Result<Folder, Error> {
        let path = self.parts.data_dir.join("kiosk");
        blocking(move || Folder::open(path)).await
    }

    /// The store, unless the database could not be opened: then there is no log.
    pub(super) fn store(&self) -> Option<&Store> {
        self.parts.store.get()
    }

    /// No model is there any more.
    pub(super) fn unready(&self) {
        self.ready.send_replace(Ready::default());
        self.chosen.send_replace(None);
    }

    /// Ends the live scene that is being answered.
    pub(super) fn end_scene(&self) {
        if let Some(scene) = self.state().scene.take() {
            scene.send_replace(Wish::StopAtOnce);
        }
    }
}

impl Open {
    /// What holds.
    pub(super) fn in_force(&self) -> Arc<InForce> {
        self.folder.subscribe().borrow().clone()
    }
}

impl State {
    /// This visitor, if it is the one who is there.
    pub(super) fn visit(&mut self, id: VisitId) -> Option<&mut Visit> {
        let visit = self.visit.as_mut();
        visit.filter(|visit| visit.id == id && !visit.leaving)
    }

    /// What holds, while the kiosk is on.
    pub(super) fn config(&self) -> Option<Arc<Config>> {
        let open = self.open.as_ref()?;
        Some(open.in_force().config.clone())
    }
}

/// What reads the disk must not keep a tokio thread.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::internal(format!("The folder could not be read: {error}.")))
}
