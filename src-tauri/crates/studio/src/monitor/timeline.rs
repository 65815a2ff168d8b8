//! A stretch of the past as the page draws it: columns of numbers beside a column of times.

use super::event::MonitorEvent;
use super::history::History;
use super::point::{Column, Mean, Point};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How far back one looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// As it was read, up to four times a second.
    FiveMinutes,
    /// Means of seconds.
    Hour,
    /// Means of minutes.
    Day,
    /// Means of seven minutes.
    Week,
}

impl Span {
    /// How long it is, in milliseconds.
    pub(crate) fn length_ms(self) -> i64 {
        const HOUR_MS: i64 = 3_600_000;
        match self {
            Self::FiveMinutes => 300_000,
            Self::Hour => HOUR_MS,
            Self::Day => 24 * HOUR_MS,
            Self::Week => 7 * 24 * HOUR_MS,
        }
    }
}

/// A stretch of the past. All columns are as long as `at_ms`, which rises; what was not known is `null`, never zero.
#[derive(Debug, Clone, PartialEq, Serialize, specta::Type)]
pub struct Timeline {
    /// When, in milliseconds since 1970.
    #[specta(type = Vec<u32>)]
    pub at_ms: Vec<i64>,
    /// Weights of loaded models, in bytes.
    pub weights_bytes: Vec<Option<f32>>,
    /// Keys and values of loaded models, in bytes.
    pub kv_cache_bytes: Vec<Option<f32>>,
    /// The rest of this app, in bytes.
    pub app_bytes: Vec<Option<f32>>,
    /// Other programs, in bytes.
    pub other_bytes: Vec<Option<f32>>,
    /// Reclaimable page cache, in bytes.
    pub page_cache_bytes: Vec<Option<f32>>,
    /// Decoded tokens a second, of all generations together.
    pub decode_tokens_per_second: Vec<Option<f32>>,
    /// Utilization of the GPU, between 0 and 1.
    pub gpu_utilization: Vec<Option<f32>>,
    /// Power of the GPU, or of what else tells it, in watts.
    pub power_watts: Vec<Option<f32>>,
    /// The temperature of the GPU, or of the hottest part, in degrees Celsius.
    pub celsius: Vec<Option<f32>>,
    /// What happened in this stretch.
    pub events: Vec<MonitorEvent>,
}

impl Timeline {
    /// What is newer than `since_ms`, of the stretch that ends at `now_ms`.
    pub(super) fn of(history: &History, span: Span, since_ms: i64, now_ms: i64) -> Self {
        let since_ms = since_ms.max(now_ms.saturating_sub(span.length_ms()));
        let newer = |points: &VecDeque<Point>| -> Vec<Point> {
            let newer = points.iter().filter(|point| point.at_ms > since_ms);
            newer.copied().collect()
        };
        let points = match span {
            Span::FiveMinutes => newer(&history.recent),
            Span::Hour => newer(&history.hour_to(now_ms)),
            Span::Day => newer(&history.minutes_to(now_ms)),
            Span::Week => thinned(&newer(&history.minutes_to(now_ms)), 7 * 60_000),
        };
        let events = history.events.iter();
        let events = events.filter(|event| event.at_ms > since_ms);
        Self::of_points(&points, events.cloned().collect())
    }

    fn of_points(points: &[Point], events: Vec<MonitorEvent>) -> Self {
        let column = |column| points.iter().map(|point| point.get(column)).collect();
        Self {
            at_ms: points.iter().map(|point| point.at_ms).collect(),
            weights_bytes: column(Column::Weights),
            kv_cache_bytes: column(Column::KvCache),
            app_bytes: column(Column::App),
            other_bytes: column(Column::Other),
            page_cache_bytes: column(Column::PageCache),
            decode_tokens_per_second: column(Column::Decode),
            gpu_utilization: column(Column::Gpu),
            power_watts: column(Column::Power),
            celsius: column(Column::Temperature),
            events,
        }
    }
}

fn thinned(points: &[Point], length_ms: i64) -> Vec<Point> {
    let mut mean = Mean::new(length_ms);
    let mut thin: Vec<Point> = points.iter().filter_map(|point| mean.take(point)).collect();
    thin.extend(mean.end());
    thin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> History {
        let mut history = History::default();
        for step in 0..4 * 60 * 30 {
            let mut point = Point::empty(step * 250);
            point.set(Column::Decode, Some(2.0));
            history.take(point);
        }
        history
    }

    #[test]
    fn each_span_is_as_long_and_as_fine_as_it_says() {
        let history = history();
        let now_ms = 30 * 60_000 - 250;
        let check = |span, since_ms, length: usize, first_ms: i64, second_ms: i64| {
            let found = Timeline::of(&history, span, since_ms, now_ms);
            let first = [found.at_ms[0], found.at_ms[1]];
            assert_eq!(
                (found.at_ms.len(), first),
                (length, [first_ms, second_ms]),
                "{span:?}"
            );
            assert_eq!(found.decode_tokens_per_second, vec![Some(2.0); length]);
            assert_eq!(found.power_watts, vec![None; length], "never zero");
        };
        check(
            Span::FiveMinutes,
            0,
            1200,
            now_ms - 299_750,
            now_ms - 299_500,
        );
        check(Span::FiveMinutes, now_ms - 500, 2, now_ms - 250, now_ms);
        check(Span::Hour, 0, 30 * 60 - 1, 500, 1500);
        check(Span::Day, 0, 30, 30_000, 90_000);
        check(Span::Week, 0, 5, 210_000, 630_000);
    }
}
