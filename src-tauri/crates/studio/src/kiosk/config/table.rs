//! A table of `kiosk.toml`, asked key by key. What is not there has its default; what is there and makes no sense is told
//! with its line.
//!
//! Invariant: whatever the table holds, the answer is a value that makes sense or a [`ConfigProblem`].

use super::mistake::Flaw;
use crate::kiosk::view::ConfigProblem;
use std::ops::{Range, RangeInclusive};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

type Result<T, E = ConfigProblem> = std::result::Result<T, E>;

/// A table and its name for people, such as `[visitor]`.
#[derive(Debug, Clone)]
pub(super) struct Table<'a> {
    text: &'a str,
    name: &'static str,
    entries: &'a DeTable<'a>,
    at: Range<usize>,
}

impl<'a> Table<'a> {
    pub(super) fn whole(text: &'a str, entries: &'a Spanned<DeTable<'a>>) -> Self {
        Self {
            text,
            name: "kiosk.toml",
            at: entries.span(),
            entries: entries.get_ref(),
        }
    }

    /// That no other keys are there than these.
    pub(super) fn has_only(&self, known: &[&str]) -> Result<()> {
        let unknown = self.entries.keys();
        let mut unknown: Vec<_> = unknown
            .filter(|key| !known.contains(&key.get_ref().as_ref()))
            .collect();
        unknown.sort_by_key(|key| key.span().start);
        let Some(key) = unknown.first() else {
            return Ok(());
        };
        let message = format!("{} knows no key `{}`.", self.name, short(key.get_ref()));
        Err(Flaw::new(message, instead(key.get_ref(), known)).at(self.text, &key.span()))
    }

    /// A value that a function understands, with where it stands.
    pub(super) fn read<T>(
        &self,
        key: &str,
        understand: impl FnOnce(&'a DeValue<'a>) -> Result<T, Flaw>,
    ) -> Result<Option<T>> {
        let Some(value) = self.entries.get(key) else {
            return Ok(None);
        };
        let understood = understand(value.get_ref());
        let told = |flaw: Flaw| {
            let message = format!("{key} in {} {}", self.name, flaw.message);
            let message = match flaw.elsewhere {
                Some(_) => flaw.message.clone(),
                None => message,
            };
            Flaw { message, ..flaw }.at(self.text, &value.span())
        };
        understood.map(Some).map_err(told)
    }

    /// A text of so many characters at most. Where it may not be blank, `least` is 1.
    pub(super) fn text(
        &self,
        key: &str,
        characters: RangeInclusive<usize>,
    ) -> Result<Option<String>> {
        self.read(key, |value| text(value, &characters))
    }

    /// A text that must be there.
    pub(super) fn needed(&self, key: &str, characters: RangeInclusive<usize>) -> Result<String> {
        self.text(key, characters)?
            .ok_or_else(|| self.lacks(key, &format!("Write {key} = \"…\" under it.")))
    }

    /// That a key must be there and is not.
    pub(super) fn lacks(&self, key: &str, remedy: &str) -> ConfigProblem {
        Flaw::new(format!("{} has no {key}.", self.name), remedy).at(self.text, &self.at)
    }

    /// A whole number of this range.
    pub(super) fn number(&self, key: &str, range: RangeInclusive<u32>) -> Result<Option<u32>> {
        self.read(key, |value| {
            let remedy = format!("Write a number from {} to {}.", range.start(), range.end());
            let DeValue::Integer(number) = value else {
                return Err(wrong(value, "a whole number", remedy));
            };
            let read = u32::from_str_radix(number.as_str(), number.radix()).ok();
            let message = || format!("is {}, which is out of range.", short(number.as_str()));
            read.filter(|number| range.contains(number))
                .ok_or_else(|| Flaw::new(message(), remedy))
        })
    }

