//! What the machine did: five minutes as they were read, an hour in seconds, a week in minutes, and what happened then.
//!
//! It deliberately knows no clock and no disk. Invariants: it never takes more than [`MOST_POINTS`] points and
//! [`MOST_EVENTS`] events, however long and however often something is taken; time only ever goes forward in it, also when
//! the clock is set back.

use super::event::MonitorEvent;
use super::point::{Mean, Point};
use std::collections::VecDeque;

const SECOND_MS: i64 = 1000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
/// Five minutes at four a second.
const RECENT_POINTS: usize = 5 * 60 * 4;
/// An hour.
const SECONDS: usize = 60 * 60;
/// Seven days.
const MINUTES: usize = 7 * 24 * 60;
/// How long the past is kept.
pub(crate) const KEPT_MS: i64 = 7 * 24 * 60 * MINUTE_MS;
/// All that is ever kept in memory.
#[cfg(test)]
const MOST_POINTS: usize = RECENT_POINTS + SECONDS + MINUTES;
/// A model every five minutes for a week.
pub(crate) const MOST_EVENTS: usize = 2000;

/// The past, in three grains.
#[derive(Debug)]
pub(crate) struct History {
    pub(super) recent: VecDeque<Point>,
    pub(super) seconds: VecDeque<Point>,
    pub(super) minutes: VecDeque<Point>,
    pub(super) events: VecDeque<MonitorEvent>,
    second: Mean,
    minute: Mean,
}

impl Default for History {
    fn default() -> Self {
        Self {
            recent: VecDeque::new(),
            seconds: VecDeque::new(),
            minutes: VecDeque::new(),
            events: VecDeque::new(),
            second: Mean::new(SECOND_MS),
            minute: Mean::new(MINUTE_MS),
        }
    }
}

impl History {
    /// Takes a moment; the mean of the last minute when it has just ended.
    pub(crate) fn take(&mut self, point: Point) -> Option<Point> {
        push(&mut self.recent, point, RECENT_POINTS);
        if let Some(second) = self.second.take(&point) {
            push(&mut self.seconds, second, SECONDS);
        }
        let minute = self.minute.take(&point)?;
        push(&mut self.minutes, minute, MINUTES);
        Some(minute)
    }

    /// The minutes, with the one that has begun.
    pub(super) fn minutes_to(&self, now_ms: i64) -> VecDeque<Point> {
        let mut minutes = self.minutes.clone();
        if let Some(minute) = self.minute.so_far(now_ms) {
            push(&mut minutes, minute, MINUTES);
        }
        minutes
    }

    /// The seconds, behind the minutes of before: after a start there are only those.
    pub(super) fn hour_to(&self, now_ms: i64) -> VecDeque<Point> {
        let first_ms = self.seconds.front().map_or(now_ms, |point| point.at_ms);
        let before = self.minutes.iter();
        let before = before.filter(|minute| minute.at_ms + MINUTE_MS / 2 < first_ms);
        before.chain(&self.seconds).copied().collect()
    }

    /// The minute that has begun, at the end of the app.
    pub(crate) fn end(&mut self) -> Option<Point> {
        self.minute.end()
    }

    /// Takes what happened.
    pub(crate) fn happened(&mut self, event: MonitorEvent) {
        if self.events.len() == MOST_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Puts what was kept from before the start under what has been taken since.
    pub(crate) fn restore(&mut self, minutes: Vec<Point>, events: Vec<MonitorEvent>) {
        let since = std::mem::replace(&mut self.minutes, minutes.into());
        for minute in since {
            push(&mut self.minutes, minute, MINUTES);
        }
        let since = std::mem::replace(&mut self.events, events.into());
        self.events.extend(since);
        while self.events.len() > MOST_EVENTS {
            self.events.pop_front();
        }
    }
}

/// Adds a point at the end. What the clock, set back, puts after it is given up.
fn push(points: &mut VecDeque<Point>, point: Point, most: usize) {
    while points.back().is_some_and(|last| last.at_ms >= point.at_ms) {
        points.pop_back();
    }
    while points.len() >= most {
        points.pop_front();
    }
    points.push_back(point);
}

#[cfg(test)]
mod tests {
    use super::super::event::EventKind;
    use super::super::point::Column;
    use super::*;
    use proptest::prelude::*;

