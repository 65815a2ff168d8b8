//! What the worker says. Its threads share the pipe: a report is one line, whole.

use crate::wipe::wipe;
use engine_api::wire::{self, Report};
use engine_api::{LoadProgress, MemoryUse};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many positions the cache may gain before the app is told again.
const MEMORY_STEP_TOKENS: u32 = 16;
/// Between two reports of a load that is slow: often enough for a rate that follows.
const LOAD_PAUSE: Duration = Duration::from_millis(250);

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
                let mut line = line.into_bytes();
                let _ = pipe.write_all(&line).and_then(|()| pipe.flush());
                wipe(&mut line);
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

/// What the app was last told of a load.
#[derive(Debug, Default)]
pub(super) struct LoadNews {
    told_bytes: u64,
    told: Option<Instant>,
}

impl LoadNews {
    /// Tells each hundredth of it, what comes a while after the last report, and its end.
    pub(super) fn tell_rarely(&mut self, now: LoadProgress, outbox: &Outbox) {
        let is_more = now.done_bytes - self.told_bytes >= now.total_bytes / 100;
        let is_later = self.told.is_none_or(|told| told.elapsed() >= LOAD_PAUSE);
        if is_more || is_later || now.done_bytes == now.total_bytes {
            self.told_bytes = now.done_bytes;
            self.told = Some(Instant::now());
            outbox.send(&Report::Loading(now));
        }
    }
}
