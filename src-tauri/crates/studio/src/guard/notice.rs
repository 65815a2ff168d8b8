//! What the guard did, in words for the window.

use serde::Serialize;

/// What gave way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum GuardMeasure {
    /// A model that nobody had used for long was unloaded.
    IdleUnloaded,
    /// A model that nobody used was unloaded, since memory ran short.
    UnloadedForMemory,
    /// A load was stopped, since memory ran short.
    LoadStopped,
    /// A model that was writing was ended, since memory was nearly used up.
    WorkerEnded,
}

/// That something gave way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, specta::Type)]
pub struct GuardNotice {
    /// What did.
    pub measure: GuardMeasure,
    /// The model's name.
    pub name: String,
    /// What happened, why, and what was kept.
    pub message: String,
}

impl GuardNotice {
    pub(super) fn new(measure: GuardMeasure, name: &str, idle_minutes: u32) -> Self {
        let message = match measure {
            GuardMeasure::IdleUnloaded => {
                let minutes = if idle_minutes == 1 {
                    "minute"
                } else {
                    "minutes"
                };
                format!(
                    "{name} was unloaded: nobody used it for {idle_minutes} {minutes}. The next message loads it again."
                )
            }
            GuardMeasure::UnloadedForMemory => format!(
                "{name} was unloaded: memory ran short, and nobody was using it. The next message loads it again."
            ),
            GuardMeasure::LoadStopped => format!(
                "Loading {name} was stopped: memory ran short, and the desktop would have stood still."
            ),
            GuardMeasure::WorkerEnded => format!(
                "{name} was ended while it was writing: memory was nearly used up. What was written is kept."
            ),
        };
        Self {
            measure,
            name: name.to_owned(),
            message,
        }
    }
}
