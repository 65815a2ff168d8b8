//! A count of steps done, which one thread raises and another looks at: whether the computing thread still comes further.
//!
//! It deliberately says nothing of what a step is or how long it may take. Invariant: it only grows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The count; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// One step more.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Steps so far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
