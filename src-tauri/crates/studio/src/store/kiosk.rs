//! The visitors of the kiosk, without anything that they said.

use super::{Result, Store};
use crate::{KioskSession, SessionEnd};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Row, named_params};

impl Store {
    /// Keeps how a session stands, after each turn and at its end; one that began at the same moment is the same. Nobody
    /// waits for it: a full disk must not hold up a visitor.
    pub(crate) fn note_kiosk_session(&self, session: KioskSession) {
        self.run_later(move |db| {
            let sql = "INSERT OR REPLACE INTO kiosk_sessions VALUES (:began_at_ms, :duration_ms, :ended, :model, :turns,
                :tokens, :decode_tokens_per_second, :ttft_ms, :faults)";
            db.execute(
                sql,
                named_params! {
                    ":began_at_ms": session.began_at_ms,
                    ":duration_ms": i64::try_from(session.duration_ms).unwrap_or(i64::MAX),
                    ":ended": session.ended,
                    ":model": session.model,
                    ":turns": session.turns,
                    ":tokens": session.tokens,
                    ":decode_tokens_per_second": session.decode_tokens_per_second,
                    ":ttft_ms": session.ttft_ms,
                    ":faults": session.faults,
                },
            )?;
            Ok(())
        });
    }

    /// The sessions that began at this moment or after it, the newest first.
    pub(crate) async fn kiosk_sessions(&self, since_ms: i64) -> Result<Vec<KioskSession>> {
        self.run(move |db| {
            let sql = "SELECT began_at_ms, duration_ms, ended, model, turns, tokens, decode_tokens_per_second, ttft_ms, faults
                FROM kiosk_sessions WHERE began_at_ms >= ?1 ORDER BY began_at_ms DESC";
            let mut rows = db.prepare_cached(sql)?;
            let sessions = rows.query_map([since_ms], session)?;
            Ok(sessions.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }
}

fn session(row: &Row<'_>) -> rusqlite::Result<KioskSession> {
    Ok(KioskSession {
        began_at_ms: row.get(0)?,
        duration_ms: super::row::time(row, 1)?,
        ended: row.get(2)?,
        model: row.get(3)?,
        turns: row.get(4)?,
        tokens: row.get(5)?,
        decode_tokens_per_second: row.get(6)?,
        ttft_ms: row.get(7)?,
        faults: row.get(8)?,
    })
}

impl SessionEnd {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::StartedOver => "started_over",
            Self::Closed => "closed",
        }
    }
}

impl ToSql for SessionEnd {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for SessionEnd {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let word = value.as_str()?;
        [Self::Idle, Self::StartedOver, Self::Closed]
            .into_iter()
            .find(|end| end.as_str() == word)
            .ok_or(FromSqlError::InvalidType)
    }
}
