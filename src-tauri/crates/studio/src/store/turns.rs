//! Turns: the messages that an answer begins with, and the way back when it is refused.

use super::conversations::{conversation_of, touch};
use super::messages::settle;
use super::{Result, Store, StoreError, Written, now_ms};
use crate::conversation::{ConversationId, MessageId, MessageState, title_of};
use engine_api::{FinishReason, Role};
use rusqlite::{Connection, OptionalExtension};

/// An answer that is about to be written, and all that its withdrawal needs.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    /// Where.
    pub(crate) conversation: ConversationId,
    /// The assistant's message; its state is [`MessageState::Streaming`].
    pub(crate) answer: MessageId,
    /// What it says already: something only when it is continued.
    pub(crate) written: Written,
    undo: Undo,
}

#[derive(Debug, Clone, Default)]
struct Undo {
    /// Children before parents.
    added: Vec<MessageId>,
    conversation_is_new: bool,
    head: Option<MessageId>,
    updated_at_ms: i64,
    continued: Option<Outcome>,
}

/// The columns of a message that continuing it overwrites.
#[derive(Debug, Clone)]
struct Outcome {
    state: MessageState,
    interruption: Option<String>,
    model: Option<String>,
    finish_reason: Option<String>,
    timings: Option<String>,
    measured: Option<String>,
}

impl Store {
    /// Stores what the person said, in a new conversation or under the head of one, and an empty answer.
    pub(crate) async fn begin_send(
        &self,
        conversation: Option<ConversationId>,
        text: String,
        model: Option<String>,
    ) -> Result<Turn> {
        self.run(move |db| {
            let (id, mut undo) = match conversation {
                Some(id) => (id, prepared(db, id)?),
                None => create(db, &text)?,
            };
            let question = insert(db, id, undo.head, Role::User, &text, None)?;
            let answer = insert(
                db,
                id,
                Some(question),
                Role::Assistant,
                "",
                model.as_deref(),
            )?;
            undo.added = vec![answer, question];
            begin(db, id, answer, Written::default(), undo)
        })
        .await
    }

    /// Stores an empty answer beside another one.
    pub(crate) async fn begin_regenerate(
        &self,
        message: MessageId,
        model: Option<String>,
    ) -> Result<Turn> {
        self.run(move |db| {
            let id = conversation_of(db, message)?;
            let mut undo = prepared(db, id)?;
            let sql = "SELECT parent_id FROM messages WHERE id = ?1 AND role = 'assistant'";
            let parent = db.query_row(sql, [message], |row| row.get(0)).optional()?;
            let parent: Option<MessageId> =
                parent.ok_or(StoreError::Invalid("Only an answer can be written anew."))?;
            let answer = insert(db, id, parent, Role::Assistant, "", model.as_deref())?;
            undo.added = vec![answer];
            begin(db, id, answer, Written::default(), undo)
        })
        .await
    }

    /// Makes an answer that ended early one that is being written again.
    pub(crate) async fn begin_continue(&self, message: MessageId) -> Result<Turn> {
        self.run(move |db| {
            let id = conversation_of(db, message)?;
            let mut undo = prepared(db, id)?;
            let (outcome, written) = continuable(db, message)?;
            undo.continued = Some(outcome);
            let sql = "UPDATE messages SET state = ?2, interruption = NULL, finish_reason = NULL, timings = NULL,
                measured = NULL WHERE id = ?1";
            db.execute(sql, (message, MessageState::Streaming))?;
            begin(db, id, message, written, undo)
        })
        .await
    }

    /// Makes a turn as if it had never been. What was deleted meanwhile stays deleted.
    pub(crate) async fn withdraw(&self, turn: &Turn) -> Result<()> {
        let turn = turn.clone();
        self.run(move |db| {
            if turn.undo.conversation_is_new {
                db.execute(
                    "DELETE FROM conversations WHERE id = ?1",
                    [turn.conversation],
                )?;
                return Ok(());
            }
            // Who has chosen another branch meanwhile stays there.
            let sql = "UPDATE conversations SET head_message_id = ?3, updated_at_ms = ?4
                WHERE id = ?1 AND head_message_id = ?2";
            let Undo {
                head,
                updated_at_ms,
                ..
            } = turn.undo;
            db.execute(sql, (turn.conversation, turn.answer, head, updated_at_ms))?;
            for message in turn.undo.added {
                db.execute("DELETE FROM messages WHERE id = ?1", [message])?;
            }
            if let Some(outcome) = turn.undo.continued {
                restore(db, turn.answer, outcome)?;
            }
            Ok(())
        })
        .await
    }
}

