//! The store that several repositories of Hugging Face's cache share: `CACHE/blobs/XX/XETHASH`, where a repository's blob is
//! a link to it and `XETHASH.refs` lists those links.
//!
//! Invariant: a content goes only if the list is there and every link that it names and that is one still goes too; what
//! can't be read is no ground to delete anything. It is deleted under the lock that the Python client takes.
//! Source: `huggingface_hub`'s `utils/_shared_blobs.py` (2.4), layout version 1.

use crate::cache::scan::hop;
use crate::small_file::small_file;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use std::io;
use std::path::{Component, Path, PathBuf};

const MARKER: &str = ".huggingface-shared-blobs";
/// Of the layout that is known here.
const VERSION: &[u8] = b"1\n";
/// Longer lists are none that are known.
const MAX_LIST_BYTES: u64 = 4 << 20;

/// The content that a repository's blob is a link to.
pub(super) fn content(blob: &Path) -> Option<PathBuf> {
    let cache = blob.ancestors().nth(3)?;
    let content = hop(blob)?;
    (cache_of(&content)? == cache && is_file(&content)).then_some(content)
}

/// The file that lists who uses a content.
pub(super) fn list(content: &Path) -> PathBuf {
    content.with_extension("refs")
}

/// The blobs that are links to a content; `None` if nothing tells.
pub(super) fn references(content: &Path) -> Option<Vec<PathBuf>> {
    let cache = cache_of(content)?;
    let list = list(content);
    let text = is_file(&list).then(|| small_file(&list, MAX_LIST_BYTES))??;
    let lines = String::from_utf8(text).ok()?;
    let blobs = lines.lines().filter(|line| is_blob(line));
    let blobs = blobs.map(|line| cache.join(line));
    let leading_here = blobs.filter(|blob| hop(blob).as_deref() == Some(content));
    Some(leading_here.collect())
}

/// Deletes a file; what belongs to the store under its lock, and only if no blob is a link to it any more.
pub(super) fn locked(path: &Path, delete: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let content = path.with_extension("");
    if cache_of(&content).is_none() {
        return delete();
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o666);
    let lock = open(content.with_extension("lock"), flags, mode)?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    if !references(&content).unwrap_or_default().is_empty() {
        return Err(io::Error::other("another repository uses it by now"));
    }
    delete()
}

/// The cache, if this is the name of a content in its store.
fn cache_of(content: &Path) -> Option<&Path> {
    let name = content.file_name()?.to_str()?;
    let prefix = content.parent()?;
    let store = prefix.parent().filter(|store| store.ends_with("blobs"))?;
    let is_hex = name.len() == 64 && name.bytes().all(|letter| letter.is_ascii_hexdigit());
    let is_placed = is_hex && prefix.file_name()?.to_str()? == &name[..2];
    let marker = small_file(&store.join(MARKER), 16).filter(|_| is_placed)?;
    (marker == VERSION).then(|| store.parent())?
}

/// `models--ORG--NAME/blobs/HASH`, and so of data sets.
fn is_blob(line: &str) -> bool {
    let parts: Vec<_> = Path::new(line).components().collect();
    let is_plain = |part: &Component| matches!(part, Component::Normal(_));
    parts.len() == 3 && parts.iter().all(is_plain) && parts[1].as_os_str() == "blobs"
}

fn is_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|entry| entry.is_file())
}
