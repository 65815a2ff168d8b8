//! The machine's figures for the kiosk's page, out of the status and the last reading.
//!
//! It reads nothing itself, and makes nobody read more often: the sampler is fast only while something is generated.

use super::Kiosk;
use super::shared::Parts;
use super::view::KioskReadings;
use crate::monitor::{self, Column, Point};
use crate::{ModelStatus, Status};
use std::time::{Duration, Instant};

/// At most four times a second.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
/// What the status does not tell of (watts, degrees) is looked at about as often as it is read.
const LONGEST_WAIT: Duration = Duration::from_millis(750);

/// The figures now.
pub(super) fn of(parts: &Parts) -> KioskReadings {
    let status = parts.sampler.status();
    let mut point = Point::empty(0);
    monitor::fill(&mut point, &parts.monitor.reading());
    let figure = |column| point.get(column).map(f64::from);
    let last = status.throughput.last.as_ref();
    let rate = status.throughput.decode_tokens_per_second;
    let running = status.throughput.running;
    KioskReadings {
        memory: status.memory,
        model: model(&status),
        running,
        decode_tokens_per_second: if running {
            rate
        } else {
            last.and_then(|last| last.decode_tokens_per_second)
        },
        ttft_ms: parts
            .meter
            .first_token_ms()
            .or(last.map(|last| last.ttft_ms)),
        power_watts: figure(Column::Power),
        celsius: figure(Column::Temperature),
        limit_share: limit_share(parts, running),
        light: status.light,
    }
}

fn model(status: &Status) -> Option<String> {
    match &status.model {
        ModelStatus::Loaded { name, .. } => Some(name.clone()),
        ModelStatus::None | ModelStatus::Loading { .. } | ModelStatus::Failed { .. } => None,
    }
}

/// Live while something runs, else of the last answer.
fn limit_share(parts: &Parts, running: bool) -> Option<f64> {
    if !running {
        return parts.meter.last_measured()?.limit_share;
    }
    let generations = parts.meter.generations(Instant::now());
    parts.bandwidth.decode_limit(&generations)?.live_share
}

impl Kiosk {
    /// Tells the figures as they change until the kiosk closes.
    pub(super) async fn keep_reading(self) {
        let mut status = self.inner.parts.sampler.subscribe();
        loop {
            let now = of(&self.inner.parts);
            self.inner.readings.send_if_modified(|told| {
                let is_new = *told != now;
                *told = now;
                is_new
            });
            tokio::time::sleep(SHORTEST_PAUSE).await;
            let changed = tokio::time::timeout(LONGEST_WAIT, status.changed());
            if matches!(changed.await, Ok(Err(_))) {
                return;
            }
        }
    }
}
