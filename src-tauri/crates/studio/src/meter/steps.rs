//! The rate of the last second.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The rate is that of the last second.
const WINDOW: Duration = Duration::from_secs(1);
/// Over less time than this, a rate says more of the clock than of the model.
const SHORTEST_SPAN: Duration = Duration::from_millis(200);

/// Tokens as they come.
#[derive(Debug, Clone, Default)]
pub(super) struct Steps {
    /// When the first token came.
    first: Option<Instant>,
    /// Tokens of the last second, the first one left out: a rate counts the steps between tokens.
    recent: VecDeque<(Instant, u32)>,
}

impl Steps {
    /// This many tokens came.
    pub(super) fn take(&mut self, mut new: u32, now: Instant) {
        if self.first.is_none() && new > 0 {
            self.first = Some(now);
            new -= 1;
        }
        self.recent.push_back((now, new));
        let is_old = |at: Instant| now.saturating_duration_since(at) >= WINDOW;
        while self.recent.front().is_some_and(|(at, _)| is_old(*at)) {
            self.recent.pop_front();
        }
    }

    /// Tokens a second over the last second, or since the first token if that is less; `None` until that says
    /// something.
    pub(super) fn rate(&self, now: Instant) -> Option<f64> {
        let span = now.saturating_duration_since(self.first?).min(WINDOW);
        if span < SHORTEST_SPAN {
            return None;
        }
        let recent = self.recent.iter();
        let recent = recent.filter(|(at, _)| now.saturating_duration_since(*at) < WINDOW);
        let tokens: u32 = recent.map(|(_, tokens)| tokens).sum();
        Some(f64::from(tokens) / span.as_secs_f64())
    }
}
