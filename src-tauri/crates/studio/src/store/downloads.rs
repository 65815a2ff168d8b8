//! Downloads: what is to be brought, in which order, and how it ended.

use super::{Result, Store, StoreError, now_ms};
use crate::downloads::{DownloadId, Ended};
use hub::Wanted;
use rusqlite::{Row, types::Type};
use serde::{Serialize, de::DeserializeOwned};

/// What is to be brought, under the name that a person knows it by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    /// What.
    pub(crate) wanted: Wanted,
    /// What a person calls the variant.
    pub(crate) label: String,
    /// The path of its first file of weights.
    pub(crate) key: String,
}

/// A download as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    pub(crate) id: DownloadId,
    pub(crate) order: Order,
    /// How it ended; `None` is not yet.
    pub(crate) ended: Option<Ended>,
    pub(crate) done_bytes: u64,
    pub(crate) note: Option<String>,
    pub(crate) started_at_ms: i64,
}

const COLUMNS: &str =
    "id, repo, revision, commit_hash, label, key, files, ended, done_bytes, note, started_at_ms";

impl Store {
    /// All of them, in their order.
    pub(crate) async fn downloads(&self) -> Result<Vec<Kept>> {
        self.run(|db| {
            let sql = format!("SELECT {COLUMNS} FROM downloads ORDER BY position, id");
            let mut rows = db.prepare_cached(&sql)?;
            let downloads = rows.query_map([], kept)?;
            Ok(downloads.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// Keeps a new one, behind all others.
    pub(crate) async fn add_download(&self, order: Order) -> Result<Kept> {
        self.run(move |db| {
            let sql = "INSERT INTO downloads
                (repo, revision, commit_hash, label, key, files, done_bytes, position, started_at_ms)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, (SELECT coalesce(max(position), 0) + 1 FROM downloads), ?7)";
            let Order { wanted, label, key } = &order;
            let (repo, commit) = (wanted.repo.as_str(), wanted.commit.as_str());
            let files = json(&wanted.files)?;
            db.execute(sql, (repo, &wanted.revision, commit, label, key, files, now_ms()))?;
            let id = db.last_insert_rowid();
            let sql = format!("SELECT {COLUMNS} FROM downloads WHERE id = ?1");
            Ok(db.query_row(&sql, [id], kept)?)
        })
        .await
    }

    /// Keeps how far one is, and how it ended.
    pub(crate) async fn keep_download(
        &self,
        id: DownloadId,
        ended: Option<Ended>,
        done_bytes: u64,
        note: Option<String>,
    ) -> Result<()> {
        self.run(move |db| {
            let sql = "UPDATE downloads SET ended = ?2, done_bytes = ?3, note = ?4 WHERE id = ?1";
            let ended = ended.map(|ended| json(&ended)).transpose()?;
            let done = i64::try_from(done_bytes).unwrap_or(i64::MAX);
            match db.execute(sql, (id.0, ended, done, note))? {
                0 => Err(StoreError::NotFound("download")),
                _ => Ok(()),
            }
        })
        .await
    }

    /// Puts them into this order.
    pub(crate) async fn order_downloads(&self, ids: Vec<DownloadId>) -> Result<()> {
        self.run(move |db| {
            for (position, id) in (1_i64..).zip(ids) {
                let sql = "UPDATE downloads SET position = ?2 WHERE id = ?1";
                db.execute(sql, (id.0, position))?;
            }
            Ok(())
        })
        .await
    }

    /// Forgets one.
    pub(crate) async fn forget_download(&self, id: DownloadId) -> Result<()> {
        self.run(move |db| {
            db.execute("DELETE FROM downloads WHERE id = ?1", [id.0])?;
            Ok(())
        })
        .await
    }

    /// Keeps that a model was used now.
    pub(crate) fn note_use(&self, model_id: String) {
        self.run_later(move |db| {
            let sql = "INSERT INTO model_uses (model_id, last_used_ms) VALUES (?1, ?2)
                ON CONFLICT (model_id) DO UPDATE SET last_used_ms = excluded.last_used_ms";
            db.execute(sql, (model_id, now_ms()))?;
            Ok(())
        });
    }

    /// When each model was last used, in milliseconds since 1970.
    pub(crate) async fn uses(&self) -> Result<Vec<(String, i64)>> {
        self.run(|db| {
            let mut rows = db.prepare_cached("SELECT model_id, last_used_ms FROM model_uses")?;
            let uses = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(uses.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|_| StoreError::Invalid("what can't be written as JSON"))
}

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let done: i64 = row.get(8)?;
    let wanted = Wanted {
        repo: checked(row, 1)?,
        revision: row.get(2)?,
        commit: checked(row, 3)?,
        files: parsed(&row.get::<_, String>(6)?, 6)?,
    };
    let ended: Option<String> = row.get(7)?;
    Ok(Kept {
        id: DownloadId(row.get(0)?),
        order: Order {
            wanted,
            label: row.get(4)?,
            key: row.get(5)?,
        },
        ended: ended.map(|text| parsed(&text, 7)).transpose()?,
        done_bytes: u64::try_from(done).unwrap_or(0),
        note: row.get(9)?,
        started_at_ms: row.get(10)?,
    })
}

fn parsed<T: DeserializeOwned>(text: &str, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}

fn checked<T: TryFrom<String, Error = hub::Error>>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    T::try_from(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}
