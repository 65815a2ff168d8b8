//! Conversations, downloads and what else is remembered, on the disk.
//!
//! One thread owns the connection. What is wanted of it goes through a channel and is done in order, each piece of work
//! in a transaction of its own; no tokio thread ever waits for a disk.
//!
//! Invariant: a reply means that the change is in the database. The app may die at any moment after.

mod answers;
mod conversations;
mod downloads;
mod inspect;
mod kiosk;
mod messages;
mod readings;
mod row;
mod schema;
mod turns;

pub(crate) use downloads::{Kept, Order};
pub(crate) use inspect::Refusal;
pub(crate) use messages::{Ending, Written};
pub(crate) use schema::KNOWN_VERSION;
pub(crate) use turns::Turn;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;

/// Why something could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// There is no such row (any more).
    #[error("no such {0}")]
    NotFound(&'static str),
    /// What is wanted makes no sense for this row.
    #[error("{0}")]
    Invalid(&'static str),
    /// The store is not open (any more).
    #[error("the store is closed")]
    Closed,
    /// `SQLite` or the disk.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

pub(crate) type Result<T, E = StoreError> = std::result::Result<T, E>;

enum Job {
    Work(Box<dyn FnOnce(&mut Connection) + Send>),
    Close(oneshot::Sender<()>),
}

/// The handle to the thread. When the last one is gone, the thread does what it still has to do and closes the database.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    jobs: mpsc::Sender<Job>,
}

impl Store {
    /// Opens or makes a database. Takes the time that the disk takes.
    pub(crate) fn open(path: &Path) -> Result<Self, Refusal> {
        let mut lock = lock(path)?;
        inspect::inspect(path, &mut lock)?;
        let mut connection = connect(path).map_err(Refusal::unreadable)?;
        let (jobs, inbox) = mpsc::channel();
        std::thread::Builder::new()
            .name("wick-store".into())
            .spawn(move || {
                let reply = work_off(&inbox, &mut connection);
                drop(connection);
                drop(lock);
                drop(reply);
            })
            .map_err(Refusal::unreadable)?;
        Ok(Self { jobs })
    }

    /// Does a piece of work in a transaction and returns what it returns.
    async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.send(move |connection| {
            // Nobody waits any more: the work is done all the same.
            let _ = reply.send(in_transaction(connection, work));
        })?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Like [`Store::run`], but nobody waits; a failure is only traced.
    fn run_later(&self, work: impl FnOnce(&Transaction<'_>) -> Result<()> + Send + 'static) {
        let sent = self.send(move |connection| {
            if let Err(error) = in_transaction(connection, work) {
                tracing::warn!(%error, "a change was not kept");
            }
        });
        if let Err(error) = sent {
            tracing::warn!(%error, "a change was not kept");
        }
    }

    fn send(&self, job: impl FnOnce(&mut Connection) + Send + 'static) -> Result<()> {
        self.jobs
            .send(Job::Work(Box::new(job)))
            .map_err(|_| StoreError::Closed)
    }

    /// Makes the disk full for this database, or not: `SQLite` may take no page more than it has.
    #[cfg(test)]
    pub(crate) async fn fill_disk(&self, full: bool) {
        let most = if full { 1 } else { u32::MAX - 1 };
        let (reply, done) = oneshot::channel();
        let job = move |connection: &mut Connection| {
            let sql = format!("PRAGMA max_page_count = {most}");
            let set = connection.query_row(&sql, [], |row| row.get::<_, u32>(0));
            let _ = reply.send(set);
        };
        self.send(job).expect("the store is open");
        done.await.expect("an answer").expect("a limit");
    }

    /// Closes the database after all that was asked for so far; its log is then in its file, and the file is free.
    pub(crate) async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        // A thread that has ended has closed it.
        let _ = self.jobs.send(Job::Close(reply));
        let _ = closed.await;
    }

    /// The value kept under a name.
    pub(crate) async fn meta(&self, key: &'static str) -> Result<Option<String>> {
        self.run(move |db| {
            let sql = "SELECT value FROM meta WHERE key = ?1";
            Ok(db.query_row(sql, [key], |row| row.get(0)).optional()?)
        })
        .await
    }

    /// Keeps a value under a name.
    pub(crate) fn set_meta(&self, key: &'static str, value: String) {
        self.run_later(move |db| {
            let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2)
                ON CONFLICT (key) DO UPDATE SET value = excluded.value";
            db.execute(sql, (key, value))?;
            Ok(())
        });
    }
}

/// Until the database is to be closed, or nobody is left who could want something.
fn work_off(
    inbox: &mpsc::Receiver<Job>,
    connection: &mut Connection,
) -> Option<oneshot::Sender<()>> {
    for job in inbox {
        match job {
            Job::Work(work) => work(connection),
            Job::Close(reply) => return Some(reply),
        }
    }
    None
}

fn in_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T>,
) -> Result<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = work(&transaction)?;
    transaction.commit()?;
    Ok(value)
}

/// Opens the file for writing without writing, and keeps every other Wick away from it. This lock (`flock`) and those
/// of `SQLite` (`fcntl`) don't see one another; the file must stay open as long as `SQLite` has it, for closing it would
/// also give up `SQLite`'s.
fn lock(path: &Path) -> Result<File, Refusal> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    let file = options.open(path).map_err(Refusal::unreadable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Refusal::unreadable("another running Wick has it open"))
        }
        Err(TryLockError::Error(error)) => Err(Refusal::unreadable(error)),
    }
}

fn connect(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    schema::migrate(&mut connection)?;
    in_transaction(&mut connection, messages::settle_unfinished)?;
    Ok(connection)
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock before 1970 is a wrong clock; the order of messages doesn't depend on it.
    since_1970.map_or(0, |time| {
        i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
    })
}
