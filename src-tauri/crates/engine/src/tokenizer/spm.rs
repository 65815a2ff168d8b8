//! `SentencePiece`'s BPE: neighbouring symbols are merged into the token with the best score, leftmost first.

use super::vocabulary::Vocabulary;
use crate::files::Metadata;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

const NONE: usize = usize::MAX;

/// A tokenizer of this kind.
#[derive(Debug)]
pub(super) struct Spm {
    add_space_prefix: bool,
    escape: bool,
    /// Bytes of the longest token: nothing longer is looked up.
    longest: usize,
}

/// A merge that could be done.
#[derive(Debug)]
struct Merge {
    score: f32,
    left: usize,
    right: usize,
    /// Bytes of both, to see whether it is out of date.
    size: usize,
}

impl PartialEq for Merge {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Merge {}
impl PartialOrd for Merge {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Merge {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then(other.left.cmp(&self.left))
    }
}

#[derive(Debug, Clone, Copy)]
struct Symbol {
    start: usize,
    end: usize,
    previous: usize,
    next: usize,
}

impl Spm {
    pub(super) fn of(metadata: &Metadata, vocabulary: &Vocabulary) -> Self {
        let wish = |name: &str, otherwise| {
            metadata
                .truth(&format!("tokenizer.ggml.{name}"))
                .unwrap_or(otherwise)
        };
        Self {
            add_space_prefix: wish("add_space_prefix", true),
            escape: wish("escape_whitespaces", true),
            longest: vocabulary.longest(),
        }
    }

    /// Whether a blank is put before a text, which must not come back with it.
    pub(super) fn adds_space(&self) -> bool {
        self.add_space_prefix
    }

    pub(super) fn encode(
        &self,
        vocabulary: &Vocabulary,
        text: &str,
        after_special: bool,
        ids: &mut Vec<u32>,
    ) {
        let mut written = String::with_capacity(text.len() + 1);
        if self.add_space_prefix && after_special {
            written.push(' ');
        }
        written.push_str(text);
        if self.escape {
            written = written.replace(' ', "▁");
        }
        for symbol in self.merged(vocabulary, &written) {
            let text = &written[symbol.start..symbol.end];
            match vocabulary.id(text) {
                Some(id) => ids.push(id),
                None => ids.extend(
                    text.bytes()
                        .filter_map(|byte| vocabulary.byte(byte).or(vocabulary.unknown())),
                ),
            }
        }
    }
}

impl Spm {
    /// The symbols of a text, merged.
    fn merged(&self, vocabulary: &Vocabulary, text: &str) -> Vec<Symbol> {
        let mut symbols: Vec<Symbol> = text
            .char_indices()
            .enumerate()
            .map(|(at, (start, character))| Symbol {
                start,
                end: start + character.len_utf8(),
                previous: at.wrapping_sub(1),
                next: at + 1,
            })
            .collect();
        if let Some(last) = symbols.last_mut() {
            last.next = NONE;
        }
        let mut queue = BinaryHeap::new();
        for left in 0..symbols.len() {
            self.consider(vocabulary, text, &symbols, left, &mut queue);
        }
        while let Some(Merge {
            left, right, size, ..
        }) = queue.pop()
        {
            let (a, b) = (symbols[left], symbols[right]);
            if a.next != right || a.start == a.end || b.start == b.end || b.end - a.start != size {
                continue;
            }
            symbols[left].end = b.end;
            symbols[left].next = b.next;
            symbols[right].end = b.start;
            if b.next != NONE {
                symbols[b.next].previous = left;
            }
            if a.previous != NONE {
                self.consider(vocabulary, text, &symbols, a.previous, &mut queue);
            }
            self.consider(vocabulary, text, &symbols, left, &mut queue);
        }
        symbols.retain(|symbol| symbol.start < symbol.end);
        symbols
    }

    fn consider(
        &self,
        vocabulary: &Vocabulary,
        text: &str,
        symbols: &[Symbol],
        left: usize,
        queue: &mut BinaryHeap<Merge>,
    ) {
        let right = symbols[left].next;
        if right == NONE {
            return;
        }
        let (start, end) = (symbols[left].start, symbols[right].end);
        if end - start > self.longest {
            return;
        }
        if let Some(id) = vocabulary.id(&text[start..end]) {
            queue.push(Merge {
                // Plus zero makes zeros of both signs one and the same.
                score: vocabulary.score(id) + 0.0,
                left,
                right,
                size: end - start,
            });
        }
    }
}
