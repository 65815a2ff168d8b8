//! One download in the hands of the task: what was wanted, how far it is, how it ended.

use super::download::{Download, DownloadId, DownloadState};
use super::owner::state_of;
use super::rate::Rate;
use super::settings::Hours;
use crate::Error;
use crate::store::{Kept, Order};
use hub::{Library, ModelId, Phase, Progress};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Instant;
use tokio::sync::watch;
use tokio::task;

/// Why a download does not run, though nothing else keeps it from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Ended {
    /// Until the person wants it again.
    Paused {
        /// Why, if the person did not want it so.
        error: Option<Error>,
    },
    /// It can't go on.
    Failed {
        /// Why.
        error: Error,
    },
    /// It is there.
    Complete {
        /// The model that it is; `None` if it is none that Wick knows.
        model: Option<ModelId>,
    },
}

/// A transfer that runs.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) stop: watch::Sender<bool>,
    pub(super) progress: watch::Receiver<Progress>,
    /// The task that does it.
    pub(super) task: task::Id,
}

impl Running {
    /// Asks it to stop; it is over when its task says so.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: DownloadId,
    pub(super) order: Order,
    pub(super) ended: Option<Ended>,
    pub(super) running: Option<Running>,
    progress: Progress,
    rate: Rate,
    started_at_ms: i64,
}

impl Entry {
    pub(super) fn new(kept: Kept) -> Self {
        let progress = Progress {
            done_bytes: kept.done_bytes,
            total_bytes: kept.order.wanted.total_bytes(),
            phase: Phase::Starting,
            note: kept.note,
        };
        Self {
            id: kept.id,
            order: kept.order,
            ended: kept.ended,
            running: None,
            progress,
            rate: Rate::default(),
            started_at_ms: kept.started_at_ms,
        }
    }

    /// Whether nothing of its own keeps it from running.
    pub(super) fn is_due(&self) -> bool {
        self.ended.is_none()
    }

    pub(super) fn is_complete(&self) -> bool {
        matches!(self.ended, Some(Ended::Complete { .. }))
    }

    /// How far it was when it was last looked at.
    pub(super) fn progress(&self) -> Progress {
        Progress {
            phase: Phase::Starting,
            ..self.progress.clone()
        }
    }

    pub(super) fn done_bytes(&self) -> u64 {
        self.progress.done_bytes
    }

    pub(super) fn note(&self) -> Option<String> {
        self.progress.note.clone()
    }

    /// Takes over what the transfer says.
    pub(super) fn look(&mut self, now: Instant) {
        let Some(running) = &mut self.running else {
            return;
        };
        self.progress = running.progress.borrow_and_update().clone();
        match self.progress.phase {
            Phase::Fetching | Phase::Waiting { .. } => {
                self.rate.note(now, self.progress.done_bytes);
            }
            Phase::Starting | Phase::Verifying => self.rate.rest(),
        }
    }

    /// It no longer runs.
    pub(super) fn rest(&mut self) {
        self.rate.rest();
    }

    /// It is there: which model it has become.
    pub(super) fn complete(&mut self, snapshot: &Path) -> Ended {
        self.progress.done_bytes = self.progress.total_bytes;
        let weights = snapshot.join(&self.order.key);
        let is_folder = weights
            .extension()
            .is_some_and(|ending| ending == "safetensors");
        let path = if is_folder {
            weights.parent().unwrap_or(snapshot)
        } else {
            &weights
        };
        let model = Library::model_at(path).map(|model| model.id);
        let model = model.inspect_err(|error| tracing::warn!(%error, "what came is no model"));
        Ended::Complete { model: model.ok() }
    }

    /// As a person sees it, outside of these hours if there are any.
    pub(super) fn shown(&self, outside: Option<Hours>) -> Download {
        let wanted = &self.order.wanted;
        let left = self
            .progress
            .total_bytes
            .saturating_sub(self.progress.done_bytes);
        let model_id = match &self.ended {
            Some(Ended::Complete { model }) => model.clone(),
            _ => None,
        };
        Download {
            id: self.id,
            repo: wanted.repo.clone(),
            revision: wanted.revision.clone(),
            commit: wanted.commit.clone(),
            label: self.order.label.clone(),
            file_count: u32::try_from(wanted.files.len()).unwrap_or(u32::MAX),
            done_bytes: self.progress.done_bytes,
            total_bytes: self.progress.total_bytes,
            state: self.state(outside),
            rate_bytes_per_second: self.rate.bytes_per_second(),
            remaining_ms: self.rate.remaining_ms(left),
            rates: self.rate.seconds(),
            note: self.progress.note.clone(),
            started_at_ms: self.started_at_ms,
            model_id,
        }
    }

    fn state(&self, outside: Option<Hours>) -> DownloadState {
        match (&self.ended, &self.running, outside) {
            (Some(Ended::Paused { error }), ..) => DownloadState::Paused {
                error: error.clone(),
            },
            (Some(Ended::Failed { error }), ..) => DownloadState::Failed {
                error: error.clone(),
            },
            (Some(Ended::Complete { .. }), ..) => DownloadState::Complete,
            (None, Some(_), _) => state_of(&self.progress),
            (None, None, Some(hours)) => DownloadState::OutsideHours {
                from_minute: hours.from_minute,
            },
            (None, None, None) => DownloadState::Queued,
        }
    }
}
