//! Texts in order, to find all of them that another text begins with. No memory beside the texts themselves.

/// Texts with their ids, sorted. Of equal ones only the last id counts.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    sorted: Vec<(Box<[u8]>, u32)>,
    /// Where the texts with this first byte begin; 257 places.
    begins: Vec<usize>,
}

impl Prefixes {
    pub(super) fn new(texts: impl Iterator<Item = (Vec<u8>, u32)>) -> Self {
        let mut sorted: Vec<(Box<[u8]>, u32)> = texts
            .filter(|(text, _)| !text.is_empty())
            .map(|(text, id)| (text.into_boxed_slice(), id))
            .collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        sorted.dedup_by(|later, first| later.0 == first.0);
        let begin = |byte: usize| sorted.partition_point(|(text, _)| usize::from(text[0]) < byte);
        let begins = (0..=256).map(begin).collect();
        Self { sorted, begins }
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
                let range = &self.sorted[low..high];
                high = low + range.partition_point(|(text, _)| text[length] <= next);
                low += range.partition_point(|(text, _)| text[length] < next);
                length += 1;
            }
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_that_a_text_begins_with_is_found() {
        let texts = ["b", "a", "abc", "", "ab", "abd", "ba", "a"];
        let ids = 0..u32::try_from(texts.len()).expect("few");
        let prefixes = Prefixes::new(texts.iter().map(|text| text.as_bytes().to_vec()).zip(ids));
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
    }
}
