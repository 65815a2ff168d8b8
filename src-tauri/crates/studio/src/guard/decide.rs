//! What gives way when memory runs short: a function of a reading and of what there is to give way.
//!
//! It deliberately does nothing and reads nothing; `watch.rs` does both. Invariant: nothing but models ever gives way.

use std::time::Duration;

/// Below this part of the reserve, memory is [`Level::Low`].
const LOW: u64 = 2;
/// Below this part of the reserve, memory is [`Level::Short`].
const SHORT: u64 = 4;
/// Below this part of the reserve, memory is [`Level::Out`].
const OUT: u64 = 8;
/// All programs waiting for memory for this share of ten seconds, in percent, show that what counts as available is not:
/// then every level begins at twice as much.
const STALLED_PERCENT: f64 = 10.0;
/// A level that was reached is left only when this part more than its limit is there again.
const HYSTERESIS: u64 = 4;
/// How long the kernel may take to give back what a measure freed, before the same level asks for another one.
pub(super) const SETTLING: Duration = Duration::from_secs(2);

/// How much memory there is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reading {
    pub(super) available_bytes: u64,
    /// What is to stay free.
    pub(super) reserve_bytes: u64,
    /// Share of the last ten seconds in which all programs waited for memory.
    pub(super) stall_percent: f64,
}

/// How short memory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Level {
    #[default]
    Enough,
    /// Less than half of the reserve.
    Low,
    /// Less than a quarter of the reserve.
    Short,
    /// Less than an eighth of the reserve: next the desktop stands still.
    Out,
}

/// What the slot holds that could give way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    Nothing,
    Loading,
    /// A model that nobody uses.
    Idle,
    /// A model that writes.
    Busy,
}

/// What is known beside the reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) held: Held,
    /// Somebody had it loaded knowing that it does not fit.
    pub(super) insisted: bool,
    /// The level at which the last measure was taken, and how long ago.
    pub(super) taken: Option<(Level, Duration)>,
}

/// What is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    UnloadIdle,
    StopLoad,
    EndWorker,
}

impl Reading {
    /// The level, when it was `before` at the last reading.
    pub(super) fn level(&self, before: Level) -> Level {
        [(Level::Out, OUT), (Level::Short, SHORT), (Level::Low, LOW)]
            .into_iter()
            .find(|(level, part)| self.available_bytes < self.limit(*part, before >= *level))
            .map_or(Level::Enough, |(level, _)| level)
    }

    fn limit(&self, part: u64, reached: bool) -> u64 {
        let stalled = self.stall_percent >= STALLED_PERCENT;
        let limit = self.reserve_bytes / part * if stalled { 2 } else { 1 };
        limit + if reached { limit / HYSTERESIS } else { 0 }
    }
}

/// What is to be done at this level, if anything.
pub(super) fn decide(level: Level, state: &State) -> Option<Measure> {
    // Otherwise it would be taken away the moment it is there: only the machine's coming to a stop goes before it.
    if state.insisted && level < Level::Out {
        return None;
    }
    let settling = |&(at, ago): &(Level, Duration)| ago < SETTLING && level <= at;
    if state.taken.as_ref().is_some_and(settling) {
        return None;
    }
    match (state.held, level) {
        (_, Level::Enough) | (Held::Nothing, _) => None,
        (Held::Idle, _) => Some(Measure::UnloadIdle),
        (Held::Loading, Level::Short | Level::Out) => Some(Measure::StopLoad),
        (Held::Busy, Level::Out) => Some(Measure::EndWorker),
        (Held::Loading | Held::Busy, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESERVE: u64 = 8000;

    fn reading(available_bytes: u64, stall_percent: f64) -> Reading {
        Reading {
            available_bytes,
            reserve_bytes: RESERVE,
            stall_percent,
        }
    }

    #[test]
    fn levels_are_parts_of_the_reserve_and_stalls_raise_them() {
        let check = |available, stall, expected| {
            let found = reading(available, stall).level(Level::Enough);
            assert_eq!(found, expected, "{available} at {stall} %");
        };
        check(8000, 0.0, Level::Enough);
        check(4000, 0.0, Level::Enough);
        check(3999, 0.0, Level::Low);
        check(2000, 0.0, Level::Low);
        check(1999, 9.9, Level::Short);
        check(1000, 0.0, Level::Short);
        check(999, 0.0, Level::Out);
        check(0, 0.0, Level::Out);
        check(8000, 99.0, Level::Enough);
        check(7999, 10.0, Level::Low);
        check(3999, 10.0, Level::Short);
        check(1999, 10.0, Level::Out);
    }

    #[test]
    fn a_level_is_left_only_with_room_to_spare() {
        let check = |available, before, expected| {
            let found = reading(available, 0.0).level(before);
            assert_eq!(found, expected, "{available} after {before:?}");
        };
        check(4999, Level::Low, Level::Low);
        check(5000, Level::Low, Level::Enough);
        check(2499, Level::Short, Level::Short);
        check(2500, Level::Short, Level::Low);
        check(1249, Level::Out, Level::Out);
        check(1250, Level::Out, Level::Short);
        check(4999, Level::Out, Level::Low);
        check(5000, Level::Out, Level::Enough);
    }

    #[test]
    fn without_a_reserve_nothing_gives_way() {
        let none = Reading {
            reserve_bytes: 0,
            ..reading(0, 99.0)
        };
        assert_eq!(none.level(Level::Out), Level::Enough);
    }

    #[test]
    fn idle_models_go_first_then_the_load_then_the_worker() {
        use Held as H;
        use Level as L;
        let check = |held, expected: [Option<Measure>; 4]| {
            for (level, expected) in [L::Enough, L::Low, L::Short, L::Out]
                .into_iter()
                .zip(expected)
            {
                let mut state = State {
                    held,
                    insisted: false,
                    taken: None,
                };
                assert_eq!(decide(level, &state), expected, "{held:?} at {level:?}");
                state.insisted = true;
                let expected = expected.filter(|_| level == L::Out);
                assert_eq!(decide(level, &state), expected, "{state:?} at {level:?}");
            }
        };
        let (unload, stop, end) = (
            Some(Measure::UnloadIdle),
            Some(Measure::StopLoad),
            Some(Measure::EndWorker),
        );
        check(H::Nothing, [None, None, None, None]);
        check(H::Idle, [None, unload, unload, unload]);
        check(H::Loading, [None, None, stop, stop]);
        check(H::Busy, [None, None, None, end]);
    }

    #[test]
    fn a_measure_has_time_to_work_unless_it_gets_worse() {
        let check = |taken, level, expected: bool| {
            let state = State {
                held: Held::Loading,
                insisted: false,
                taken,
            };
            assert_eq!(decide(level, &state).is_some(), expected, "{state:?}");
        };
        let soon = SETTLING / 2;
        check(Some((Level::Short, soon)), Level::Short, false);
        check(Some((Level::Out, soon)), Level::Short, false);
        check(Some((Level::Short, soon)), Level::Out, true);
        check(Some((Level::Short, SETTLING)), Level::Short, true);
        check(None, Level::Short, true);
    }
}
