//! All requests, in the order of their arrival, for a test to look at and to wait for.

use axum::http::Method;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Who was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// Where repositories are known.
    Hub,
    /// Where large files come from.
    Cdn,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Who was asked.
    pub host: Host,
    /// `GET`, `HEAD`, `POST`.
    pub method: Method,
    /// The path, decoded, without the query.
    pub path: String,
    /// The query as it came.
    pub query: String,
    /// The bytes of the file that were asked for and are there, whatever was answered; `None` without a Range.
    pub range: Option<Range<u64>>,
    /// The header as it came.
    pub authorization: Option<String>,
    /// Bytes of a file's content that were handed to the connection. The last of them may not have arrived.
    pub bytes_sent: u64,
    /// The answer's status; 0 while there is none.
    pub status: u16,
}

/// A request in the log, to be written on while it is answered.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    log: Log,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    asked: Seen,
    bytes_sent: AtomicU64,
    status: AtomicU64,
    range: Mutex<Option<Range<u64>>>,
}

impl Entry {
    pub(crate) fn sent(&self, bytes: u64) {
        self.inner.bytes_sent.fetch_add(bytes, Ordering::Relaxed);
        self.log.changed();
    }

    pub(crate) fn answered(&self, status: u16) {
        self.inner.status.store(status.into(), Ordering::Relaxed);
        self.log.changed();
    }

    pub(crate) fn asked_range(&self, range: Range<u64>) {
        *locked(&self.inner.range) = Some(range);
    }

    fn seen(&self) -> Seen {
        let status = self.inner.status.load(Ordering::Relaxed);
        Seen {
            bytes_sent: self.inner.bytes_sent.load(Ordering::Relaxed),
            status: u16::try_from(status).unwrap_or(0),
            range: locked(&self.inner.range).clone(),
            ..self.inner.asked.clone()
        }
    }
}

/// The log. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    entries: Arc<Mutex<Vec<Arc<Inner>>>>,
    changes: watch::Sender<u64>,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self {
            entries: Arc::default(),
            changes: watch::Sender::new(0),
        }
    }

    pub(crate) fn open(&self, asked: Seen) -> Entry {
        let inner = Arc::new(Inner {
            asked,
            bytes_sent: AtomicU64::new(0),
            status: AtomicU64::new(0),
            range: Mutex::new(None),
        });
        locked(&self.entries).push(Arc::clone(&inner));
        self.changed();
        let log = self.clone();
        Entry { log, inner }
    }

    pub(crate) fn all(&self) -> Vec<Seen> {
        let seen = |inner: &Arc<Inner>| {
            let (log, inner) = (self.clone(), Arc::clone(inner));
            Entry { log, inner }.seen()
        };
        locked(&self.entries).iter().map(seen).collect()
    }

    pub(crate) fn clear(&self) {
        locked(&self.entries).clear();
    }

    /// The first request that is as wanted, as soon as there is one.
    pub(crate) async fn wait(&self, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let mut changes = self.changes.subscribe();
        loop {
            changes.mark_unchanged();
            if let Some(seen) = self.all().into_iter().find(&wanted) {
                return seen;
            }
            // The sender lives in this log.
            let _ = changes.changed().await;
        }
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

/// What is behind a lock, also after a test's panic.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
