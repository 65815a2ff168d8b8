//! What a model writes, taken apart: text for the person, reasoning, calls of tools.
//!
//! It deliberately sees no tokens, only their texts and whether they are control tokens. Invariants: any cut of the stream gives
//! the same events as the whole at once; what merely looks like a call (in a code block, broken, unfinished) comes out as
//! text; nothing that is not a control token, a mark or white space beside one is lost.

mod call;
mod format;
mod harmony;
mod marked;
mod pythonic;
#[cfg(test)]
mod tests;
mod value;

pub use format::Format;

use engine_api::{Chat, Tool, ToolCall};
use harmony::Harmony;
use marked::Marked;
use serde_json::Value;

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// For the person, to append.
    Text(String),
    /// Thinking, to append.
    Reasoning(String),
    /// A whole call.
    Call(ToolCall),
}

/// A function's name and its arguments, before it has an id.
#[derive(Debug, Clone, PartialEq)]
struct Call {
    id: Option<String>,
    name: String,
    arguments: Value,
}

/// The state of one answer.
#[derive(Debug)]
pub struct Transcript {
    parser: Parser,
    out: Out,
}

#[derive(Debug)]
enum Parser {
    Harmony(Harmony),
    Marked(Marked),
}

impl Transcript {
    /// For the answer to `prompt`, which was rendered of `chat`: a prompt may have begun the reasoning.
    pub fn begin(format: &Format, prompt: &str, chat: &Chat) -> Self {
        let calls = chat.messages.iter().map(|turn| turn.tool_calls.len()).sum();
        let parser = if format.is_harmony {
            Parser::Harmony(Harmony::begin(prompt))
        } else {
            Parser::Marked(Marked::begin(format, prompt, chat))
        };
        Self {
            parser,
            out: Out {
                events: Vec::new(),
                made: calls,
                tools: chat.tools.clone(),
            },
        }
    }

    /// Takes the text of a token, or of a part of one. Control tokens come with their own text, alone.
    pub fn push(&mut self, piece: &str, is_control: bool) -> Vec<Event> {
        match &mut self.parser {
            Parser::Harmony(harmony) => harmony.push(piece, is_control, &mut self.out),
            Parser::Marked(marked) => marked.push(piece, is_control, &mut self.out),
        }
        std::mem::take(&mut self.out.events)
    }

    /// The answer is over: what was held back.
    pub fn finish(&mut self) -> Vec<Event> {
        match &mut self.parser {
            Parser::Harmony(harmony) => harmony.finish(&mut self.out),
            Parser::Marked(marked) => marked.finish(&mut self.out),
        }
        std::mem::take(&mut self.out.events)
    }
}

/// Where events are collected.
#[derive(Debug)]
struct Out {
    events: Vec<Event>,
    made: usize,
    tools: Vec<Tool>,
}

impl Out {
    fn text(&mut self, more: &str) {
        match self.events.last_mut() {
            Some(Event::Text(text)) => text.push_str(more),
            _ if more.is_empty() => {}
            _ => self.events.push(Event::Text(more.to_owned())),
        }
    }

    fn reasoning(&mut self, more: &str) {
        match self.events.last_mut() {
            Some(Event::Reasoning(text)) => text.push_str(more),
            _ if more.is_empty() => {}
            _ => self.events.push(Event::Reasoning(more.to_owned())),
        }
    }

    /// Whether the calls are of tools that were offered.
    fn knows_all(&self, calls: &[Call]) -> bool {
        let is_known = |call: &Call| self.tools.iter().any(|tool| tool.name == call.name);
        calls.iter().all(is_known)
    }

    fn calls(&mut self, calls: Vec<Call>) {
        for call in calls {
            self.call(call);
        }
    }

    /// Nine letters and digits, which is what the strictest templates want of an id.
    fn call(&mut self, call: Call) {
        let made = || format!("call{:05}", self.made % 100_000);
        let id = call.id.filter(|id| !id.is_empty()).unwrap_or_else(made);
        self.made += 1;
        self.events.push(Event::Call(ToolCall {
            id,
            name: call.name,
            arguments: call.arguments,
        }));
    }
}
