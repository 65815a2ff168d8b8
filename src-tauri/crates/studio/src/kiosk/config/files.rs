//! The files beside `kiosk.toml`: Markdown and pictures.
//!
//! Invariants: nothing outside the folder is ever read, neither by `..` nor by a link; nothing that is no regular file is
//! opened; no more than a limit is taken into memory.

use super::mistake::{Flaw, not_utf8, utf8};
use crate::kiosk::scenes;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

/// The largest picture.
const PICTURE_BYTES: u64 = 20 << 20;

/// The longest page of Markdown.
const MARKDOWN_BYTES: u64 = 64 << 10;

/// A picture, and what kind it is (`image/png`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) media_type: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// Reads a picture whose content is what its name says.
pub(crate) fn picture(folder: &Path, name: &str) -> Result<Picture, Flaw> {
    let media_type = media_type(name)?;
    let bytes = content(folder, name, PICTURE_BYTES)?;
    if is_such(media_type, &bytes) {
        return Ok(Picture { media_type, bytes });
    }
    let message = format!("names {name}, which holds no such picture.");
    Err(Flaw::new(
        message,
        "Save it anew, as the kind that its name says.",
    ))
}

/// Reads a page of Markdown.
pub(super) fn markdown(folder: &Path, name: &str) -> Result<String, Flaw> {
    if extension(name) != "md" {
        let message = format!("names {name}, which is no Markdown file.");
        return Err(Flaw::new(message, "Give it a name that ends in .md."));
    }
    let bytes = content(folder, name, MARKDOWN_BYTES)?;
    let text = utf8(bytes).map_err(|line| not_utf8(name, line))?;
    if text.trim().is_empty() {
        let flaw = Flaw::new("This page is empty.", "Write something into it.");
        return Err(flaw.in_file(name, 1));
    }
    Ok(text)
}

/// Whether a change of this file may change what the kiosk shows.
pub(crate) fn matters(name: &str) -> bool {
    let is_kept_aside = name.starts_with('.') || name.ends_with('~');
    let known = ["toml", "md"].contains(&extension(name).as_str()) || media_type(name).is_ok();
    known && !is_kept_aside
}

fn extension(name: &str) -> String {
    let extension = Path::new(name).extension().unwrap_or_default();
    extension.to_string_lossy().to_ascii_lowercase()
}

fn media_type(name: &str) -> Result<&'static str, Flaw> {
    match extension(name).as_str() {
        "png" => Ok("image/png"),
        "jpg" | "jpeg" => Ok("image/jpeg"),
        "webp" => Ok("image/webp"),
        "svg" => Ok("image/svg+xml"),
        _ => {
            let message = format!("names {name}, which is no picture that can be shown.");
            Err(Flaw::new(message, "Take a png, jpg, webp or svg file."))
        }
    }
}

/// Whether the first bytes are those of this kind.
fn is_such(media_type: &str, bytes: &[u8]) -> bool {
    match media_type {
        "image/png" => bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
        "image/jpeg" => bytes.starts_with(b"\xff\xd8\xff"),
        "image/webp" => bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"),
        _ => std::str::from_utf8(bytes).is_ok_and(|text| text.contains("<svg")),
    }
}

/// The bytes of a file of the folder; what comes with Wick is there too.
fn content(folder: &Path, name: &str, most_bytes: u64) -> Result<Vec<u8>, Flaw> {
    let path = inside(folder, name)?;
    match read(&path, most_bytes) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => {
            let message = format!(
                "names {name}, which is larger than {}.",
                in_words(most_bytes)
            );
            Err(Flaw::new(message, "Make it smaller."))
        }
        Err(error) => match scenes::included(name) {
            Some(bytes) if error.kind() == ErrorKind::NotFound => Ok(bytes.to_vec()),
            _ => Err(unread(name, &error)),
        },
    }
}

fn unread(name: &str, error: &io::Error) -> Flaw {
    match error.kind() {
        ErrorKind::NotFound => Flaw::new(
            format!("names {name}, which is not there."),
            "Put the file beside kiosk.toml, or look at how its name is written.",
        ),
        ErrorKind::InvalidInput => Flaw::new(
            format!("names {name}, which is no regular file."),
            "Put a copy of the file itself beside kiosk.toml.",
        ),
        _ => Flaw::new(
            format!("names {name}, which can't be read: {error}."),
            "Look at the permissions of the file.",
        ),
    }
}

/// The path of a name that stays in the folder: no part of it leads up, and none is a link.
fn inside(folder: &Path, name: &str) -> Result<PathBuf, Flaw> {
    let outside = || {
        let message = format!("names {name}, which does not lie in the kiosk's folder.");
        Flaw::new(
            message,
            "Put a copy of the file itself beside kiosk.toml, and write only its name.",
        )
    };
    let mut path = folder.to_owned();
    for part in Path::new(name).components() {
        let Component::Normal(part) = part else {
            return Err(outside());
        };
        path.push(part);
        if path.is_symlink() {
            return Err(outside());
        }
    }
    Ok(path)
}

/// The whole of a regular file; `None` if it is larger. A pipe or a device is never opened: that could wait forever.
pub(super) fn read(path: &Path, most_bytes: u64) -> io::Result<Option<Vec<u8>>> {
    if !fs::metadata(path)?.is_file() {
        return Err(ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(most_bytes + 1).read_to_end(&mut bytes)?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|count| count <= most_bytes);
    Ok(fits.then_some(bytes))
}

fn in_words(bytes: u64) -> String {
    match bytes >> 20 {
        0 => format!("{} KiB", bytes >> 10),
        mebibytes => format!("{mebibytes} MiB"),
    }
}
