//! The kiosk: an attract loop and visitors, each of whom leaves nothing behind.
//!
//! [`Kiosk`] owns all facts of it; the page shows them. It knows no window. `visit.rs` is one visitor, `phase.rs` the clock
//! that wipes, `wipe.rs` how, `answer.rs` writes, `ready.rs` sees to it that a model is there.
//!
//! Invariants: what a visitor says lives in memory alone, and is overwritten, there and in the worker, before the next one
//! comes; a call in the name of a visitor who is gone touches nobody else; no error's text reaches a visitor.

mod answer;
mod attempt;
mod config;
mod folder;
mod log;
mod operator;
mod phase;
mod pin;
mod readings;
mod ready;
mod scene;
mod scenes;
mod shared;
mod terminal;
mod upkeep;
mod view;
mod visit;
mod visitor;
mod wipe;
mod words;

pub(crate) use shared::Parts;
pub use terminal::{KioskFolder, has_kiosk_pin, look_into_kiosk_folder, set_kiosk_pin};
pub use view::{
    ConfigProblem, KeyboardLayout, KeyboardMode, KioskAnswer, KioskLog, KioskModel, KioskModelId,
    KioskNow, KioskPhase, KioskReadings, KioskSession, KioskSetup, KioskView, Leave, Overlay,
    PinAnswer, Scene, SessionEnd, VisitId, VisitMessage, VisitView, VisitorView,
};

use crate::{Error, Studio};
use shared::{Open, Shared};
use std::future::Future;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;

#[cfg(doc)]
use crate::ErrorCode;

/// A handle to the kiosk. Clones are the same.
#[derive(Debug, Clone)]
pub struct Kiosk {
    inner: Arc<Shared>,
}

impl Studio {
    /// The kiosk.
    pub fn kiosk(&self) -> Kiosk {
        self.inner.kiosk.clone()
    }
}

impl Kiosk {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            inner: Arc::new(Shared::new(parts)),
        }
    }

    /// Turns it on: what `kiosk.toml` says holds, the first allowed model gets loaded. That it is on is fine.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`] without a PIN; [`ErrorCode::Cancelled`] when the app closes.
    pub async fn open(&self) -> Result<(), Error> {
        let _turn = self.inner.turn.lock().await;
        if *self.inner.parts.closing.borrow() {
            return Err(Error::closing());
        }
        if self.is_open() {
            return Ok(());
        }
        if !self.inner.pin.has_pin() {
            return Err(Error::invalid(
                "Set a PIN first: without one there would be no way out of the kiosk.",
            ));
        }
        let folder = self.inner.look_at_folder().await?;
        let mut tasks = JoinSet::new();
        self.spawn(&mut tasks, self.clone().keep_time());
        self.spawn(&mut tasks, self.clone().keep_ready(folder.subscribe()));
        self.spawn(&mut tasks, self.clone().keep_reading());
        self.spawn(&mut tasks, self.clone().follow(folder.subscribe()));
        self.inner.state().open = Some(Open { folder, tasks });
        self.inner.publish();
        tracing::info!("the kiosk is open");
        Ok(())
    }

    /// Turns it off. A visitor is wiped. Returns when that is done. That it is off is fine.
    pub async fn close(&self) {
        let _turn = self.inner.turn.lock().await;
        if !self.is_open() {
            return;
        }
        self.wipe_now(SessionEnd::Closed).await;
        self.inner.end_scene();
        self.lock();
        let open = self.inner.state().open.take();
        if let Some(mut open) = open {
            open.tasks.shutdown().await;
        }
        self.inner.unready();
        self.inner.publish();
        tracing::info!("the kiosk is closed");
    }

    /// Whether it is on.
    pub fn is_open(&self) -> bool {
        self.inner.state().open.is_some()
    }

    /// All that the page shows.
    ///
    /// # Errors
    /// [`ErrorCode::Cancelled`] while it is off; what the library says.
    pub async fn view(&self) -> Result<KioskView, Error> {
        let in_force = self.inner.in_force()?;
        let config = in_force.config.clone();
        let models = self.inner.allowed(&config).await?.found;
        let visitor = &config.visitor;
        let state = self.inner.state();
        let visit = state.visit.as_ref();
        Ok(KioskView {
            version: in_force.version,
            motto: config.motto.clone(),
            scenes: config.scenes.clone(),
            visitor: VisitorView {
                greeting: visitor.greeting.clone(),
                cards: visitor.cards.clone(),
                models: models.iter().map(ready::Wanted::named).collect(),
                max_turns: visitor.max_turns,
                max_message_characters: visitor.max_message_characters,
                keyboard: visitor.keyboard,
                layout: visitor.layout,
            },
            overlay: config.overlay,
            now: self.inner.now_of(&state),
            visit: visit.map(|visit| visit.view(visitor.max_turns)),
        })
    }

    /// What is going on, as it changes.
    pub fn subscribe(&self) -> watch::Receiver<KioskNow> {
        self.inner.now.subscribe()
    }

    /// The machine's figures, as they change, at most four times a second and only while it is on.
    pub fn subscribe_readings(&self) -> watch::Receiver<KioskReadings> {
        self.inner.readings.subscribe()
    }

    /// A picture of the folder as a `data:` address.
    ///
    /// # Errors
    /// [`ErrorCode::Cancelled`] while it is off, [`ErrorCode::NotFound`], [`ErrorCode::InvalidRequest`] for what is no
    /// picture of the folder.
    pub async fn picture(&self, name: String) -> Result<String, Error> {
        let folder = self.inner.folder()?;
        shared::blocking(move || folder.picture(&name)).await?
    }

    /// Tells of each new form of `kiosk.toml`.
    async fn follow(self, mut in_force: watch::Receiver<Arc<folder::InForce>>) {
        while in_force.changed().await.is_ok() {
            self.inner.publish();
            self.inner.stir.notify_one();
        }
    }

    /// Runs something until the kiosk or the app closes.
    fn spawn(&self, tasks: &mut JoinSet<()>, task: impl Future<Output = ()> + Send + 'static) {
        let mut closing = self.inner.parts.closing.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = crate::closed(&mut closing) => {}
                () = task => {}
            }
        });
    }
}
