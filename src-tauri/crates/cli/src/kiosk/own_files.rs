//! Files that install writes and remove deletes.
//!
//! Invariant: a file without our mark is neither replaced nor deleted. A file is there whole or not at all.

use super::ground::Ground;
use crate::stop::Stop;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// The first line of each file of ours.
pub(super) const MARK: &str =
    "# Written by `wick kiosk install`; `wick kiosk remove` deletes it. Changes to it get lost.";

/// Something that install puts somewhere. Paths are the machine's own, whatever the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Own {
    /// A file with this text under [`MARK`].
    File { path: PathBuf, text: String },
    /// A symbolic link, as `systemctl enable` makes it.
    Link { path: PathBuf, target: PathBuf },
}

impl Own {
    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::File { path, .. } | Self::Link { path, .. } => path,
        }
    }

    /// Everything that stands in it.
    pub(super) fn content(&self) -> String {
        match self {
            Self::File { text, .. } => format!("{MARK}\n{text}"),
            Self::Link { target, .. } => format!("-> {}\n", target.display()),
        }
    }

    /// Refuses if something of somebody else lies there.
    pub(super) fn check(&self, ground: &Ground) -> Result<(), Stop> {
        if self.stands(ground) == Standing::Foreign {
            let path = self.path().display();
            return Err(Stop::failed(
                format!("{path} is not Wick's, so it was left as it is. Nothing was changed."),
                "Move it away, then try again.",
            ));
        }
        Ok(())
    }

    /// Writes it, and says whether anything changed.
    pub(super) fn put(&self, ground: &Ground) -> Result<bool, Stop> {
        let path = ground.at(self.path());
        let written = match self {
            Self::File { .. }
                if fs::read_to_string(&path).is_ok_and(|old| old == self.content()) =>
            {
                return Ok(false);
            }
            Self::Link { .. } if self.stands(ground) == Standing::Ours => return Ok(false),
            Self::File { .. } => write_whole(&path, &self.content()),
            Self::Link { target, .. } => make_folder(&path).and_then(|()| symlink(target, &path)),
        };
        let fail = |error| cannot("be written", self.path(), &error);
        written.map(|()| true).map_err(fail)
    }

    /// Deletes it if it is ours, and says whether it was.
    pub(super) fn take(&self, ground: &Ground) -> Result<bool, Stop> {
        if self.stands(ground) != Standing::Ours {
            return Ok(false);
        }
        let removed = fs::remove_file(ground.at(self.path()));
        let fail = |error| cannot("be deleted", self.path(), &error);
        removed.map(|()| true).map_err(fail)
    }

    /// Whose it is.
    pub(super) fn stands(&self, ground: &Ground) -> Standing {
        let path = ground.at(self.path());
        if fs::symlink_metadata(&path).is_err() {
            return Standing::Absent;
        }
        let ours = match self {
            Self::File { .. } => {
                fs::read_to_string(&path).is_ok_and(|text| text.lines().next() == Some(MARK))
            }
            Self::Link { target, .. } => fs::read_link(&path).is_ok_and(|to| to == *target),
        };
        if ours {
            Standing::Ours
        } else {
            Standing::Foreign
        }
    }
}

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// There is none.
    Absent,
    /// We wrote it.
    Ours,
    /// Somebody else did, or it can't be read.
    Foreign,
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Stop {
    let hint = match error.kind() {
        ErrorKind::PermissionDenied => "With root's rights it can: put `sudo` before it.",
        _ => "When that is mended, try again.",
    };
    Stop::failed(format!("{} can't {what}: {error}.", path.display()), hint)
}

fn make_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

/// Writes beside it, then renames.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    make_folder(path)?;
    let fresh = path.with_extension(format!("{}.wick", std::process::id()));
    let written = File::create(&fresh).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    });
    if written.is_err() {
        // What was begun is of no use; what was there before stays.
        let _ = fs::remove_file(&fresh);
    }
    written
}
