//! The monitor: what was read of the machine, kept for seven days, and what happened meanwhile.
//!
//! It deliberately reads nothing itself (`sampler.rs` does) and keeps no text of anybody's. Invariant: what it takes in
//! memory and on the disk is bounded, however long the app runs.

mod event;
mod history;
mod now;
mod point;
mod timeline;

pub(crate) use event::stuck;
pub use event::{EventKind, MonitorEvent};
pub(crate) use history::{KEPT_MS, MOST_EVENTS};
pub use now::MonitorNow;
pub(crate) use now::fill;
pub(crate) use point::{COLUMNS, Column, Point};
pub use timeline::{Span, Timeline};

use crate::slot::SlotState;
use crate::status::model_status;
use crate::store::{Store, now_ms};
use crate::{Download, DownloadState, Error, ModelStatus, Studio};
use history::History;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use telemetry::{Program, Reading};
use tokio::sync::{Notify, watch};

/// Whoever has asked for a timeline within this time still looks.
const LOOK_TIME: Duration = Duration::from_millis(1500);

/// The handle to what is kept. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Monitor {
    kept: Arc<Mutex<Kept>>,
    store: Arc<OnceLock<Store>>,
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Kept {
    history: History,
    reading: Arc<Reading>,
    programs: Vec<Program>,
    looked: Option<Instant>,
}

impl Monitor {
    /// `changed` is notified when somebody begins to look.
    pub(crate) fn new(store: Arc<OnceLock<Store>>, changed: Arc<Notify>) -> Self {
        Self {
            kept: Arc::default(),
            store,
            changed,
        }
    }

    /// Takes a moment. Each whole minute goes to the disk.
    pub(crate) fn take(&self, point: Point) {
        let minute = self.kept().history.take(point);
        self.keep(minute);
    }

    /// Takes what the machine tells at this moment, and what has happened to it since the last one.
    pub(crate) fn take_reading(&self, reading: &Arc<Reading>, programs: &[Program], at_ms: i64) {
        let before = {
            let mut kept = self.kept();
            if kept.programs != programs {
                kept.programs = programs.to_vec();
            }
            std::mem::replace(&mut kept.reading, reading.clone())
        };
        for event in event::throttled(&before, reading, at_ms) {
            self.happened(event);
        }
    }

    /// Takes what happened.
    pub(crate) fn happened(&self, event: MonitorEvent) {
        if let Some(store) = self.store.get() {
            store.keep_event(event.clone());
        }
        self.kept().history.happened(event);
    }

    /// Keeps the minute that has begun: the app ends.
    pub(crate) fn end(&self) {
        let minute = self.kept().history.end();
        self.keep(minute);
    }

    /// What the machine told last.
    pub(crate) fn reading(&self) -> Arc<Reading> {
        self.kept().reading.clone()
    }

    /// Whether somebody looks at the timeline.
    pub(crate) fn is_looked_at(&self) -> bool {
        let looked = self.kept().looked;
        looked.is_some_and(|at| at.elapsed() < LOOK_TIME)
    }

    fn keep(&self, minute: Option<Point>) {
        if let (Some(minute), Some(store)) = (minute, self.store.get()) {
            store.keep_minute(minute);
        }
    }

    /// Brings back what was kept before the app started.
    async fn restore(&self, store: &Store) {
        match store.monitored(now_ms() - KEPT_MS).await {
            Ok((minutes, events)) => self.kept().history.restore(minutes, events),
            Err(error) => tracing::warn!(%error, "the last days' readings could not be read"),
        }
    }

    fn timeline(&self, span: Span, since_ms: i64) -> Timeline {
        let was_looked_at = self.is_looked_at();
        let mut kept = self.kept();
        kept.looked = Some(Instant::now());
        if !was_looked_at {
            self.changed.notify_one();
        }
        Timeline::of(&kept.history, span, since_ms, now_ms())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A row of numbers is whole whatever its last user did.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Studio {
    /// What was read of the machine in the stretch of time that ends now, as far as it is newer than `since_ms`
    /// (milliseconds since 1970; 0 for all). Whoever asks looks: for the next second and a half, readings are taken four
    /// times a second.
    ///
    /// # Errors
    /// None so far.
    pub fn timeline(&self, span: Span, since_ms: i64) -> Result<Timeline, Error> {
        Ok(self.inner.monitor.timeline(span, since_ms))
    }

    /// What is going on now.
    pub fn monitor_now(&self) -> MonitorNow {
        let generations = self.inner.meter.generations(Instant::now());
        let limit = self.inner.bandwidth.decode_limit(&generations);
        let kept = self.inner.monitor.kept();
        MonitorNow {
            reading: Reading::clone(&kept.reading),
            programs: kept.programs.clone(),
            generations,
            last_measured: self.inner.meter.last_measured(),
            limit,
        }
    }

    /// The database is open: the past is brought back, and from now on what happens to models and downloads is marked.
    pub(crate) async fn start_monitor(&self, store: &Store) {
        self.inner.monitor.restore(store).await;
        let downloads = self.subscribe_downloads();
        tokio::spawn(mark_downloads(self.inner.monitor.clone(), downloads));
        let states = self.inner.models.slot().states();
        tokio::spawn(mark_models(self.inner.monitor.clone(), states));
    }
}

/// Marks what happens to the loaded model, until the application is gone. A look at the status a few times a second would miss
/// one that was loaded and unloaded in between.
async fn mark_models(monitor: Monitor, mut states: watch::Receiver<SlotState>) {
    let mut before = ModelStatus::None;
    loop {
        let now = model_status(states.borrow_and_update().clone());
        for event in event::between(&before, &now, now_ms()) {
            monitor.happened(event);
        }
        before = now;
        if states.changed().await.is_err() {
            return;
        }
    }
}

/// Marks each download that comes to its end, until the application is gone.
async fn mark_downloads(monitor: Monitor, mut downloads: watch::Receiver<Arc<Vec<Download>>>) {
    let mut before = downloads.borrow_and_update().clone();
    while downloads.changed().await.is_ok() {
        let now = downloads.borrow_and_update().clone();
        for download in completed(&before, &now) {
            monitor.happened(MonitorEvent {
                at_ms: now_ms(),
                kind: EventKind::Downloaded,
                subject: format!("{} {}", download.repo.as_str(), download.label),
            });
        }
        before = now;
    }
}

/// Those that were on their way before and are complete now.
fn completed<'a>(
    before: &'a [Download],
    now: &'a [Download],
) -> impl Iterator<Item = &'a Download> {
    let is_complete = |download: &Download| matches!(download.state, DownloadState::Complete);
    now.iter().filter(move |download| {
        let was = before.iter().find(|was| was.id == download.id);
        is_complete(download) && was.is_some_and(|was| !is_complete(was))
    })
}
