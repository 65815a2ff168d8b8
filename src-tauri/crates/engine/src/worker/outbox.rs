//! What the worker says. Its threads share the pipe: a report is one line, whole.

use engine_api::MemoryUse;
use engine_api::wire::{self, Report};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

/// How many positions the cache may gain before the app is told again.
const MEMORY_STEP_TOKENS: u32 = 16;

/// The pipe to the app.
#[derive(Clone)]
pub(super) struct Outbox {
    pipe: Arc<Mutex<Box<dyn Write + Send>>>,
}

impl Outbox {
    pub(super) fn new(pipe: impl Write + Send + 'static) -> Self {
        Self {
            pipe: Arc::new(Mutex::new(Box::new(pipe))),
        }
    }

    /// A failure is not reported: the app is gone, and the end of the input says so too.
    pub(super) fn send(&self, report: &Report) {
        match wire::to_line(report) {
            Ok(line) => {
                let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = pipe.write_all(line.as_bytes()).and_then(|()| pipe.flush());
            }
            Err(error) => tracing::error!(%error, "a report could not be written"),
        }
    }
}

/// What the app was last told of the memory in use.
#[derive(Debug, Default)]
pub(super) struct MemoryNews(Option<MemoryUse>);

impl MemoryNews {
    /// Tells it, but not for every token.
    pub(super) fn tell_rarely(&mut self, now: MemoryUse, outbox: &Outbox) {
        let gained = self.0.map_or(u32::MAX, |told| {
            now.context_used_tokens.abs_diff(told.context_used_tokens)
        });
        if gained >= MEMORY_STEP_TOKENS {
            self.tell(now, outbox);
        }
    }

    /// Tells it.
    pub(super) fn tell(&mut self, now: MemoryUse, outbox: &Outbox) {
        self.0 = Some(now);
        outbox.send(&Report::Memory(now));
    }
}
