//! What the worker says. Two threads speak: the reader acknowledges, the engine reports.

use engine_api::wire::{self, Report};
use engine_api::{GenerationEvent, GenerationId, MemoryUse};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How many positions the cache may gain before the app is told again.
const MEMORY_STEP_TOKENS: u32 = 16;

/// The pipe to the app.
#[derive(Clone)]
pub(crate) struct Outbox {
    pipe: Arc<Mutex<Box<dyn Write + Send>>>,
}

impl Outbox {
    pub(crate) fn new(pipe: impl Write + Send + 'static) -> Self {
        Self {
            pipe: Arc::new(Mutex::new(Box::new(pipe))),
        }
    }

    /// A failure is not reported: the app is gone, and the end of the input says so too.
    pub(crate) fn send(&self, report: &Report) {
        match wire::to_line(report) {
            Ok(line) => {
                let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = pipe.write_all(line.as_bytes()).and_then(|()| pipe.flush());
            }
            Err(error) => tracing::error!(%error, "a report could not be written"),
        }
    }
}

/// Who waits for one generation.
pub(crate) struct Listener {
    id: GenerationId,
    outbox: Outbox,
    cancelled: Arc<AtomicBool>,
    told: Option<MemoryUse>,
}

impl Listener {
    pub(crate) fn new(id: GenerationId, outbox: Outbox, cancelled: Arc<AtomicBool>) -> Self {
        Self {
            id,
            outbox,
            cancelled,
            told: None,
        }
    }

    pub(crate) fn emit(&self, event: GenerationEvent) {
        self.outbox.send(&Report::Generation { id: self.id, event });
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Tells the memory in use, but not for every token.
    pub(crate) fn memory(&mut self, now: MemoryUse) {
        let gained = self.told.map_or(u32::MAX, |told| {
            now.context_used_tokens.abs_diff(told.context_used_tokens)
        });
        if gained >= MEMORY_STEP_TOKENS {
            self.memory_now(now);
        }
    }

    /// Tells the memory in use.
    pub(crate) fn memory_now(&mut self, now: MemoryUse) {
        self.told = Some(now);
        self.outbox.send(&Report::Memory(now));
    }
}
