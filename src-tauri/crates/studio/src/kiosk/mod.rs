//! The kiosk: an attract loop and visitors, each of whom leaves nothing behind.
//!
//! SKELETON: signatures only.

mod config;
mod folder;
mod log;
mod pin;
mod scenes;
mod terminal;
mod view;

pub use terminal::{KioskFolder, look_into_kiosk_folder, set_kiosk_pin};
pub use view::{
    ConfigProblem, KeyboardLayout, KeyboardMode, KioskAnswer, KioskLog, KioskModel, KioskNow,
    KioskPhase, KioskReadings, KioskSession, KioskSetup, KioskView, Leave, Overlay, PinAnswer,
    Scene, SessionEnd, VisitId, VisitMessage, VisitView, VisitorView,
};

use crate::{Error, Studio};
use hub::ModelId;
use std::path::PathBuf;
use tokio::sync::watch;

fn not_yet<T>() -> Result<T, Error> {
    Err(Error::internal("The kiosk is not built yet."))
}

/// A handle to the kiosk. Clones are the same.
#[derive(Debug, Clone)]
pub struct Kiosk {
    studio: Studio,
}

impl Studio {
    /// The kiosk.
    pub fn kiosk(&self) -> Kiosk {
        Kiosk {
            studio: self.clone(),
        }
    }
}

impl Kiosk {
    /// Turns it on: what `kiosk.toml` says holds, the first allowed model gets loaded. Without a PIN it is refused.
    pub async fn open(&self) -> Result<(), Error> {
        let _ = &self.studio;
        not_yet()
    }
    /// Turns it off. A visitor is wiped. Returns when that is done.
    pub async fn close(&self) {}
    /// Whether it is on.
    pub fn is_open(&self) -> bool {
        false
    }
    /// All that the page shows.
    pub async fn view(&self) -> Result<KioskView, Error> {
        not_yet()
    }
    /// What is going on, as it changes.
    pub fn subscribe(&self) -> watch::Receiver<KioskNow> {
        unimplemented!("skeleton")
    }
    /// The machine's figures, as they change.
    pub fn subscribe_readings(&self) -> watch::Receiver<KioskReadings> {
        unimplemented!("skeleton")
    }
    /// A picture of the folder as a `data:` address.
    pub async fn picture(&self, _name: String) -> Result<String, Error> {
        not_yet()
    }
    /// The answer to a live scene's prompt. Ends when a visitor comes.
    pub async fn play(
        &self,
        _scene: u32,
        _sink: impl Fn(KioskAnswer) + Send + Sync + 'static,
    ) -> Result<(), Error> {
        not_yet()
    }
    /// A visitor is there; the one who is there already if so.
    pub async fn begin(&self) -> Result<VisitId, Error> {
        not_yet()
    }
    /// The visitor is still there.
    pub async fn touched(&self, _visit: VisitId) -> Result<(), Error> {
        not_yet()
    }
    /// The visitor says something. Returns when the answer is over.
    pub async fn say(
        &self,
        _visit: VisitId,
        _text: String,
        _sink: impl Fn(KioskAnswer) + Send + Sync + 'static,
    ) -> Result<(), Error> {
        not_yet()
    }
    /// Stops the answer.
    pub async fn stop(&self, _visit: VisitId) -> Result<(), Error> {
        not_yet()
    }
    /// Another of the allowed models; the conversation stays.
    pub async fn choose_model(&self, _visit: VisitId, _model: ModelId) -> Result<(), Error> {
        not_yet()
    }
    /// Wipes the visitor and goes back to the loop. Returns when nothing is left.
    pub async fn start_over(&self, _visit: VisitId) -> Result<(), Error> {
        not_yet()
    }
    /// Looks at a PIN.
    pub async fn try_pin(&self, _pin: String) -> Result<PinAnswer, Error> {
        not_yet()
    }
    /// Whether the operator is in; each call that needs it asks.
    pub fn check_unlocked(&self) -> Result<(), Error> {
        not_yet()
    }
    /// The operator is out again.
    pub fn lock(&self) {}
    /// What Settings shows.
    pub async fn setup(&self) -> Result<KioskSetup, Error> {
        not_yet()
    }
    /// Sets the PIN: 4 to 12 digits.
    pub async fn set_pin(&self, _pin: String) -> Result<(), Error> {
        not_yet()
    }
    /// Chooses the output.
    pub fn set_display(&self, _display: Option<String>) -> Result<(), Error> {
        not_yet()
    }
    /// Writes the scenes that come with Wick into the folder, to be edited. What is there is left alone.
    pub async fn make_folder(&self) -> Result<KioskSetup, Error> {
        not_yet()
    }
    /// The sessions of the last days.
    pub async fn log(&self, _days: u32) -> Result<KioskLog, Error> {
        not_yet()
    }
    /// Writes all sessions into a new CSV file in this folder; its path.
    pub async fn export_log(&self, _folder: PathBuf) -> Result<String, Error> {
        not_yet()
    }
}
