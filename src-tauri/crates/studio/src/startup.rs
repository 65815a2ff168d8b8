//! Opening the database, which may be refused: then the app says why and offers to start beside it.

use crate::downloads::Downloads;
use crate::store::{KNOWN_VERSION, Refusal, Store};
use crate::{Error, Studio};
use serde::Serialize;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

const FILE_NAME: &str = "wick.db";
/// How many databases are tried beside one another before giving up.
const MOST_BESIDE: u32 = 99;

/// How the start went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, specta::Type)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Startup {
    /// The conversations are there.
    Ready,
    /// A newer Wick wrote the database. It is untouched.
    DatabaseNewer {
        /// Its file.
        path: String,
        /// The version it has.
        found_version: u32,
        /// The highest version that this Wick knows.
        known_version: u32,
    },
    /// The database can't be used. It is untouched.
    DatabaseUnreadable {
        /// Its file.
        path: String,
        /// Why, in words.
        reason: String,
    },
}

impl Studio {
    /// Opens the database; once it is open, says so again. Until then every method on conversations fails.
    pub async fn startup(&self) -> Startup {
        let _one_at_a_time = self.inner.opening.lock().await;
        self.open_store(FILE_NAME.into()).await
    }

    /// Opens another database, `wick-beside.db`, in the same folder, and leaves the first one as it is. If that one
    /// can't be used either, the next number is tried.
    pub async fn start_beside(&self) -> Startup {
        let _one_at_a_time = self.inner.opening.lock().await;
        let mut startup = self.open_store("wick-beside.db".into()).await;
        for number in 2..=MOST_BESIDE {
            if startup == Startup::Ready {
                break;
            }
            startup = self.open_store(format!("wick-beside-{number}.db")).await;
        }
        startup
    }

    async fn open_store(&self, file_name: String) -> Startup {
        if self.inner.store.get().is_some() {
            return Startup::Ready;
        }
        let path = self.inner.data_dir.join(file_name);
        let task = tokio::task::spawn_blocking({
            let path = path.clone();
            move || open(&path)
        });
        let opened = task
            .await
            .unwrap_or_else(|error| Err(Refusal::unreadable(error)));
        match opened {
            Ok(store) => {
                // Nobody else sets them: the lock is held.
                let _ = self.inner.store.set(store.clone());
                self.start_downloads(store.clone());
                self.start_monitor(&store).await;
                Startup::Ready
            }
            Err(refusal) => refused(&path, refusal),
        }
    }

    /// What was on its way when the app ended goes on.
    fn start_downloads(&self, store: Store) {
        let Some(hub) = self.inner.hub.clone() else {
            return;
        };
        let settings = self.inner.settings.get().downloads;
        let shown = self.inner.shown_downloads.clone();
        let downloads =
            Downloads::start(hub, store, settings, shown, self.inner.closing.subscribe());
        let _ = self.inner.downloads.set(downloads);
    }

    /// The store, if it is open.
    pub(crate) fn store(&self) -> Result<Store, Error> {
        self.inner.store.get().cloned().ok_or_else(Error::not_open)
    }
}

fn open(path: &Path) -> Result<Store, Refusal> {
    if let Some(folder) = path.parent() {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(folder).map_err(Refusal::unreadable)?;
    }
    Store::open(path)
}

fn refused(path: &Path, refusal: Refusal) -> Startup {
    tracing::warn!(path = %path.display(), ?refusal, "the database is left alone");
    let path = path.to_string_lossy().into_owned();
    match refusal {
        Refusal::Newer { found_version } => Startup::DatabaseNewer {
            path,
            found_version,
            known_version: KNOWN_VERSION,
        },
        Refusal::Unreadable { reason } => Startup::DatabaseUnreadable { path, reason },
    }
}
