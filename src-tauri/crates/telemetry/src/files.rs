//! Files of the kernel that are read again and again: they stay open, and all of them share one buffer.
//!
//! Deliberately not for what is read once; that is [`short`]. Invariant: no file makes the buffer longer than
//! [`MOST_BYTES`], and none that can't be read keeps others from being read.

use rustix::fs::OFlags;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What is read of one file. The longest in question is `/proc/stat` of a machine with thousands of interrupts.
const MOST_BYTES: usize = 1 << 20;
const FIRST_BYTES: usize = 16 << 10;
/// What is read of one that is read once. Of a processor, `/proc/cpuinfo` has two kilobytes.
const WHOLE_BYTES: u64 = 16 << 20;
/// What is read of a file that holds a word or a number.
const SHORT_BYTES: u64 = 4096;

/// Where the content of files is put, one after the other.
#[derive(Debug)]
pub(crate) struct Buffer(Vec<u8>);

impl Buffer {
    pub(crate) fn new() -> Self {
        Self(vec![0; FIRST_BYTES])
    }

    /// Reads from the beginning, in pieces as large as the kernel gives them.
    fn fill(&mut self, file: &File) -> io::Result<&[u8]> {
        let mut filled = 0;
        loop {
            if filled == self.0.len() && filled < MOST_BYTES {
                self.0.resize(filled * 2, 0);
            }
            match file.read_at(&mut self.0[filled..], filled as u64) {
                Ok(0) => return Ok(&self.0[..filled]),
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// A file that stays open from one reading to the next, if it is the kernel's. One of a recorded machine is opened each
/// time: somebody may put another one in its place.
#[derive(Debug)]
pub(crate) struct HeldFile {
    path: PathBuf,
    file: Option<File>,
}

impl HeldFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What stands in it now; `None` if it can't be read. It is then opened anew the next time.
    pub(crate) fn read<'a>(&mut self, buffer: &'a mut Buffer) -> Option<Cow<'a, str>> {
        if self.file.is_none() || !is_of_kernel(&self.path) {
            self.file = open(&self.path).ok();
        }
        let read = buffer.fill(self.file.as_ref()?);
        if read.is_err() {
            self.file = None;
        }
        read.ok().map(String::from_utf8_lossy)
    }
}

/// The kernel's files don't let wait; a pipe in a recorded machine's folder would, for somebody who writes.
fn open(path: &Path) -> io::Result<File> {
    let at_once = OFlags::NONBLOCK.bits().cast_signed();
    File::options().read(true).custom_flags(at_once).open(path)
}

/// What a file holds, as far as [`WHOLE_BYTES`].
///
/// # Errors
/// Those of the system.
pub(crate) fn whole(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    open(path)?.take(WHOLE_BYTES).read_to_end(&mut bytes)?;
    // Process names may hold any byte.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn is_of_kernel(path: &Path) -> bool {
    path.starts_with("/proc") || path.starts_with("/sys")
}

/// The beginning of a file that is read once, without the blanks around; `None` if it can't be read.
pub(crate) fn short(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    let file = open(path).ok()?;
    file.take(SHORT_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// The names in a folder, in order; none if it can't be read.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_held_file_tells_what_stands_in_it_now() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let mut file = HeldFile::new(path.clone());
        let mut buffer = Buffer::new();
        assert_eq!(file.read(&mut buffer), None);
        let mut check = |content: &[u8], expected: &str| {
            fs::write(&path, content).expect("a file");
            assert_eq!(file.read(&mut buffer).as_deref(), Some(expected));
        };
        check(b"one", "one");
        check(b"", "");
        check(b"another", "another");
        fs::rename(&path, folder.path().join("older")).expect("a name");
        check(b"in its place", "in its place");
        check(
            "x".repeat(FIRST_BYTES + 1).as_bytes(),
            &"x".repeat(FIRST_BYTES + 1),
        );
        check(
            "y".repeat(FIRST_BYTES * 2).as_bytes(),
            &"y".repeat(FIRST_BYTES * 2),
        );
        check(b"\xffa", "\u{fffd}a");
        check(
            "z".repeat(MOST_BYTES + 9).as_bytes(),
            &"z".repeat(MOST_BYTES),
        );
    }

    #[test]
    fn a_folder_is_no_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut file = HeldFile::new(folder.path().into());
        assert_eq!(file.read(&mut Buffer::new()), None);
        assert_eq!(short(folder.path()), None);
        assert!(names(&folder.path().join("missing")).is_empty());
    }

    #[test]
    fn nobody_waits_for_one_who_writes() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("it runs").success());
        assert_eq!(short(&pipe).as_deref(), Some(""));
        assert_eq!(whole(&pipe).expect("nothing"), "");
        assert_eq!(HeldFile::new(pipe).read(&mut Buffer::new()), None);
    }
}
