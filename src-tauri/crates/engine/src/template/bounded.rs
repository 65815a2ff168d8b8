//! Strangers' programs on a thread of their own: its stack is known, so that values nested as deep as
//! [`super::environment`] lets them be can be printed and dropped, and so is its processor time, which
//! [`super::weight`] looks at.
//!
//! A rendering ends by itself, whatever the template: fuel and weights see to that. A thread can't be ended from outside, so
//! [`MOST`] is only a net for what nobody thought of: a thread that falls into it is left behind, and [`Error::ran_away`]
//! tells. Invariant: a panic within is an error here.

use super::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Address space, of which only what is used becomes memory.
const STACK_BYTES: usize = 256 << 20;
/// Time on the clock, ten times what a rendering may compute: a machine may be busy.
const MOST: Duration = Duration::from_secs(10);
/// A template may raise whatever it likes, but not at any length.
const MAX_WORDS_BYTES: usize = 2000;

type Outcome<T> = Result<T, Error>;

/// Runs `work` to its end.
///
/// # Errors
/// Those of `work`; its panic; no thread to be had; that it does not end.
pub(super) fn bounded<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, minijinja::Error> + Send + 'static,
) -> Outcome<T> {
    let (sender, outcome) = channel();
    std::thread::Builder::new()
        .name("wick-template".into())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let done = catch_unwind(AssertUnwindSafe(|| work().map_err(plain)));
            // Nobody may listen any more: there is nobody to tell.
            let _ = sender.send(done.unwrap_or_else(|_| Err(Error::new("rendering it panicked"))));
        })
        .map_err(|error| Error::new(format!("no thread to render it: {error}")))?;
    match outcome.recv_timeout(MOST) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Disconnected) => Err(Error::new("its thread ended")),
        Err(RecvTimeoutError::Timeout) => Err(Error::runaway()),
    }
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
