//! Finding the texts of special tokens, and hiding those that a person typed.

use super::vocabulary::{TokenKind, Vocabulary};
use super::{GUARD, Refusal, Specials as Meaning};
use crate::files::Metadata;
use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

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

/// The texts that are looked for before any other. One pass over a text finds them, whatever they and it are.
#[derive(Debug)]
pub(super) struct Specials {
    /// In the order of the patterns that are looked for.
    entries: Vec<Entry>,
    /// The first of all of them, the longest of those that begin there.
    all: AhoCorasick,
    /// The same of those that a person may write, which are the first ones of the entries.
    plain: AhoCorasick,
    /// Every one, also one within another.
    every: AhoCorasick,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    id: u32,
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

/// Compact, whatever the patterns are: a table would take a kilobyte for each of their bytes.
fn finder(texts: &[&str], kind: MatchKind) -> Result<AhoCorasick, Refusal> {
    let mut builder = AhoCorasick::builder();
    let builder = builder
        .match_kind(kind)
        .kind(Some(AhoCorasickKind::ContiguousNFA));
    let damaged =
        |error| Refusal::Damaged(format!("its special tokens can't be looked for: {error}"));
    builder.build(texts).map_err(damaged)
}

impl Specials {
    pub(super) fn of(metadata: &Metadata, vocabulary: &Vocabulary) -> Result<Self, Refusal> {
        let mut found: Vec<(&str, Entry)> = Vec::new();
        let mut seen = HashSet::new();
        for (id, text) in (0..).zip(vocabulary.texts()) {
            let control = match vocabulary.kind(id) {
                TokenKind::Control | TokenKind::Unknown => true,
                TokenKind::UserDefined => false,
                _ => continue,
            };
            if text.is_empty() || !seen.insert(text) {
                continue;
            }
            let strips = Strips::of(metadata, text);
            found.push((
                text.as_str(),
                Entry {
                    id,
                    control,
                    strips,
                },
            ));
        }
        found.sort_by_key(|(_, entry)| entry.control);
        let texts: Vec<&str> = found.iter().map(|(text, _)| *text).collect();
        let plain = found.partition_point(|(_, entry)| !entry.control);
        Ok(Self {
            all: finder(&texts, MatchKind::LeftmostLongest)?,
            plain: finder(&texts[..plain], MatchKind::LeftmostLongest)?,
            every: finder(&texts, MatchKind::Standard)?,
            entries: found.into_iter().map(|(_, entry)| entry).collect(),
        })
    }

    /// Cuts a text where special tokens stand.
    pub(super) fn split<'t>(&self, text: &'t str, meaning: Meaning) -> Vec<Fragment<'t>> {
        let finder = match meaning {
            Meaning::Parse => &self.all,
            Meaning::AsText => &self.plain,
        };
        let mut fragments = Vec::new();
        let mut from = 0;
        while let Some(found) = finder.find(Input::new(text).range(from..)) {
            let entry = self.entries[found.pattern().as_usize()];
            let mut before = &text[from..found.start()];
            if entry.strips.before {
                before = before.trim_end_matches(|c: char| c.is_ascii() && is_blank(c as u8));
            }
            if !before.is_empty() {
                fragments.push(Fragment::Text(before));
            }
            fragments.push(Fragment::Special(entry.id));
            from = found.end();
            while entry.strips.after && text.as_bytes().get(from).copied().is_some_and(is_blank) {
                from += 1;
            }
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
        let starts = self.starts(&clean, which);
        if starts.is_empty() {
            return clean;
        }
        let mut guarded = String::with_capacity(clean.len() + starts.len() * GUARD.len_utf8());
        let mut from = 0;
        for at in starts {
            // After the first character.
            let first = clean[at..].chars().next().map_or(0, char::len_utf8);
            let at = at + first;
            guarded.push_str(&clean[from..at]);
            guarded.push(GUARD);
            from = at;
        }
        guarded.push_str(&clean[from..]);
        guarded.into()
    }

    /// Where special texts begin that are to be guarded, in order: of those at one place, the longest decides.
    fn starts(&self, text: &str, which: Guarded) -> Vec<usize> {
        let mut longest: BTreeMap<usize, (usize, bool)> = BTreeMap::new();
        for found in self.every.find_overlapping_iter(text) {
            let control = self.entries[found.pattern().as_usize()].control;
            let one = longest.entry(found.start()).or_default();
            *one = (*one).max((found.len(), control));
        }
        let wanted = |(at, (_, control)): (usize, (usize, bool))| {
            (control || which == Guarded::All).then_some(at)
        };
        longest.into_iter().filter_map(wanted).collect()
    }
}
