//! Conversations: the list, the shown branch, names, ends.

use super::row::{self, MESSAGE_COLUMNS};
use super::{Result, Store, StoreError, now_ms};
use crate::conversation::{Conversation, ConversationId, ConversationSummary, Message, MessageId};
use rusqlite::{Connection, OptionalExtension};
use std::collections::HashMap;

impl Store {
    /// All of them, the last one used first.
    pub(crate) async fn conversations(&self) -> Result<Vec<ConversationSummary>> {
        self.run(|db| {
            let sql = "SELECT id, title, updated_at_ms FROM conversations
                ORDER BY updated_at_ms DESC, id DESC";
            let mut rows = db.prepare_cached(sql)?;
            let summaries = rows.query_map([], |row| {
                Ok(ConversationSummary {
                    id: row.get(0)?,
                    title: row.get(1)?,
                    updated_at_ms: row::time(row, 2)?,
                })
            })?;
            Ok(summaries.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// One with its shown branch.
    pub(crate) async fn conversation(&self, id: ConversationId) -> Result<Conversation> {
        self.run(move |db| conversation(db, id)).await
    }

    /// Gives it a name of the person's choice.
    pub(crate) async fn rename(&self, id: ConversationId, title: String) -> Result<()> {
        self.run(move |db| {
            let sql = "UPDATE conversations SET title = ?2, title_is_custom = 1 WHERE id = ?1";
            match db.execute(sql, (id, title))? {
                0 => Err(StoreError::NotFound("conversation")),
                _ => Ok(()),
            }
        })
        .await
    }

    /// Deletes it with all its branches.
    pub(crate) async fn delete(&self, id: ConversationId) -> Result<()> {
        self.run(
            move |db| match db.execute("DELETE FROM conversations WHERE id = ?1", [id])? {
                0 => Err(StoreError::NotFound("conversation")),
                _ => Ok(()),
            },
        )
        .await
    }

    /// Shows the branch that this message is on: of those that go through it, the newest.
    pub(crate) async fn select(&self, message: MessageId) -> Result<ConversationId> {
        self.run(move |db| {
            let id = conversation_of(db, message)?;
            let mut head = message;
            let sql = "SELECT max(id) FROM messages WHERE parent_id = ?1";
            let mut newest_child = db.prepare_cached(sql)?;
            while let Some(child) = newest_child.query_row([head], |row| row.get(0))? {
                head = child;
            }
            let sql = "UPDATE conversations SET head_message_id = ?2 WHERE id = ?1";
            db.execute(sql, (id, head))?;
            Ok(id)
        })
        .await
    }

    /// The conversation that a message belongs to.
    pub(crate) async fn conversation_of(&self, message: MessageId) -> Result<ConversationId> {
        self.run(move |db| conversation_of(db, message)).await
    }
}

pub(super) fn conversation_of(db: &Connection, message: MessageId) -> Result<ConversationId> {
    let sql = "SELECT conversation_id FROM messages WHERE id = ?1";
    let found = db.query_row(sql, [message], |row| row.get(0)).optional()?;
    found.ok_or(StoreError::NotFound("message"))
}

/// Marks it as used now.
pub(super) fn touch(db: &Connection, id: ConversationId) -> Result<()> {
    let sql = "UPDATE conversations SET updated_at_ms = ?2 WHERE id = ?1";
    db.execute(sql, (id, now_ms()))?;
    Ok(())
}

fn conversation(db: &Connection, id: ConversationId) -> Result<Conversation> {
    let sql = "SELECT title, head_message_id FROM conversations WHERE id = ?1";
    let found = db.query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?)));
    let (title, head): (String, Option<MessageId>) = found
        .optional()?
        .ok_or(StoreError::NotFound("conversation"))?;
    let mut messages = match head {
        Some(head) => branch(db, head)?,
        None => Vec::new(),
    };
    add_siblings(db, id, &mut messages)?;
    Ok(Conversation {
        id,
        title,
        messages,
    })
}

/// The messages from the root to this one, without their siblings.
pub(super) fn branch(db: &Connection, head: MessageId) -> Result<Vec<Message>> {
    // A parent is always older than its children, so the order of ids is the order of the branch.
    let sql = format!(
        "WITH RECURSIVE branch(id) AS (
            SELECT ?1
            UNION ALL
            SELECT parent_id FROM messages JOIN branch USING (id) WHERE parent_id IS NOT NULL
        )
        SELECT {MESSAGE_COLUMNS} FROM messages m JOIN branch USING (id) ORDER BY m.id"
    );
    let mut rows = db.prepare_cached(&sql)?;
    let messages = rows.query_map([head], row::message)?;
    Ok(messages.collect::<rusqlite::Result<_>>()?)
}

fn add_siblings(db: &Connection, id: ConversationId, branch: &mut [Message]) -> Result<()> {
    type Place = (Option<MessageId>, String);
    let sql = "SELECT parent_id, role, id FROM messages WHERE conversation_id = ?1 ORDER BY id";
    let mut rows = db.prepare_cached(sql)?;
    let all = rows.query_map([id], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
    let mut siblings = HashMap::<Place, Vec<MessageId>>::new();
    for row in all {
        let (place, message) = row?;
        siblings.entry(place).or_default().push(message);
    }
    for message in branch {
        let place = (message.parent_id, message.role.as_str().to_owned());
        message.siblings = siblings.remove(&place).unwrap_or_default();
    }
    Ok(())
}
