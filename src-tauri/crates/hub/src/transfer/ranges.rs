//! Which bytes of a file are there.
//!
//! Invariant: the ranges are in order, none is empty, and no two of them touch.

use std::ops::Range;

/// A set of bytes of a file, by their places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ranges(Vec<Range<u64>>);

impl Ranges {
    /// These bytes are there now; whether they were before does not matter.
    pub(super) fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let first = self.0.partition_point(|other| other.end < range.start);
        let last = self.0.partition_point(|other| other.start <= range.end);
        let start = self.0.get(first).map_or(range.start, |at| at.start);
        let end = last.checked_sub(1).and_then(|last| self.0.get(last));
        let end = end.map_or(range.end, |at| at.end);
        let joined = start.min(range.start)..end.max(range.end);
        self.0.splice(first..last, [joined]);
    }

    /// Nothing from there on is there.
    pub(super) fn cut(&mut self, end: u64) {
        self.0.retain(|range| range.start < end);
        if let Some(last) = self.0.last_mut() {
            last.end = last.end.min(end);
        }
    }

    /// How many bytes there are.
    pub(super) fn total_bytes(&self) -> u64 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }

    /// How far it goes from the beginning without a gap.
    pub(super) fn frontier(&self) -> u64 {
        self.0
            .first()
            .filter(|first| first.start == 0)
            .map_or(0, |first| first.end)
    }

    /// The first gap in these bytes.
    pub(super) fn gap(&self, within: Range<u64>) -> Option<Range<u64>> {
        let next = self.0.partition_point(|range| range.end <= within.start);
        let mut rest = self.0[next..].iter();
        let mut start = within.start;
        let mut end = within.end;
        if let Some(range) = rest.next() {
            if range.start > start {
                end = end.min(range.start);
            } else {
                start = range.end;
                end = rest.next().map_or(end, |after| end.min(after.start));
            }
        }
        (start < end).then_some(start..end)
    }

    /// In order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Range<u64>> {
        self.0.iter()
    }
}

impl From<Range<u64>> for Ranges {
    fn from(range: Range<u64>) -> Self {
        std::iter::once(range).collect()
    }
}

impl FromIterator<Range<u64>> for Ranges {
    fn from_iter<T: IntoIterator<Item = Range<u64>>>(ranges: T) -> Self {
        let mut all = Self::default();
        ranges.into_iter().for_each(|range| all.insert(range));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LENGTH: u64 = 40;

    fn any_ranges() -> impl Strategy<Value = Vec<Range<u64>>> {
        proptest::collection::vec((0..LENGTH, 0..LENGTH).prop_map(|(a, b)| a.min(b)..b), 0..9)
    }

    fn naive(ranges: &[Range<u64>]) -> Vec<bool> {
        let there = |byte| ranges.iter().any(|range| range.contains(&byte));
        (0..LENGTH).map(there).collect()
    }

    proptest! {
        #[test]
        fn any_ranges_are_the_set_of_their_bytes(list in any_ranges(), end in 0..LENGTH) {
            let mut ranges: Ranges = list.iter().cloned().collect();
            let expected = naive(&list);
            prop_assert_eq!(naive(&ranges.0), expected.clone());
            prop_assert!(ranges.0.windows(2).all(|two| two[0].end < two[1].start));
            prop_assert_eq!(ranges.total_bytes(), expected.iter().filter(|there| **there).count() as u64);
            prop_assert_eq!(ranges.frontier(), expected.iter().take_while(|there| **there).count() as u64);
            ranges.cut(end);
            let cut: Vec<_> = (0..).zip(expected).map(|(at, there)| there && at < end).collect();
            prop_assert_eq!(naive(&ranges.0), cut);
        }

        #[test]
        fn any_gap_is_the_first_run_of_missing_bytes(list in any_ranges(), a in 0..LENGTH, b in 0..LENGTH) {
            let ranges: Ranges = list.iter().cloned().collect();
            let there = naive(&list);
            let missing = |byte: &u64| !usize::try_from(*byte).is_ok_and(|byte| there[byte]);
            let start = (a..b).find(missing);
            let expected = start.map(|start| start..(start..b).find(|byte| !missing(byte)).unwrap_or(b));
            prop_assert_eq!(ranges.gap(a..b), expected);
        }
    }
}