    fn point(at_ms: i64) -> Point {
        let mut point = Point::empty(at_ms);
        point.set(Column::Decode, Some(1.0));
        point
    }

    fn event(at_ms: i64) -> MonitorEvent {
        MonitorEvent {
            at_ms,
            kind: EventKind::Loaded,
            subject: "a".into(),
        }
    }

    fn bytes(history: &History) -> usize {
        let points = [&history.recent, &history.seconds, &history.minutes];
        let capacity: usize = points.iter().map(|points| points.capacity()).sum();
        let subjects: usize = history.events.iter().map(|e| e.subject.capacity()).sum();
        capacity * size_of::<Point>()
            + history.events.capacity() * size_of::<MonitorEvent>()
            + subjects
    }

    #[test]
    fn a_day_at_four_a_second_takes_less_than_two_megabytes() {
        let mut history = History::default();
        let mut minutes = 0;
        for step in 0..86_400 * 4 {
            minutes += usize::from(history.take(point(step * 250)).is_some());
            history.happened(event(step * 250));
        }
        assert_eq!(minutes, 24 * 60 - 1);
        assert_eq!(history.recent.len(), RECENT_POINTS);
        assert_eq!(history.seconds.len(), SECONDS);
        assert_eq!(history.events.len(), MOST_EVENTS);
        assert!(bytes(&history) < 2 << 20, "{}", bytes(&history));
    }

    #[test]
    fn what_was_kept_comes_before_what_has_been_taken_since() {
        let mut history = History::default();
        for minute in 10..=12 {
            history.take(point(minute * MINUTE_MS));
        }
        history.happened(event(700_000));
        history.restore(vec![point(30_000), point(90_000)], vec![event(60_000)]);
        let at = |points: &VecDeque<Point>| points.iter().map(|p| p.at_ms).collect::<Vec<_>>();
        assert_eq!(at(&history.minutes), [30_000, 90_000, 630_000, 690_000]);
        let events: Vec<_> = history.events.iter().map(|event| event.at_ms).collect();
        assert_eq!(events, [60_000, 700_000]);
    }

    #[test]
    fn the_hour_goes_on_from_the_minutes_of_before_the_start() {
        let mut history = History::default();
        history.restore(
            vec![point(30_000), point(90_000), point(150_000)],
            Vec::new(),
        );
        for second in 170..=172 {
            history.take(point(second * SECOND_MS));
        }
        let hour = history.hour_to(172_000);
        let at: Vec<_> = hour.iter().map(|point| point.at_ms).collect();
        // The third minute had begun before the start and ends after it: its seconds are finer.
        assert_eq!(at, [30_000, 90_000, 170_500, 171_500]);
    }

    proptest! {
        #[test]
        fn any_clock_leaves_time_going_forward(moves in prop::collection::vec(-4_000_000_i64..4_000_000, 1..400)) {
            let mut history = History::default();
            let mut now = 0_i64;
            for step in moves {
                now += step;
                history.take(point(now));
                for points in [&history.recent, &history.seconds, &history.minutes] {
                    let forward = points.iter().zip(points.iter().skip(1)).all(|(a, b)| a.at_ms < b.at_ms);
                    prop_assert!(forward);
                }
                prop_assert_eq!(history.recent.back().map(|point| point.at_ms), Some(now));
            }
            let kept = history.recent.len() + history.seconds.len() + history.minutes.len();
            prop_assert!(kept <= MOST_POINTS);
        }
    }
}
