//! Messages while and after they are written.

use super::conversations::{branch, touch};
use super::{Result, Store, row};
use crate::Measured;
use crate::conversation::{ConversationId, MessageId, MessageState};
use engine_api::{ChatMessage, FinishReason, Role, Timings};
use rusqlite::{Connection, Transaction};

/// What is written of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// What is said.
    pub(crate) text: String,
    /// What was thought before; mostly empty.
    pub(crate) reasoning: String,
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ending {
    /// Never [`MessageState::Streaming`].
    pub(crate) state: MessageState,
    /// Why it was interrupted, in words.
    pub(crate) interruption: Option<String>,
    /// Why the engine says that it ended.
    pub(crate) finish_reason: Option<FinishReason>,
    /// Where the time went, if the engine came to tell.
    pub(crate) timings: Option<Timings>,
    /// What else was measured of it.
    pub(crate) measured: Option<Measured>,
}

impl Ending {
    /// What the engine ended by itself, or when it was asked to.
    pub(crate) fn finished(
        reason: FinishReason,
        timings: Timings,
        measured: Option<Measured>,
    ) -> Self {
        let stopped = reason == FinishReason::Cancelled;
        Self {
            state: if stopped {
                MessageState::Stopped
            } else {
                MessageState::Complete
            },
            interruption: None,
            finish_reason: Some(reason),
            timings: Some(timings),
            measured,
        }
    }

    /// What the person stopped before the engine could say more of it.
    pub(crate) fn stopped() -> Self {
        Self {
            state: MessageState::Stopped,
            interruption: None,
            finish_reason: Some(FinishReason::Cancelled),
            timings: None,
            measured: None,
        }
    }

    /// What ended otherwise, and why in words.
    pub(crate) fn interrupted(why: impl Into<String>) -> Self {
        Self {
            state: MessageState::Interrupted,
            interruption: Some(why.into()),
            finish_reason: None,
            timings: None,
            measured: None,
        }
    }
}

impl Store {
    /// What the engine is to read for this answer: the branch up to it, and the answer itself if it has begun.
    pub(crate) async fn prompt(&self, answer: MessageId) -> Result<Vec<ChatMessage>> {
        self.run(move |db| {
            let mut branch = branch(db, answer)?;
            branch.pop_if(|last| {
                last.role == Role::Assistant && last.text.is_empty() && last.reasoning.is_empty()
            });
            Ok(branch.into_iter().map(turn).collect())
        })
        .await
    }

    /// Notes the model that writes a message.
    pub(crate) fn set_model(&self, message: MessageId, model: String) {
        self.run_later(move |db| {
            db.execute(
                "UPDATE messages SET model = ?2 WHERE id = ?1",
                (message, model),
            )?;
            Ok(())
        });
    }

    /// Keeps what is written of a message so far. Whoever deleted it has the last word.
    pub(crate) fn save(&self, message: MessageId, written: Written) {
        self.run_later(move |db| {
            db.execute(
                "UPDATE messages SET text = ?2, reasoning = ?3 WHERE id = ?1",
                (message, written.text, written.reasoning),
            )?;
            Ok(())
        });
    }

    /// Keeps a message that is over.
    pub(crate) async fn finish(
        &self,
        conversation: ConversationId,
        message: MessageId,
        written: Written,
        ending: Ending,
    ) -> Result<()> {
        self.run(move |db| {
            let sql = "UPDATE messages SET text = ?2, state = ?3, interruption = ?4, finish_reason = ?5, timings = ?6,
                reasoning = ?7, measured = ?8 WHERE id = ?1";
            let finish_reason = ending.finish_reason.and_then(row::finish_reason_word);
            let timings = ending.timings.as_ref().and_then(row::to_json);
            let measured = ending.measured.as_ref().and_then(row::to_json);
            let Written { text, reasoning } = written;
            db.execute(sql, (message, text, ending.state, ending.interruption, finish_reason, timings, reasoning, measured))?;
            touch(db, conversation)
        })
        .await
    }
}

/// A message as the engine takes it.
fn turn(message: crate::Message) -> ChatMessage {
    ChatMessage {
        reasoning: Some(message.reasoning).filter(|reasoning| !reasoning.is_empty()),
        ..ChatMessage::new(message.role, message.text)
    }
}

/// Ends what says that it is being written in a conversation in which nobody writes: its end could not be stored.
pub(super) fn settle(db: &Connection, conversation: ConversationId) -> Result<()> {
    let sql = "UPDATE messages SET state = ?2, interruption = ?3 WHERE conversation_id = ?1 AND state = ?4";
    let why = crate::interruption::UNKEPT;
    let (over, open) = (MessageState::Interrupted, MessageState::Streaming);
    db.execute(sql, (conversation, over, why, open))?;
    Ok(())
}

/// At the start nothing is being written: what says so was cut off with the app.
pub(super) fn settle_unfinished(db: &Transaction<'_>) -> Result<()> {
    let sql = "UPDATE messages SET state = ?1, interruption = ?2 WHERE state = ?3";
    let why = crate::interruption::CLOSED;
    db.execute(
        sql,
        (MessageState::Interrupted, why, MessageState::Streaming),
    )?;
    Ok(())
}
