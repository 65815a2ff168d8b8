//! Counters that only grow, as the kernel keeps them, and how fast they do.
//!
//! Invariant: a counter that went backwards, or a clock that did, has no rate; the next reading begins anew.

use std::time::Duration;

/// Between two readings closer than this a rate would be mostly rounding.
const LEAST: Duration = Duration::from_millis(1);
/// More bytes a second than any disk or network of a desk moves by a hundred: such a counter was set, it did not grow.
const MOST_BYTES_PER_SECOND: u64 = 1_000_000_000_000;

/// A counter and what it was at the last reading.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    last: Option<(Duration, u64)>,
}

impl Counter {
    /// Growth in a second since the last reading, rounded down; `None` at the first.
    pub(crate) fn rate(&mut self, at: Duration, count: u64) -> Option<u64> {
        let (then, before) = self.last.replace((at, count))?;
        let passed = at.checked_sub(then).filter(|passed| *passed >= LEAST)?;
        let grown = count.checked_sub(before)?;
        u64::try_from(u128::from(grown) * 1_000_000_000 / passed.as_nanos()).ok()
    }

    /// The same for bytes, and `None` for more than there can be.
    pub(crate) fn bytes_per_second(&mut self, at: Duration, bytes: u64) -> Option<u64> {
        let rate = self.rate(at, bytes);
        rate.filter(|rate| *rate <= MOST_BYTES_PER_SECOND)
    }
}

/// Whether something that is done each `period` is due; if so, it counts as done now.
pub(crate) fn due(last: &mut Option<Duration>, at: Duration, period: Duration) -> bool {
    let due = last
        .and_then(|last| at.checked_sub(last))
        .is_none_or(|passed| passed >= period);
    if due {
        *last = Some(at);
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_rate_is_the_growth_in_a_second() {
        let check = |readings: &[(u64, u64)], expected: &[Option<u64>]| {
            let mut counter = Counter::default();
            let rates: Vec<_> = readings
                .iter()
                .map(|(ms, count)| counter.bytes_per_second(Duration::from_millis(*ms), *count))
                .collect();
            assert_eq!(rates, expected, "{readings:?}");
        };
        check(
            &[(0, 5), (1000, 15), (1250, 20)],
            &[None, Some(10), Some(20)],
        );
        check(&[(0, 5), (1000, 5)], &[None, Some(0)]);
        // The counter was set back, and goes on.
        check(&[(0, 5), (1000, 4), (2000, 6)], &[None, None, Some(2)]);
        // The clock stood still, or went back.
        check(&[(1000, 5), (1000, 6), (900, 7)], &[None, None, None]);
        check(&[(0, 0), (1000, u64::MAX)], &[None, None]);
    }

    #[test]
    fn what_is_done_now_and_then_is_due_when_its_time_has_passed() {
        let mut last = None;
        let mut check = |seconds, expected| {
            let due = due(
                &mut last,
                Duration::from_secs(seconds),
                Duration::from_secs(5),
            );
            assert_eq!(due, expected, "{seconds}");
        };
        check(3, true);
        check(7, false);
        check(8, true);
        check(12, false);
        check(1, true);
    }

    proptest! {
        #[test]
        fn any_counter_has_a_plausible_rate_or_none(readings: Vec<(u64, u64)>) {
            let mut counter = Counter::default();
            for (nanos, count) in readings {
                let rate = counter.bytes_per_second(Duration::from_nanos(nanos), count);
                prop_assert!(rate.is_none_or(|rate| rate <= MOST_BYTES_PER_SECOND));
            }
        }
    }
}
