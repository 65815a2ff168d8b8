//! The task of a slot.
//!
//! A load is a future that this task holds, so whoever replaces it ends it. The task listens only to the worker that it
//! holds at the moment: the end of an older one can't be taken for the end of a newer one.
//!
//! Invariant: there is never more than one live worker here; the next one is started when the last one has ended.

use super::load::{cancelled, ended, load};
use super::{Job, LoadResult, LoadedEngine, Order, Relief, SlotState};
use crate::guard::LoadWish;
use crate::worker::{EngineSource, RunningWorker};
use crate::{Error, interruption};
use engine_api::{EngineError, LoadProgress};
use hub::{Model, ModelId};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use tokio::sync::{Notify, mpsc, oneshot, watch};

#[derive(Debug)]
enum Current {
    Empty,
    Loading(Box<Loading>),
    Loaded(Arc<LoadedEngine>),
}

struct Loading {
    model: Model,
    wish: LoadWish,
    over: Pin<Box<dyn Future<Output = LoadResult> + Send>>,
    /// The worker, once it is started.
    worker: Arc<OnceLock<RunningWorker>>,
    waiting: Vec<Waiting>,
}

struct Waiting {
    done: oneshot::Sender<LoadResult>,
    /// Another model than the one that is loading is welcome too.
    takes_any: bool,
}

impl std::fmt::Debug for Loading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loading")
            .field("model", &self.model.id)
            .finish_non_exhaustive()
    }
}

enum Change {
    LoadOver(LoadResult),
    Gone,
}

impl Current {
    /// What happens next to what is there.
    async fn change(&mut self) -> Change {
        match self {
            Self::Empty => std::future::pending().await,
            Self::Loading(loading) => Change::LoadOver(loading.over.as_mut().await),
            Self::Loaded(engine) => {
                engine.worker.gone().await;
                Change::Gone
            }
        }
    }

    fn model(&self) -> Option<&Model> {
        match self {
            Self::Empty => None,
            Self::Loading(loading) => Some(&loading.model),
            Self::Loaded(engine) => Some(&engine.model),
        }
    }

    /// Whether this is there or on its way already.
    fn meets(&self, job: &Job) -> bool {
        let (model, wish) = match self {
            Self::Empty => return false,
            Self::Loading(loading) => (&loading.model, &loading.wish),
            Self::Loaded(engine) => (&engine.model, &engine.wish),
        };
        model.id == job.model.id && job.wish.is_met_by(wish)
    }

    fn is_engine(&self, engine: &Arc<LoadedEngine>) -> bool {
        matches!(self, Self::Loaded(current) if Arc::ptr_eq(current, engine))
    }
}

/// What only the task touches.
pub(super) struct Owner {
    source: EngineSource,
    current: Current,
    /// The worker that was here before the current one; the next one waits for its end.
    last: Option<RunningWorker>,
    publish: watch::Sender<SlotState>,
    changed: Arc<Notify>,
}

