//! Finding the texts of special tokens, and hiding those that a person typed.

use super::vocabulary::{TokenKind, Vocabulary};
use super::{GUARD, Specials as Meaning};
use std::borrow::Cow;
use std::collections::HashMap;

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fragment<'t> {
    Special(u32),
    Text(&'t str),
}

/// The texts that are looked for before any other, longest first.
#[derive(Debug, Default)]
pub(super) struct Specials {
    entries: HashMap<String, Entry>,
    /// Lengths of their texts in bytes, longest first.
    lengths: Vec<usize>,
    /// Bytes that one of them begins with.
    begins: Vec<bool>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    id: u32,
    length: usize,
    /// A person's text must not become it: it steers the model.
    control: bool,
}

impl Specials {
    pub(super) fn of(vocabulary: &Vocabulary) -> Self {
        let mut specials = Self {
            begins: vec![false; 256],
            ..Self::default()
        };
        for (id, text) in (0..).zip(vocabulary.texts()) {
            let control = match vocabulary.kind(id) {
                TokenKind::Control | TokenKind::Unknown => true,
                TokenKind::UserDefined => false,
                _ => continue,
            };
            let Some(first) = text.as_bytes().first() else {
                continue;
            };
            specials.begins[usize::from(*first)] = true;
            specials.lengths.push(text.len());
            let entry = Entry {
                id,
                length: text.len(),
                control,
            };
            specials.entries.entry(text.clone()).or_insert(entry);
        }
        specials.lengths.sort_unstable_by(|a, b| b.cmp(a));
        specials.lengths.dedup();
        specials
    }

    /// The longest special text that `text` begins with.
    fn at_start(&self, text: &str, meaning: Meaning) -> Option<Entry> {
        let first = text.as_bytes().first()?;
        if self.begins.get(usize::from(*first)) != Some(&true) {
            return None;
        }
        let entry = |length: &usize| self.entries.get(text.get(..*length)?).copied();
        let fits = |entry: &Entry| meaning == Meaning::Parse || !entry.control;
        self.lengths.iter().filter_map(entry).find(fits)
    }

    /// Cuts a text where special tokens stand.
    pub(super) fn split<'t>(&self, text: &'t str, meaning: Meaning) -> Vec<Fragment<'t>> {
        let mut fragments = Vec::new();
        let (mut from, mut at) = (0, 0);
        while at < text.len() {
            let found = text
                .is_char_boundary(at)
                .then(|| self.at_start(&text[at..], meaning))
                .flatten();
            let Some(entry) = found else {
                at += 1;
                continue;
            };
            if from < at {
                fragments.push(Fragment::Text(&text[from..at]));
            }
            fragments.push(Fragment::Special(entry.id));
            at += entry.length;
            from = at;
        }
        if from < text.len() {
            fragments.push(Fragment::Text(&text[from..]));
        }
        fragments
    }

    /// Puts a guard after the first character of each special text, and takes away guards that were there.
    pub(super) fn guard<'t>(&self, content: &'t str) -> Cow<'t, str> {
        let clean: Cow<str> = if content.contains(GUARD) {
            content.replace(GUARD, "").into()
        } else {
            content.into()
        };
        let starts: Vec<usize> = clean
            .char_indices()
            .filter(|(at, _)| self.at_start(&clean[*at..], Meaning::Parse).is_some())
            .map(|(at, character)| at + character.len_utf8())
            .collect();
        if starts.is_empty() {
            return clean;
        }
        let mut guarded = String::with_capacity(clean.len() + starts.len() * GUARD.len_utf8());
        let mut from = 0;
        for at in starts {
            guarded.push_str(&clean[from..at]);
            guarded.push(GUARD);
            from = at;
        }
        guarded.push_str(&clean[from..]);
        guarded.into()
    }
}
