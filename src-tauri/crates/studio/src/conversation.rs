//! Conversations and messages, as the window and the database see them.
//!
//! Messages form a tree: an edited or regenerated message is a sibling, and the **head** is the tip of the branch
//! shown. A [`Conversation`] is deliberately only that branch, from its root to its head.

use crate::{Error, Measured, interruption};
use engine_api::{FinishReason, Role, Timings};
use serde::{Deserialize, Serialize};

/// Names a conversation. A number is never used twice.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, specta::Type,
)]
#[serde(transparent)]
pub struct ConversationId(pub u32);

/// Names a message. A number is never used twice, so the larger one of two is the newer message.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, specta::Type,
)]
#[serde(transparent)]
pub struct MessageId(pub u32);

/// A line in the list of conversations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, specta::Type)]
pub struct ConversationSummary {
    /// Its name.
    pub id: ConversationId,
    /// The beginning of its first message, or what the person called it.
    pub title: String,
    /// When something was last said in it, in milliseconds since 1970.
    #[specta(type = u32)]
    pub updated_at_ms: u64,
}

/// The shown branch of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, specta::Type)]
pub struct Conversation {
    /// Its name.
    pub id: ConversationId,
    /// The beginning of its first message, or what the person called it.
    pub title: String,
    /// From the root to the head.
    pub messages: Vec<Message>,
}

impl Conversation {
    /// What it is when nobody writes in it: an answer that says otherwise had an end that could not be stored.
    pub(crate) fn settled(mut self) -> Self {
        let open = |message: &&mut Message| message.state == MessageState::Streaming;
        for message in self.messages.iter_mut().filter(open) {
            message.state = MessageState::Interrupted;
            message.interruption = Some(interruption::UNKEPT.into());
        }
        self
    }
}

const TITLE_CHARACTERS: usize = 60;

/// What a conversation is called that begins with this message: its first line that says anything, cut to a length.
pub(crate) fn title_of(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    let line = line.unwrap_or_default();
    if line.chars().count() <= TITLE_CHARACTERS {
        return line.to_owned();
    }
    let start: String = line.chars().take(TITLE_CHARACTERS - 1).collect();
    format!("{}…", start.trim_end())
}

/// How a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// It is being written.
    Streaming,
    /// It is whole.
    Complete,
    /// The person stopped it.
    Stopped,
    /// Something else ended it too early; `interruption` says what.
    Interrupted,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize, specta::Type)]
pub struct Message {
    /// Its name.
    pub id: MessageId,
    /// The message before it.
    pub parent_id: Option<MessageId>,
    /// Who speaks.
    pub role: Role,
    /// What is said, as Markdown.
    pub text: String,
    /// What the model thought before it said that, as Markdown; empty for most messages.
    pub reasoning: String,
    /// How it stands.
    pub state: MessageState,
    /// Why it was interrupted, in words.
    pub interruption: Option<String>,
    /// The name of the model that wrote it.
    pub model: Option<String>,
    /// Why it ended.
    pub finish_reason: Option<FinishReason>,
    /// Where the time of its last generation went.
    pub timings: Option<Timings>,
    /// What else was measured of it; absent when nothing was.
    pub measured: Option<Measured>,
    /// When it was begun, in milliseconds since 1970.
    #[specta(type = u32)]
    pub created_at_ms: u64,
    /// All messages of this role after the same parent, itself included, oldest first.
    pub siblings: Vec<MessageId>,
}

/// A step of an answer. `Started` comes first and `Finished` last, unless the answer is refused: then there is an
/// [`Error`](crate::Error) instead of `Finished`.
#[derive(Debug, Clone, PartialEq, Serialize, specta::Type)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ChatEvent {
    /// The messages are stored; the last one is being written.
    Started {
        /// The conversation with them.
        conversation: Conversation,
    },
    /// The engine has the request and will come to it.
    Queued,
    /// The engine reads the prompt.
    Prefill {
        /// Tokens read so far, reused ones included.
        processed_tokens: u32,
        /// Length of the prompt.
        total_tokens: u32,
    },
    /// Text to append to the last message.
    Token {
        /// The text.
        text: String,
    },
    /// Text to append to the last message's reasoning.
    Reasoning {
        /// The text.
        text: String,
    },
    /// The answer is over, but could not be stored. It is tried again until it can be: then `Finished` comes.
    Unkept {
        /// What is in the way.
        error: Error,
    },
    /// The answer is over and stored.
    Finished {
        /// The conversation with the final state of every message.
        conversation: Conversation,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_first_line_cut_at_a_character() {
        let check = |text: &str, expected: &str| assert_eq!(title_of(text), expected, "{text:?}");
        check("Hello", "Hello");
        check("  Hello \n more", "Hello");
        check("\n\r\n  \nHello\n", "Hello");
        check("", "");
        check(&"é".repeat(60), &"é".repeat(60));
        check(&"é".repeat(61), &format!("{}…", "é".repeat(59)));
        check(
            &format!("{} {}", "a".repeat(58), "b".repeat(9)),
            &format!("{}…", "a".repeat(58)),
        );
    }
}
