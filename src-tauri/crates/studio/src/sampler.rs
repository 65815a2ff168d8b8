//! The task that takes a status a few times a second.
//!
//! It reads nothing itself: `looker.rs` does, on a thread that may wait.
//!
//! Invariant: whoever subscribed wakes only for what a person could see; each wake makes the page paint.

use crate::light::{Light, LightState};
use crate::looker::Looker;
use crate::monitor::{self, Column, Monitor, Point};
use crate::status::{Gauges, Status};
use crate::store::now_ms;
use std::sync::Arc;
use std::time::{Duration, Instant};
use telemetry::{Machine, MemoryPool, NamedBytes, Reading};
use tokio::sync::{Notify, watch};

const BUSY_PERIOD: Duration = Duration::from_millis(250);
const IDLE_PERIOD: Duration = Duration::from_secs(1);
/// A part of the memory that changed by less is told with the next change: the strip's last digit is a tenth of a GiB.
const VISIBLE_BYTES: u64 = 16 << 20;

/// The handle to the task. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Sampler {
    latest: watch::Receiver<Status>,
    pace: Pace,
}

impl Sampler {
    /// Starts the task. `changed` makes it take a status at once; `closing` ends it.
    pub(crate) fn new(
        machine: Machine,
        gauges: Gauges,
        monitor: Monitor,
        changed: Arc<Notify>,
        closing: watch::Receiver<bool>,
    ) -> Self {
        let pace = Pace { gauges, monitor };
        let (publish, latest) =
            watch::channel(pace.gauges.status(MemoryPool::default(), Light::off()));
        let task = Task {
            looker: Some(Looker::new(machine.clone())),
            machine,
            publish,
            pace: pace.clone(),
            changed,
            reading: Arc::default(),
            light: Light::off(),
            stuck: false,
            resident_bytes: 0,
        };
        tokio::spawn(task.run(closing));
        Self { latest, pace }
    }

    /// The status now, with the latest reading of the memory.
    pub(crate) fn status(&self) -> Status {
        let (memory, light) = {
            let latest = self.latest.borrow();
            (latest.memory, latest.light.clone())
        };
        self.pace.gauges.status(memory, light)
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Status> {
        self.latest.clone()
    }

    /// How long until the next status.
    #[cfg(test)]
    pub(crate) fn period(&self) -> Duration {
        self.pace.period()
    }
}

/// How often a status is taken.
#[derive(Debug, Clone)]
struct Pace {
    gauges: Gauges,
    monitor: Monitor,
}

impl Pace {
    /// How long until the next one.
    fn period(&self) -> Duration {
        period(self.gauges.is_busy() || self.monitor.is_looked_at())
    }
}

struct Task {
    machine: Machine,
    /// Away while it reads.
    looker: Option<Looker>,
    publish: watch::Sender<Status>,
    pace: Pace,
    changed: Arc<Notify>,
    reading: Arc<Reading>,
    light: Light,
    /// Its being stuck has been marked.
    stuck: bool,
    resident_bytes: u64,
}

impl Task {
    async fn run(mut self, mut closing: watch::Receiver<bool>) {
        loop {
            self.read().await;
            let now = self.pace.gauges.status(self.memory(), self.light.clone());
            self.keep(&now);
            tell(&self.publish, now);
            tokio::select! {
                () = tokio::time::sleep(self.pace.period()) => {}
                () = self.changed.notified() => {
                    let begun = self.pace.gauges.is_busy();
                    if let Some(looker) = &mut self.looker {
                        looker.something_changed(begun);
                    }
                }
                () = crate::closed(&mut closing) => return,
            }
        }
    }

    /// Takes the readings that are due. One that fails leaves the last one in place.
    async fn read(&mut self) {
        let Some(mut looker) = self.looker.take() else {
            return;
        };
        let (busy, looked_at) = (self.pace.gauges.is_busy(), self.pace.monitor.is_looked_at());
        let worker = self.pace.gauges.worker();
        let read = tokio::task::spawn_blocking(move || {
            let reading = looker.look(busy, looked_at);
            let light = worker.map_or_else(Light::off, |worker| looker.light(&worker, &reading));
            (reading, light, looker)
        });
        let Ok((mut reading, light, looker)) = read.await else {
            tracing::error!("the reader broke: another one takes its place");
            self.looker = Some(Looker::new(self.machine.clone()));
            return;
        };
        self.light = light;
        self.resident_bytes = looker.resident_bytes();
        reading.memory = reading.memory.or(self.reading.memory);
        self.reading = Arc::new(reading);
        let monitor = &self.pace.monitor;
        monitor.take_reading(&self.reading, &looker.programs, now_ms());
        self.looker = Some(looker);
    }

