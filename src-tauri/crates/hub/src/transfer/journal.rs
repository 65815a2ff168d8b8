//! What of an unfinished file is surely on the disk, in a file beside it.
//!
//! A line of text for each time that the content was made durable: a check of the line, and all ranges there are. The last
//! line whose check is right holds. It deliberately says nothing of what was written and not made durable yet, and it is
//! no proof: the hash of the whole file is.
//!
//! Invariant: whatever is torn off it, or stands in it, it never says more than some moment's truth of the same file.

use super::ranges::Ranges;
use crate::cache::Hasher;
use crate::{FileHash, RepoFile};
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Other versions are not read.
const VERSION: u32 = 1;
/// From here on it is written anew, shorter.
const LONG_BYTES: u64 = 64 * 1024;
const CHECK_LETTERS: usize = 16;

/// The journal of one unfinished file.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    header: String,
    file: Option<File>,
    length: u64,
    is_forgotten: bool,
}

impl Journal {
    /// Reads what an earlier attempt wrote; nothing if that was of another file, or can't be read. Nothing is written yet.
    pub(super) fn read(path: PathBuf, of: &RepoFile) -> (Self, Ranges) {
        let header = format!("wick-journal {VERSION} {} {}", of.hash, of.size_bytes);
        let ranges = read(&path, &header).unwrap_or_default();
        let journal = Self {
            path,
            header,
            file: None,
            length: 0,
            is_forgotten: false,
        };
        (journal, ranges)
    }

    /// Writes that these ranges are on the disk, durably; nothing once it is forgotten.
    pub(super) fn record(&mut self, ranges: &Ranges) -> io::Result<()> {
        if self.is_forgotten {
            return Ok(());
        }
        let line = line(&self.header, ranges);
        match &mut self.file {
            Some(file) if self.length < LONG_BYTES => {
                // A line that was torn before must not spoil this one.
                file.write_all(format!("\n{line}").as_bytes())?;
                file.sync_data()?;
                self.length += line.len() as u64 + 1;
            }
            _ => self.rewrite(&line)?,
        }
        Ok(())
    }

    fn rewrite(&mut self, line: &str) -> io::Result<()> {
        let text = format!("{}\n{line}", self.header);
        let fresh = self.path.with_extension("journal-new");
        // A link that lies there is not written through.
        remove(&fresh)?;
        let mut file = File::create_new(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        std::fs::rename(&fresh, &self.path)?;
        self.length = text.len() as u64;
        self.file = Some(file);
        Ok(())
    }

    /// It says nothing any more, whoever is still about to write into it.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        self.is_forgotten = true;
        self.file = None;
        remove(&self.path)
    }
}

/// Removes a file that may not be there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn read(path: &Path, header: &str) -> Option<Ranges> {
    let mut text = Vec::new();
    path.symlink_metadata().ok()?.is_file().then_some(())?;
    let file = File::open(path).ok()?;
    file.take(2 * LONG_BYTES).read_to_end(&mut text).ok()?;
    let mut lines = text.split(|byte| *byte == b'\n');
    (lines.next()? == header.as_bytes()).then_some(())?;
    let lines = lines.filter_map(|line| std::str::from_utf8(line).ok());
    lines.rev().find_map(|line| parse(header, line))
}

fn line(header: &str, ranges: &Ranges) -> String {
    let ranges = ranges
        .iter()
        .map(|range| format!(" {}-{}", range.start, range.end));
    let ranges: String = ranges.collect();
    format!("{}{ranges}", check(header, &ranges))
}

fn parse(header: &str, line: &str) -> Option<Ranges> {
    let (told, ranges) = line.split_at_checked(CHECK_LETTERS)?;
    (told == check(header, ranges)).then_some(())?;
    ranges.split_terminator(' ').skip(1).map(range).collect()
}

fn range(text: &str) -> Option<Range<u64>> {
    let (start, end) = text.split_once('-')?;
    Some(start.parse().ok()?..end.parse().ok()?)
}

/// Tells a whole line from a torn one, and this file's from another's.
fn check(header: &str, ranges: &str) -> String {
    let mut hasher = Hasher::like(&FileHash::Sha256(String::new()), 0);
    hasher.update(header.as_bytes());
    hasher.update(ranges.as_bytes());
    let mut hex = hasher.finish().hex().to_owned();
    hex.truncate(CHECK_LETTERS);
    hex
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(size_bytes: u64) -> RepoFile {
        let hash = FileHash::Sha256("a".repeat(64));
        RepoFile {
            path: "model.gguf".into(),
            size_bytes,
            hash,
        }
    }

    fn written(path: &Path, moments: &[Ranges]) {
        let (mut journal, _) = Journal::read(path.to_owned(), &file(1000));
        for ranges in moments {
            journal.record(ranges).expect("written");
        }
    }

    #[test]
    fn a_journal_of_another_file_or_version_says_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let check = |change: &dyn Fn(String) -> String, of: RepoFile, expected: u64| {
            let path = folder.path().join("journal");
            written(&path, &[Ranges::from_iter([0..7, 9..11])]);
            let text = std::fs::read_to_string(&path).expect("text");
            std::fs::write(&path, change(text)).expect("written");
            let (_, ranges) = Journal::read(path, &of);
            assert_eq!(ranges.total_bytes(), expected);
        };
        let hash = FileHash::Sha256("b".repeat(64));
        let other = RepoFile { hash, ..file(1000) };
        check(&|text| text, file(1000), 9);
        check(&|text| text, file(1001), 0);
        check(&|text| text, other, 0);
        check(
            &|text| text.replace("journal 1", "journal 2"),
            file(1000),
            0,
        );
        check(&|text| text.replace("9-11", "9-12"), file(1000), 0);
        check(&|_| String::new(), file(1000), 0);
    }

    #[test]
    fn a_late_record_does_not_bring_back_what_is_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        let (mut journal, _) = Journal::read(path.clone(), &file(1000));
        let ranges = Ranges::from(0..10);
        journal.record(&ranges).expect("written");
        assert!(path.exists());
        journal.forget().expect("removed");
        journal.record(&ranges).expect("nothing to do");
        assert!(!path.exists());
    }

    #[test]
    fn a_long_journal_is_written_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        let moments: Vec<Ranges> = (1..999)
            .map(|end| Ranges::from_iter([0..end, 1000..1001, 2000..2001]))
            .collect();
        for _ in 0..3 {
            written(&path, &moments);
        }
        assert!(path.metadata().expect("there").len() < LONG_BYTES + 100);
        let (_, ranges) = Journal::read(path, &file(1000));
        assert_eq!(ranges.frontier(), 998);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]
        #[test]
        fn any_torn_journal_says_what_was_true_at_some_moment(
            ends in proptest::collection::vec(1..1000u64, 1..6),
            torn in 0..400usize,
            noise in proptest::collection::vec(any::<u8>(), 0..9),
            again in 1..1000u64,
        ) {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("journal");
            let moments: Vec<Ranges> = ends.into_iter().map(|end| std::iter::once(0..end).collect()).collect();
            written(&path, &moments);
            let mut text = std::fs::read(&path).expect("text");
            text.truncate(text.len().saturating_sub(torn));
            text.extend(noise);
            std::fs::write(&path, text).expect("written");
            let (mut journal, ranges) = Journal::read(path.clone(), &file(1000));
            prop_assert!(ranges == Ranges::default() || moments.contains(&ranges));
            let last = Ranges::from(0..again);
            journal.record(&last).expect("written");
            prop_assert_eq!(Journal::read(path, &file(1000)).1, last);
        }
    }
}
