//! Answers with marks in the text: think blocks and calls.
//!
//! It deliberately holds back only what may still become a mark, white space beside one, and calls until they are whole. White
//! space around reasoning and before calls is the marks', not the text's.

use super::Out;
use super::call::{Parsed, Shape, parse};
use super::format::{CallMarks, Format, Think};
use engine_api::{Chat, Role};

const FENCE: &str = "```";

#[derive(Debug)]
pub(super) struct Marked {
    format: Format,
    mode: Mode,
    /// What is not yet understood.
    held: String,
    /// White space that is shown only if more text follows.
    space: String,
    /// Whether white space is dropped until something else comes.
    skips_space: bool,
    fence: Fence,
    /// Whether a call without a mark may begin: nothing but white space was written, or a call of that kind.
    takes_bare: Bare,
}

#[derive(Debug, Clone, Copy)]
enum Mode {
    Text,
    Reasoning(Think),
    Call(CallMarks, usize),
    BareJson,
}

/// Where a call without a mark may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bare {
    No,
    /// At the start of an answer.
    First,
    /// After another, with a comma or semicolon between.
    Next,
}

/// Whether the text is within a code block.
#[derive(Debug, Default)]
struct Fence {
    is_open: bool,
    /// Whether the line so far holds anything.
    is_line_used: bool,
}

/// What a mark in the text stands for.
#[derive(Debug, Clone, Copy)]
enum Mark {
    Think(Think),
    Call(CallMarks),
    Silent,
    Fence,
    BareJson,
}

impl Marked {
    pub(super) fn begin(format: &Format, prompt: &str, chat: &Chat) -> Self {
        let end = prompt.trim_end();
        let opened = format.thinks.iter().find(|think| end.ends_with(think.open));
        // A turn that broke off while the model thought goes on thinking.
        let last = chat.messages.last();
        let goes_on = last.is_some_and(|last| {
            last.role == Role::Assistant && last.content.is_empty() && last.reasoning.is_some()
        });
        let opened = opened.or(format.thinks.first().filter(|_| goes_on));
        let is_new_turn = last.is_none_or(|last| last.role != Role::Assistant);
        Self {
            mode: opened.map_or(Mode::Text, |think| Mode::Reasoning(*think)),
            format: Format {
                // Without tools it is JSON that somebody asked for.
                is_bare_json: format.is_bare_json && !chat.tools.is_empty(),
                ..format.clone()
            },
            held: String::new(),
            space: String::new(),
            skips_space: opened.is_some() && !goes_on,
            fence: Fence::default(),
            takes_bare: if is_new_turn { Bare::First } else { Bare::No },
        }
    }

    pub(super) fn push(&mut self, piece: &str, is_control: bool, out: &mut Out) {
        if is_control {
            if !self.format.knows(piece) {
                return;
            }
            // A mark that is a token of its own is meant as one, also in a code block.
            self.settle(out, false);
            self.fence.is_open = false;
        }
        self.held.push_str(piece);
        self.settle(out, false);
    }

    pub(super) fn finish(&mut self, out: &mut Out) {
        self.settle(out, true);
        let space = std::mem::take(&mut self.space);
        if matches!(self.mode, Mode::Text) {
            out.text(&space);
        }
    }

    /// Understands as much of what is held as can be.
    fn settle(&mut self, out: &mut Out, is_end: bool) {
        loop {
            let goes_on = match self.mode {
                Mode::Text => self.text(out, is_end),
                Mode::Reasoning(think) => self.think(think, out, is_end),
                Mode::Call(marks, searched) => self.call(marks, searched, out, is_end),
                Mode::BareJson => self.bare_json(out, is_end),
            };
            if !goes_on {
                return;
            }
        }
    }

