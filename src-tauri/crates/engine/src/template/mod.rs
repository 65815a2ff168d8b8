//! The chat template that a model carries: a conversation to the text of a prompt, as `transformers` renders it.
//!
//! A template is a program of a stranger. It deliberately gets no access to anything but the conversation. Invariant: whatever
//! a template holds, rendering it ends within a second in a prompt or an error, in bounded memory and stack.

mod bounded;
mod context;
mod environment;
mod json;
mod methods;
mod named;
mod print;
mod prove;
#[cfg(test)]
mod reference;
mod source;
#[cfg(test)]
mod tests;
mod weighed;
mod weight;

pub use context::Guard;
pub use named::Sources;

use crate::transcript::Format;
use bounded::bounded;
use context::{Habits, variables};
use engine_api::{Chat, ChatMessage, Role};
use environment::{NAME, environment};
use minijinja::Environment;
use minijinja::value::{Serde, Value};
use std::borrow::Cow;

/// Why a template can't be used or refuses a conversation, in its own or Jinja's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct Error {
    words: String,
    ran_away: bool,
}

impl Error {
    fn new(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            ran_away: false,
        }
    }

    fn runaway() -> Self {
        Self {
            words: "it does not end".into(),
            ran_away: true,
        }
    }

    /// Whether a thread was left behind that computes for ever: the process should end soon.
    pub fn ran_away(&self) -> bool {
        self.ran_away
    }
}

/// The longest prompt that a template may make.
const MAX_PROMPT_BYTES: usize = 64 << 20;
/// Steps that any rendering may take.
const LEAST_FUEL: u64 = 500_000;
/// Marks where an open turn ends, so that what the template writes after it can be cut off.
const OPEN_END: &str = "WICK-THE-TURN-GOES-ON";

/// Texts of special tokens by the names that templates know: `bos_token`, `eos_token`, …
pub type Specials = Vec<(String, String)>;

/// A model's templates, proven.
#[derive(Debug)]
pub struct Templates {
    default: ChatTemplate,
    tool_use: Option<ChatTemplate>,
}

impl Templates {
    /// Compiles what a model carries and tries it.
    ///
    /// # Errors
    /// Jinja's, for a template that can't be read or fails on a conversation of one plain turn.
    pub fn new(sources: &Sources, specials: &Specials) -> Result<Self, Error> {
        let missing =
            || Error::new("there is none: this model completes text and does not converse");
        let default = sources.default_source().ok_or_else(missing)?;
        let tool_use = sources.tool_use_source();
        Ok(Self {
            default: ChatTemplate::new(default, specials)?,
            // A model converses without it: not worth refusing the model.
            tool_use: tool_use.and_then(|source| ChatTemplate::new(source, specials).ok()),
        })
    }

    /// The prompt for this conversation. `guard` is applied to every text that is not the template's own. When the last
    /// turn is the assistant's, the prompt ends with that turn's text, open, so that the model goes on with it.
    ///
    /// # Errors
    /// What the template raises, or that it ran too long, too deep or out of bounds.
    pub fn render(&self, chat: &Chat, guard: Guard<'_>) -> Result<String, Error> {
        self.of(chat).render(chat, guard)
    }

    /// How the answer to this conversation marks reasoning and calls.
    pub fn format(&self, chat: &Chat) -> &Format {
        &self.of(chat).format
    }

    /// Takes into account what special tokens the model has: some write marks that their template never shows.
    #[must_use]
    pub fn with_tokens(mut self, tokens: &[&str]) -> Self {
        for template in [Some(&mut self.default), self.tool_use.as_mut()]
            .into_iter()
            .flatten()
        {
            template.format = Format::of_model(&template.source(), tokens.iter().copied());
        }
        self
    }

    fn of(&self, chat: &Chat) -> &ChatTemplate {
        match &self.tool_use {
            Some(template) if named::wants_tool_use(chat) => template,
            _ => &self.default,
        }
    }
}

/// One compiled template and its habits.
#[derive(Debug)]
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    specials: Specials,
    habits: Habits,
    format: Format,
}

impl ChatTemplate {
    /// Compiles and tries `source`.
    pub(crate) fn new(source: &str, specials: &Specials) -> Result<Self, Error> {
        let specials = specials.iter().filter(|(_, text)| !text.is_empty());
        let mut template = Self {
            environment: bounded({
                let source = source.to_owned();
                move || environment(&source)
            })?,
            specials: specials.cloned().collect(),
            habits: Habits::default(),
            format: Format::of(source),
        };
        template.habits = prove::habits(&template)?;
        Ok(template)
    }

    pub(crate) fn render(&self, chat: &Chat, guard: Guard<'_>) -> Result<String, Error> {
        match chat.messages.split_last() {
            Some((last, before)) if last.role == Role::Assistant && last.tool_calls.is_empty() => {
                self.render_open(chat, before, last, guard)
            }
            _ => self.run(chat, self.habits, true, guard),
        }
    }

    /// Up to where the last turn breaks off. A template that does not show the mark gets a new turn with the old text.
    fn render_open(
        &self,
        chat: &Chat,
        before: &[ChatMessage],
        last: &ChatMessage,
        guard: Guard<'_>,
    ) -> Result<String, Error> {
        let mut marked = last.clone();
        match &mut marked.reasoning {
            Some(reasoning) if last.content.is_empty() => reasoning.push_str(OPEN_END),
            _ => marked.content.push_str(OPEN_END),
        }
        let messages = before.iter().cloned().chain([marked]).collect();
        let open = Chat {
            messages,
            ..chat.clone()
        };
        if let Ok(mut text) = self.run(&open, self.habits, false, guard)
            && let Some(end) = text.rfind(OPEN_END)
        {
            text.truncate(end);
            return Ok(text);
        }
        let closed = Chat {
            messages: before.to_vec(),
            ..chat.clone()
        };
        let prompt = self.run(&closed, self.habits, true, guard)?;
        Ok(prompt + &guard(&last.content))
    }

    fn run(
        &self,
        chat: &Chat,
        habits: Habits,
        add_generation_prompt: bool,
        guard: Guard<'_>,
    ) -> Result<String, Error> {
        let variables = variables(chat, habits, &self.specials, add_generation_prompt, guard);
        let mut environment = self.environment.clone();
        environment.set_fuel(Some(fuel(&variables)));
        let prompt = bounded(move || {
            let variables = Value::from(Serde(&variables));
            environment.get_template(NAME)?.render(variables)
        })?;
        if prompt.len() > MAX_PROMPT_BYTES {
            return Err(Error::new("the prompt gets too long"));
        }
        Ok(prompt)
    }

    fn source_has(&self, words: &str) -> bool {
        self.source().contains(words)
    }

    fn source(&self) -> String {
        let template = self.environment.get_template(NAME);
        template.map_or_else(|_| String::new(), |template| template.source().to_owned())
    }
}

/// Steps for these variables, about one for 64 bytes of text: real templates need some ten thousand for a hundred turns,
/// and write each text a few times.
fn fuel(variables: &serde_json::Map<String, serde_json::Value>) -> u64 {
    LEAST_FUEL + variables.values().map(text_bytes).sum::<u64>() / 4
}

fn text_bytes(value: &serde_json::Value) -> u64 {
    match value {
        serde_json::Value::String(text) => text.len() as u64,
        serde_json::Value::Array(items) => items.iter().map(text_bytes).sum::<u64>() + 64,
        serde_json::Value::Object(fields) => fields.values().map(text_bytes).sum::<u64>() + 256,
        _ => 16,
    }
}

/// The guard that guards nothing.
pub(crate) fn unguarded(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}
