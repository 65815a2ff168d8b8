//! The task that alone decides which downloads run.
//!
//! It knows what is wanted and how far it is; bytes, files and hashes are the hub's. Invariants: what a reply says is in the
//! database; a transfer that runs belongs to a download that should run; the list that is published is never older than a
//! tenth of a second.

use super::budget::within_budget;
use super::download::{Download, DownloadId, DownloadState};
use super::entry::{Ended, Entry, Running};
use super::settings::DownloadSettings;
use crate::store::{Order as Wish, Store};
use crate::{Error, ErrorCode};
use hub::{Hub, Phase, Progress, SpeedLimit, Stop, TransferOptions};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};

/// How often a transfer that runs is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How often how far it is gets stored.
const KEEP: Duration = Duration::from_secs(5);
/// How often the clock is looked at while there are hours.
const CLOCK: Duration = Duration::from_secs(10);
/// How long transfers may take to stop at the end.
const STOPPING: Duration = Duration::from_secs(2);

pub(super) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What is wanted of the task.
#[derive(Debug)]
pub(super) enum Order {
    Add(Box<Wish>, Reply<DownloadId>),
    Pause(DownloadId, Reply<()>),
    Resume(DownloadId, Reply<()>),
    Cancel(DownloadId, Reply<()>),
    Move(DownloadId, Option<DownloadId>, Reply<()>),
    Settings(DownloadSettings),
}

/// What came of a transfer.
#[derive(Debug)]
enum Outcome {
    Fetched(PathBuf),
    /// We wanted it so.
    Stopped,
    Failed(Error),
}

type Over = (DownloadId, Outcome);

/// The task's own.
#[derive(Debug)]
pub(super) struct Owner {
    hub: Hub,
    store: Store,
    settings: DownloadSettings,
    speed: SpeedLimit,
    /// The minute of the day.
    clock: fn() -> u16,
    entries: Vec<Entry>,
    transfers: JoinSet<Over>,
    published: watch::Sender<Arc<Vec<Download>>>,
    kept_at: Instant,
}

impl Owner {
    pub(super) fn new(
        (hub, store): (Hub, Store),
        settings: DownloadSettings,
        clock: fn() -> u16,
        published: watch::Sender<Arc<Vec<Download>>>,
    ) -> Self {
        let speed = SpeedLimit::default();
        speed.set(settings.speed_limit_bytes);
        Self {
            hub,
            store,
            settings,
            speed,
            clock,
            entries: Vec::new(),
            transfers: JoinSet::new(),
            published,
            kept_at: Instant::now(),
        }
    }

    /// Until nobody is left to want something, or the app closes.
    pub(super) async fn run(
        mut self,
        mut orders: mpsc::UnboundedReceiver<Order>,
        mut closing: watch::Receiver<bool>,
    ) {
        match self.store.downloads().await {
            Ok(kept) => self.entries = kept.into_iter().map(Entry::new).collect(),
            Err(error) => tracing::warn!(%error, "the downloads could not be read"),
        }
        loop {
            self.settle();
            self.publish();
            let look = tokio::time::sleep(self.next_look());
            tokio::select! {
                () = crate::closed(&mut closing) => break,
                order = orders.recv() => match order {
                    Some(order) => self.obey(order).await,
                    None => break,
                },
                Some(joined) = self.transfers.join_next() => self.joined(joined).await,
                () = look => self.look().await,
            }
        }
        self.close().await;
    }

    fn next_look(&self) -> Duration {
        match (self.transfers.is_empty(), self.settings.hours) {
            (false, _) => LOOK,
            (true, Some(_)) => CLOCK,
            (true, None) => Duration::from_secs(3600),
        }
    }

    /// Starts what should run and stops what should not.
    fn settle(&mut self) {
        let open = self.is_open();
        let mut free = usize::from(self.settings.parallel);
        for index in 0..self.entries.len() {
            let entry = &self.entries[index];
            let wanted = entry.is_due() && open && free > 0;
            free -= usize::from(wanted);
            match (&entry.running, wanted) {
                (None, true) => self.start(index),
                (Some(running), false) => running.stop(),
                _ => {}
            }
        }
    }

    fn is_open(&self) -> bool {
        self.settings
            .hours
            .is_none_or(|hours| hours.contain((self.clock)()))
    }

