//! How fast bytes may come, all transfers together.
//!
//! Each who takes bytes gets the next span of time in which these many may come, and waits until it begins: first come,
//! first served, so nobody starves. It deliberately keeps nothing for later: after silence nobody is faster than the limit.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Bytes a second for all who share it; can be changed while they run. Clones are the same limit.
#[derive(Debug, Clone)]
pub struct SpeedLimit {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    bytes_per_second: watch::Sender<Option<u64>>,
    /// When the next span begins.
    next: Mutex<Option<Instant>>,
}

impl Default for SpeedLimit {
    fn default() -> Self {
        let inner = Inner {
            bytes_per_second: watch::Sender::new(None),
            next: Mutex::new(None),
        };
        Self {
            inner: Arc::new(inner),
        }
    }
}

impl SpeedLimit {
    /// `None` is as fast as it goes; nothing at all, `Some(0)`, counts as a byte a second.
    pub fn set(&self, bytes_per_second: Option<u64>) {
        *self.next() = None;
        self.inner.bytes_per_second.send_replace(bytes_per_second);
    }

    /// Waits until these many bytes may come.
    pub(super) async fn take(&self, bytes: usize) {
        let mut limit = self.inner.bytes_per_second.subscribe();
        loop {
            let Some(bytes_per_second) = *limit.borrow_and_update() else {
                return;
            };
            let begin = self.span(bytes, bytes_per_second.max(1));
            tokio::select! {
                () = tokio::time::sleep_until(begin) => return,
                // Whoever waits by the old limit asks again by the new one.
                _ = limit.changed() => {}
            }
        }
    }

    fn span(&self, bytes: usize, bytes_per_second: u64) -> Instant {
        #[expect(clippy::cast_precision_loss, reason = "a moment needs no 53 bits")]
        let seconds = bytes as f64 / bytes_per_second as f64;
        let length = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        let mut next = self.next();
        let now = Instant::now();
        let begin = next.map_or(now, |next| next.max(now));
        *next = begin.checked_add(length).or(Some(begin));
        begin
    }

    fn next(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        let next = self.inner.next.lock();
        next.unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_who_share_a_limit_come_one_after_the_other() {
        let limit = SpeedLimit::default();
        let spans = |count: usize, bytes: usize, rate: u64| -> Vec<_> {
            let other = limit.clone();
            (0..count).map(|_| other.span(bytes, rate)).collect()
        };
        let check = |bytes: usize, rate: u64, seconds: u64| {
            limit.set(Some(rate));
            for two in spans(9, bytes, rate).windows(2) {
                assert_eq!(two[1] - two[0], Duration::from_secs(seconds));
            }
        };
        check(5_000_000, 1_000, 5_000);
        check(1_000, 1, 1_000);
        limit.set(Some(1));
        let far = spans(9, usize::MAX, 1);
        assert_eq!(far.len(), 9, "what takes for ever is no panic");
    }

    #[tokio::test]
    async fn no_limit_lets_all_through_at_once() {
        let limit = SpeedLimit::default();
        limit.take(usize::MAX).await;
        limit.set(Some(0));
        limit.set(None);
        limit.take(usize::MAX).await;
        limit.take(usize::MAX).await;
    }
}
