//! Whether a worker that has something to do comes further.
//!
//! While it loads or computes, a thread of its own says twice a second how many steps have been done. So a worker whose
//! computing thread hangs still speaks, but its count stands still, and one that was stopped says nothing. An idle worker
//! says nothing either and costs nothing. What that means (working, slow, stuck) is for the reader to decide.

use std::time::Instant;

/// What was last heard.
///
/// When work is given to an idle worker, both times are set to that moment: silence counts from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Steps since the worker's start: parts of a file read, halves of a layer computed. Only its change says something.
    pub steps: u64,
    /// When the worker said so, by the app's clock.
    pub heard: Instant,
    /// When `steps` was last another number.
    pub moved: Instant,
}

impl Progress {
    /// Nothing heard yet.
    pub(crate) fn begin() -> Self {
        let now = Instant::now();
        Self {
            steps: 0,
            heard: now,
            moved: now,
        }
    }

    /// The worker was given something to do.
    pub(crate) fn wake(&mut self) {
        *self = Self {
            steps: self.steps,
            ..Self::begin()
        };
    }

    /// It said how many.
    pub(crate) fn hear(&mut self, steps: u64) {
        self.heard = Instant::now();
        if steps != self.steps {
            self.steps = steps;
            self.moved = self.heard;
        }
    }
}
