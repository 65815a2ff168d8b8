//! All answers with how fast they came, for the table of models and the export.

use super::row::{self, time};
use super::{Result, Store};
use crate::AnswerThroughput;
use crate::conversation::MessageState;

impl Store {
    /// Every answer that is over, of every branch of every conversation, the oldest first.
    pub(crate) async fn answers(&self) -> Result<Vec<AnswerThroughput>> {
        self.run(|db| {
            let sql = "SELECT c.id, c.title, m.id, m.created_at_ms, m.model, m.state, m.finish_reason, m.timings,
                    m.measured
                FROM messages m JOIN conversations c ON c.id = m.conversation_id
                WHERE m.role = 'assistant' AND m.state <> ?1 ORDER BY m.id";
            let mut rows = db.prepare_cached(sql)?;
            let answers = rows.query_map([MessageState::Streaming], |row| {
                Ok(AnswerThroughput {
                    conversation: row.get(0)?,
                    title: row.get(1)?,
                    message: row.get(2)?,
                    at_ms: time(row, 3)?,
                    model: row.get(4)?,
                    state: row.get(5)?,
                    finish_reason: row.get(6)?,
                    timings: row::json(row, 7)?,
                    measured: row::json(row, 8)?,
                })
            })?;
            Ok(answers.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }
}
