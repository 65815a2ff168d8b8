//! The log of visitor sessions: for each its length and figures, and nothing that was said.
//!
//! How they are kept is `store/kiosk.rs`'s. Invariant: a figure that was not measured is absent and takes part in no mean
//! and no median.

use super::view::{KioskLog, KioskSession};
use crate::Error;
use crate::export::{Cell, Column, csv, number, write_of_today};
use crate::store::Store;
use chrono::{DateTime, Local, SecondsFormat, TimeZone};
use std::path::PathBuf;

/// Sessions that are listed; all are counted.
const LISTED: usize = 500;

/// The sessions since this moment, in milliseconds since 1970, and all of them together.
///
/// # Errors
/// [`crate::ErrorCode::Internal`] when the database fails.
pub(crate) async fn log_since(store: &Store, since_ms: i64) -> Result<KioskLog, Error> {
    Ok(summary(store.kiosk_sessions(since_ms).await?))
}

/// Writes all sessions, the newest first, into a new CSV file in this folder, which is made if need be; its path.
///
/// # Errors
/// [`crate::ErrorCode::DiskFull`], [`crate::ErrorCode::Internal`] when the folder takes no file or the database fails.
/// Then there is no file.
pub(crate) async fn export(store: &Store, folder: PathBuf) -> Result<String, Error> {
    let sessions = store.kiosk_sessions(0).await?;
    let written = tokio::task::spawn_blocking(move || {
        write_of_today(&folder, "wick-kiosk", "csv", &csv(&COLUMNS, &sessions))
    });
    let broken = |error| Err(Error::internal(format!("Nothing was exported: {error}.")));
    written.await.unwrap_or_else(broken)
}

/// Keeps how a session stands, after each turn and at its end. Nobody waits for it.
pub(crate) fn note(store: &Store, session: KioskSession) {
    store.note_kiosk_session(session);
}

fn summary(mut sessions: Vec<KioskSession>) -> KioskLog {
    let all = |figure: fn(&KioskSession) -> u32| {
        sessions
            .iter()
            .map(|one| u64::from(figure(one)))
            .sum::<u64>()
    };
    let small = |sum: u64| u32::try_from(sum).unwrap_or(u32::MAX);
    let (turns, tokens, faults) = (
        all(|one| one.turns),
        all(|one| one.tokens),
        all(|one| one.faults),
    );
    let log = KioskLog {
        count: u32::try_from(sessions.len()).unwrap_or(u32::MAX),
        turns: small(turns),
        tokens,
        faults: small(faults),
        median_duration_ms: median(sessions.iter().map(|one| one.duration_ms)),
        decode_tokens_per_second: mean_by_tokens(&sessions),
        sessions: Vec::new(),
    };
    sessions.truncate(LISTED);
    KioskLog { sessions, ..log }
}

/// By nearest rank, as all medians here.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of a visit")]
fn median(durations: impl Iterator<Item = u64>) -> Option<f64> {
    let mut sorted: Vec<_> = durations.collect();
    sorted.sort_unstable();
    let rank = sorted.len().div_ceil(2).checked_sub(1)?;
    sorted.get(rank).map(|median| *median as f64)
}

/// Σ tokens · rate ÷ Σ tokens, of the sessions that have a rate.
fn mean_by_tokens(sessions: &[KioskSession]) -> Option<f64> {
    let rated = sessions
        .iter()
        .filter_map(|one| Some((f64::from(one.tokens), one.decode_tokens_per_second?)));
    let (tokens, sum) = rated.fold((0.0, 0.0), |(tokens, sum), (of_one, rate)| {
        (tokens + of_one, sum + of_one * rate)
    });
    (tokens > 0.0).then(|| sum / tokens)
}

const COLUMNS: [Column<KioskSession>; 9] = [
    ("began_local", |one| {
        Cell::Text(written(one.began_at_ms, &Local))
    }),
    ("duration_ms", |one| {
        Cell::Number(Some(rounded(one.duration_ms)))
    }),
    ("ended", |one| Cell::Text(one.ended.as_str().into())),
    ("model", |one| {
        Cell::Text(one.model.clone().unwrap_or_default())
    }),
    ("turns", |one| number(one.turns)),
    ("generated_tokens", |one| number(one.tokens)),
    ("decode_tokens_per_second", |one| {
        Cell::Number(one.decode_tokens_per_second)
    }),
    ("ttft_median_ms", |one| Cell::Number(one.ttft_ms)),
    ("faults", |one| number(one.faults)),
];

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a visit")]
fn rounded(duration_ms: u64) -> f64 {
    duration_ms as f64
}

/// ISO 8601 with the offset of a place: `2026-11-30T23:58:01.123+01:00`.
fn written<Z: TimeZone>(at_ms: i64, place: &Z) -> String {
    let at = DateTime::from_timestamp_millis(at_ms);
    let at = at.map(|at| at.with_timezone(place).fixed_offset());
    at.map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, false))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