    /// Gives the moment to the monitor.
    fn keep(&mut self, now: &Status) {
        let mut point = Point::of(now_ms(), &now.memory, &now.throughput);
        monitor::fill(&mut point, &self.reading);
        let watts = point.get(Column::Power).map(f64::from);
        self.pace.gauges.meter.power(watts, Instant::now());
        self.pace.monitor.take(point);
        if self.light.state == LightState::Stuck && !std::mem::replace(&mut self.stuck, true) {
            self.pace
                .monitor
                .happened(monitor::stuck(&now.model, now_ms()));
        }
        self.stuck &= self.light.state == LightState::Stuck;
    }

    fn memory(&self) -> MemoryPool {
        let Some(reading) = &self.reading.memory else {
            return MemoryPool::default();
        };
        let held = self.pace.gauges.memory_use();
        MemoryPool::divide(
            reading,
            self.resident_bytes,
            NamedBytes {
                weights_bytes: held.weights_bytes,
                kv_cache_bytes: held.kv_cache_bytes,
                scratch_bytes: held.scratch_bytes,
            },
        )
    }
}

/// Tells a status if there is something to be seen in it.
fn tell(publish: &watch::Sender<Status>, now: Status) {
    publish.send_if_modified(|told| {
        let visible = differs_visibly(told, &now);
        if visible {
            *told = now;
        }
        visible
    });
}

/// How long until the next status.
fn period(lively: bool) -> Duration {
    if lively { BUSY_PERIOD } else { IDLE_PERIOD }
}

/// Whether a person could see that one has become the other.
fn differs_visibly(told: &Status, now: &Status) -> bool {
    let moved = |part: fn(&MemoryPool) -> u64| {
        part(&told.memory).abs_diff(part(&now.memory)) >= VISIBLE_BYTES
    };
    // What the worker says is exact and changes only when it works.
    let named = |pool: &MemoryPool| (pool.total_bytes, pool.weights_bytes, pool.kv_cache_bytes);
    told.model != now.model
        || told.light != now.light
        || told.throughput != now.throughput
        || named(&told.memory) != named(&now.memory)
        || moved(|pool| pool.scratch_bytes)
        || moved(|pool| pool.app_bytes)
        || moved(|pool| pool.other_bytes)
        || moved(|pool| pool.page_cache_bytes)
        || moved(|pool| pool.free_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ModelStatus, Throughput};

    fn status(change: impl FnOnce(&mut Status)) -> Status {
        let memory = MemoryPool {
            total_bytes: 1 << 34,
            weights_bytes: 1 << 30,
            kv_cache_bytes: 1 << 20,
            scratch_bytes: 1 << 21,
            app_bytes: 1 << 28,
            other_bytes: 1 << 32,
            page_cache_bytes: 1 << 31,
            free_bytes: 1 << 33,
        };
        let throughput = Throughput {
            running: false,
            decode_tokens_per_second: None,
            context_used_tokens: None,
            last: None,
        };
        let mut status = Status {
            model: ModelStatus::None,
            memory,
            throughput,
            light: Light::off(),
        };
        change(&mut status);
        status
    }

    fn loading() -> ModelStatus {
        ModelStatus::Loading {
            model_id: crate::ModelId("m".into()),
            name: "m".into(),
            done_bytes: 0,
            total_bytes: 1,
            rate_bytes_per_second: None,
        }
    }

    #[test]
    fn who_subscribed_is_not_woken_for_what_nobody_could_see() {
        let (publish, mut told) = watch::channel(status(|_| {}));
        let mut check = |free_bytes: u64, expected: bool| {
            let now = status(|now| now.memory.free_bytes = free_bytes);
            tell(&publish, now);
            assert_eq!(told.has_changed().ok(), Some(expected), "{free_bytes}");
            told.mark_unchanged();
        };
        let before = 1 << 33;
        check(before, false);
        check(before + VISIBLE_BYTES / 2, false);
        // Many small steps add up: what counts is what was told last.
        check(before + VISIBLE_BYTES, true);
        check(before + VISIBLE_BYTES, false);
    }

    #[test]
    fn only_what_a_person_could_see_is_told() {
        let told = status(|_| {});
        let check = |change: fn(&mut Status), expected: bool| {
            let now = status(change);
            assert_eq!(differs_visibly(&told, &now), expected, "{now:?}");
            assert_eq!(differs_visibly(&now, &told), expected, "{now:?}");
        };
        check(|_| {}, false);
        check(|now| now.memory.free_bytes += VISIBLE_BYTES - 1, false);
        check(|now| now.memory.free_bytes += VISIBLE_BYTES, true);
        check(|now| now.memory.page_cache_bytes -= VISIBLE_BYTES, true);
        check(|now| now.memory.other_bytes -= VISIBLE_BYTES, true);
        check(|now| now.memory.app_bytes += VISIBLE_BYTES, true);
        check(|now| now.memory.weights_bytes += 1, true);
        check(|now| now.memory.kv_cache_bytes += 1, true);
        check(|now| now.memory.total_bytes += 1, true);
        check(|now| now.model = loading(), true);
        check(|now| now.light.reason.push('!'), true);
        check(|now| now.throughput.running = true, true);
        check(
            |now| now.throughput.decode_tokens_per_second = Some(1.0),
            true,
        );
    }
}
