//! What things look like: colours where they are wanted, and signs that tell the same without.
//!
//! Invariant: without colours, no cell has one, and all parts of the memory still look different.

use ratatui::style::{Color, Modifier, Style};

/// A part of the memory, in the order in which it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Weights,
    KvCache,
    App,
    Other,
    PageCache,
    Free,
}

/// How something is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// As text is.
    Plain,
    /// What is less important.
    Muted,
    /// What is looked for first.
    Strong,
    /// Tokens that come.
    Live,
    /// As it should be.
    Good,
    /// Not as it should be.
    Tight,
    /// Bad.
    Bad,
}

/// The looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Palette {
    coloured: bool,
}

// Of the 256 colours that nearly every terminal has: ember, moss, amber and brick of the window, and browns.
const EMBER: Color = Color::Indexed(208);
const MOSS: Color = Color::Indexed(107);
const AMBER: Color = Color::Indexed(179);
const BRICK: Color = Color::Indexed(167);
const DARK: Color = Color::Indexed(234);
const LIGHT: Color = Color::Indexed(255);

impl Palette {
    /// Colours, unless `NO_COLOR` is set to anything (no-color.org).
    pub(crate) fn from_environment() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self::new(!unwanted)
    }

    pub(crate) fn new(coloured: bool) -> Self {
        Self { coloured }
    }

    pub(super) fn tone(self, tone: Tone) -> Style {
        let style = Style::new();
        let coloured = |colour| {
            if self.coloured {
                style.fg(colour)
            } else {
                style
            }
        };
        match tone {
            Tone::Plain => style,
            Tone::Muted => style.add_modifier(Modifier::DIM),
            Tone::Strong => style.add_modifier(Modifier::BOLD),
            Tone::Live => coloured(EMBER).add_modifier(Modifier::BOLD),
            Tone::Good => coloured(MOSS),
            Tone::Tight => coloured(AMBER),
            Tone::Bad => coloured(BRICK).add_modifier(Modifier::BOLD),
        }
    }

    /// What fills a part's place in the bar.
    pub(super) fn fill(self, part: Part) -> (char, Style) {
        if !self.coloured {
            return (sign(part), Style::new());
        }
        let (ground, text) = match part {
            Part::Weights => (EMBER, DARK),
            Part::KvCache => (AMBER, DARK),
            Part::App => (Color::Indexed(131), LIGHT),
            Part::Other => (Color::Indexed(67), LIGHT),
            Part::PageCache => (Color::Indexed(240), LIGHT),
            Part::Free => (Color::Indexed(236), LIGHT),
        };
        (' ', Style::new().bg(ground).fg(text))
    }

    /// What stands before a part's name in the legend.
    pub(super) fn mark(self, part: Part) -> (char, Style) {
        match self.fill(part) {
            (_, style) if self.coloured => ('■', Style::new().fg(style.bg.unwrap_or_default())),
            (sign, style) => (sign, style),
        }
    }
}

fn sign(part: Part) -> char {
    match part {
        Part::Weights => '#',
        Part::KvCache => '=',
        Part::App => '+',
        Part::Other => '%',
        Part::PageCache => ':',
        Part::Free => '.',
    }
}
