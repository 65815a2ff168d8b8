//! Strangers' programs on a thread of their own: its stack is known, so that values nested as deep as
//! [`super::environment`] lets them be can be printed and dropped, and its time is watched.
//!
//! Fuel bounds nearly all that a template can do, but not how long minijinja takes to print or compare a value that holds
//! another a thousand times, which holds another a thousand times. A thread can't be ended from outside: the one that
//! does not end is left behind, and [`Error::ran_away`] tells. Invariant: a panic within is an error here.

use super::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Address space, of which only what is used becomes memory.
const STACK_BYTES: usize = 256 << 20;
/// Processor time that one rendering may take.
const MOST: Duration = Duration::from_secs(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// A template may raise whatever it likes, but not at any length.
const MAX_WORDS_BYTES: usize = 2000;

type Outcome<T> = Result<T, Error>;

/// Runs `work` to its end, or for a second.
///
/// # Errors
/// Those of `work`; its panic; no thread to be had; that it does not end.
pub(super) fn bounded<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, minijinja::Error> + Send + 'static,
) -> Outcome<T> {
    let (clock_sender, clock) = channel();
    let (sender, outcome) = channel();
    std::thread::Builder::new()
        .name("wick-template".into())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            // Nobody may listen any more: there is nobody to tell.
            let _ = clock_sender.send(std::fs::read_link("/proc/thread-self").ok());
            let done = catch_unwind(AssertUnwindSafe(|| work().map_err(plain)));
            let _ = sender.send(done.unwrap_or_else(|_| Err(Error::new("rendering it panicked"))));
        })
        .map_err(|error| Error::new(format!("no thread to render it: {error}")))?;
    watch(&outcome, &clock)
}

fn watch<T>(outcome: &Receiver<Outcome<T>>, clock: &Receiver<Option<PathBuf>>) -> Outcome<T> {
    let start = Instant::now();
    let mut thread = None;
    loop {
        match outcome.recv_timeout(BETWEEN_LOOKS) {
            Ok(outcome) => return outcome,
            Err(RecvTimeoutError::Disconnected) => return Err(Error::new("its thread ended")),
            Err(RecvTimeoutError::Timeout) => {}
        }
        thread = clock.try_recv().ok().flatten().or(thread);
        let used = thread.as_ref().and_then(processor_time);
        if used.unwrap_or_else(|| start.elapsed()) > MOST {
            return Err(Error::runaway());
        }
    }
}

/// What a thread has computed so far: on a busy machine it is less than the time that went by.
fn processor_time(thread: &PathBuf) -> Option<Duration> {
    let path = PathBuf::from("/proc").join(thread).join("schedstat");
    let text = std::fs::read_to_string(path).ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// Jinja's errors hold values, which must not be dropped on another stack: only their words leave.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the error ends here, on this stack"
)]
fn plain(error: minijinja::Error) -> Error {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(under) = cause.filter(|_| text.len() < MAX_WORDS_BYTES) {
        text = format!("{text}: {under}");
        cause = under.source();
    }
    if text.len() > MAX_WORDS_BYTES {
        text = text.chars().take(MAX_WORDS_BYTES / 4).collect();
        text.push('…');
    }
    Error::new(text)
}
