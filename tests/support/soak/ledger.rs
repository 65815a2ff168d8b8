//! What the app notes of its visitors, read from its database while it runs: after each answer, and when a visitor is gone.

use crate::window::{Home, PATIENCE};
use rusqlite::{Connection, OpenFlags, Row};
use std::time::{Duration, Instant};

const GLANCE: Duration = Duration::from_millis(10);
/// After this time without what was awaited, somebody would try again: a message that is sent in the moment before the
/// page has the end of the last answer stays in its field. Sooner than anybody is taken for gone.
const SOON: Duration = Duration::from_secs(1);

/// How the newest session stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Session {
    /// How many there are with it.
    pub(super) count: u32,
    pub(super) turns: u32,
    pub(super) tokens: u32,
    pub(super) faults: u32,
    /// `closed` while the visitor is there.
    pub(super) ended: String,
}

/// The sessions that the app has noted.
pub(super) struct Ledger(Connection);

impl Ledger {
    pub(super) fn open(home: &Home) -> Self {
        let file = home.data().join("wick.db");
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags).expect("a database");
        let patient = connection.busy_timeout(PATIENCE);
        patient.expect("a time limit");
        Self(connection)
    }

    /// All of them, the oldest first.
    pub(super) fn all(&self) -> Vec<Session> {
        let sql = "SELECT row_number() OVER (ORDER BY began_at_ms), turns, tokens, faults, ended
            FROM kiosk_sessions ORDER BY began_at_ms";
        let mut rows = self.0.prepare_cached(sql).expect("its table");
        let sessions = rows.query_map([], session).expect("sessions");
        sessions.map(|one| one.expect("a session")).collect()
    }

    fn newest(&self) -> Session {
        let sql = "SELECT (SELECT count(*) FROM kiosk_sessions), turns, tokens, faults, ended
            FROM kiosk_sessions ORDER BY began_at_ms DESC LIMIT 1";
        // There may be none yet.
        let newest = self.0.query_row(sql, [], session);
        newest.unwrap_or_default()
    }

    /// Whether the newest is the session of this number, with so many answers.
    pub(super) fn has(&self, count: u32, turns: u32) -> bool {
        let newest = self.newest();
        newest.count == count && newest.turns == turns
    }

    /// Waits until the newest session is so; where that takes long, `again` is done once more, as a person would.
    pub(super) async fn until(
        &self,
        what: &str,
        is_so: impl Fn(&Session) -> bool,
        again: impl Fn(),
    ) -> Session {
        let begun = Instant::now();
        let mut tried = begun;
        loop {
            let newest = self.newest();
            if is_so(&newest) {
                return newest;
            }
            assert!(begun.elapsed() < PATIENCE, "not so: {what}: {newest:?}");
            if tried.elapsed() > SOON {
                again();
                tried = Instant::now();
            }
            tokio::time::sleep(GLANCE).await;
        }
    }
}

fn session(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        count: row.get(0)?,
        turns: row.get(1)?,
        tokens: row.get(2)?,
        faults: row.get(3)?,
        ended: row.get(4)?,
    })
}
