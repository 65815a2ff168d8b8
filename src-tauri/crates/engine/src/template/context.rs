//! A conversation as the variables that chat templates read, under the names that `transformers` gives them.
//!
//! It deliberately renders nothing. Invariant: each text that a person, a tool or a model wrote passes the guard, so that
//! what looks like a special token in it is text; what the template writes does not.

use engine_api::{Chat, ChatMessage, Role, Tool, ToolCall};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// Makes a text harmless: special tokens' texts in it will be read as text.
pub type Guard<'a> = &'a dyn Fn(&str) -> Cow<'_, str>;

/// How a template takes the arguments of a tool call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Arguments {
    /// As a map.
    #[default]
    Map,
    /// As JSON text.
    Text,
}

/// What a template wants that others don't. Found out once, see [`super::prove`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Habits {
    /// How a tool call's arguments come.
    pub(super) arguments: Arguments,
    /// A content as a list of parts, not as text.
    pub(super) content_as_parts: bool,
    /// No turn for the system: its text goes before the first of the person.
    pub(super) system_into_user: bool,
    /// Harmony refuses content beside thinking in a turn that calls tools.
    pub(super) one_text_beside_calls: bool,
}

/// The variables for `chat`.
pub(super) fn variables(
    chat: &Chat,
    habits: Habits,
    specials: &[(String, String)],
    add_generation_prompt: bool,
    guard: Guard<'_>,
) -> Map<String, Value> {
    let writer = Writer { habits, guard };
    let mut variables: Map<String, Value> = specials
        .iter()
        .map(|(name, text)| (name.clone(), text.as_str().into()))
        .collect();
    variables.extend(chat.template_options.clone());
    variables.insert("messages".into(), writer.messages(&chat.messages));
    variables.insert("tools".into(), writer.tools(&chat.tools));
    variables.insert("documents".into(), Value::Null);
    variables.insert("add_generation_prompt".into(), add_generation_prompt.into());
    variables
}

struct Writer<'a> {
    habits: Habits,
    guard: Guard<'a>,
}

impl Writer<'_> {
    fn text(&self, text: &str) -> Value {
        (self.guard)(text).into_owned().into()
    }

    fn messages(&self, messages: &[ChatMessage]) -> Value {
        let (before, rest) = match messages.split_first() {
            Some((first, rest)) if self.merges(first, rest) => (first.content.as_str(), rest),
            _ => ("", messages),
        };
        let mut turns: Vec<Value> = Vec::with_capacity(rest.len());
        for (at, message) in rest.iter().enumerate() {
            let name = called(&rest[..at], message);
            if at == 0 && !before.is_empty() {
                let content = format!("{before}\n\n{}", message.content);
                turns.push(self.message(&ChatMessage::user(content), name));
            } else {
                turns.push(self.message(message, name));
            }
        }
        turns.into()
    }

    fn merges(&self, first: &ChatMessage, rest: &[ChatMessage]) -> bool {
        self.habits.system_into_user
            && first.role == Role::System
            && rest.first().is_some_and(|next| next.role == Role::User)
    }

    fn message(&self, message: &ChatMessage, name: Option<&str>) -> Value {
        let (content, reasoning) = self.texts(message);
        let mut turn = Map::new();
        turn.insert("role".into(), message.role.as_str().into());
        turn.insert("content".into(), self.content(&content));
        // The three names that templates know it by.
        if let Some(reasoning) = reasoning {
            for name in ["reasoning_content", "reasoning", "thinking"] {
                turn.insert(name.into(), self.text(&reasoning));
            }
        }
        if !message.tool_calls.is_empty() {
            let calls = message.tool_calls.iter().map(|call| self.call(call));
            turn.insert("tool_calls".into(), calls.collect());
        }
        if let Some(id) = &message.tool_call_id {
            turn.insert("tool_call_id".into(), self.text(id));
        }
        if let Some(name) = name {
            turn.insert("name".into(), self.text(name));
        }
        Value::Object(turn)
    }

    fn texts<'a>(&self, message: &'a ChatMessage) -> (Cow<'a, str>, Option<Cow<'a, str>>) {
        let content = Cow::from(&message.content);
        let reasoning = message.reasoning.as_deref().filter(|text| !text.is_empty());
        match reasoning {
            Some(thought)
                if self.habits.one_text_beside_calls
                    && !message.tool_calls.is_empty()
                    && !content.is_empty() =>
            {
                ("".into(), Some(format!("{thought}\n\n{content}").into()))
            }
            _ => (content, reasoning.map(Cow::from)),
        }
    }

    fn content(&self, content: &str) -> Value {
        if self.habits.content_as_parts {
            json!([{"type": "text", "text": self.text(content)}])
        } else {
            self.text(content)
        }
    }

    fn call(&self, call: &ToolCall) -> Value {
        let arguments = self.guarded(&call.arguments);
        let arguments = match arguments {
            Value::String(_) => arguments,
            _ if self.habits.arguments == Arguments::Text => arguments.to_string().into(),
            _ => arguments,
        };
        json!({
            "type": "function",
            "id": self.text(&call.id),
            "function": {"name": self.text(&call.name), "arguments": arguments},
        })
    }

    fn tools(&self, tools: &[Tool]) -> Value {
        if tools.is_empty() {
            return Value::Null;
        }
        tools.iter().map(|tool| self.tool(tool)).collect()
    }

    fn tool(&self, tool: &Tool) -> Value {
        let mut function = Map::new();
        function.insert("name".into(), self.text(&tool.name));
        if let Some(description) = &tool.description {
            function.insert("description".into(), self.text(description));
        }
        function.insert("parameters".into(), self.guarded(&tool.parameters));
        json!({"type": "function", "function": function})
    }

    /// All texts in a value guarded, keys included.
    fn guarded(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => items.iter().map(|item| self.guarded(item)).collect(),
            Value::Object(fields) => fields
                .iter()
                .map(|(key, value)| ((self.guard)(key).into_owned(), self.guarded(value)))
                .collect(),
            plain => plain.clone(),
        }
    }
}

/// The name of the function whose answer this turn is.
fn called<'a>(before: &'a [ChatMessage], message: &ChatMessage) -> Option<&'a str> {
    let id = message.tool_call_id.as_ref()?;
    let calls = before.iter().rev().flat_map(|turn| &turn.tool_calls);
    let call = calls.into_iter().find(|call| call.id == *id)?;
    Some(&call.name)
}