/// The last step of every beginning: the answer becomes the head.
fn begin(
    db: &Connection,
    conversation: ConversationId,
    answer: MessageId,
    written: Written,
    undo: Undo,
) -> Result<Turn> {
    let sql = "UPDATE conversations SET head_message_id = ?2 WHERE id = ?1";
    db.execute(sql, (conversation, answer))?;
    touch(db, conversation)?;
    Ok(Turn {
        conversation,
        answer,
        written,
        undo,
    })
}

fn create(db: &Connection, text: &str) -> Result<(ConversationId, Undo)> {
    let sql = "INSERT INTO conversations (title, created_at_ms, updated_at_ms) VALUES (?1, ?2, ?2) RETURNING id";
    let id = db.query_row(sql, (title_of(text), now_ms()), |row| row.get(0))?;
    let undo = Undo {
        conversation_is_new: true,
        ..Undo::default()
    };
    Ok((id, undo))
}

/// The way back, after what an earlier turn left open is settled: the caller has the claim, so nobody writes there.
fn prepared(db: &Connection, id: ConversationId) -> Result<Undo> {
    settle(db, id)?;
    undo_of(db, id)
}

fn undo_of(db: &Connection, id: ConversationId) -> Result<Undo> {
    let sql = "SELECT head_message_id, updated_at_ms FROM conversations WHERE id = ?1";
    let undo = db.query_row(sql, [id], |row| {
        Ok(Undo {
            head: row.get(0)?,
            updated_at_ms: row.get(1)?,
            ..Undo::default()
        })
    });
    undo.optional()?.ok_or(StoreError::NotFound("conversation"))
}

fn insert(
    db: &Connection,
    conversation: ConversationId,
    parent: Option<MessageId>,
    role: Role,
    text: &str,
    model: Option<&str>,
) -> Result<MessageId> {
    let state = match role {
        Role::Assistant => MessageState::Streaming,
        Role::System | Role::User | Role::Tool => MessageState::Complete,
    };
    let sql =
        "INSERT INTO messages (conversation_id, parent_id, role, text, state, model, created_at_ms)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id";
    let values = (
        conversation,
        parent,
        role.as_str(),
        text,
        state,
        model,
        now_ms(),
    );
    Ok(db.query_row(sql, values, |row| row.get(0))?)
}

/// How the answer ended, and what it says, if there is something to go on with.
fn continuable(db: &Connection, message: MessageId) -> Result<(Outcome, Written)> {
    let sql = "SELECT role, EXISTS (SELECT 1 FROM messages c WHERE c.parent_id = m.id), text,
            state, interruption, model, finish_reason, timings, reasoning, measured
        FROM messages m WHERE id = ?1";
    let (role, has_children, written, outcome) = db.query_row(sql, [message], |row| {
        let outcome = Outcome {
            state: row.get(3)?,
            interruption: row.get(4)?,
            model: row.get(5)?,
            finish_reason: row.get(6)?,
            timings: row.get(7)?,
            measured: row.get(9)?,
        };
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, bool>(1)?,
            Written {
                text: row.get(2)?,
                reasoning: row.get(8)?,
            },
            outcome,
        ))
    })?;
    let cut_off = super::row::finish_reason_word(FinishReason::MaxTokens);
    let ended_early = match outcome.state {
        MessageState::Stopped | MessageState::Interrupted => true,
        MessageState::Complete => outcome.finish_reason == cut_off,
        MessageState::Streaming => false,
    };
    match (
        role == Role::Assistant.as_str() && ended_early,
        has_children,
    ) {
        (true, false) => Ok((outcome, written)),
        (true, true) => Err(StoreError::Invalid(
            "Only the last answer of a conversation can go on: others have been built upon.",
        )),
        (false, _) => Err(StoreError::Invalid(
            "Only an answer that ended early can go on.",
        )),
    }
}

fn restore(db: &Connection, message: MessageId, outcome: Outcome) -> Result<()> {
    let sql = "UPDATE messages SET state = ?2, interruption = ?3, model = ?4, finish_reason = ?5, timings = ?6,
        measured = ?7 WHERE id = ?1";
    let Outcome {
        state,
        interruption,
        model,
        finish_reason,
        timings,
        measured,
    } = outcome;
    let values = (
        message,
        state,
        interruption,
        model,
        finish_reason,
        timings,
        measured,
    );
    db.execute(sql, values)?;
    Ok(())
}