    fn text(&mut self, out: &mut Out, is_end: bool) -> bool {
        let waits = self.takes_bare == Bare::Next && !is_end;
        if waits && self.after_bare_lead() == Some("") {
            return false;
        }
        let Some((at, length, mark)) = self.first_mark() else {
            let keep = if is_end {
                0
            } else {
                self.beginning_of_a_mark()
            };
            let rest = self.held.split_off(self.held.len() - keep);
            let text = std::mem::replace(&mut self.held, rest);
            self.show(&text, out);
            return false;
        };
        let rest = self.held.split_off(at);
        let before = std::mem::replace(&mut self.held, rest);
        self.show(&before, out);
        match mark {
            Mark::Fence => {
                let at_line_start = !self.fence.is_line_used;
                let fence: String = self.held.drain(..length).collect();
                self.show(&fence, out);
                self.fence.is_open ^= at_line_start;
                return true;
            }
            Mark::BareJson => {
                self.mode = Mode::BareJson;
                return true;
            }
            Mark::Call(marks) => self.mode = Mode::Call(marks, marks.open.len()),
            Mark::Silent | Mark::Think(_) => {
                self.held.drain(..length);
                self.space.clear();
                self.skips_space = true;
                self.fence = Fence::default();
                if let Mark::Think(think) = mark {
                    self.mode = Mode::Reasoning(think);
                }
            }
        }
        self.takes_bare = Bare::No;
        true
    }

    /// The first mark in what is held, the longest of several: its place, its length, its meaning.
    fn first_mark(&self) -> Option<(usize, usize, Mark)> {
        let fence = self
            .held
            .find(FENCE)
            .map(|at| (at, FENCE.len(), Mark::Fence));
        if self.fence.is_open {
            return fence;
        }
        let find = |text: &str, mark| self.held.find(text).map(|at| (at, text.len(), mark));
        let format = &self.format;
        let thinks = format
            .thinks
            .iter()
            .map(|one| find(one.open, Mark::Think(*one)));
        let calls = format
            .calls
            .iter()
            .map(|one| find(one.open, Mark::Call(*one)));
        let silent = format.silent.iter().map(|one| find(one, Mark::Silent));
        let marks = thinks.chain(calls).chain(silent).flatten().chain(fence);
        // Before the mark that is first there may be a block that it stands in.
        let first = marks.min_by_key(|(at, length, _)| (*at, usize::MAX - length));
        let bare = self.bare_start().map(|at| (at, 0, Mark::BareJson));
        bare.or(first)
    }

    /// Where an answer begins with a call without a mark.
    fn bare_start(&self) -> Option<usize> {
        let is_bare = self.format.is_bare_json && self.after_bare_lead()?.starts_with('{');
        is_bare.then_some(0)
    }

    /// What is held, less what may stand before a call without a mark; `None` where none may.
    fn after_bare_lead(&self) -> Option<&str> {
        match self.takes_bare {
            Bare::No => None,
            Bare::First => Some(self.held.trim_start()),
            Bare::Next => Some(self.held.trim_start_matches([' ', '\n', ';', ','])),
        }
    }

    /// How many bytes at the end may be the beginning of a mark.
    fn beginning_of_a_mark(&self) -> usize {
        let format = &self.format;
        let thinks = format.thinks.iter().map(|one| one.open);
        let calls = format.calls.iter().map(|one| one.open);
        let silent = format.silent.iter().copied();
        let marks = thinks
            .chain(calls)
            .chain(silent)
            .filter(|_| !self.fence.is_open);
        overlap(&self.held, marks.chain([FENCE]))
    }

    fn think(&mut self, think: Think, out: &mut Out, is_end: bool) -> bool {
        let close = self.held.find(think.close);
        let end = match close {
            Some(at) => at,
            None if is_end => self.held.len(),
            None => self.held.len() - overlap(&self.held, [think.close]),
        };
        let rest = self.held.split_off(end);
        let text = std::mem::replace(&mut self.held, rest);
        self.show(&text, out);
        if close.is_some() {
            self.held.drain(..think.close.len());
            self.mode = Mode::Text;
            self.space.clear();
            self.skips_space = true;
            self.fence = Fence::default();
        }
        close.is_some()
    }

