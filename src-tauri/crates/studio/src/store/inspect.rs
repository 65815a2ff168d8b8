//! A look at a database file before `SQLite` may write to it.
//!
//! `SQLite` itself is no careful guest: merely opening a database that was not closed runs its log and makes files beside
//! it. So the header is read by hand, and the rest is looked at as an immutable file, or, when a log lies beside it, in
//! a copy. The copy lies in the temporary folder, or in the database's own where that one is missing or too small.
//!
//! Invariant: a file that is refused here, and the folder it lies in, are as they were, byte for byte.

use super::schema::{APPLICATION_ID, KNOWN_VERSION};
use rusqlite::{Connection, OpenFlags};
use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{fs, io};
use tempfile::TempDir;

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

/// The name of a database's copy.
const COPY: &str = "copy.db";

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
    check_copy(path, &leftovers, &places_for_a_copy(path))
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
fn check_copy(path: &Path, leftovers: &[&str], places: &[PathBuf]) -> Result<(), Refusal> {
    let folder = copy(path, leftovers, places)?;
    let database = Connection::open(folder.path().join(COPY)).map_err(Refusal::unreadable)?;
    // So it needs no file beside the copy, for which there may be no room.
    database
        .pragma_update(None, "locking_mode", "EXCLUSIVE")
        .map_err(Refusal::unreadable)?;
    check_content(&database)
}

/// The folder of the database comes last: whatever is wrong with others, this one must have room if Wick is to write.
fn places_for_a_copy(path: &Path) -> Vec<PathBuf> {
    let own = path.parent().map(Path::to_path_buf);
    [std::env::temp_dir()].into_iter().chain(own).collect()
}

/// A copy in the first place that takes it, in a folder that is gone with the value.
fn copy(path: &Path, leftovers: &[&str], places: &[PathBuf]) -> Result<TempDir, Refusal> {
    let mut obstacles = Vec::new();
    for place in places {
        match copy_into(place, path, leftovers) {
            Ok(folder) => return Ok(folder),
            Err(error) => obstacles.push(format!("in {}: {error}", place.display())),
        }
    }
    let obstacles = obstacles.join("; ");
    Err(Refusal::unreadable(format!(
        "it was not closed in order, and no folder takes the copy in which Wick looks at such a database first ({obstacles})"
    )))
}

fn copy_into(place: &Path, path: &Path, leftovers: &[&str]) -> io::Result<TempDir> {
    let folder = tempfile::Builder::new()
        .prefix(".wick-look-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(place)?;
    let copy = folder.path().join(COPY);
    for suffix in [""].iter().chain(leftovers) {
        fs::copy(beside(path, suffix), beside(&copy, suffix))?;
    }
    Ok(folder)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A database whose tables stand in its log alone, as a killed app leaves it.
    fn killed(folder: &Path) -> PathBuf {
        let (open, path) = (folder.join("open.db"), folder.join("wick.db"));
        let mut database = Connection::open(&open).expect("a database");
        database
            .pragma_update(None, "journal_mode", "WAL")
            .expect("a log");
        super::super::schema::migrate(&mut database).expect("tables");
        for suffix in ["", "-wal"] {
            fs::copy(beside(&open, suffix), beside(&path, suffix)).expect("a copy");
        }
        path
    }

    fn names(folder: &Path) -> Vec<OsString> {
        let entries = fs::read_dir(folder).expect("a folder").flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
        names.sort();
        names
    }

    /// Folders that take no copy, whoever asks: none, a file, and one in which even root can make nothing.
    fn bad_places(folder: &Path) -> [PathBuf; 3] {
        let file = folder.join("file");
        fs::write(&file, "").expect("a file");
        [folder.join("missing"), file, "/sys".into()]
    }

    #[test]
    fn a_whole_database_passes_wherever_there_is_room_for_the_copy() {
        let (folder, data) = (
            tempfile::tempdir().expect("a folder"),
            tempfile::tempdir().expect("a folder"),
        );
        let path = killed(data.path());
        let before = names(data.path());
        for bad in bad_places(folder.path()) {
            let places = [bad, data.path().into()];
            assert_eq!(check_copy(&path, &["-wal"], &places), Ok(()), "{places:?}");
            assert_eq!(names(data.path()), before, "nothing is left");
        }
    }

    #[test]
    fn without_room_for_the_copy_it_is_said_what_is_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = killed(folder.path());
        let bad = bad_places(folder.path());
        let before = names(folder.path());
        let Err(Refusal::Unreadable { reason }) = check_copy(&path, &["-wal"], &bad) else {
            panic!("it needs no copy");
        };
        for place in &bad {
            assert!(reason.contains(&*place.to_string_lossy()), "{reason}");
        }
        assert!(reason.contains("not closed in order"), "{reason}");
        assert_eq!(names(folder.path()), before);
    }

    #[test]
    fn the_last_place_for_a_copy_is_beside_the_database() {
        let places = places_for_a_copy(Path::new("/data/wick.db"));
        assert_eq!(places, [std::env::temp_dir(), "/data".into()]);
    }
}
