//! How fast a download is: bytes of each of the last seconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Seconds that are remembered.
const SECONDS: usize = 60;
/// Seconds over which the rate is told: long enough to stand still, short enough to be true.
const WINDOW: usize = 5;

/// Bytes of each of the last seconds.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    seconds: VecDeque<u64>,
    /// When the second that is not over began, and the bytes then.
    begun: Option<(Instant, u64)>,
}

impl Rate {
    /// So many bytes are there now.
    pub(crate) fn note(&mut self, now: Instant, done_bytes: u64) {
        let Some((begun, before)) = self.begun else {
            self.begun = Some((now, done_bytes));
            return;
        };
        let whole = now.saturating_duration_since(begun).as_secs();
        if whole == 0 {
            return;
        }
        // After a stall of some seconds each of them gets its share.
        let share = done_bytes.saturating_sub(before) / whole;
        for _ in 0..whole.min(SECONDS as u64) {
            self.seconds.push_back(share);
        }
        while self.seconds.len() > SECONDS {
            self.seconds.pop_front();
        }
        self.begun = Some((begun + Duration::from_secs(whole), done_bytes));
    }

    /// Nothing is fetched any more: what comes after begins anew.
    pub(crate) fn rest(&mut self) {
        self.begun = None;
        self.seconds.clear();
    }

    /// Bytes of the last seconds, the oldest first.
    pub(crate) fn seconds(&self) -> Vec<u64> {
        self.seconds.iter().copied().collect()
    }

    /// Bytes a second; `None` before the first second is over.
    pub(crate) fn bytes_per_second(&self) -> Option<u64> {
        let last: Vec<_> = self.seconds.iter().rev().take(WINDOW).collect();
        let sum: u64 = last.iter().copied().sum();
        sum.checked_div(last.len() as u64)
    }

    /// How long so many bytes take.
    pub(crate) fn remaining_ms(&self, bytes: u64) -> Option<u64> {
        let rate = self.bytes_per_second()?;
        bytes.saturating_mul(1000).checked_div(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_counted_and_a_stall_has_its_share() {
        let start = Instant::now();
        let at = |tenths: u64| start + Duration::from_millis(100 * tenths);
        let mut rate = Rate::default();
        rate.note(at(0), 100);
        assert_eq!(rate.bytes_per_second(), None);
        rate.note(at(9), 150);
        assert!(rate.seconds().is_empty());
        rate.note(at(10), 300);
        assert_eq!(rate.seconds(), [200]);
        rate.note(at(31), 700);
        assert_eq!(rate.seconds(), [200, 200, 200]);
        assert_eq!(rate.remaining_ms(1000), Some(5000));
        rate.note(at(2000), 700);
        assert_eq!(rate.seconds().len(), 60);
        assert_eq!(rate.remaining_ms(1000), None, "never, at this rate");
        rate.rest();
        rate.note(at(3000), 900);
        assert_eq!(rate.bytes_per_second(), None);
    }
}
