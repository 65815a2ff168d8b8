//! Harmony, the format of gpt-oss: messages with a header that names channel and recipient.
//!
//! Source: <https://github.com/openai/harmony>. It deliberately takes as marks only control tokens: the same letters written
//! as text are text. Invariant: a body is reasoning (`analysis`), text (`final`, and `commentary` to nobody) or a call.

use super::{Call, Out};
use serde_json::{Map, Value};

const START: &str = "<|start|>";
const MESSAGE: &str = "<|message|>";
const CHANNEL: &str = "<|channel|>";

#[derive(Debug)]
pub(super) struct Harmony {
    header: String,
    part: Part,
}

/// Where in a message one is.
#[derive(Debug)]
enum Part {
    Header,
    Reasoning,
    Text,
    Call { name: String, body: String },
}

impl Harmony {
    /// Within the message that the prompt leaves open.
    pub(super) fn begin(prompt: &str) -> Self {
        let open = prompt.rfind(START).map_or("", |at| &prompt[at..]);
        let (header, part) = match open.split_once(MESSAGE) {
            Some((header, _)) => (String::new(), part_of(header)),
            None => (String::new(), Part::Header),
        };
        Self { header, part }
    }

    pub(super) fn push(&mut self, piece: &str, is_control: bool, out: &mut Out) {
        if is_control {
            return self.mark(piece, out);
        }
        match &mut self.part {
            Part::Header => self.header.push_str(piece),
            Part::Reasoning => out.reasoning(piece),
            Part::Text => out.text(piece),
            Part::Call { body, .. } => body.push_str(piece),
        }
    }

    pub(super) fn finish(&mut self, out: &mut Out) {
        // A header without a message: the model forgot the format, but said something.
        if matches!(self.part, Part::Header) && !self.header.contains(CHANNEL) {
            out.text(&self.header);
        }
        // A call that broke off is none.
        if let Part::Call { body, .. } = &mut self.part
            && serde_json::from_str::<Value>(body).is_err()
        {
            out.text(body);
            self.part = Part::Text;
        }
        self.end(out);
    }

    fn mark(&mut self, mark: &str, out: &mut Out) {
        match mark {
            MESSAGE if matches!(self.part, Part::Header) => {
                self.part = part_of(&self.header);
                self.header.clear();
            }
            CHANNEL | "<|constrain|>" if matches!(self.part, Part::Header) => {
                self.header.push_str(mark);
            }
            // A header may come without its start: the message before ends all the same.
            START | CHANNEL | "<|end|>" | "<|return|>" | "<|call|>" => {
                self.end(out);
                if mark == CHANNEL {
                    self.header.push_str(mark);
                }
            }
            _ => {}
        }
    }

    /// The message is over.
    fn end(&mut self, out: &mut Out) {
        self.header.clear();
        if let Part::Call { name, body } = std::mem::replace(&mut self.part, Part::Header) {
            let arguments = match serde_json::from_str(body.trim()) {
                Ok(Value::Object(fields)) => Value::Object(fields),
                _ if body.trim().is_empty() => Value::Object(Map::new()),
                _ => Value::String(body),
            };
            out.call(Call {
                id: None,
                name,
                arguments,
            });
        }
    }
}

fn part_of(header: &str) -> Part {
    let recipient = header.split_once("to=").map(|(_, rest)| {
        let end = rest.find(|c: char| c.is_whitespace() || c == '<');
        &rest[..end.unwrap_or(rest.len())]
    });
    let channel = header.split_once(CHANNEL).map_or("", |(_, rest)| rest);
    match recipient.filter(|name| !name.is_empty()) {
        Some(name) => Part::Call {
            name: name.strip_prefix("functions.").unwrap_or(name).to_owned(),
            body: String::new(),
        },
        None if channel.trim_start().starts_with("analysis") => Part::Reasoning,
        None => Part::Text,
    }
}
