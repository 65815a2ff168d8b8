//! Finding the texts of special tokens, and hiding those that a person typed.

use super::vocabulary::{TokenKind, Vocabulary};
use super::{GUARD, Specials as Meaning};
use crate::files::Metadata;
use std::borrow::Cow;
use std::collections::HashMap;

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fragment<'t> {
    Special(u32),
    Text(&'t str),
}

/// Which special texts are guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guarded {
    All,
    /// Those that steer the model.
    Control,
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
    strips: Strips,
}

/// Blanks beside a special token that go with it.
#[derive(Debug, Clone, Copy, Default)]
struct Strips {
    before: bool,
    after: bool,
}

impl Strips {
    /// Files don't say it; llama.cpp knows it of these models by name.
    fn of(metadata: &Metadata, text: &str) -> Self {
        let pre = metadata.text("tokenizer.ggml.pre").unwrap_or_default();
        let name = metadata
            .text("general.name")
            .unwrap_or_default()
            .to_lowercase();
        let architecture = metadata.architecture().unwrap_or_default();
        let contains = |text: &str, parts: &[&str]| parts.iter().any(|part| text.contains(part));
        if contains(pre, &["jina-v2-de", "jina-v2-es", "jina-v2-code", "mmbert"])
            || contains(architecture, &["nomic-bert-moe", "jina-bert-v3"])
        {
            return Self {
                before: text == "<mask>",
                after: false,
            };
        }
        if contains(&name, &["phi-3", "phi3"]) {
            let after = !matches!(text, "<unk>" | "<s>" | "<|endoftext|>");
            return Self {
                before: false,
                after,
            };
        }
        Self {
            before: name.contains("modern-bert") && text == "[MASK]",
            after: false,
        }
    }
}

/// What C calls a blank.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | 9..=13)
}

impl Specials {
    pub(super) fn of(metadata: &Metadata, vocabulary: &Vocabulary) -> Self {
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
                strips: Strips::of(metadata, text),
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
            let mut before = &text[from..at];
            if entry.strips.before {
                before = before.trim_end_matches(|c: char| c.is_ascii() && is_blank(c as u8));
            }
            if !before.is_empty() {
                fragments.push(Fragment::Text(before));
            }
            fragments.push(Fragment::Special(entry.id));
            at += entry.length;
            while entry.strips.after && text.as_bytes().get(at).copied().is_some_and(is_blank) {
                at += 1;
            }
            from = at;
        }
        if from < text.len() {
            fragments.push(Fragment::Text(&text[from..]));
        }
        fragments
    }

    /// Puts a guard after the first character of each special text, and takes away guards that were there.
    pub(super) fn guard<'t>(&self, content: &'t str, which: Guarded) -> Cow<'t, str> {
        let clean: Cow<str> = if content.contains(GUARD) {
            content.replace(GUARD, "").into()
        } else {
            content.into()
        };
        let starts: Vec<usize> = clean
            .char_indices()
            .filter(|(at, _)| {
                let found = self.at_start(&clean[*at..], Meaning::Parse);
                found.is_some_and(|entry| entry.control || which == Guarded::All)
            })
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
