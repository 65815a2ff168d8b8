//! The tables, as a list of numbered steps that only ever grows.
//!
//! Invariant: a step that has once left the house is never changed; a later step may add, never take away, so that the
//! text a person typed survives every upgrade.

use rusqlite::{Connection, TransactionBehavior};

/// `PRAGMA application_id` of our databases: `WICK`.
pub(crate) const APPLICATION_ID: i32 = 0x5749_434b;

/// The version that this program writes: the number of steps it knows.
#[expect(clippy::cast_possible_truncation, reason = "a handful of steps")]
pub(crate) const KNOWN_VERSION: u32 = STEPS.len() as u32;

/// Step `n` leads from version `n` to `n + 1`.
const STEPS: [&str; 6] = [
    // `head_message_id` is the tip of the shown branch. `AUTOINCREMENT`, so that a late write can never meet a new row
    // that got an old number. Parents don't cascade: SQLite would recurse once for each message of a conversation, and
    // it ends that at 1,000.
    "CREATE TABLE conversations (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        title TEXT NOT NULL,
        title_is_custom INTEGER NOT NULL DEFAULT 0,
        head_message_id INTEGER REFERENCES messages(id) DEFERRABLE INITIALLY DEFERRED,
        created_at_ms INTEGER NOT NULL,
        updated_at_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        conversation_id INTEGER NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
        parent_id INTEGER REFERENCES messages(id) DEFERRABLE INITIALLY DEFERRED,
        role TEXT NOT NULL,
        text TEXT NOT NULL,
        state TEXT NOT NULL,
        interruption TEXT,
        model TEXT,
        finish_reason TEXT,
        timings TEXT,
        created_at_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX conversations_by_head ON conversations(head_message_id);
    CREATE INDEX messages_by_conversation ON messages(conversation_id);
    CREATE INDEX messages_by_parent ON messages(parent_id);
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;",
    // What a model thought before it answered.
    "ALTER TABLE messages ADD COLUMN reasoning TEXT NOT NULL DEFAULT '';",
    // What is brought, and what models were used. `files` and `ended` are JSON: nobody asks for a part of them.
    "CREATE TABLE downloads (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        repo TEXT NOT NULL,
        revision TEXT NOT NULL,
        commit_hash TEXT NOT NULL,
        label TEXT NOT NULL,
        key TEXT NOT NULL,
        files TEXT NOT NULL,
        ended TEXT,
        done_bytes INTEGER NOT NULL,
        note TEXT,
        position INTEGER NOT NULL,
        started_at_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE model_uses (model_id TEXT PRIMARY KEY, last_used_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
    // The last seven days of the machine, a row a minute, and what happened meanwhile.
    "CREATE TABLE minutes (
        at_ms INTEGER PRIMARY KEY,
        weights_bytes REAL,
        kv_cache_bytes REAL,
        app_bytes REAL,
        other_bytes REAL,
        page_cache_bytes REAL,
        decode_tokens_per_second REAL,
        gpu_utilization REAL,
        power_watts REAL,
        celsius REAL
    ) STRICT;
    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ms INTEGER NOT NULL,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL
    ) STRICT;",
    // What was measured of an answer beside its timings: JSON, since nobody asks for a part of it.
    "ALTER TABLE messages ADD COLUMN measured TEXT;",
    // The visitors of the kiosk: how long, how much, how fast, and nothing that was said. There is one at a time, so that
    // the moment of its begin names it.
    "CREATE TABLE kiosk_sessions (
        began_at_ms INTEGER PRIMARY KEY,
        duration_ms INTEGER NOT NULL,
        ended TEXT NOT NULL,
        model TEXT,
        turns INTEGER NOT NULL,
        tokens INTEGER NOT NULL,
        decode_tokens_per_second REAL,
        ttft_ms REAL,
        faults INTEGER NOT NULL
    ) STRICT;",
];

/// Brings an open database to [`KNOWN_VERSION`], each step in a transaction of its own.
pub(crate) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let found: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let missing = (1..).zip(STEPS).skip(found as usize);
    for (version, step) in missing {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}
