//! The application: one async method of [`Studio`] for each thing that a person wants.
//!
//! It knows the store (the only crate with `SQLite`), the library, the loaded model and the readings, and brings them
//! together. It deliberately knows no window and no wire: the desktop shell and the terminal are thin over it.
//!
//! Invariants: what a person typed is stored before anything else happens with it; an answer goes on and is stored
//! whether or not anybody watches; whatever happens to a worker, conversations and the app stay.

mod answer;
mod bandwidth;
mod chat;
mod checkup;
mod conversation;
mod discover;
mod downloads;
mod error;
mod export;
mod guard;
mod interruption;
mod judge;
mod kiosk;
mod library;
mod light;
mod looker;
mod meter;
mod models;
mod monitor;
mod paths;
mod restart;
mod running;
mod sampler;
mod settings;
mod slot;
mod startup;
mod status;
mod store;
mod tell;
mod throughput;
mod verdict;
mod worker;

#[cfg(test)]
mod tests;

pub use bandwidth::{DecodeLimit, MemoryBandwidth};
pub use checkup::{Checkup, Facts, Finding, Folder, Workers, check_up};
pub use conversation::{
    ChatEvent, Conversation, ConversationId, ConversationSummary, Message, MessageId, MessageState,
};
pub use downloads::{
    Download, DownloadId, DownloadList, DownloadSettings, DownloadState, Hours, within_budget,
};
pub use engine_api::{FinishReason, Role, Timings};
pub use error::{Error, ErrorCode};
pub use export::ExportFormat;
pub use guard::{
    Admission, GuardMeasure, GuardNotice, GuardSettings, LoadPlan, LoadRefusal, LoadWish,
    MemoryChoice, MemorySettings, ModelsSettings, Offer, OfferedChange,
};
pub use hub::{
    CatalogEntry, Checked, Commit, HubSettings, LibraryRoot, Model, ModelId, Removal, Repo, RepoId,
    SearchPage, SearchQuery, TokenState, VerifyProgress,
};
pub use judge::{Judge, Judged};
pub use kiosk::{
    ConfigProblem, KeyboardLayout, KeyboardMode, Kiosk, KioskAnswer, KioskFolder, KioskLog,
    KioskModel, KioskModelId, KioskNow, KioskPhase, KioskReadings, KioskSession, KioskSetup,
    KioskView, Leave, Overlay, PinAnswer, Scene, SessionEnd, VisitId, VisitMessage, VisitView,
    VisitorView, has_kiosk_pin, look_into_kiosk_folder, set_kiosk_pin,
};
pub use library::{Freed, LibraryView, library_of};
pub use light::{Light, LightState};
pub use meter::{Asker, GenerationNow, GenerationStage, Measured};
pub use monitor::{EventKind, MonitorEvent, MonitorNow, Span, Timeline};
pub use paths::{Paths, machine_from_environment};
pub use settings::{KioskSettings, LibrarySettings, Settings, SettingsFile};
pub use startup::Startup;
pub use status::{ModelStatus, Status, Throughput};
pub use telemetry::{Machine, MemoryPool};
pub use tell::{Snapshot, readings_socket};
pub use throughput::{AnswerThroughput, ThroughputByModel};
pub use verdict::{Fit, Room, Verdict};

use bandwidth::Bandwidth;
use discover::Shown;
use downloads::Downloads;
use guard::{Guard, Watch};
use hub::Hub;
use kiosk::Parts;
use library::Newer;
use meter::Meter;
use models::Models;
use monitor::Monitor;
use running::Running;
use sampler::Sampler;
use slot::Slot;
use status::Gauges;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use store::Store;
use tell::Telling;
use tokio::sync::{Mutex, Notify, broadcast, watch};
use worker::EngineSource;

/// How long an orderly end may take.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// The application. Clones are cheap and are the same application; when the last one is dropped, what is being written
/// is stored as interrupted and the worker ends.
#[derive(Debug, Clone)]
pub struct Studio {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    data_dir: PathBuf,
    store: Arc<OnceLock<Store>>,
    opening: Mutex<()>,
    models: Models,
    notices: broadcast::Sender<GuardNotice>,
    running: Running,
    meter: Meter,
    bandwidth: Bandwidth,
    monitor: Monitor,
    sampler: Sampler,
    settings: SettingsFile,
    newer: Newer,
    hub: Option<Hub>,
    shown: Shown,
    downloads: OnceLock<Downloads>,
    shown_downloads: watch::Sender<Arc<Vec<Download>>>,
    /// How often somebody asked for verdicts.
    judging: watch::Sender<u64>,
    source: EngineSource,
    telling: Telling,
    kiosk: Kiosk,
    closing: watch::Sender<bool>,
}

