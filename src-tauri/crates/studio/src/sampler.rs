//! The task that takes a status a few times a second.
//!
//! Reading what processes hold (their proportional set sizes) makes the kernel walk their page tables. It is read less
//! often than the rest, so that an idle window costs next to nothing.
//!
//! Invariant: whoever subscribed wakes only for what a person could see; each wake makes the page paint.

use crate::ModelStatus;
use crate::monitor::{self, Monitor, Point};
use crate::status::{Gauges, Status};
use crate::store::now_ms;
use std::sync::Arc;
use std::time::{Duration, Instant};
use telemetry::{Machine, MemoryPool, MemoryReading};
use tokio::sync::{Notify, watch};

const BUSY_PERIOD: Duration = Duration::from_millis(250);
const IDLE_PERIOD: Duration = Duration::from_secs(1);
/// How old the resident memory of the processes may be.
const BUSY_RESIDENT_AGE: Duration = Duration::from_secs(1);
const IDLE_RESIDENT_AGE: Duration = Duration::from_secs(10);
/// A part of the memory that changed by less is told with the next change: the strip's last digit is a tenth of a GiB.
const VISIBLE_BYTES: u64 = 16 << 20;

/// The handle to the task.
#[derive(Debug)]
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
        let (publish, latest) = watch::channel(pace.gauges.status(MemoryPool::default()));
        let task = Task {
            machine,
            publish,
            pace: pace.clone(),
            changed,
            reading: None,
            resident: None,
        };
        tokio::spawn(task.run(closing));
        Self { latest, pace }
    }

    /// The status now, with the latest reading of the memory.
    pub(crate) fn status(&self) -> Status {
        let memory = self.latest.borrow().memory;
        self.pace.gauges.status(memory)
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
    publish: watch::Sender<Status>,
    pace: Pace,
    changed: Arc<Notify>,
    reading: Option<MemoryReading>,
    /// Bytes held by all processes of this app, and when that was read.
    resident: Option<(Instant, u64)>,
}

impl Task {
    async fn run(mut self, mut closing: watch::Receiver<bool>) {
        let mut model = ModelStatus::None;
        loop {
            self.read().await;
            let now = self.pace.gauges.status(self.memory());
            self.keep(&mut model, &now);
            tell(&self.publish, now);
            tokio::select! {
                () = tokio::time::sleep(self.pace.period()) => {}
                () = self.changed.notified() => {
                    let begun = self.pace.gauges.is_busy();
                    self.resident = still_good(self.resident, begun, Instant::now());
                }
                () = crate::closed(&mut closing) => return,
            }
        }
    }

    /// Takes the readings that are due. One that fails leaves the last one in place.
    async fn read(&mut self) {
        let oldest = if self.pace.gauges.is_busy() {
            BUSY_RESIDENT_AGE
        } else {
            IDLE_RESIDENT_AGE
        };
        let resident = self.resident.filter(|(at, _)| at.elapsed() < oldest);
        let machine = self.machine.clone();
        let read = tokio::task::spawn_blocking(move || {
            let resident = resident.or_else(|| resident_now(&machine));
            (machine.memory(), resident)
        });
        let Ok((reading, resident)) = read.await else {
            return;
        };
        self.resident = resident.or(self.resident);
        match reading {
            Ok(reading) => self.reading = Some(reading),
            Err(error) => tracing::debug!(%error, "the memory could not be read"),
        }
    }

    /// Gives the moment to the monitor, and what has happened since the last one.
    fn keep(&self, model: &mut ModelStatus, now: &Status) {
        let (monitor, at_ms) = (&self.pace.monitor, now_ms());
        monitor.take(Point::of(at_ms, &now.memory, &now.throughput));
        for event in monitor::between(model, now, at_ms) {
            monitor.happened(event);
        }
        model.clone_from(&now.model);
    }

    fn memory(&self) -> MemoryPool {
        let Some(reading) = &self.reading else {
            return MemoryPool::default();
        };
        let held = self.pace.gauges.memory_use();
        let resident_bytes = self.resident.map_or(0, |(_, bytes)| bytes);
        MemoryPool::divide(
            reading,
            resident_bytes,
            held.weights_bytes,
            held.kv_cache_bytes,
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

/// What is known of the processes' memory after something began or ended. At an end it is read at once; at a beginning a
/// second later, since walking the page tables of the app and its worker then would hold up the first token.
fn still_good(
    resident: Option<(Instant, u64)>,
    begun: bool,
    now: Instant,
) -> Option<(Instant, u64)> {
    let (_, bytes) = resident.filter(|_| begun)?;
    Some((now, bytes))
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
        || told.throughput != now.throughput
        || named(&told.memory) != named(&now.memory)
        || moved(|pool| pool.app_bytes)
        || moved(|pool| pool.other_bytes)
        || moved(|pool| pool.page_cache_bytes)
        || moved(|pool| pool.free_bytes)
}

/// What all processes of this app hold together.
fn resident_now(machine: &Machine) -> Option<(Instant, u64)> {
    let at = Instant::now();
    let tree = machine.process_tree(std::process::id()).ok()?;
    // One that has ended since holds nothing.
    let held = tree
        .into_iter()
        .filter_map(|pid| machine.resident_bytes(pid).ok());
    Some((at, held.sum()))
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
        }
    }

    #[test]
    fn processes_are_read_when_something_ended_and_not_when_it_begins() {
        let read_at = Instant::now();
        let now = read_at + IDLE_RESIDENT_AGE;
        let check = |resident, begun, expected| {
            assert_eq!(still_good(resident, begun, now), expected);
        };
        check(Some((read_at, 7)), false, None);
        check(Some((read_at, 7)), true, Some((now, 7)));
        check(None, true, None);
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
        check(|now| now.throughput.running = true, true);
        check(
            |now| now.throughput.decode_tokens_per_second = Some(1.0),
            true,
        );
    }
}