impl Owner {
    pub(super) fn new(
        source: EngineSource,
        publish: watch::Sender<SlotState>,
        changed: Arc<Notify>,
    ) -> Self {
        Self {
            source,
            current: Current::Empty,
            last: None,
            publish,
            changed,
        }
    }

    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::UnboundedReceiver<Order>,
        mut closing: watch::Receiver<bool>,
    ) {
        loop {
            tokio::select! {
                order = inbox.recv() => match order {
                    Some(order) => self.obey(order).await,
                    None => break,
                },
                () = crate::closed(&mut closing) => break,
                change = self.current.change() => self.settle(change),
            }
        }
        self.end_current(interruption::CLOSED);
        ended(self.last).await;
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Load(job, done) => {
                if !self.current.meets(&job) {
                    self.start(*job);
                }
                self.join(done, false);
            }
            Order::LoadIfEmpty(job, done) => {
                if self.current.model().is_none() {
                    self.start(*job);
                }
                self.join(done, true);
            }
            Order::Join(done) => self.join(done, true),
            Order::Unload(done) => {
                self.end_current(interruption::UNLOADED);
                ended(self.last.clone()).await;
                self.changed.notify_one();
                let _ = done.send(());
            }
            Order::Discard(engine) => {
                if self.current.is_engine(&engine) {
                    self.settle(Change::Gone);
                }
            }
            Order::Relieve(relief, done) => {
                let was_done = self.relieve(relief);
                if was_done {
                    ended(self.last.clone()).await;
                    self.changed.notify_one();
                }
                let _ = done.send(was_done);
            }
        }
    }

    /// Answers now or when the load is over. Who no longer waits has been stopped meanwhile.
    fn join(&mut self, done: oneshot::Sender<LoadResult>, takes_any: bool) {
        match &mut self.current {
            Current::Empty => drop(done.send(Err(EngineError::ModelNotLoaded.into()))),
            Current::Loading(loading) => loading.waiting.push(Waiting { done, takes_any }),
            Current::Loaded(engine) => {
                engine.uses.touch();
                drop(done.send(Ok(engine.clone())));
            }
        }
    }

    /// Has something give way, if it is still as it was when that was decided. Returns whether it was.
    fn relieve(&mut self, relief: Relief) -> bool {
        match relief {
            Relief::Idle(engine, at_least) => {
                let idle = engine.uses.idle_for().is_some_and(|idle| idle >= at_least);
                idle && self.end_engine(&engine, interruption::UNLOADED)
            }
            Relief::Worker(engine, why) => self.end_engine(&engine, why),
            Relief::Load(model, error) => self.fail_load(&model, error),
        }
    }

    fn end_engine(&mut self, engine: &Arc<LoadedEngine>, why: &'static str) -> bool {
        let is_there = self.current.is_engine(engine);
        if is_there {
            self.end_current(why);
        }
        is_there
    }

    /// Ends the load of this model with an error.
    fn fail_load(&mut self, model: &ModelId, error: Error) -> bool {
        let is_there =
            matches!(&self.current, Current::Loading(loading) if loading.model.id == *model);
        if is_there {
            self.settle(Change::LoadOver(Err(error)));
        }
        is_there
    }

    fn start(&mut self, job: Job) {
        let waiting = self.take_followers();
        self.end_current(interruption::REPLACED);
        let model = job.model.clone();
        let wish = job.wish;
        let total_bytes = model.size_bytes;
        let (progress_sender, progress) = watch::channel(LoadProgress {
            done_bytes: 0,
            total_bytes,
        });
        let worker = Arc::new(OnceLock::new());
        let load = load(
            self.source.clone(),
            job,
            self.last.clone(),
            worker.clone(),
            progress_sender,
        );
        self.current = Current::Loading(Box::new(Loading {
            model: model.clone(),
            wish,
            over: Box::pin(load),
            worker,
            waiting,
        }));
        self.publish(SlotState::Loading {
            model,
            wish,
            progress,
        });
    }

    fn settle(&mut self, change: Change) {
        match (std::mem::replace(&mut self.current, Current::Empty), change) {
            (Current::Loading(loading), Change::LoadOver(Ok(engine))) => {
                self.current = Current::Loaded(engine.clone());
                self.publish(SlotState::Loaded(engine.clone()));
                answer(loading.waiting, &Ok(engine));
            }
            (Current::Loading(loading), Change::LoadOver(Err(error))) => {
                self.end(loading.worker.get());
                self.publish(SlotState::Failed {
                    model: loading.model,
                    error: error.clone(),
                });
                answer(loading.waiting, &Err(error));
            }
            (Current::Loaded(engine), _) => {
                tracing::warn!(model = %engine.model.id, "the worker of a loaded model is gone");
                self.end(Some(&engine.worker));
                self.publish(SlotState::Empty);
            }
            (Current::Empty | Current::Loading(_), _) => {}
        }
    }

    /// Those who wait for the load that is about to be replaced, and will wait for the next one as well.
    fn take_followers(&mut self) -> Vec<Waiting> {
        let Current::Loading(loading) = &mut self.current else {
            return Vec::new();
        };
        let followers = loading.waiting.extract_if(.., |waiting| waiting.takes_any);
        followers.collect()
    }

    /// Ends what is there, and says why to those who wait for it.
    fn end_current(&mut self, why: &'static str) {
        match std::mem::replace(&mut self.current, Current::Empty) {
            Current::Empty => {}
            Current::Loading(loading) => {
                self.end(loading.worker.get());
                answer(loading.waiting, &Err(cancelled(&loading.model, why)));
            }
            Current::Loaded(engine) => {
                // Set before the kill, so that whoever sees the end sees the reason.
                let _ = engine.ended_because.set(why);
                self.end(Some(&engine.worker));
            }
        }
        self.publish(SlotState::Empty);
    }

    /// A load that has not started its worker yet is still waiting for the last one.
    fn end(&mut self, worker: Option<&RunningWorker>) {
        if let Some(worker) = worker {
            worker.kill();
            self.last = Some(worker.clone());
        }
    }

    fn publish(&self, state: SlotState) {
        self.publish.send_replace(state);
        self.changed.notify_one();
    }
}

fn answer(waiting: Vec<Waiting>, result: &LoadResult) {
    for Waiting { done, .. } in waiting {
        let _ = done.send(result.clone());
    }
}
