//! Durations in the units that cross the pipe.

use std::time::{Duration, Instant};

pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

pub(crate) fn elapsed_ms(start: Instant) -> f64 {
    ms(start.elapsed())
}

/// Events per second; absent where a rate makes no sense.
pub(crate) fn rate(count: u32, duration_ms: f64) -> Option<f64> {
    (count > 0 && duration_ms > 0.0).then(|| f64::from(count) / duration_ms * 1e3)
}
