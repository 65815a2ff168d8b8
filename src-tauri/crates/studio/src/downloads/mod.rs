//! Downloads: the queue, and what a person can do with it.
//!
//! The queue is in the database and in the hands of one task (`owner.rs`). It deliberately knows no HTTP and no file: it
//! says which transfers of the hub's run. Invariant: what a person asked for is in the database before anything is fetched, and
//! goes on after whatever ended the app.

mod budget;
mod download;
mod entry;
mod owner;
mod rate;
mod settings;

pub use budget::within_budget;
pub use download::{Download, DownloadId, DownloadList, DownloadState};
pub(crate) use entry::Ended;
pub use settings::{DownloadSettings, Hours};

use crate::store::{Order as Wish, Store};
use crate::{Error, Studio};
use chrono::{Local, Timelike};
use hub::{Commit, Hub, RepoId, Wanted};
use owner::{Order, Owner, Reply};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// The handle to the task.
#[derive(Debug, Clone)]
pub(crate) struct Downloads {
    orders: mpsc::UnboundedSender<Order>,
}

impl Downloads {
    /// Starts the task: what should run begins at once.
    pub(crate) fn start(
        hub: Hub,
        store: Store,
        settings: DownloadSettings,
        published: watch::Sender<Arc<Vec<Download>>>,
        closing: watch::Receiver<bool>,
    ) -> Self {
        let (orders, inbox) = mpsc::unbounded_channel();
        let owner = Owner::new((hub, store), settings, minute_of_the_day, published);
        tokio::spawn(owner.run(inbox, closing));
        Self { orders }
    }

    /// Returns when the task has ended.
    pub(crate) async fn closed(&self) {
        self.orders.closed().await;
    }

    async fn ask<T>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.orders
            .send(order(reply))
            .map_err(|_| Error::closing())?;
        answer.await.unwrap_or_else(|_| Err(Error::closing()))
    }
}

/// The minute of the day on this computer's clock.
pub(crate) fn minute_of_the_day() -> u16 {
    let now = Local::now();
    u16::try_from(now.hour() * 60 + now.minute()).unwrap_or(0)
}

impl Studio {
    /// All downloads, in their order, whether they run, wait or are over; and what comes of them, at most ten times a
    /// second.
    pub fn subscribe_downloads(&self) -> watch::Receiver<Arc<Vec<Download>>> {
        self.inner.shown_downloads.subscribe()
    }

    /// Brings one variant of a repository at a commit that [`Studio::repository`] has shown, with its projector if that is
    /// wanted and there is one. One that is on its way already is that one.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`](crate::ErrorCode::NotFound) when it was not shown, or no longer.
    pub async fn start_download(
        &self,
        repo: RepoId,
        commit: Commit,
        key: String,
        with_projector: bool,
    ) -> Result<DownloadId, Error> {
        let repo = self.shown_repository(&repo, &commit)?;
        let variant = repo.variants.iter().find(|variant| variant.key == key);
        let variant = variant.ok_or_else(|| Error::not_found("file"))?;
        let mut files = variant.files.clone();
        if with_projector {
            // The first is the most exact one, as they are sorted by name and size: one is enough.
            files.extend(repo.projectors.first().cloned());
        }
        let wanted = Wanted {
            repo: repo.id.clone(),
            revision: repo.revision.clone(),
            commit: repo.commit.clone(),
            files,
        };
        let label = variant.label.clone();
        self.bring(Wish { wanted, label, key }).await
    }

    /// Puts something into the queue.
    pub(crate) async fn bring(&self, wish: Wish) -> Result<DownloadId, Error> {
        self.downloads()?
            .ask(|reply| Order::Add(Box::new(wish), reply))
            .await
    }

    /// Stops a download until it is wanted again. What was fetched is kept.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`](crate::ErrorCode::NotFound) when there is none of this name.
    pub async fn pause_download(&self, id: DownloadId) -> Result<(), Error> {
        self.downloads()?.ask(|reply| Order::Pause(id, reply)).await
    }

    /// Lets a download go on that is paused or failed.
    ///
    /// # Errors
    /// As for [`Studio::pause_download`].
    pub async fn resume_download(&self, id: DownloadId) -> Result<(), Error> {
        self.downloads()?
            .ask(|reply| Order::Resume(id, reply))
            .await
    }

    /// Takes a download from the list, with the files that are not finished. What is complete stays in the library.
    ///
    /// # Errors
    /// As for [`Studio::pause_download`].
    pub async fn cancel_download(&self, id: DownloadId) -> Result<(), Error> {
        self.downloads()?
            .ask(|reply| Order::Cancel(id, reply))
            .await
    }

    /// Puts a download before another one, or behind all.
    ///
    /// # Errors
    /// As for [`Studio::pause_download`].
    pub async fn move_download(
        &self,
        id: DownloadId,
        before: Option<DownloadId>,
    ) -> Result<(), Error> {
        self.downloads()?
            .ask(|reply| Order::Move(id, before, reply))
            .await
    }

    /// How models are brought.
    pub fn download_settings(&self) -> DownloadSettings {
        self.inner.settings.get().downloads
    }

    /// Sets how models are brought; what runs keeps to it from now on.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`](crate::ErrorCode::InvalidRequest) names the field that makes no sense; an error of the
    /// settings' file. Nothing has changed then.
    pub fn set_download_settings(&self, settings: DownloadSettings) -> Result<(), Error> {
        settings.validate()?;
        let kept = self.inner.settings.change(|all| all.downloads = settings)?;
        if let Some(downloads) = self.inner.downloads.get() {
            let _ = downloads.orders.send(Order::Settings(kept.downloads));
        }
        Ok(())
    }

    pub(crate) fn downloads(&self) -> Result<Downloads, Error> {
        self.hub()?;
        self.inner
            .downloads
            .get()
            .cloned()
            .ok_or_else(Error::not_open)
    }
}
