//! The throughput of all answers as a file: CSV for a spreadsheet, JSON for a program.
//!
//! Invariants: no file is ever overwritten, and a name that is there has the whole content; no cell of the CSV is a formula,
//! whatever a conversation is called.

use crate::{AnswerThroughput, Error, ErrorCode, Measured, Studio, Timings};
use chrono::{DateTime, Local, SecondsFormat};
use serde::{Deserialize, Serialize};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// A line for each answer, as RFC 4180 has it, the units in the names of the columns.
    Csv,
    /// An array with an object for each answer.
    Json,
}

impl ExportFormat {
    fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }
}

/// So many exports of one day find a name.
const MOST_OF_A_DAY: u32 = 1000;

impl Studio {
    /// Writes the throughput of all answers into a new file in this folder, which is made if need be, and returns the file's
    /// path. The file is for its owner's eyes: it has the titles of the conversations, and nothing else of what was said.
    ///
    /// # Errors
    /// [`ErrorCode::DiskFull`], [`ErrorCode::Internal`] when the folder takes no file, and as for [`Studio::throughput`].
    /// Then there is no file.
    pub async fn export_throughput(
        &self,
        format: ExportFormat,
        folder: PathBuf,
    ) -> Result<String, Error> {
        let answers = self.throughput().await?;
        let written = tokio::task::spawn_blocking(move || {
            let content = match format {
                ExportFormat::Csv => csv(&COLUMNS, &answers),
                ExportFormat::Json => json(&answers)?,
            };
            write_of_today(&folder, "wick-throughput", format.extension(), &content)
        });
        let broken = |error| Err(Error::internal(format!("Nothing was exported: {error}.")));
        written.await.unwrap_or_else(broken)
    }
}

/// Writes a new file whose name is `stem`, today's date and the extension; its path.
pub(crate) fn write_of_today(
    folder: &Path,
    stem: &str,
    extension: &str,
    content: &str,
) -> Result<String, Error> {
    let stem = format!("{stem}-{}", Local::now().format("%Y-%m-%d"));
    let path = write_new(folder, &stem, extension, content.as_bytes());
    let path = path.map_err(|error| unwritten("Nothing was exported", folder, &error))?;
    Ok(path.to_string_lossy().into_owned())
}

fn json(answers: &[AnswerThroughput]) -> Result<String, Error> {
    serde_json::to_string_pretty(answers)
        .map(|text| text + "\n")
        .map_err(|error| Error::internal(format!("The export could not be made: {error}.")))
}

/// That a folder takes no file. `what`: what was not done, as the beginning of a sentence.
pub(crate) fn unwritten(what: &str, folder: &Path, error: &io::Error) -> Error {
    let code = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ErrorCode::DiskFull,
        _ => ErrorCode::Internal,
    };
    let message = format!("{what}: {} takes no file ({error}).", folder.display());
    Error::new(code, message)
        .hint("See that this folder can be written to and has room, then try again.")
}