    /// A call is tried at each of its possible ends.
    fn call(&mut self, marks: CallMarks, searched: usize, out: &mut Out, is_end: bool) -> bool {
        let closes = !marks.close.is_empty();
        let end = match self.held[searched..].find(marks.close).filter(|_| closes) {
            Some(at) => searched + at,
            None if closes && !is_end => {
                let keep = overlap(&self.held[searched..], [marks.close]);
                self.mode = Mode::Call(marks, self.held.len() - keep);
                return false;
            }
            None => self.held.len(),
        };
        let body = &self.held[marks.open.len()..end];
        match parse(marks.shape, body, is_end, &out.tools) {
            Parsed::Calls(calls, used) => {
                let after = if closes {
                    (end + marks.close.len()).min(self.held.len())
                } else {
                    marks.open.len() + used
                };
                self.held.drain(..after);
                self.after_call();
                self.takes_bare = if closes { Bare::No } else { Bare::Next };
                out.calls(calls);
            }
            Parsed::Unfinished if !is_end => {
                // The mark stood within a text of the call: it goes on.
                let next = if closes {
                    end + marks.close.len()
                } else {
                    marks.open.len()
                };
                self.mode = Mode::Call(marks, next);
                return closes;
            }
            Parsed::Unfinished | Parsed::Wrong => self.no_call(marks.open.len(), out),
        }
        true
    }

    fn after_call(&mut self) {
        self.mode = Mode::Text;
        self.fence = Fence::default();
        self.space.clear();
        self.skips_space = true;
    }

    /// It only looked like a call: its mark is text, and what follows is looked at anew.
    fn no_call(&mut self, mark_bytes: usize, out: &mut Out) {
        let mark: String = self.held.drain(..mark_bytes).collect();
        self.mode = Mode::Text;
        self.takes_bare = Bare::No;
        self.show(&mark, out);
    }

    fn bare_json(&mut self, out: &mut Out, is_end: bool) -> bool {
        let body = self.after_bare_lead().unwrap_or(&self.held);
        let lead = self.held.len() - body.len();
        match parse(Shape::OneJson, body, is_end, &out.tools) {
            Parsed::Calls(calls, used) if out.knows_all(&calls) => {
                self.held.drain(..lead + used);
                self.after_call();
                self.takes_bare = Bare::Next;
                out.calls(calls);
                true
            }
            Parsed::Unfinished if !is_end => false,
            _ => {
                self.mode = Mode::Text;
                self.takes_bare = Bare::No;
                true
            }
        }
    }

    /// Shows text or reasoning, white space at its end held back.
    fn show(&mut self, text: &str, out: &mut Out) {
        let text = if self.skips_space {
            text.trim_start()
        } else {
            text
        };
        if text.is_empty() {
            return;
        }
        self.skips_space = false;
        let shown = text.trim_end();
        let is_text = matches!(self.mode, Mode::Text);
        if is_text {
            self.fence.read(text);
        }
        if !shown.is_empty() {
            self.takes_bare = Bare::No;
            let whole = std::mem::take(&mut self.space) + shown;
            if is_text {
                out.text(&whole);
            } else {
                out.reasoning(&whole);
            }
        }
        self.space.push_str(&text[shown.len()..]);
    }
}

impl Fence {
    fn read(&mut self, text: &str) {
        for character in text.chars() {
            self.is_line_used = match character {
                '\n' => false,
                space if space.is_whitespace() => self.is_line_used,
                _ => true,
            };
        }
    }
}

/// The longest end of `text` that one of `marks` begins with, in bytes.
fn overlap<'a>(text: &str, marks: impl IntoIterator<Item = &'a str>) -> usize {
    let longest = |mark: &str| {
        let lengths = mark.char_indices().map(|(at, _)| at).skip(1);
        let fits = lengths.filter(|length| text.ends_with(&mark[..*length]));
        fits.max().unwrap_or(0)
    };
    marks.into_iter().map(longest).max().unwrap_or(0)
}
