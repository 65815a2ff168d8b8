//! A name in a folder that is to be deleted, and what it was when one looked.
//!
//! Invariant: it is deleted only in the folder that it was seen in, and only if it is the very file or link that was seen.

use rustix::fs::{
    Access, AtFlags, FileType, Mode, OFlags, Stat, access, fstat, open, statat, unlinkat,
};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// A file or a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// As it is told.
    pub(super) path: PathBuf,
    /// Its folder without any link.
    folder: PathBuf,
    name: OsString,
    folder_place: (u64, u64),
    seen: Seen,
}

/// What tells one file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    place: (u64, u64),
    is_link: bool,
    length: i64,
    changed: (i64, i64),
    /// As wide as any machine's.
    names: i128,
    allocated_bytes: u64,
}

impl Entry {
    /// Looks at it. It must lie in the root, whatever links are on the way, and its folder must let us.
    ///
    /// # Errors
    /// Why it stays.
    pub(super) fn of(path: &Path, root: &Path) -> Result<Self, String> {
        let gone = |_| "it can't be looked at".to_owned();
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err("it is no file".into());
        };
        let folder = parent.canonicalize().map_err(gone)?;
        if !folder.starts_with(root) {
            return Err(format!("it lies outside of {}", root.display()));
        }
        if access(&folder, Access::WRITE_OK).is_err() {
            return Err("its folder can't be written to".into());
        }
        let folder_stat = rustix::fs::stat(&folder).map_err(|_| "it is gone".to_owned())?;
        let stat = rustix::fs::lstat(path).map_err(|_| "it can't be looked at".to_owned())?;
        Ok(Self {
            path: path.to_owned(),
            name: name.to_owned(),
            folder,
            folder_place: place(&folder_stat),
            seen: Seen::of(&stat).ok_or("it is no file")?,
        })
    }

    /// Which file it is, and how many names that has; `None` for a link.
    pub(super) fn file(&self) -> Option<((u64, u64), i128)> {
        let seen = &self.seen;
        (!seen.is_link).then_some((seen.place, seen.names))
    }

    /// What its content takes on the disk, and no more than it is long.
    pub(super) fn bytes(&self) -> u64 {
        let length = u64::try_from(self.seen.length).unwrap_or(0);
        length.min(self.seen.allocated_bytes)
    }

    /// Deletes it if it is still what it was. That a name more or less leads to the file does not matter by now.
    ///
    /// # Errors
    /// The system's, or [`io::ErrorKind::InvalidData`] if it has changed.
    pub(super) fn delete(&self) -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = open(&self.folder, flags, Mode::empty())?;
        let stat = statat(&folder, &self.name, AtFlags::SYMLINK_NOFOLLOW)?;
        let seen = Seen::of(&stat).map(|now| Seen {
            names: self.seen.names,
            ..now
        });
        if place(&fstat(&folder)?) != self.folder_place || seen.as_ref() != Some(&self.seen) {
            let reason = "it has changed since one looked";
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        Ok(unlinkat(&folder, &self.name, AtFlags::empty())?)
    }
}

impl Seen {
    /// `None` for a folder, a device or a pipe.
    fn of(stat: &Stat) -> Option<Self> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        if !matches!(kind, FileType::RegularFile | FileType::Symlink) {
            return None;
        }
        // POSIX counts blocks of 512 bytes, whatever the disk's own are.
        let blocks = u64::try_from(stat.st_blocks).unwrap_or(0);
        Some(Self {
            place: place(stat),
            is_link: kind == FileType::Symlink,
            length: stat.st_size,
            changed: (
                stat.st_mtime,
                i64::try_from(stat.st_mtime_nsec).unwrap_or(0),
            ),
            names: i128::from(stat.st_nlink),
            allocated_bytes: blocks.saturating_mul(512),
        })
    }
}

fn place(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_what_was_seen_is_deleted_and_only_where_it_was_seen() {
        let check = |change: &dyn Fn(&Path), expected: bool| {
            let temp = tempfile::tempdir().expect("a folder");
            let root = temp.path().canonicalize().expect("it is there");
            let path = root.join("a/x");
            fs::create_dir_all(root.join("a")).expect("a folder");
            fs::create_dir_all(root.join("b")).expect("a folder");
            fs::write(&path, "mine").expect("a file");
            fs::write(root.join("b/x"), "other").expect("a file");
            let entry = Entry::of(&path, &root).expect("it can go");
            change(&root);
            assert_eq!(entry.delete().is_ok(), expected);
            assert!(root.join("b/x").exists());
        };
        check(&|_| {}, true);
        let other_name = |root: &Path| fs::hard_link(root.join("a/x"), root.join("c"));
        check(&|root| other_name(root).expect("a link"), true);
        check(
            &|root| fs::write(root.join("a/x"), "m").expect("a file"),
            false,
        );
        check(
            &|root| fs::remove_file(root.join("a/x")).expect("it is there"),
            false,
        );
        let replaced = |root: &Path| {
            fs::write(root.join("new"), "mine").expect("a file");
            fs::rename(root.join("new"), root.join("a/x")).expect("a file");
        };
        check(&replaced, false);
        let swapped = |root: &Path| {
            fs::rename(root.join("a"), root.join("away")).expect("a folder");
            symlink("b", root.join("a")).expect("a link");
        };
        check(&swapped, false);
        let another = |root: &Path| {
            fs::rename(root.join("a"), root.join("away")).expect("a folder");
            fs::create_dir(root.join("a")).expect("a folder");
            fs::hard_link(root.join("away/x"), root.join("a/x")).expect("a link");
        };
        check(&another, false);
    }

    #[test]
    fn what_is_no_file_of_the_root_stays() {
        let temp = tempfile::tempdir().expect("a folder");
        let root = temp.path().canonicalize().expect("it is there");
        fs::create_dir(root.join("inside")).expect("a folder");
        fs::write(root.join("x"), "x").expect("a file");
        symlink("/", root.join("out")).expect("a link");
        let check = |path: PathBuf, root: &Path, expected: &str| {
            let reason = Entry::of(&path, root).expect_err(expected);
            assert!(reason.starts_with(expected), "{reason}");
        };
        let inside = root.join("inside");
        check(inside.clone(), &root, "it is no file");
        check(root.join("x"), &inside, "it lies outside of ");
        check(inside.join("../x"), &inside, "it lies outside of ");
        check(root.join("out/dev/null"), &root, "it lies outside of ");
        check(root.join("none"), &root, "it can't be looked at");
        check("/dev/null".into(), Path::new("/"), "it is no file");
    }
}
