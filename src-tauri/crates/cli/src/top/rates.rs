//! How fast tokens came in the last minutes, as far as `wick top` has looked, drawn as a line of small bars.
//!
//! Invariant: what is kept is bounded; a second in which nothing was written is absent, not zero.

use std::collections::VecDeque;
use std::time::Duration;

/// How many seconds are kept.
const MOST_SECONDS: usize = 300;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Stands where nothing was written.
const NOTHING: char = '·';

/// The rate of each second, the newest last.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    seconds: VecDeque<Option<f64>>,
    /// The second that the newest one is, since the beginning.
    newest: u64,
}

impl Rates {
    /// Takes the rate at a time since the beginning, in tokens a second. Of one second the last one counts.
    pub(crate) fn take(&mut self, at: Duration, rate: Option<f64>) {
        let second = at.as_secs();
        if self.seconds.is_empty() {
            self.newest = second;
            self.seconds.push_back(None);
        }
        let passed = second.saturating_sub(self.newest);
        for _ in 0..passed.min(MOST_SECONDS as u64) {
            self.seconds.push_back(None);
        }
        self.newest = second.max(self.newest);
        while self.seconds.len() > MOST_SECONDS {
            self.seconds.pop_front();
        }
        if let (Some(newest), Some(rate)) = (self.seconds.back_mut(), rate) {
            *newest = Some(rate);
        }
    }

    /// How many seconds are kept.
    pub(crate) fn seconds(&self) -> usize {
        self.seconds.len()
    }

    /// The highest of the last so many seconds.
    pub(crate) fn highest(&self, seconds: usize) -> Option<f64> {
        let last = self.seconds.iter().rev().take(seconds).flatten();
        last.copied().reduce(f64::max)
    }

    /// A bar for each `per_bar` seconds, at most `most` of them, the newest last; scaled to the highest. A bar keeps its
    /// seconds while time passes, so that the line moves and does not flicker.
    pub(crate) fn bars(&self, per_bar: usize, most: usize) -> String {
        let highest = self.highest(per_bar.saturating_mul(most)).unwrap_or(0.0);
        let seconds: Vec<_> = self.seconds.iter().copied().collect();
        let begun = usize::try_from(self.newest).unwrap_or(0) % per_bar.max(1) + 1;
        let (rest, newest) = seconds.split_at(seconds.len().saturating_sub(begun));
        let groups = [newest].into_iter().chain(rest.rchunks(per_bar.max(1)));
        let groups = groups.filter(|group| !group.is_empty()).take(most);
        let mut bars: Vec<_> = groups.map(|group| bar(mean(group), highest)).collect();
        bars.reverse();
        bars.into_iter().collect()
    }
}

fn mean(rates: &[Option<f64>]) -> Option<f64> {
    let (sum, count) = rates
        .iter()
        .flatten()
        .fold((0.0, 0_u32), |(sum, count), rate| (sum + rate, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

fn bar(rate: Option<f64>, highest: f64) -> char {
    let Some(rate) = rate else { return NOTHING };
    let steps = [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875];
    let step = steps.iter().filter(|step| rate > *step * highest).count();
    BARS[step]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_line_is_scaled_to_its_highest_and_has_gaps() {
        let check = |rates: &[(u64, Option<f64>)], per_bar, most, expected: &str| {
            let mut kept = Rates::default();
            for (ms, rate) in rates {
                kept.take(Duration::from_millis(*ms), *rate);
            }
            assert_eq!(kept.bars(per_bar, most), expected, "{rates:?}");
        };
        check(&[], 1, 9, "");
        check(&[(0, None)], 1, 9, "·");
        check(
            &[(0, Some(8.0)), (1000, Some(4.0)), (3000, Some(1.0))],
            1,
            9,
            "█▄·▁",
        );
        check(
            &[(0, Some(8.0)), (1000, Some(4.0)), (3000, Some(1.0))],
            1,
            2,
            "·█",
        );
        check(
            &[(0, Some(8.0)), (1000, Some(4.0)), (3000, Some(1.0))],
            2,
            9,
            "▆▁",
        );
        // Of one second the last rate counts, and what is unknown takes nothing away.
        check(&[(0, Some(8.0)), (500, Some(4.0)), (900, None)], 1, 9, "█");
        check(&[(0, Some(0.0))], 1, 9, "▁");
    }

    proptest! {
        #[test]
        fn any_times_and_rates_keep_it_bounded(looks: Vec<(u32, Option<f64>)>) {
            let mut rates = Rates::default();
            for (ms, rate) in looks {
                rates.take(Duration::from_millis(ms.into()), rate);
                prop_assert!(rates.seconds() <= MOST_SECONDS);
                prop_assert!(rates.bars(2, 60).chars().count() <= 60);
            }
        }
    }
}
