//! How fast tokens come, over all generations that run.

use engine_api::Timings;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The rate is that of the last second.
const WINDOW: Duration = Duration::from_secs(1);
/// Over less time than this, a rate says more of the clock than of the model.
const SHORTEST_SPAN: Duration = Duration::from_millis(200);

/// Counts tokens. Clones share the count.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    count: Arc<Mutex<Count>>,
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Count {
    running: u32,
    /// When the first token came since nothing ran.
    first: Option<Instant>,
    /// Tokens of the last second, the first one left out: a rate counts the steps between tokens.
    steps: VecDeque<(Instant, u32)>,
    last: Option<Timings>,
}

/// A running generation, until it is dropped.
#[derive(Debug)]
pub(crate) struct Metered {
    meter: Meter,
    tokens: u32,
}

impl Meter {
    /// `changed` is notified when a generation begins or ends.
    pub(crate) fn new(changed: Arc<Notify>) -> Self {
        Self {
            count: Arc::default(),
            changed,
        }
    }

    /// A generation begins.
    pub(crate) fn begin(&self) -> Metered {
        let mut count = self.count();
        if count.running == 0 {
            count.first = None;
            count.steps.clear();
        }
        count.running += 1;
        self.changed.notify_one();
        Metered {
            meter: self.clone(),
            tokens: 0,
        }
    }

    /// Whether anything runs.
    pub(crate) fn is_running(&self) -> bool {
        self.count().running > 0
    }

    /// Timings of the generation that finished last.
    pub(crate) fn last(&self) -> Option<Timings> {
        self.count().last.clone()
    }

    /// Tokens a second over the last second, or since the first token if that is less; `None` until that says
    /// something and when nothing runs.
    pub(crate) fn rate(&self, now: Instant) -> Option<f64> {
        let count = self.count();
        let first = count.first.filter(|_| count.running > 0)?;
        let span = now.saturating_duration_since(first).min(WINDOW);
        if span < SHORTEST_SPAN {
            return None;
        }
        let recent = count
            .steps
            .iter()
            .filter(|(at, _)| now.saturating_duration_since(*at) < WINDOW);
        let tokens: u32 = recent.map(|(_, tokens)| tokens).sum();
        Some(f64::from(tokens) / span.as_secs_f64())
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        // Numbers are whole whatever their last user did.
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Metered {
    /// The generation has come to this many tokens.
    pub(crate) fn tokens(&mut self, generated_tokens: u32, now: Instant) {
        let mut new = generated_tokens.saturating_sub(self.tokens);
        self.tokens = generated_tokens;
        let mut count = self.meter.count();
        if count.first.is_none() && new > 0 {
            count.first = Some(now);
            new -= 1;
        }
        count.steps.push_back((now, new));
        while count
            .steps
            .front()
            .is_some_and(|(at, _)| now.saturating_duration_since(*at) >= WINDOW)
        {
            count.steps.pop_front();
        }
    }

    /// The generation is over.
    pub(crate) fn finished(&self, timings: Timings) {
        self.meter.count().last = Some(timings);
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.meter.count().running -= 1;
        self.meter.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running() -> (Meter, Metered, Instant) {
        let meter = Meter::new(Arc::default());
        let metered = meter.begin();
        (meter, metered, Instant::now())
    }

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_rate_is_that_of_the_last_second() {
        let (meter, mut generation, start) = running();
        // Ten a second for a second, then a hundred a second for another.
        for step in 0..=10_u32 {
            generation.tokens(step + 1, start + ms(100) * step);
        }
        let check = |after: u64, expected: Option<f64>| {
            assert_eq!(meter.rate(start + ms(after)), expected, "after {after} ms");
        };
        check(1000, Some(10.0));
        for step in 1..=100_u32 {
            generation.tokens(11 + step, start + ms(1000) + ms(10) * step);
        }
        check(2000, Some(100.0));
        check(2999, Some(1.0));
        check(3000, Some(0.0));
    }

    #[test]
    fn too_little_time_and_no_generation_have_no_rate() {
        let (meter, mut generation, start) = running();
        assert_eq!(meter.rate(start), None);
        generation.tokens(1, start);
        generation.tokens(2, start + ms(100));
        assert_eq!(meter.rate(start + ms(199)), None);
        generation.tokens(3, start + ms(200));
        assert_eq!(meter.rate(start + ms(200)), Some(10.0));
        drop(generation);
        assert_eq!(meter.rate(start + ms(200)), None);
        let mut next = meter.begin();
        next.tokens(1, start + ms(300));
        assert_eq!(
            meter.rate(start + ms(500)),
            Some(0.0),
            "the last run's tokens don't count"
        );
    }

    #[test]
    fn one_event_may_stand_for_several_tokens_and_two_generations_add_up() {
        let (meter, mut first, start) = running();
        let mut second = meter.begin();
        first.tokens(3, start);
        second.tokens(4, start + ms(500));
        first.tokens(7, start + ms(500));
        assert_eq!(meter.rate(start + ms(500)), Some(20.0));
    }
}
