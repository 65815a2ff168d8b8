//! A look at a database file before `SQLite` may write to it.
//!
//! `SQLite` itself is no careful guest: merely opening a database that was not closed runs its log and makes files beside
//! it. So the header is read by hand, and the rest is looked at as an immutable file, or, when a log lies beside it, in
//! a copy.
//!
//! Invariant: a file that is refused here, and the folder it lies in, are as they were, byte for byte.

use super::schema::{APPLICATION_ID, KNOWN_VERSION};
use rusqlite::{Connection, OpenFlags};
use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Why a file can't be our database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A newer Wick wrote it.
    Newer {
        /// Its version.
        found_version: u32,
    },
    /// It is broken, foreign, locked or out of reach.
    Unreadable {
        /// Why, in words.
        reason: String,
    },
}

impl Refusal {
    pub(crate) fn unreadable(reason: impl std::fmt::Display) -> Self {
        Self::Unreadable {
            reason: reason.to_string(),
        }
    }
}

/// Length of the header of an `SQLite` file (<https://www.sqlite.org/fileformat.html> 1.3).
const HEADER_BYTES: u64 = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";
const USER_VERSION_AT: usize = 60;

/// What lies beside a database that was not closed: the log, or the journal of a change that was cut off.
const LEFTOVERS: [&str; 2] = ["-wal", "-journal"];

/// Refuses what is not ours or not whole. An empty file passes: it is a database that was never written to.
pub(crate) fn inspect(path: &Path, file: &mut File) -> Result<(), Refusal> {
    let mut header = Vec::new();
    file.take(HEADER_BYTES)
        .read_to_end(&mut header)
        .map_err(Refusal::unreadable)?;
    let leftovers = leftovers(path).map_err(Refusal::unreadable)?;
    match (header.is_empty(), leftovers.is_empty()) {
        (true, true) => return Ok(()),
        (true, false) => return Err(Refusal::unreadable("it is empty, but its log is not")),
        (false, _) => check_header(&header)?,
    }
    if leftovers.is_empty() {
        let immutable = open_immutable(path).map_err(Refusal::unreadable)?;
        return check_content(&immutable);
    }
    check_copy(path, &leftovers)
}

fn check_header(header: &[u8]) -> Result<(), Refusal> {
    let version = header.get(USER_VERSION_AT..USER_VERSION_AT + 4);
    let version = version.and_then(|bytes| bytes.try_into().ok());
    match version.map(u32::from_be_bytes) {
        Some(version) if header.starts_with(MAGIC) => check_version(version),
        _ => Err(Refusal::unreadable("it is not an SQLite database")),
    }
}

fn check_version(found_version: u32) -> Result<(), Refusal> {
    if found_version > KNOWN_VERSION {
        return Err(Refusal::Newer { found_version });
    }
    Ok(())
}

fn check_content(database: &Connection) -> Result<(), Refusal> {
    let (version, application_id, tables) = summary(database).map_err(Refusal::unreadable)?;
    check_version(version)?;
    if application_id != APPLICATION_ID && (version > 0 || tables > 0) {
        return Err(Refusal::unreadable("it is the database of another program"));
    }
    let verdict: String = database
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(Refusal::unreadable)?;
    match verdict.as_str() {
        "ok" => Ok(()),
        fault => Err(Refusal::unreadable(format!("it is damaged: {fault}"))),
    }
}

fn summary(database: &Connection) -> rusqlite::Result<(u32, i32, u32)> {
    let version = database.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let application_id = database.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables = database.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    Ok((version, application_id, tables))
}

/// The log may hold a newer version than the file, and only `SQLite` can tell what counts in it.
fn check_copy(path: &Path, leftovers: &[&str]) -> Result<(), Refusal> {
    let folder = tempfile::tempdir().map_err(Refusal::unreadable)?;
    let copy = folder.path().join("copy.db");
    let copied = [""]
        .iter()
        .chain(leftovers)
        .try_for_each(|suffix| fs::copy(beside(path, suffix), beside(&copy, suffix)).map(drop));
    copied.map_err(|error| {
        Refusal::unreadable(format!("it can't be copied to look into it: {error}"))
    })?;
    let database = Connection::open(&copy).map_err(Refusal::unreadable)?;
    check_content(&database)
}

fn leftovers(path: &Path) -> io::Result<Vec<&'static str>> {
    let mut found = Vec::new();
    for suffix in LEFTOVERS {
        match fs::metadata(beside(path, suffix)) {
            Ok(metadata) if metadata.len() > 0 => found.push(suffix),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Without locks, without a log, without a file beside it (<https://www.sqlite.org/uri.html>).
fn open_immutable(path: &Path) -> rusqlite::Result<Connection> {
    let letters = path.as_os_str().as_bytes().iter();
    let escaped: Vec<String> = letters.map(|&byte| escaped(byte)).collect();
    let uri = format!("file:{}?immutable=1", escaped.concat());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(uri, flags)
}

fn escaped(byte: u8) -> String {
    match byte {
        b'/' => "/".into(),
        _ => format!("%{byte:02X}"),
    }
}