    /// Several texts, none of them blank.
    pub(super) fn texts(
        &self,
        key: &str,
        most: usize,
        characters: usize,
    ) -> Result<Option<Vec<String>>> {
        let Some(list) = self.read(key, |value| array(value, most))? else {
            return Ok(None);
        };
        let one = |value: &Spanned<DeValue<'_>>| {
            let flaw = |flaw: Flaw| Flaw {
                message: format!("An entry of {key} {}", flaw.message),
                ..flaw
            };
            text(value.get_ref(), &(1..=characters))
                .map_err(|found| flaw(found).at(self.text, &value.span()))
        };
        list.iter().map(one).collect::<Result<_>>().map(Some)
    }

    /// One of these words, or `usual`.
    pub(super) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)], usual: T) -> Result<T> {
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        let chosen = self.read(key, |value| {
            let remedy = format!("Write one of: {}.", quoted(&words));
            let DeValue::String(word) = value else {
                return Err(wrong(value, "one of some words", remedy));
            };
            let found = choices.iter().find(|(known, _)| known == word);
            let message = || format!("is \"{}\", which it can't be.", short(word));
            found
                .map(|(_, value)| *value)
                .ok_or_else(|| Flaw::new(message(), remedy))
        })?;
        Ok(chosen.unwrap_or(usual))
    }

    /// A table in this one.
    pub(super) fn table(&self, key: &str, name: &'static str) -> Result<Option<Table<'a>>> {
        let Some(value) = self.entries.get(key) else {
            return Ok(None);
        };
        let remedy = format!("Write {name} on a line of its own, and the keys below it.");
        let entries = self.read(key, |value| match value {
            DeValue::Table(entries) => Ok(entries),
            other => Err(wrong(other, "a table", remedy)),
        })?;
        Ok(entries.map(|entries| self.inner(name, entries, value.span())))
    }

    /// The tables of a list in this one.
    pub(super) fn tables(&self, key: &str, name: &'static str) -> Result<Option<Vec<Table<'a>>>> {
        let remedy = || format!("Write {name}, with two brackets, before each of them.");
        let list = self.read(key, |value| match value {
            DeValue::Array(list) => Ok(list),
            other => Err(wrong(other, "a list of tables", remedy())),
        })?;
        let one = |value: &'a Spanned<DeValue<'a>>| match value.get_ref() {
            DeValue::Table(entries) => Ok(self.inner(name, entries, value.span())),
            other => Err(wrong(other, "a table", remedy())
                .named(key)
                .at(self.text, &value.span())),
        };
        list.map(|list| list.iter().map(one).collect()).transpose()
    }

    fn inner(&self, name: &'static str, entries: &'a DeTable<'a>, at: Range<usize>) -> Table<'a> {
        Table {
            text: self.text,
            name,
            entries,
            at,
        }
    }

    /// A problem at the value of this key, or at the table if it is not there.
    pub(super) fn problem(&self, key: &str, flaw: Flaw) -> ConfigProblem {
        let span = self.entries.get(key).map_or(self.at.clone(), Spanned::span);
        flaw.at(self.text, &span)
    }
}

impl Flaw {
    fn named(mut self, key: &str) -> Self {
        self.message = format!("An entry of {key} {}", self.message);
        self
    }
}

fn text(value: &DeValue<'_>, characters: &RangeInclusive<usize>) -> Result<String, Flaw> {
    let DeValue::String(text) = value else {
        return Err(wrong(value, "a text", "Write it in quotes: \"…\"."));
    };
    let count = text.chars().count();
    if *characters.start() > 0 && text.trim().is_empty() {
        return Err(Flaw::new("is blank.", "Write some words, or take it out."));
    }
    if count > *characters.end() {
        let most = characters.end();
        let message = format!("is {count} characters long; {most} fit.");
        return Err(Flaw::new(message, "Shorten it."));
    }
    Ok(text.clone().into_owned())
}

fn array<'a>(value: &'a DeValue<'a>, most: usize) -> Result<&'a [Spanned<DeValue<'a>>], Flaw> {
    let DeValue::Array(list) = value else {
        let remedy = "Write it in brackets: [\"…\", \"…\"].";
        return Err(wrong(value, "a list of texts", remedy));
    };
    if list.len() > most {
        let message = format!("has {} entries; {most} fit.", list.len());
        return Err(Flaw::new(message, "Take some out."));
    }
    Ok(list)
}

pub(super) fn wrong(value: &DeValue<'_>, wanted: &str, remedy: impl Into<String>) -> Flaw {
    let found = match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    Flaw::new(format!("is {found}, and must be {wanted}."), remedy)
}

/// The nearest known key, or all of them.
fn instead(key: &str, known: &[&str]) -> String {
    // Far longer than any key is no slip of a finger.
    let key: String = key.chars().take(40).collect();
    let near = known
        .iter()
        .map(|word| (strsim::osa_distance(&key, word), word));
    match near.min() {
        Some((distance, word)) if distance <= 1 + word.len() / 4 => {
            format!("Did you mean `{word}`?")
        }
        _ => format!("Known are {}.", known.join(", ")),
    }
}

fn quoted(words: &[&str]) -> String {
    let words = words.iter().map(|word| format!("\"{word}\""));
    words.collect::<Vec<_>>().join(", ")
}

/// So much of a text as fits a sentence.
fn short(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
