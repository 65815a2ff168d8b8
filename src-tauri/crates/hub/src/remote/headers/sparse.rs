//! Files that begin with a header and have holes where the weights would be.
//!
//! Invariant: one with its final name has its header on the disk, also after a power cut.

use crate::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::spawn_blocking;

/// Whether a file of this length is there.
pub(super) async fn is_there(path: &Path, size_bytes: u64) -> bool {
    let path = path.to_owned();
    let look = move || {
        let found = fs::symlink_metadata(path);
        found.is_ok_and(|file| file.is_file() && file.len() == size_bytes)
    };
    spawn_blocking(look).await.unwrap_or_default()
}

/// Writes a file of this length that begins so. Its folder need not exist.
pub(super) async fn write(path: PathBuf, header: Vec<u8>, size_bytes: u64) -> Result<(), Error> {
    let failed = Error::io(path.clone());
    let written = spawn_blocking(move || write_now(&path, &header, size_bytes)).await;
    written.map_err(io::Error::other).flatten().map_err(failed)
}

fn write_now(path: &Path, header: &[u8], size_bytes: u64) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let unfinished = unfinished(path);
    let written = fill(&unfinished, header, size_bytes);
    let renamed = written.and_then(|()| fs::rename(&unfinished, path));
    if renamed.is_err() {
        // What failed is told; what can't be removed either is overwritten by nobody and in nobody's way.
        let _ = fs::remove_file(&unfinished);
    }
    renamed
}

fn fill(path: &Path, header: &[u8], size_bytes: u64) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.set_len(size_bytes)?;
    file.write_all(header)?;
    file.sync_all()
}

/// A name beside the final one that nobody else has.
fn unfinished(path: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{number}.incomplete", std::process::id()));
    path.with_file_name(name)
}
