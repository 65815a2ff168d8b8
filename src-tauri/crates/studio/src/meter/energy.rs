//! The energy of one generation, from readings of the power that come a few times a second.
//!
//! A reading is taken as the mean power since the one before: the counters of a processor's package are exactly that, and
//! NVML's figure nearly. So time is first gathered and charged when the next reading comes; what is left at the end is
//! charged at the last one.
//!
//! Invariant: power that is unknown at any moment makes the whole unknown, never less.

use std::time::Duration;

/// A reading says nothing of a longer time than this: whoever reads four times a second was held up.
pub(super) const MOST_GAP: Duration = Duration::from_secs(2);

/// What a generation has drawn while it decoded.
#[derive(Debug, Clone, Default)]
pub(super) struct Energy {
    joules: f64,
    /// Seconds since the last reading, each divided by the generations that worked then.
    uncharged: f64,
    /// Whether any reading fell into its decode time.
    was_read: bool,
    unknown: bool,
}

impl Energy {
    /// Its share of a stretch of time, in seconds.
    pub(super) fn pass(&mut self, seconds: f64) {
        self.uncharged += seconds;
    }

    /// What the machine drew since the last reading, in watts.
    pub(super) fn power(&mut self, watts: Option<f64>) {
        let seconds = std::mem::take(&mut self.uncharged);
        if seconds <= 0.0 {
            return;
        }
        self.was_read = true;
        match watts {
            Some(watts) => self.joules += watts * seconds,
            None => self.unknown = true,
        }
    }

    /// All of it, in joules, if the machine still draws `watts`. `None` if the power was unknown at some moment, or no
    /// reading fell into so short a time: the last one before it tells of a machine that did something else.
    pub(super) fn joules(&self, watts: Option<f64>) -> Option<f64> {
        let known = self.was_read && !self.unknown;
        known.then(|| Some(self.joules + watts? * self.uncharged))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn power_by_time_and_nothing_where_it_is_not_known() {
        let check = |stretches: &[(f64, Option<f64>)], rest, watts, expected: Option<f64>| {
            let mut energy = Energy::default();
            for (seconds, watts) in stretches {
                energy.pass(*seconds);
                energy.power(*watts);
            }
            energy.pass(rest);
            assert_eq!(energy.joules(watts), expected, "{stretches:?} {rest}");
        };
        check(&[], 0.1, Some(50.0), None);
        check(&[(0.5, Some(40.0))], 0.0, Some(40.0), Some(20.0));
        check(
            &[(0.5, Some(40.0)), (0.25, Some(80.0))],
            0.5,
            Some(80.0),
            Some(80.0),
        );
        check(&[(0.5, Some(40.0))], 0.5, None, None);
        check(
            &[(0.5, Some(40.0)), (0.25, None), (0.25, Some(40.0))],
            0.0,
            Some(40.0),
            None,
        );
        // What nobody read before it began says nothing of it.
        check(
            &[(0.0, None), (0.5, Some(40.0))],
            0.0,
            Some(1.0),
            Some(20.0),
        );
        check(&[(0.0, Some(9.0))], 0.1, Some(9.0), None);
    }

    proptest! {
        #[test]
        fn any_steady_power_is_power_by_time(
            watts in 0.1_f64..2000.0,
            stretches in prop::collection::vec(0.001_f64..2.0, 1..50),
            rest in 0.0_f64..2.0,
        ) {
            let mut energy = Energy::default();
            for seconds in &stretches {
                energy.pass(*seconds);
                energy.power(Some(watts));
            }
            energy.pass(rest);
            let expected = watts * (stretches.iter().sum::<f64>() + rest);
            let found = energy.joules(Some(watts)).expect("known");
            prop_assert!((found - expected).abs() <= 1e-9 * expected, "{found} for {expected}");
        }
    }
}