    fn start(&mut self, index: usize) {
        let entry = &mut self.entries[index];
        let (stop, stopped) = watch::channel(false);
        let (publish, progress) = watch::channel(entry.progress());
        let options = TransferOptions {
            segments: self.settings.segments,
            speed: self.speed.clone(),
            reserve_bytes: self.settings.reserve_bytes,
        };
        let (hub, wanted, id) = (self.hub.clone(), entry.order.wanted.clone(), entry.id);
        let budget_bytes = self.settings.budget_bytes;
        let task = self.transfers.spawn(async move {
            if let Err(error) = within_budget(&hub, &wanted, budget_bytes).await {
                return (id, Outcome::Failed(error));
            }
            let outcome = match hub.fetch(&wanted, &options, &publish, Stop(stopped)).await {
                Ok(snapshot) => Outcome::Fetched(snapshot),
                Err(hub::Error::Stopped) => Outcome::Stopped,
                Err(error) => Outcome::Failed(error.into()),
            };
            (id, outcome)
        });
        entry.running = Some(Running {
            stop,
            progress,
            task: task.id(),
        });
    }

    async fn obey(&mut self, order: Order) {
        // Whoever asked may have gone; what was asked for is done all the same.
        match order {
            Order::Add(wish, reply) => drop(reply.send(self.add(*wish).await)),
            Order::Pause(id, reply) => {
                drop(reply.send(self.end(id, Some(Ended::Paused { error: None })).await));
            }
            Order::Resume(id, reply) => drop(reply.send(self.end(id, None).await)),
            Order::Cancel(id, reply) => drop(reply.send(self.cancel(id).await)),
            Order::Move(id, before, reply) => drop(reply.send(self.reorder(id, before).await)),
            Order::Settings(settings) => {
                self.speed.set(settings.speed_limit_bytes);
                self.settings = settings;
            }
        }
    }

    /// A download of the same files that is not over is that one; a paused or failed one goes on.
    async fn add(&mut self, wish: Wish) -> Result<DownloadId, Error> {
        let same = |entry: &&Entry| entry.order.wanted == wish.wanted && !entry.is_complete();
        let same = self.entries.iter().find(same);
        if let Some(id) = same.map(|entry| entry.id) {
            self.end(id, None).await?;
            return Ok(id);
        }
        let kept = self.store.add_download(wish).await?;
        let id = kept.id;
        self.entries.push(Entry::new(kept));
        Ok(id)
    }

    fn entry(&mut self, id: DownloadId) -> Result<&mut Entry, Error> {
        let found = self.entries.iter_mut().find(|entry| entry.id == id);
        found.ok_or_else(|| Error::not_found("download"))
    }

    /// Sets how one ended, or that it goes on. One that is complete stays so.
    async fn end(&mut self, id: DownloadId, ended: Option<Ended>) -> Result<(), Error> {
        let store = self.store.clone();
        let entry = self.entry(id)?;
        if entry.is_complete() {
            return Ok(());
        }
        store
            .keep_download(id, ended.clone(), entry.done_bytes(), entry.note())
            .await?;
        entry.ended = ended;
        Ok(())
    }

    async fn cancel(&mut self, id: DownloadId) -> Result<(), Error> {
        let entry = self.entry(id)?;
        let wanted = entry.order.wanted.clone();
        let unfinished = !entry.is_complete();
        entry.ended = Some(Ended::Paused { error: None });
        if let Some(running) = &entry.running {
            running.stop();
        }
        while self.entry(id)?.running.is_some() {
            match self.transfers.join_next().await {
                Some(joined) => self.joined(joined).await,
                None => break,
            }
        }
        self.store.forget_download(id).await?;
        self.entries.retain(|entry| entry.id != id);
        let shared = self
            .entries
            .iter()
            .any(|entry| !entry.is_complete() && shares_files(&entry.order.wanted, &wanted));
        if unfinished && !shared {
            let clean = move |hub: Hub| {
                hub.discard(&wanted)
                    .and_then(|()| hub.settle_repairs(&wanted))
            };
            self.in_the_background(clean).await;
        }
        Ok(())
    }

    async fn reorder(&mut self, id: DownloadId, before: Option<DownloadId>) -> Result<(), Error> {
        let place = |id| self.entries.iter().position(|entry| entry.id == id);
        let from = place(id).ok_or_else(|| Error::not_found("download"))?;
        let mut ids: Vec<_> = self.entries.iter().map(|entry| entry.id).collect();
        ids.remove(from);
        let to = before.and_then(|before| ids.iter().position(|other| *other == before));
        ids.insert(to.unwrap_or(ids.len()), id);
        self.store.order_downloads(ids.clone()).await?;
        self.entries
            .sort_by_key(|entry| ids.iter().position(|other| *other == entry.id));
        Ok(())
    }