/// Writes a file under a name that is not taken: `stem.extension`, else `stem (2).extension` and so on.
fn write_new(folder: &Path, stem: &str, extension: &str, content: &[u8]) -> io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(".wick-")
        .tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    for number in 1..=MOST_OF_A_DAY {
        let name = match number {
            1 => format!("{stem}.{extension}"),
            _ => format!("{stem} ({number}).{extension}"),
        };
        let path = folder.join(name);
        match file.persist_noclobber(&path) {
            Ok(_) => return Ok(path),
            Err(taken) if taken.error.kind() == ErrorKind::AlreadyExists => file = taken.file,
            Err(other) => return Err(other.error),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// What stands in a cell.
pub(crate) enum Cell {
    /// What somebody wrote.
    Text(String),
    Number(Option<f64>),
}

/// The name of a column, and what stands in it of one thing.
pub(crate) type Column<T> = (&'static str, fn(&T) -> Cell);

const COLUMNS: [Column<AnswerThroughput>; 22] = [
    ("conversation", |one| number(one.conversation.0)),
    ("title", |one| Cell::Text(one.title.clone())),
    ("message", |one| number(one.message.0)),
    ("begun_utc", |one| Cell::Text(utc(one.at_ms))),
    ("model", |one| {
        Cell::Text(one.model.clone().unwrap_or_default())
    }),
    ("state", |one| Cell::Text(one.state.as_str().into())),
    ("finish_reason", |one| {
        Cell::Text(one.finish_reason.clone().unwrap_or_default())
    }),
    ("prompt_tokens", |one| {
        timed(one, |timings| Some(timings.prompt_tokens.into()))
    }),
    ("reused_tokens", |one| {
        timed(one, |timings| Some(timings.reused_tokens.into()))
    }),
    ("prefilled_tokens", |one| {
        timed(one, |timings| Some(timings.prefilled_tokens.into()))
    }),
    ("generated_tokens", |one| {
        timed(one, |timings| Some(timings.generated_tokens.into()))
    }),
    ("queue_ms", |one| {
        timed(one, |timings| Some(timings.queue_ms))
    }),
    ("prefill_ms", |one| {
        timed(one, |timings| Some(timings.prefill_ms))
    }),
    ("ttft_ms", |one| timed(one, |timings| Some(timings.ttft_ms))),
    ("decode_ms", |one| {
        timed(one, |timings| Some(timings.decode_ms))
    }),
    ("prefill_tokens_per_second", |one| {
        timed(one, |timings| timings.prefill_tokens_per_second)
    }),
    ("decode_tokens_per_second", |one| {
        timed(one, |timings| timings.decode_tokens_per_second)
    }),
    ("inter_token_median_ms", |one| {
        timed(one, |timings| Some(timings.inter_token?.median_ms))
    }),
    ("inter_token_p95_ms", |one| {
        timed(one, |timings| Some(timings.inter_token?.p95_ms))
    }),
    ("inter_token_worst_ms", |one| {
        timed(one, |timings| Some(timings.inter_token?.worst_ms))
    }),
    ("energy_joules_per_token", |one| {
        measured(one, |measured| measured.energy_joules_per_token)
    }),
    ("limit_share_0_to_1", |one| {
        measured(one, |measured| measured.limit_share)
    }),
];

pub(crate) fn number(value: u32) -> Cell {
    Cell::Number(Some(value.into()))
}

fn timed(one: &AnswerThroughput, figure: fn(&Timings) -> Option<f64>) -> Cell {
    Cell::Number(one.timings.as_ref().and_then(figure))
}

fn measured(one: &AnswerThroughput, figure: fn(&Measured) -> Option<f64>) -> Cell {
    Cell::Number(one.measured.as_ref().and_then(figure))
}

/// ISO 8601: `2026-11-30T23:58:01.123Z`.
fn utc(at_ms: u64) -> String {
    let at = i64::try_from(at_ms)
        .ok()
        .and_then(DateTime::from_timestamp_millis);
    at.map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true))
        .unwrap_or_default()
}

/// A header and a line for each thing. Source: RFC 4180.
pub(crate) fn csv<T>(columns: &[Column<T>], things: &[T]) -> String {
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    let mut text = names.join(",") + "\r\n";
    for thing in things {
        let cells = columns.iter().map(|(_, cell)| cell(thing).written());
        text += &cells.collect::<Vec<_>>().join(",");
        text += "\r\n";
    }
    text
}

impl Cell {
    fn written(self) -> String {
        match self {
            Self::Number(value) => value.map(|value| value.to_string()).unwrap_or_default(),
            Self::Text(text) => quoted(harmless(text)),
        }
    }
}

/// A spreadsheet computes what begins like a formula; an apostrophe before it makes it text. Source: OWASP, CSV Injection.
fn harmless(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        format!("'{text}")
    } else {
        text
    }
}

fn quoted(text: String) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests;
