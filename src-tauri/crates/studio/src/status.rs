//! The state of the whole at a glance: the loaded model, the memory, the speed.

use crate::Error;
use crate::light::Light;
use crate::meter::Meter;
use crate::slot::{Slot, SlotState};
use engine_api::{MemoryUse, Progress, Timings};
use hub::ModelId;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use telemetry::MemoryPool;

/// What the top strip shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, specta::Type)]
pub struct Status {
    /// The loaded model.
    pub model: ModelStatus,
    /// The memory of the machine.
    pub memory: MemoryPool,
    /// The speed.
    pub throughput: Throughput,
    /// Whether the worker works.
    pub light: Light,
}

/// The state of the one place for a loaded model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, specta::Type)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ModelStatus {
    /// Nothing is loaded.
    None,
    /// A model is being loaded.
    Loading {
        /// Which.
        model_id: ModelId,
        /// Its name.
        name: String,
        /// Bytes of weights read so far.
        #[specta(type = u32)]
        done_bytes: u64,
        /// Bytes of weights in the file.
        #[specta(type = u32)]
        total_bytes: u64,
        /// Bytes a second since it began; `None` until that says something.
        rate_bytes_per_second: Option<f64>,
    },
    /// A model is loaded.
    Loaded {
        /// Which.
        model_id: ModelId,
        /// Its name.
        name: String,
        /// Its architecture, as its file calls it.
        architecture: String,
        /// The quantization of most of its weights.
        quantization: Option<String>,
        /// The context window in force, in tokens.
        context_tokens: u32,
        /// The device that computes, in words.
        device: String,
    },
    /// The model that was to be loaded last could not be.
    Failed {
        /// Which.
        model_id: ModelId,
        /// Its name.
        name: String,
        /// Why.
        error: Error,
    },
}

/// How fast it goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, specta::Type)]
pub struct Throughput {
    /// Whether a generation runs or waits for its turn.
    pub running: bool,
    /// Over the last second, while tokens come.
    pub decode_tokens_per_second: Option<f64>,
    /// Tokens that the loaded model holds in its KV cache.
    pub context_used_tokens: Option<u32>,
    /// Timings of the generation that finished last, since the start of the app.
    pub last: Option<Timings>,
}

/// What a status is put together from.
#[derive(Debug, Clone)]
pub(crate) struct Gauges {
    pub(crate) slot: Slot,
    pub(crate) meter: Meter,
}

impl Gauges {
    /// The status now, but for the memory and the light, which take time to read.
    pub(crate) fn status(&self, memory: MemoryPool, light: Light) -> Status {
        let state = self.slot.state();
        let throughput = Throughput {
            running: self.meter.is_running(),
            decode_tokens_per_second: self.meter.rate(Instant::now()),
            context_used_tokens: memory_use(&state).map(|memory| memory.context_used_tokens),
            last: self.meter.last(),
        };
        Status {
            model: model_status(state),
            memory,
            throughput,
            light,
        }
    }

    /// What the worker says that it holds.
    pub(crate) fn memory_use(&self) -> MemoryUse {
        memory_use(&self.slot.state()).unwrap_or_default()
    }

    /// The worker of the loaded model.
    pub(crate) fn worker(&self) -> Option<WorkerGauge> {
        let SlotState::Loaded(engine) = self.slot.state() else {
            return None;
        };
        Some(WorkerGauge {
            process_id: engine.worker.process_id(),
            progress: *engine.worker.engine().progress().borrow(),
            busy_since: self.meter.busy_since(),
        })
    }

    /// Whether things change from one moment to the next.
    pub(crate) fn is_busy(&self) -> bool {
        self.meter.is_running() || matches!(self.slot.state(), SlotState::Loading { .. })
    }
}

/// What is known of a worker without looking at its process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WorkerGauge {
    pub(crate) process_id: Option<u32>,
    pub(crate) progress: Progress,
    /// Since when it has had something to do.
    pub(crate) busy_since: Option<Instant>,
}

/// A worker that is loading names its weights already.
fn memory_use(state: &SlotState) -> Option<MemoryUse> {
    match state {
        SlotState::Loaded(engine) => Some(*engine.worker.engine().memory().borrow()),
        SlotState::Empty | SlotState::Loading { .. } | SlotState::Failed { .. } => None,
    }
}

/// Over less time than this, or of nothing, a rate says nothing.
const SHORTEST_LOAD: Duration = Duration::from_millis(200);

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn rate(bytes: u64, time: Duration) -> Option<f64> {
    (bytes > 0 && time >= SHORTEST_LOAD).then(|| bytes as f64 / time.as_secs_f64())
}

pub(crate) fn model_status(state: SlotState) -> ModelStatus {
    match state {
        SlotState::Empty => ModelStatus::None,
        SlotState::Loading {
            model,
            began,
            progress,
            ..
        } => {
            let progress = *progress.borrow();
            ModelStatus::Loading {
                model_id: model.id,
                name: model.name,
                done_bytes: progress.done_bytes,
                total_bytes: progress.total_bytes,
                rate_bytes_per_second: rate(progress.done_bytes, began.elapsed()),
            }
        }
        SlotState::Loaded(engine) => ModelStatus::Loaded {
            model_id: engine.model.id.clone(),
            name: engine.model.name.clone(),
            architecture: engine.loaded.architecture.clone(),
            quantization: Some(engine.loaded.quantization.clone()).filter(|name| !name.is_empty()),
            context_tokens: engine.loaded.context_tokens,
            device: engine.loaded.device.clone(),
        },
        SlotState::Failed { model, error } => ModelStatus::Failed {
            model_id: model.id,
            name: model.name,
            error,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_has_a_rate_once_that_says_something() {
        let check = |bytes, ms, expected| {
            assert_eq!(rate(bytes, Duration::from_millis(ms)), expected);
        };
        check(0, 1000, None);
        check(100, 199, None);
        check(100, 200, Some(500.0));
        check(3000, 2000, Some(1500.0));
    }
}
