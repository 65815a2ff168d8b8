//! What holds in the kiosk: the contents of `kiosk.toml`, read and proven.
//!
//! Deliberately not here: when it is read again (`folder.rs`). `read.rs` reads it, with `table.rs` for one table and
//! `files.rs` for what lies beside it; `mistake.rs` is how a mistake is said, `words.rs` what a blocked word is.
//!
//! Invariant: a [`Config`] has at least one scene, and each number lies in its range.

pub(super) mod files;
mod mistake;
mod read;
mod table;
mod words;

pub(super) use mistake::Flaw;
pub(super) use read::read_folder;

use super::scenes::scenes;
use super::view::{KeyboardLayout, KeyboardMode, Overlay, Scene};
use std::time::Duration;
use words::{ends_within_a_word, words};

/// Everything that an operator decides.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    /// At the top of every scene.
    pub(crate) motto: String,
    /// Where telemetry is drawn.
    pub(crate) overlay: Overlay,
    /// What a visitor is offered.
    pub(crate) visitor: Visitor,
    /// What is not said.
    pub(crate) rules: Rules,
    /// The attract loop; never empty. The Markdown is read already.
    pub(crate) scenes: Vec<Scene>,
    /// Hour and minute, local, at which everything restarts.
    pub(crate) restart_at: Option<(u8, u8)>,
}

/// What a visitor is offered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Visitor {
    /// What the empty conversation says.
    pub(crate) greeting: String,
    /// What the model reads first.
    pub(crate) system_prompt: String,
    /// Suggested prompts.
    pub(crate) cards: Vec<String>,
    /// Names or ids in the library; the first answers. Empty: the model used last.
    pub(crate) models: Vec<String>,
    /// Of one answer.
    pub(crate) max_tokens: u32,
    /// Messages that one visitor may send.
    pub(crate) max_turns: u32,
    /// Of one message.
    pub(crate) max_message_characters: u32,
    /// How long nobody may touch anything until the countdown begins.
    pub(crate) idle: Duration,
    /// How long the countdown takes.
    pub(crate) countdown: Duration,
    /// When the keyboard on the screen is shown.
    pub(crate) keyboard: KeyboardMode,
    /// Which letters lie where on it.
    pub(crate) layout: KeyboardLayout,
}

/// What is not said. [`Rules::blocks`] decides it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rules {
    /// Words, or some words in a row, as they were written.
    pub(crate) blocked: Vec<String>,
    /// What is answered instead.
    pub(crate) blocked_answer: String,
}

impl Rules {
    /// Whether a blocked word stands in this text, as a whole word, whatever its case and accents.
    pub(crate) fn blocks(&self, text: &str) -> bool {
        self.stands_in(&words(text)) || self.stands_in(&words(&without_marks(text)))
    }

    /// The same of a text that is still being written: its last word may grow into a harmless one and is left out.
    pub(crate) fn blocks_so_far(&self, text: &str) -> bool {
        self.stands_in(&words_so_far(text)) || self.stands_in(&words_so_far(&without_marks(text)))
    }

    fn stands_in(&self, text: &[String]) -> bool {
        let blocked = self.blocked.iter().map(|entry| words(entry));
        let mut blocked = blocked.filter(|entry| !entry.is_empty());
        blocked.any(|entry| text.windows(entry.len()).any(|part| part == entry))
    }
}

/// The words that will not grow any more.
fn words_so_far(text: &str) -> Vec<String> {
    let mut words = words(text);
    if ends_within_a_word(text) {
        words.pop();
    }
    words
}

/// Markdown's marks show no letter: `b**a**d` is read as one word. They part words all the same, as in `two_words`.
fn without_marks(text: &str) -> String {
    text.replace(['*', '_', '~', '`', '\\'], "")
}

const SYSTEM_PROMPT: &str = "\
You are a friendly guide at a public stand, and you talk with people of all ages.
You run entirely on the computer in front of them, without the internet.
Answer in the visitor's language, in plain words, in two to five short sentences.
Be warm, curious and kind; a little humour is welcome.
Never ask for a name, an address or anything private.
If a question is hurtful, dangerous or not for children, say so kindly in one sentence and suggest a better one.
If you are not sure of something, say that you are not sure.";

const CARDS: [&str; 4] = [
    "Explain to a child how you work",
    "Write a haiku about this machine",
    "What is a token?",
    "Tell me a story in three sentences",
];

impl Default for Config {
    fn default() -> Self {
        Self {
            motto: "This computer answers by itself. No cloud.".into(),
            overlay: Overlay::default(),
            visitor: Visitor::default(),
            rules: Rules::default(),
            scenes: scenes(),
            restart_at: None,
        }
    }
}

impl Default for Visitor {
    fn default() -> Self {
        Self {
            greeting: "Ask me anything.".into(),
            system_prompt: SYSTEM_PROMPT.into(),
            cards: CARDS.map(String::from).into(),
            models: Vec::new(),
            max_tokens: 400,
            max_turns: 12,
            max_message_characters: 1000,
            idle: Duration::from_secs(60),
            countdown: Duration::from_secs(15),
            keyboard: KeyboardMode::default(),
            layout: KeyboardLayout::default(),
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            blocked: Vec::new(),
            blocked_answer: "Let us talk about something else.".into(),
        }
    }
}

#[cfg(test)]
mod tests;
