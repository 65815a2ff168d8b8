//! What several measurements of the same thing come to.

use serde::Serialize;

/// Middle and ends of several measurements.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// Half of them are below it; of an even number, the mean of the two in the middle.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) min: f64,
    /// The greatest.
    pub(crate) max: f64,
}

impl Spread {
    /// `None` of nothing.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Self { median, min, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_ends() {
        let check = |values: &[f64], expected: Option<[f64; 3]>| {
            let expected = expected.map(|[median, min, max]| Spread { median, min, max });
            assert_eq!(Spread::of(values), expected, "{values:?}");
        };
        check(&[], None);
        check(&[3.0], Some([3.0, 3.0, 3.0]));
        check(&[9.0, 1.0, 4.0], Some([4.0, 1.0, 9.0]));
        check(&[9.0, 1.0, 4.0, 5.0], Some([4.5, 1.0, 9.0]));
    }
}
