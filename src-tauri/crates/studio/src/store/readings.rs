//! The last seven days of the machine: a row a minute, and what happened.
//!
//! Invariant: both tables are bounded; what is older than seven days goes with the next minute that is kept.

use super::{Result, Store};
use crate::monitor::{COLUMNS, EventKind, KEPT_MS, MOST_EVENTS, MonitorEvent, Point};
use rusqlite::{Row, Transaction};

/// In the order of a point's values.
const VALUES: &str = "weights_bytes, kv_cache_bytes, app_bytes, other_bytes, page_cache_bytes,
    decode_tokens_per_second, gpu_utilization, power_watts, celsius";

impl Store {
    /// Keeps a minute, and gives up what is too old.
    pub(crate) fn keep_minute(&self, minute: Point) {
        self.run_later(move |db| {
            let marks = ["?"; COLUMNS + 1].join(", ");
            let sql = format!("INSERT OR REPLACE INTO minutes (at_ms, {VALUES}) VALUES ({marks})");
            let mut statement = db.prepare_cached(&sql)?;
            statement.raw_bind_parameter(1, minute.at_ms)?;
            for (index, value) in (2..).zip(minute.values()) {
                statement.raw_bind_parameter(index, value.map(f64::from))?;
            }
            statement.raw_execute()?;
            let oldest_ms = minute.at_ms - KEPT_MS;
            db.execute("DELETE FROM minutes WHERE at_ms < ?1", [oldest_ms])?;
            db.execute("DELETE FROM events WHERE at_ms < ?1", [oldest_ms])?;
            Ok(())
        });
    }

    /// Keeps what happened. Of more than the most that is shown, the newest stay.
    pub(crate) fn keep_event(&self, event: MonitorEvent) {
        self.run_later(move |db| {
            let kind = serde_json::to_string(&event.kind).unwrap_or_default();
            db.execute(
                "INSERT INTO events (at_ms, kind, subject) VALUES (?1, ?2, ?3)",
                (event.at_ms, kind, event.subject),
            )?;
            let sql = "DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?1";
            db.execute(sql, [i64::try_from(MOST_EVENTS).unwrap_or(i64::MAX)])?;
            Ok(())
        });
    }

    /// What is kept that is not older than this, in the order of time.
    pub(crate) async fn monitored(&self, since_ms: i64) -> Result<(Vec<Point>, Vec<MonitorEvent>)> {
        self.run(move |db| Ok((minutes(db, since_ms)?, events(db, since_ms)?)))
            .await
    }
}

fn minutes(db: &Transaction<'_>, since_ms: i64) -> Result<Vec<Point>> {
    let sql = format!("SELECT at_ms, {VALUES} FROM minutes WHERE at_ms >= ?1 ORDER BY at_ms");
    let mut rows = db.prepare_cached(&sql)?;
    let points = rows.query_map([since_ms], point)?;
    Ok(points.collect::<rusqlite::Result<_>>()?)
}

fn point(row: &Row<'_>) -> rusqlite::Result<Point> {
    let mut values = [None; COLUMNS];
    for (index, value) in (1..).zip(&mut values) {
        *value = row.get(index)?;
    }
    Ok(Point::of_values(row.get(0)?, values))
}

fn events(db: &Transaction<'_>, since_ms: i64) -> Result<Vec<MonitorEvent>> {
    let sql = "SELECT at_ms, kind, subject FROM events WHERE at_ms >= ?1 ORDER BY id";
    let mut rows = db.prepare_cached(sql)?;
    let events = rows.query_map([since_ms], event)?;
    // A kind that a later Wick wrote is none of ours.
    Ok(events
        .collect::<rusqlite::Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect())
}

fn event(row: &Row<'_>) -> rusqlite::Result<Option<MonitorEvent>> {
    let kind: String = row.get(1)?;
    let kind: Option<EventKind> = serde_json::from_str(&kind).ok();
    let (at_ms, subject) = (row.get(0)?, row.get(2)?);
    Ok(kind.map(|kind| MonitorEvent {
        at_ms,
        kind,
        subject,
    }))
}
