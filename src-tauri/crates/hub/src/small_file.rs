//! Reads files that other programs wrote and that should be small.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What is in it; `None` for what is not there, longer than that or no plain file: reading a pipe hangs, a device never ends.
pub(crate) fn small_file(path: &Path, max_bytes: u64) -> Option<Vec<u8>> {
    let metadata = path.metadata().ok()?;
    if !metadata.is_file() || metadata.len() > max_bytes {
        return None;
    }
    let mut content = Vec::new();
    // It may have grown meanwhile.
    let mut file = File::open(path).ok()?.take(max_bytes);
    file.read_to_end(&mut content).ok()?;
    Some(content)
}
