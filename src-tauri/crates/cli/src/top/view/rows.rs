//! Rows of a name and words, and how they become lines of a width.
//!
//! Invariant: no line is wider than its width, unless a single word is.

use super::{Palette, Tone};
use ratatui::text::{Line, Span};

/// How wide the names are where each row is on its own.
const SHORT_NAME: usize = 9;
/// How wide names are at most.
const MOST_NAME: usize = 26;

/// What belongs together.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) title: String,
    pub(super) rows: Vec<Row>,
}

/// A name and what is said to it. A row without a name goes on with the one before.
#[derive(Debug, Clone)]
pub(super) struct Row {
    name: String,
    words: Vec<(String, Tone)>,
}

impl Row {
    pub(super) fn new(name: impl Into<String>, words: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            words: Vec::new(),
        }
        .and(words, Tone::Plain)
    }

    /// Nothing is said yet.
    pub(super) fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            words: Vec::new(),
        }
    }

    /// Says this too.
    pub(super) fn and(mut self, words: impl Into<String>, tone: Tone) -> Self {
        self.words.push((words.into(), tone));
        self
    }
}

/// Sections one after the other, each row with its own name: for a small screen.
pub(super) fn short(sections: &[Section], width: u16, palette: Palette) -> Vec<Line<'static>> {
    let rows = sections.iter().flat_map(|section| &section.rows);
    let lines = rows.flat_map(|row| row_lines(row, width, palette));
    lines.collect()
}

/// A row of its own.
pub(super) fn row_lines(row: &Row, width: u16, palette: Palette) -> Vec<Line<'static>> {
    lines(row, SHORT_NAME, width, palette)
}

/// Sections under their titles, a blank line before each.
pub(super) fn full(sections: &[Section], width: u16, palette: Palette) -> Vec<Line<'static>> {
    let mut all = Vec::new();
    for section in sections.iter().filter(|section| !section.rows.is_empty()) {
        let names = section.rows.iter().map(|row| width_of(&row.name));
        let name = names.max().unwrap_or(0).min(MOST_NAME);
        all.push(Line::default());
        all.push(Line::styled(
            section.title.clone(),
            palette.tone(Tone::Strong),
        ));
        let rows = section.rows.iter();
        all.extend(rows.flat_map(|row| lines(row, name, width, palette)));
    }
    all
}

fn lines(row: &Row, name_width: usize, width: u16, palette: Palette) -> Vec<Line<'static>> {
    let mut wrapped = Wrapped::new(&row.name, name_width, usize::from(width), palette);
    for (words, tone) in &row.words {
        for word in words.split_inclusive(' ') {
            wrapped.push(word, *tone);
        }
    }
    wrapped.lines
}

/// Lines as they fill with words.
struct Wrapped {
    lines: Vec<Line<'static>>,
    /// Where words begin.
    indent: usize,
    width: usize,
    palette: Palette,
}

impl Wrapped {
    fn new(name: &str, name_width: usize, width: usize, palette: Palette) -> Self {
        let blanks = " ".repeat(name_width.saturating_sub(width_of(name)));
        let name = Span::styled(format!("{name}{blanks}  "), palette.tone(Tone::Muted));
        Self {
            lines: vec![Line::from(name)],
            indent: name_width + 2,
            width,
            palette,
        }
    }

    fn push(&mut self, word: &str, tone: Tone) {
        let line = self.lines.last().map_or(0, Line::width);
        if line > self.indent && line + width_of(word.trim_end()) > self.width {
            self.lines.push(Line::from(" ".repeat(self.indent)));
        }
        if let Some(line) = self.lines.last_mut() {
            line.push_span(Span::styled(word.to_owned(), self.palette.tone(tone)));
        }
    }
}

/// Columns that a text takes in a terminal.
pub(super) fn width_of(text: &str) -> usize {
    Span::raw(text).width()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_under_their_first() {
        let check = |row: Row, width, expected: &[&str]| {
            let found = lines(&row, 4, width, Palette::new(false));
            let found: Vec<_> = found
                .iter()
                .map(|line| line.to_string().trim_end().to_owned())
                .collect();
            assert_eq!(found, expected);
        };
        check(Row::new("name", "one two"), 20, &["name  one two"]);
        check(
            Row::new("name", "one two three"),
            13,
            &["name  one two", "      three"],
        );
        check(Row::new("n", "unbreakable"), 9, &["n     unbreakable"]);
        check(
            Row::named("longer")
                .and("大大 ", Tone::Plain)
                .and("b", Tone::Bad),
            12,
            &["longer  大大", "      b"],
        );
    }
}
