//! Who uses a loaded model, and since when nobody does.

use super::LoadedEngine;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The count of one loaded model.
#[derive(Debug)]
pub(crate) struct Uses(Mutex<Count>);

#[derive(Debug)]
struct Count {
    users: u32,
    /// The last time that it was handed out, or that a use ended.
    last: Instant,
}

/// A use of a loaded model, until it is dropped.
#[derive(Debug)]
pub(crate) struct InUse(Arc<LoadedEngine>);

impl Uses {
    /// Of a model that was just loaded.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Count {
            users: 0,
            last: Instant::now(),
        }))
    }

    /// It was handed to somebody who may use it soon.
    pub(super) fn touch(&self) {
        self.count().last = Instant::now();
    }

    /// How long nobody has used it; `None` while somebody does.
    pub(crate) fn idle_for(&self) -> Option<Duration> {
        let count = self.count();
        (count.users == 0).then(|| count.last.elapsed())
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        // Numbers are whole whatever their last user did.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LoadedEngine {
    /// Somebody uses it from now on.
    pub(crate) fn begin_use(self: &Arc<Self>) -> InUse {
        self.uses.count().users += 1;
        InUse(self.clone())
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let mut count = self.0.uses.count();
        count.users -= 1;
        count.last = Instant::now();
    }
}
