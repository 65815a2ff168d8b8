//! What is marked on the timeline: something that happened at one moment, and what it happened to.

use crate::ModelStatus;
use crate::light::slows;
use serde::{Deserialize, Serialize};
use telemetry::{GpuReading, Reading};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, specta::Type)]
pub struct MonitorEvent {
    /// When, in milliseconds since 1970.
    #[specta(type = u32)]
    pub at_ms: i64,
    /// What.
    pub kind: EventKind,
    /// To what: the name of a model, or of a GPU.
    pub subject: String,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A model was loaded.
    Loaded,
    /// A loaded model was unloaded, or its worker ended.
    Unloaded,
    /// A model could not be loaded.
    LoadFailed,
    /// A download is complete.
    Downloaded,
    /// A GPU slowed itself down.
    Throttled,
    /// The worker of a model came no further.
    Stuck,
}

/// The worker of this model came no further.
pub(crate) fn stuck(model: &ModelStatus, at_ms: i64) -> MonitorEvent {
    MonitorEvent {
        at_ms,
        kind: EventKind::Stuck,
        subject: loaded(model).unwrap_or_default().to_owned(),
    }
}

/// What happened between two states of the place of a loaded model.
pub(super) fn between(before: &ModelStatus, now: &ModelStatus, at_ms: i64) -> Vec<MonitorEvent> {
    let mut events = Vec::new();
    let mut happened = |kind, subject: &str| {
        events.push(MonitorEvent {
            at_ms,
            kind,
            subject: subject.to_owned(),
        });
    };
    let (was, is) = (loaded(before), loaded(now));
    if was != is {
        was.inspect(|name| happened(EventKind::Unloaded, name));
        is.inspect(|name| happened(EventKind::Loaded, name));
    }
    if let ModelStatus::Failed { name, .. } = now
        && !matches!(before, ModelStatus::Failed { name: was, .. } if was == name)
    {
        happened(EventKind::LoadFailed, name);
    }
    events
}

/// GPUs that have begun to slow themselves down between two readings.
pub(super) fn throttled(before: &Reading, now: &Reading, at_ms: i64) -> Vec<MonitorEvent> {
    let was = |gpu: &GpuReading| {
        let before = before.gpus.iter().find(|before| before.index == gpu.index);
        before.is_some_and(is_throttled)
    };
    let begun = now.gpus.iter().filter(|gpu| is_throttled(gpu) && !was(gpu));
    let event = |gpu: &GpuReading| MonitorEvent {
        at_ms,
        kind: EventKind::Throttled,
        subject: gpu.name.clone(),
    };
    begun.map(event).collect()
}

fn is_throttled(gpu: &GpuReading) -> bool {
    let mut reasons = gpu.throttle.iter().flatten();
    reasons.any(|reason| slows(*reason))
}

fn loaded(model: &ModelStatus) -> Option<&str> {
    match model {
        ModelStatus::Loaded { name, .. } => Some(name),
        ModelStatus::None | ModelStatus::Loading { .. } | ModelStatus::Failed { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use telemetry::ThrottleReason::{self, PowerCap, Thermal};

    #[test]
    fn a_gpu_that_begins_to_slow_down_is_marked_once() {
        let reading = |reasons: &[ThrottleReason]| Reading {
            gpus: vec![GpuReading {
                name: "GB10".into(),
                throttle: Some(reasons.to_vec()),
                ..GpuReading::default()
            }],
            ..Reading::default()
        };
        let check = |before: &[ThrottleReason], now: &[ThrottleReason], expected: usize| {
            let events = throttled(&reading(before), &reading(now), 7);
            assert_eq!(events.len(), expected, "{before:?} {now:?}");
            assert!(
                events
                    .iter()
                    .all(|event| event.subject == "GB10" && event.at_ms == 7)
            );
        };
        check(&[], &[Thermal], 1);
        check(&[PowerCap], &[PowerCap, Thermal], 1);
        check(&[Thermal], &[Thermal], 0);
        check(&[Thermal], &[], 0);
        // As much power as it may draw is what it is to draw.
        check(&[], &[PowerCap], 0);
        assert_eq!(
            throttled(&Reading::default(), &reading(&[Thermal]), 7).len(),
            1
        );
    }
}