    /// A transfer's task is over. One that broke is a fault of ours, which must not leave its download running for ever.
    async fn joined(&mut self, joined: Result<Over, JoinError>) {
        let (id, outcome) =
            match joined {
                Ok(over) => over,
                Err(error) => {
                    let is_it = |entry: &&Entry| {
                        entry
                            .running
                            .as_ref()
                            .is_some_and(|running| running.task == error.id())
                    };
                    let Some(id) = self.entries.iter().find(is_it).map(|entry| entry.id) else {
                        return;
                    };
                    let error = Error::internal(format!(
                        "The transfer broke: {error}. What was fetched is kept."
                    ));
                    (
                        id,
                        Outcome::Failed(error.hint(
                            "Try again. If it comes back, please report it with these words.",
                        )),
                    )
                }
            };
        self.over(id, outcome).await;
    }

    /// A transfer is over, whatever came of it.
    async fn over(&mut self, id: DownloadId, outcome: Outcome) {
        let store = self.store.clone();
        let Ok(entry) = self.entry(id) else {
            return; // it was cancelled
        };
        entry.look(Instant::now());
        entry.running = None;
        entry.rest();
        let wanted = entry.order.wanted.clone();
        let is_there = matches!(outcome, Outcome::Fetched(_));
        let ended = match outcome {
            Outcome::Fetched(snapshot) => Some(entry.complete(&snapshot)),
            // What it is now was said when it was stopped.
            Outcome::Stopped => entry.ended.clone(),
            Outcome::Failed(error) => Some(ending(error)),
        };
        entry.ended.clone_from(&ended);
        let kept = store
            .keep_download(id, ended, entry.done_bytes(), entry.note())
            .await;
        if let Err(error) = kept {
            tracing::warn!(%error, "how a download ended was not kept");
        }
        if is_there {
            self.in_the_background(move |hub| hub.settle_repairs(&wanted))
                .await;
        }
    }

    /// Work on the disk, whose failure leaves only files that nobody needs.
    async fn in_the_background(
        &self,
        work: impl FnOnce(Hub) -> Result<(), hub::Error> + Send + 'static,
    ) {
        let hub = self.hub.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || work(hub)).await {
            tracing::warn!(%error, "files were left behind");
        }
    }

    async fn look(&mut self) {
        let now = Instant::now();
        let running = self
            .entries
            .iter_mut()
            .filter(|entry| entry.running.is_some());
        running.for_each(|entry| entry.look(now));
        if now.duration_since(self.kept_at) >= KEEP {
            self.kept_at = now;
            self.keep_all().await;
        }
    }

    async fn keep_all(&mut self) {
        for entry in self.entries.iter().filter(|entry| entry.running.is_some()) {
            let kept = self.store.keep_download(
                entry.id,
                entry.ended.clone(),
                entry.done_bytes(),
                entry.note(),
            );
            if let Err(error) = kept.await {
                tracing::warn!(%error, "how far a download is was not kept");
            }
        }
    }

    fn publish(&self) {
        let open = self.is_open();
        let outside = self.settings.hours.filter(|_| !open);
        let list: Vec<_> = self
            .entries
            .iter()
            .map(|entry| entry.shown(outside))
            .collect();
        self.published.send_if_modified(|shown| {
            let changed = **shown != list;
            if changed {
                *shown = Arc::new(list);
            }
            changed
        });
    }

    /// Stops all transfers, so that what they have is in their journals.
    async fn close(mut self) {
        self.entries
            .iter()
            .filter_map(|entry| entry.running.as_ref())
            .for_each(Running::stop);
        let stopping = async {
            while let Some(joined) = self.transfers.join_next().await {
                self.joined(joined).await;
            }
        };
        if tokio::time::timeout(STOPPING, stopping).await.is_err() {
            tracing::warn!("a transfer did not stop in time");
        }
    }
}

fn shares_files(one: &hub::Wanted, other: &hub::Wanted) -> bool {
    one.repo == other.repo
        && one
            .files
            .iter()
            .any(|file| other.files.iter().any(|theirs| theirs.hash == file.hash))
}

/// What a failure makes of a download: what the person can mend pauses it.
fn ending(error: Error) -> Ended {
    match error.code {
        ErrorCode::DiskFull | ErrorCode::Offline => Ended::Paused { error: Some(error) },
        _ => Ended::Failed { error },
    }
}

/// The state that a running transfer's phase is.
pub(super) fn state_of(progress: &Progress) -> DownloadState {
    match &progress.phase {
        Phase::Starting => DownloadState::Starting,
        Phase::Fetching => DownloadState::Fetching,
        Phase::Verifying => DownloadState::Verifying,
        Phase::Waiting { reason, wait } => DownloadState::Waiting {
            reason: reason.clone(),
            retry_in_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        },
    }
}
