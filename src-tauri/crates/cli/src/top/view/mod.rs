//! What is drawn: everything that was seen, as lines of text.
//!
//! The same rows serve a small screen, where each thing is a line or two, a wide one in two columns, and a file. It
//! deliberately knows no terminal (`screen.rs` does).
//!
//! Invariant: whatever a name from outside holds, what is drawn is one line of characters that command nothing.

mod gpu;
mod machine;
mod memory;
mod rows;
mod wick;
mod words;

use super::palette::{Palette, Tone};
use super::rates::Rates;
use super::source::{Seen, Teller};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Text};
use rows::{Row, Section, full, row_lines, short};
use words::shown;

/// From this width on there are two columns.
const WIDE: u16 = 120;
/// How wide text in a file is.
const FILE_WIDTH: u16 = 100;

/// How much is told of each thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// What there is room for on a small screen.
    Short,
    /// All of it.
    Full,
}

/// Draws what was seen.
pub(crate) fn draw(frame: &mut Frame<'_>, seen: &Seen, rates: &Rates, palette: Palette) {
    let area = frame.area();
    if area.width < WIDE {
        let lines = narrow(seen, rates, area.width, palette);
        return render(frame, area, lines, palette);
    }
    let head = head(seen, area.width, palette);
    let height = u16::try_from(head.len()).unwrap_or(u16::MAX);
    let [top, below] =
        Layout::vertical([Constraint::Length(height), Constraint::Fill(1)]).areas(area);
    let [left, _, right] = Layout::horizontal([
        Constraint::Fill(1),
        Constraint::Length(3),
        Constraint::Fill(1),
    ])
    .areas(below);
    render(frame, top, head, palette);
    let lines = |sections: &[Section], area: Rect| full(sections, area.width, palette);
    let of_wick = [
        wick::sections(seen, rates, left.width),
        vec![memory::programs(seen, Detail::Full)],
    ]
    .concat();
    render(frame, left, lines(&of_wick, left), palette);
    render(
        frame,
        right,
        lines(&machine::sections(seen, Detail::Full), right),
        palette,
    );
}

/// What was seen as text for a file: all of it, in one column.
pub(crate) fn plain(seen: &Seen) -> String {
    let palette = Palette::new(false);
    let rates = Rates::default();
    let mut lines = head(seen, FILE_WIDTH, palette);
    let sections = [
        wick::sections(seen, &rates, FILE_WIDTH),
        vec![memory::programs(seen, Detail::Full)],
        machine::sections(seen, Detail::Full),
    ];
    lines.extend(full(&sections.concat(), FILE_WIDTH, palette));
    let text = lines
        .iter()
        .map(|line| format!("{}\n", line.to_string().trim_end()));
    text.collect()
}

/// All of it on a small screen, the most important first.
fn narrow(seen: &Seen, rates: &Rates, width: u16, palette: Palette) -> Vec<Line<'static>> {
    let mut lines = head(seen, width, palette);
    let sections = [
        wick::sections(seen, rates, width),
        machine::sections(seen, Detail::Short),
        vec![memory::programs(seen, Detail::Short)],
    ];
    lines.extend(short(&sections.concat(), width, palette));
    lines
}

/// What stands above everything: whose figures these are, and the memory.
fn head(seen: &Seen, width: u16, palette: Palette) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut name = "wick top";
    for (words, tone) in notices(seen) {
        let row = Row::named(std::mem::take(&mut name)).and(words, tone);
        lines.extend(row_lines(&row, width, palette));
    }
    lines.extend(memory::lines(seen, width, palette));
    lines
}

/// Whose figures these are, where they are not this Wick's.
fn notices(seen: &Seen) -> Vec<(String, Tone)> {
    let recorded = seen.now.reading.recorded.as_ref();
    let recorded = recorded.map(|label| {
        let words = format!("Recorded, not this machine: {}", shown(label));
        (words, Tone::Tight)
    });
    let tone = match seen.teller {
        Teller::Silent | Teller::Foreign => Tone::Bad,
        Teller::Wick | Teller::Alone | Teller::Recording => Tone::Tight,
    };
    let excuse = seen.teller.excuse().map(|words| (words.into(), tone));
    excuse.into_iter().chain(recorded).collect()
}

/// Draws lines from the top; says so where there is no room for all.
fn render(frame: &mut Frame<'_>, area: Rect, mut lines: Vec<Line<'static>>, palette: Palette) {
    let room = usize::from(area.height);
    if lines.len() > room {
        let hidden = lines.len() - room + 1;
        lines.truncate(room.saturating_sub(1));
        let words = format!("… {hidden} more lines: there is room for them in a larger window");
        lines.push(Line::styled(words, palette.tone(Tone::Muted)));
    }
    frame.render_widget(Text::from(lines), area);
}