impl Studio {
    /// Starts the application. Nothing is opened, loaded or created yet; [`Studio::startup`] opens the database. Must
    /// be called inside a tokio runtime.
    pub fn open(paths: Paths, machine: Machine) -> Self {
        let source = EngineSource::Program(paths.engine_program.clone());
        Self::with_engines(paths, machine, source)
    }

    fn with_engines(paths: Paths, machine: Machine, source: EngineSource) -> Self {
        let (closing, closing_seen) = watch::channel(false);
        let changed = Arc::new(Notify::new());
        let store = Arc::new(OnceLock::new());
        let slot = Slot::new(source.clone(), changed.clone(), closing_seen.clone());
        let meter = Meter::new(changed.clone());
        let gauges = Gauges {
            slot: slot.clone(),
            meter: meter.clone(),
        };
        let bandwidth = Bandwidth::new(store.clone(), gauges.clone());
        let monitor = Monitor::new(store.clone(), changed.clone());
        let settings = SettingsFile::open(&paths.data_dir);
        let guard = Guard::new(machine.clone(), settings.clone(), source.clone());
        let notices = Watch::start(guard.clone(), slot.clone(), closing_seen.clone());
        let models = Models::new(
            paths.library_roots,
            settings.clone(),
            slot,
            guard,
            store.clone(),
        );
        let sampler = Sampler::new(
            machine,
            gauges,
            monitor.clone(),
            changed,
            closing_seen.clone(),
        );
        let kiosk = Kiosk::new(Parts {
            models: models.clone(),
            meter: meter.clone(),
            bandwidth: bandwidth.clone(),
            sampler: sampler.clone(),
            monitor: monitor.clone(),
            store: store.clone(),
            settings: settings.clone(),
            data_dir: paths.data_dir.clone(),
            closing: closing_seen,
        });
        let inner = Inner {
            settings,
            newer: Newer::default(),
            data_dir: paths.data_dir,
            hub: paths.hub.and_then(open_hub),
            shown: Shown::default(),
            downloads: OnceLock::new(),
            shown_downloads: watch::Sender::default(),
            judging: watch::Sender::default(),
            source,
            models,
            notices,
            store,
            opening: Mutex::default(),
            running: Running::default(),
            meter,
            bandwidth,
            sampler,
            monitor,
            telling: Telling::default(),
            kiosk,
            closing,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The status now. The reading of the memory in it may be as old as the last tick.
    pub fn status(&self) -> Status {
        self.inner.sampler.status()
    }

    /// The status as it changes by what a person could see: looked at four times a second while something runs or
    /// loads or somebody looks at the timeline, else every second.
    pub fn subscribe_status(&self) -> watch::Receiver<Status> {
        self.inner.sampler.subscribe()
    }

    /// What the guard does from now on.
    pub fn subscribe_guard(&self) -> broadcast::Receiver<GuardNotice> {
        self.inner.notices.subscribe()
    }

    /// Ends everything in order: what is being written is stored as interrupted, the worker ends, the database is
    /// closed. Takes at most three seconds. Afterwards nothing new begins.
    pub async fn shutdown(&self) {
        self.inner.closing.send_replace(true);
        let in_order = async {
            self.inner.kiosk.close().await;
            self.inner.running.all_over().await;
            self.inner.telling.over().await;
            self.inner.models.slot().closed().await;
            if let Some(downloads) = self.inner.downloads.get() {
                downloads.closed().await;
            }
            self.inner.monitor.end();
            if let Some(store) = self.inner.store.get() {
                store.close().await;
            }
        };
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, in_order)
            .await
            .is_err()
        {
            tracing::warn!("the end took too long");
        }
    }
}

/// The hub; none at an address that is no hub's.
fn open_hub(settings: HubSettings) -> Option<Hub> {
    let opened = Hub::new(settings);
    opened
        .inspect_err(|error| tracing::warn!(%error, "there is no hub"))
        .ok()
}

/// Returns when the application closes, or is gone.
async fn closed(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.closing.send_replace(true);
    }
}
