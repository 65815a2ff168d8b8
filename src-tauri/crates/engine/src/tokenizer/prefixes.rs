//! Texts in order, to find all of them that another text begins with. Little memory beside the texts themselves.
//!
//! Invariant: one look takes no more steps than the longest of them has bytes, and that is bounded: a text is looked at from
//! each of its places.

use super::Refusal;
use std::ops::Range;

/// Longest text of a token, in bytes; the longest known have 256.
const MAX_BYTES: usize = 1024;

/// Texts with their ids, sorted. Of equal ones only the last id counts.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    sorted: Vec<(Box<[u8]>, u32)>,
    /// Their first eight bytes, the first one highest: most looks need no more, and these lie together.
    heads: Vec<u64>,
    /// Where the texts with this first byte begin; 257 places.
    begins: Vec<usize>,
}

impl Prefixes {
    pub(super) fn new(texts: impl Iterator<Item = (Vec<u8>, u32)>) -> Result<Self, Refusal> {
        let mut sorted: Vec<(Box<[u8]>, u32)> = texts
            .filter(|(text, _)| !text.is_empty())
            .map(|(text, id)| (text.into_boxed_slice(), id))
            .collect();
        if let Some((text, id)) = sorted.iter().find(|(text, _)| text.len() > MAX_BYTES) {
            let length = text.len();
            return Err(Refusal::Damaged(format!(
                "its token {id} has {length} bytes; {MAX_BYTES} are the most"
            )));
        }
        sorted.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        sorted.dedup_by(|later, first| later.0 == first.0);
        let begin = |byte: usize| sorted.partition_point(|(text, _)| usize::from(text[0]) < byte);
        let begins = (0..=256).map(begin).collect();
        let heads = sorted.iter().map(|(text, _)| head(text)).collect();
        Ok(Self {
            sorted,
            heads,
            begins,
        })
    }

    /// Length and id of each text that `text` begins with, the shortest first.
    pub(super) fn of<'t>(&'t self, text: &'t [u8]) -> impl Iterator<Item = (usize, u32)> + 't {
        let first = text.first().map_or(256, |byte| usize::from(*byte));
        let mut low = self.begins.get(first).copied().unwrap_or(0);
        let mut high = self.begins.get(first + 1).copied().unwrap_or(low);
        let mut length = 1;
        std::iter::from_fn(move || {
            while low < high {
                let (candidate, id) = &self.sorted[low];
                // All in the range agree with the text in this many bytes, so the shortest stands first.
                if candidate.len() == length {
                    low += 1;
                    return Some((length, *id));
                }
                let next = *text.get(length)?;
                // In order: if both ends go on like the text, all do.
                if self.byte(low, length) != next || self.byte(high - 1, length) != next {
                    let end = Self::first(low..high, |at| self.byte(at, length) > next);
                    low = Self::first(low..end, |at| self.byte(at, length) >= next);
                    high = end;
                }
                length += 1;
            }
            None
        })
    }

    /// A byte of a text that has so many.
    fn byte(&self, at: usize, length: usize) -> u8 {
        match self.heads[at].to_be_bytes().get(length) {
            Some(byte) => *byte,
            None => self.sorted[at].0[length],
        }
    }

    /// The first place in `range` for which this is so; for all after it, it is too.
    fn first(range: Range<usize>, is_so: impl Fn(usize) -> bool) -> usize {
        let (mut low, mut high) = (range.start, range.end);
        while low < high {
            let middle = low.midpoint(high);
            if is_so(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }
}

fn head(text: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    for (byte, of_text) in bytes.iter_mut().zip(text) {
        *byte = *of_text;
    }
    u64::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_that_a_text_begins_with_is_found() {
        let texts = ["b", "a", "abc", "", "ab", "abd", "ba", "a"];
        let ids = 0..u32::try_from(texts.len()).expect("few");
        let prefixes = Prefixes::new(texts.iter().map(|text| text.as_bytes().to_vec()).zip(ids))
            .expect("short");
        let check = |text: &str, expected: &[(usize, u32)]| {
            assert_eq!(
                prefixes.of(text.as_bytes()).collect::<Vec<_>>(),
                expected,
                "{text}"
            );
        };
        check("abce", &[(1, 7), (2, 4), (3, 2)]);
        check("ab", &[(1, 7), (2, 4)]);
        check("bb", &[(1, 0)]);
        check("ca", &[]);
        check("", &[]);
        check("\u{ff}", &[]);
        Prefixes::new([(vec![b'a'; MAX_BYTES + 1], 0)].into_iter()).expect_err("too long");
    }
}
