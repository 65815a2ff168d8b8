//! How long it took from each token of a generation to the next: median, 95th percentile and worst, in bounded memory.
//!
//! The first [`EXACT`] times are kept as they are, and what is told of so few is exact. From then on they are counted in
//! buckets that are 5 % wide; of a bucket, its middle is told. It deliberately knows no clock: times are given to it.
//! Invariants: at most 4 KiB, whatever the length; a percentile is within [`MOST_ERROR`] of the exact one; the worst is
//! exact.

use crate::timing::ms;
use engine_api::InterToken;
use std::time::Duration;

/// Times that are kept as they are.
const EXACT: usize = 512;
/// Each bucket ends where the next begins, at so many times its own beginning.
const WIDTH: f64 = 1.05;
/// Where the first bucket begins, in milliseconds. What is shorter counts as that: no token takes less.
const LEAST_MS: f64 = 0.001;
/// Buckets up to an hour: `ln(3.6e9) / ln(1.05)`.
const BUCKETS: usize = 452;

/// The times so far.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    exact: Vec<f64>,
    /// How many times each bucket has; empty while there are few.
    buckets: Vec<u32>,
    worst_ms: f64,
}

impl Gaps {
    /// One more.
    pub(super) fn add(&mut self, gap: Duration) {
        let gap_ms = ms(gap);
        self.worst_ms = self.worst_ms.max(gap_ms);
        if self.buckets.is_empty() && self.exact.len() < EXACT {
            self.exact.push(gap_ms);
            return;
        }
        if self.buckets.is_empty() {
            self.buckets = vec![0; BUCKETS];
            for known in std::mem::take(&mut self.exact) {
                self.count(known);
            }
        }
        self.count(gap_ms);
    }

    fn count(&mut self, gap_ms: f64) {
        let count = &mut self.buckets[bucket(gap_ms)];
        *count = count.saturating_add(1);
    }

    /// What is told of them; nothing of none.
    pub(super) fn told(mut self) -> Option<InterToken> {
        self.exact.sort_unstable_by(f64::total_cmp);
        Some(InterToken {
            median_ms: self.percentile(50)?,
            p95_ms: self.percentile(95)?,
            worst_ms: self.worst_ms,
        })
    }

    /// The least time that so many percent of all do not exceed (nearest rank).
    fn percentile(&self, percent: u64) -> Option<f64> {
        let counted = self.buckets.iter().map(|count| u64::from(*count));
        let all = self.exact.len() as u64 + counted.clone().sum::<u64>();
        let rank = (all * percent).div_ceil(100).checked_sub(1)?;
        if let Some(exact) = self.exact.get(usize::try_from(rank).unwrap_or(usize::MAX)) {
            return Some(*exact);
        }
        let mut before = 0;
        let at = counted.into_iter().position(|count| {
            before += count;
            before > rank
        });
        // The worst one may lie below the middle of its bucket.
        at.map(|at| middle_ms(at).min(self.worst_ms))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and clamped after it"
)]
fn bucket(gap_ms: f64) -> usize {
    let at = ((gap_ms.max(LEAST_MS) / LEAST_MS).ln() / WIDTH.ln()) as usize;
    at.min(BUCKETS - 1)
}

/// The middle of a bucket by its logarithm: both of its ends are equally wrong.
fn middle_ms(bucket: usize) -> f64 {
    let exponent = i32::try_from(bucket).unwrap_or(0);
    LEAST_MS * WIDTH.powi(exponent) * WIDTH.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Half of a bucket's width, and the rounding of its edges: `√1.05 − 1 = 2.47 %`.
    const MOST_ERROR: f64 = 0.025;

    fn told(gaps_ms: &[f64]) -> Option<InterToken> {
        let mut gaps = Gaps::default();
        for gap in gaps_ms {
            gaps.add(Duration::from_secs_f64(gap / 1e3));
        }
        gaps.told()
    }

    fn exact(gaps_ms: &[f64]) -> InterToken {
        let mut sorted = gaps_ms.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let rank = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100) - 1];
        InterToken {
            median_ms: rank(50),
            p95_ms: rank(95),
            worst_ms: rank(100),
        }
    }

    fn numbers(told: InterToken) -> [f64; 3] {
        [told.median_ms, told.p95_ms, told.worst_ms]
    }

    #[test]
    fn few_are_told_exactly() {
        let check = |gaps_ms: &[f64], expected: Option<[f64; 3]>| {
            assert_eq!(told(gaps_ms).map(numbers), expected, "{gaps_ms:?}");
        };
        check(&[], None);
        check(&[8.0], Some([8.0, 8.0, 8.0]));
        check(&[9.0, 7.0], Some([7.0, 9.0, 9.0]));
        let hundred: Vec<f64> = (1..=100_u8).rev().map(f64::from).collect();
        check(&hundred, Some([50.0, 95.0, 100.0]));
    }

    #[test]
    fn a_long_answer_takes_no_more_memory_than_a_short_one() {
        let mut gaps = Gaps::default();
        for at in 0..100_000 {
            gaps.add(Duration::from_micros(at));
        }
        let held = gaps.exact.capacity() * size_of::<f64>() + gaps.buckets.capacity() * 4;
        assert!(held <= 4096, "{held}");
        // Longer than an hour, shorter than a microsecond: still counted.
        gaps.add(Duration::from_secs(1 << 20));
        gaps.add(Duration::ZERO);
        let told = gaps.told().expect("there are some");
        assert!((told.median_ms / 50.0 - 1.0).abs() < MOST_ERROR, "{told:?}");
        assert!((told.worst_ms / 1e3 - f64::from(1 << 20)).abs() < 1e-6);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn any_answer_is_told_within_the_stated_error(
            gaps_ms in prop::collection::vec((0.0_f64..15.0).prop_map(|power| 1e-3 * power.exp()), 1..2000),
        ) {
            // As the clock gives them: whole nanoseconds.
            let gaps_ms: Vec<f64> = gaps_ms.iter().map(|gap| (gap * 1e6).round() / 1e6).collect();
            let most = if gaps_ms.len() <= EXACT { 1e-9 } else { MOST_ERROR };
            let (told, exact) = (told(&gaps_ms).expect("some"), exact(&gaps_ms));
            for (told, exact) in numbers(told).into_iter().zip(numbers(exact)) {
                prop_assert!((told / exact - 1.0).abs() <= most, "{told} for {exact}");
            }
            prop_assert!((told.worst_ms / exact.worst_ms - 1.0).abs() < 1e-9);
        }
    }
}
