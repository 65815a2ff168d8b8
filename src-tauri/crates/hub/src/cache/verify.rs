//! Reads a file and says what it hashes to, slowly enough that nothing else on the machine notices.
//!
//! The thread that reads is the last to get a processor, and the disk where its scheduler goes by that; it rests between the
//! reads; and what it has read leaves the page cache, so that it does not push out what a model on its way into memory needs.
//! Pages that a process has mapped stay where they are.

use super::Hasher;
use crate::FileHash;
use rustix::fs::{Advice, fadvise};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::num::NonZeroU64;
use std::path::Path;
use std::time::Instant;

const BUFFER_BYTES: usize = 1 << 20;
/// It rests this part of the time that it worked.
const REST: u32 = 4;
/// The last to get a processor.
const NICENESS: i32 = 19;

/// Hashes a file as `like` is hashed; `None` if it was told to stop. `on_read` gets the bytes of each read and says
/// whether to go on.
///
/// # Errors
/// The system's.
pub(crate) fn hash(
    path: &Path,
    like: &FileHash,
    on_read: &mut dyn FnMut(u64) -> bool,
) -> io::Result<Option<FileHash>> {
    let mut file = File::open(path)?;
    let mut hasher = Hasher::like(like, file.metadata()?.len());
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut offset = 0_u64;
    loop {
        let began = Instant::now();
        let length = match file.read(&mut buffer) {
            Ok(0) => return Ok(Some(hasher.finish())),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..length]);
        let read_bytes = length as u64;
        // Only a hint: a disk that can't take it reads all the same.
        let _ = fadvise(&file, offset, NonZeroU64::new(read_bytes), Advice::DontNeed);
        offset += read_bytes;
        if !on_read(read_bytes) {
            return Ok(None);
        }
        std::thread::sleep(began.elapsed() / REST);
    }
}

/// Does some work in a thread of its own that is the last to get a processor. It returns when that is done.
pub(crate) fn gently<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let last = || {
        // On Linux this is the thread's own niceness, and who may not lower it again has a thread of his own for it.
        let _ = rustix::process::setpriority_process(None, NICENESS);
        work()
    };
    std::thread::scope(|scope| match scope.spawn(last).join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_hashed_whole_or_until_told_to_stop() {
        let temp = tempfile::tempdir().expect("a folder");
        let path = temp.path().join("long");
        let content = [1_u8, 2, 3, 5, 7].repeat(700_000);
        std::fs::write(&path, &content).expect("a file");
        for like in ["0".repeat(64), "0".repeat(40)] {
            let like = FileHash::of_name(&like).expect("a hash");
            let mut hasher = Hasher::like(&like, content.len() as u64);
            hasher.update(&content);
            let mut read = 0;
            let found = gently(|| {
                hash(&path, &like, &mut |bytes| {
                    read += bytes;
                    true
                })
            });
            assert_eq!(found.expect("it is there"), Some(hasher.finish()));
            assert_eq!(read, content.len() as u64);
            let stopped = hash(&path, &like, &mut |_| false).expect("it is there");
            assert_eq!(stopped, None);
        }
    }

    #[test]
    fn its_thread_is_the_last_to_get_a_processor_and_no_other_is() {
        let nice = || rustix::process::getpriority_process(None).expect("a priority");
        let before = nice();
        assert_eq!(gently(nice), NICENESS);
        assert_eq!(nice(), before);
    }
}
