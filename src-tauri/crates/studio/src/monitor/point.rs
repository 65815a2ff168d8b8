//! One moment of the machine as the history keeps it: a fixed row of numbers, each of which may be absent.
//!
//! It is 48 bytes, so that a week fits into less than a megabyte. It draws no conclusion.

use crate::Throughput;
use telemetry::MemoryPool;

/// How many numbers a point has.
pub(crate) const COLUMNS: usize = 9;

/// The numbers of a point, in their order: bytes, tokens a second, a share between 0 and 1, watts, degrees Celsius.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Weights,
    KvCache,
    App,
    Other,
    PageCache,
    Decode,
    Gpu,
    Power,
    Temperature,
}

/// More than this is no reading: 2^50 bytes, a million tokens a second, all of a GPU, 100 kW, 200 degrees.
const MOST: [f32; COLUMNS] = [1.2e15, 1.2e15, 1.2e15, 1.2e15, 1.2e15, 1e6, 1.0, 1e5, 200.0];

/// A moment. Single precision: of 128 GiB it knows 8 KiB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    /// Milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// By [`Column`]; what is absent is no number (NaN).
    values: [f32; COLUMNS],
}

impl Point {
    /// A moment of which nothing is known.
    pub(crate) fn empty(at_ms: i64) -> Self {
        Self {
            at_ms,
            values: [f32::NAN; COLUMNS],
        }
    }

    /// What the memory and the speed are at this moment.
    pub(crate) fn of(at_ms: i64, memory: &MemoryPool, throughput: &Throughput) -> Self {
        let mut point = Self::empty(at_ms);
        if memory.total_bytes > 0 {
            point.set(Column::Weights, Some(bytes(memory.weights_bytes)));
            point.set(Column::KvCache, Some(bytes(memory.kv_cache_bytes)));
            point.set(
                Column::App,
                Some(bytes(memory.app_bytes + memory.scratch_bytes)),
            );
            point.set(Column::Other, Some(bytes(memory.other_bytes)));
            point.set(Column::PageCache, Some(bytes(memory.page_cache_bytes)));
        }
        if throughput.running {
            point.set(Column::Decode, throughput.decode_tokens_per_second);
        }
        point
    }

    /// A number of this moment.
    pub(crate) fn get(&self, column: Column) -> Option<f32> {
        Some(self.values[column as usize]).filter(|value| value.is_finite())
    }

    /// Sets a number; what is absent or no number stays absent.
    #[expect(clippy::cast_possible_truncation, reason = "seven digits are kept")]
    pub(crate) fn set(&mut self, column: Column, value: Option<f64>) {
        self.values[column as usize] = value.map_or(f32::NAN, |value| value as f32);
    }

    /// All numbers, in their order.
    pub(crate) fn values(&self) -> [Option<f32>; COLUMNS] {
        self.values
            .map(|value| Some(value).filter(|value| value.is_finite()))
    }

    /// A point of these numbers, in their order.
    pub(crate) fn of_values(at_ms: i64, values: [Option<f32>; COLUMNS]) -> Self {
        let values = values.map(|value| value.unwrap_or(f32::NAN));
        let mut point = Self { at_ms, values };
        // Whatever somebody wrote into the database is no reading.
        for (value, most) in point.values.iter_mut().zip(MOST) {
            if !(0.0..=most).contains(value) {
                *value = f32::NAN;
            }
        }
        point
    }
}

#[expect(clippy::cast_precision_loss, reason = "seven digits are kept")]
fn bytes(bytes: u64) -> f64 {
    bytes as f64
}

/// The mean of the points of one stretch of time, which begins at a whole multiple of its length.
#[derive(Debug, Clone)]
pub(crate) struct Mean {
    length_ms: i64,
    from_ms: i64,
    sums: [f64; COLUMNS],
    counts: [u32; COLUMNS],
    taken: u32,
}

impl Mean {
    pub(crate) fn new(length_ms: i64) -> Self {
        Self {
            length_ms,
            from_ms: 0,
            sums: [0.0; COLUMNS],
            counts: [0; COLUMNS],
            taken: 0,
        }
    }

    /// Takes a point; if it is of another stretch than the last one, that one's mean.
    pub(crate) fn take(&mut self, point: &Point) -> Option<Point> {
        let from_ms = point.at_ms - point.at_ms.rem_euclid(self.length_ms);
        let over = (from_ms != self.from_ms).then(|| self.end()).flatten();
        self.from_ms = from_ms;
        self.taken += 1;
        for ((sum, count), value) in self
            .sums
            .iter_mut()
            .zip(&mut self.counts)
            .zip(point.values())
        {
            if let Some(value) = value {
                *sum += f64::from(value);
                *count += 1;
            }
        }
        over
    }

    /// The mean of what was taken since the stretch began, at the time of now.
    pub(crate) fn so_far(&self, now_ms: i64) -> Option<Point> {
        let mut point = self.clone().end()?;
        point.at_ms = now_ms
            .min(self.from_ms + self.length_ms - 1)
            .max(self.from_ms);
        Some(point)
    }

    /// The mean of what was taken, at the middle of the stretch; afterwards nothing was.
    pub(crate) fn end(&mut self) -> Option<Point> {
        let taken = std::mem::take(&mut self.taken);
        let sums = std::mem::replace(&mut self.sums, [0.0; COLUMNS]);
        let counts = std::mem::replace(&mut self.counts, [0; COLUMNS]);
        let mut mean = Point::empty(self.from_ms + self.length_ms / 2);
        for ((value, sum), count) in mean.values.iter_mut().zip(sums).zip(counts) {
            *value = single(sum / f64::from(count));
        }
        (taken > 0).then_some(mean)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "seven digits are kept")]
fn single(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(at_ms: i64, value: Option<f64>) -> Point {
        let mut point = Point::empty(at_ms);
        point.set(Column::Decode, value);
        point
    }

    #[test]
    fn what_cannot_be_is_absent() {
        let values = [
            Some(1.0),
            Some(-1.0),
            Some(f32::INFINITY),
            Some(f32::NAN),
            None,
            Some(5.0),
            Some(-2.5),
            Some(3e5),
            Some(64.0),
        ];
        let found = Point::of_values(7, values).values();
        let expected = [
            Some(1.0),
            None,
            None,
            None,
            None,
            Some(5.0),
            None,
            None,
            Some(64.0),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_mean_is_that_of_the_values_that_are_there() {
        let mut mean = Mean::new(1000);
        for (at_ms, value) in [(2000, Some(1.0)), (2250, None), (2999, Some(4.0))] {
            assert_eq!(mean.take(&rate(at_ms, value)), None);
        }
        let over = mean.take(&rate(3000, None)).expect("the second is over");
        assert_eq!((over.at_ms, over.get(Column::Decode)), (2500, Some(2.5)));
        assert_eq!(over.get(Column::Power), None, "never zero");
        let over = mean.end().expect("one was taken");
        assert_eq!((over.at_ms, over.get(Column::Decode)), (3500, None));
        assert_eq!(mean.end(), None);
    }
}
