//! How the words of the application are written in the database.

use crate::conversation::{ConversationId, Message, MessageId, MessageState};
use engine_api::{FinishReason, Role};
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The columns that [`message`] reads, of a table called `m`.
pub(super) const MESSAGE_COLUMNS: &str = "m.id, m.parent_id, m.role, m.text, m.state, m.interruption, m.model, \
     m.finish_reason, m.timings, m.created_at_ms, m.reasoning, m.measured";

/// A message without its siblings.
pub(super) fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        id: row.get(0)?,
        parent_id: row.get(1)?,
        role: row.get::<_, RoleColumn>(2)?.0,
        text: row.get(3)?,
        state: row.get(4)?,
        interruption: row.get(5)?,
        model: row.get(6)?,
        finish_reason: row
            .get::<_, Option<String>>(7)?
            .as_deref()
            .and_then(from_word),
        timings: json(row, 8)?,
        measured: json(row, 11)?,
        created_at_ms: time(row, 9)?,
        reasoning: row.get(10)?,
        siblings: Vec::new(),
    })
}

/// Milliseconds since 1970. `SQLite` knows only signed numbers.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

pub(super) fn finish_reason_word(reason: FinishReason) -> Option<String> {
    match serde_json::to_value(reason) {
        Ok(serde_json::Value::String(word)) => Some(word),
        _ => None,
    }
}

pub(super) fn to_json(value: &impl Serialize) -> Option<String> {
    serde_json::to_string(value).ok()
}

/// A value kept as JSON. What can't be read was written by another version and is no reason to hide the message.
pub(super) fn json<T: DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

fn from_word<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(word.into())).ok()
}

/// A role as a column.
pub(super) struct RoleColumn(pub(super) Role);

impl FromSql for RoleColumn {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        from_word(value.as_str()?)
            .map(Self)
            .ok_or(FromSqlError::InvalidType)
    }
}

impl MessageState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Streaming => "streaming",
            Self::Complete => "complete",
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
        }
    }
}

impl ToSql for MessageState {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for MessageState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let word = value.as_str()?;
        [
            Self::Streaming,
            Self::Complete,
            Self::Stopped,
            Self::Interrupted,
        ]
        .into_iter()
        .find(|state| state.as_str() == word)
        .ok_or(FromSqlError::InvalidType)
    }
}

impl ToSql for ConversationId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

impl FromSql for ConversationId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        u32::column_result(value).map(Self)
    }
}

impl ToSql for MessageId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

impl FromSql for MessageId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        u32::column_result(value).map(Self)
    }
}
