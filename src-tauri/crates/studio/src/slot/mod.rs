//! The place of one loaded model: the handle to the task that alone decides which worker there is.
//!
//! Structures for several loaded models would be several slots; today there is one.

mod load;
mod owner;
mod uses;

use crate::Error;
use crate::guard::LoadWish;
use crate::interruption;
use crate::worker::{EngineSource, RunningWorker};
use engine_api::{EngineError, LoadOptions, LoadProgress, LoadedModel};
use hub::{Model, ModelId};
use owner::Owner;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use uses::Uses;

#[cfg(doc)]
use crate::ErrorCode;

/// A worker whose pipe broke is about to end; how it does says why.
const EXIT_TIMEOUT: Duration = Duration::from_secs(2);

/// A model that a worker has loaded.
#[derive(Debug)]
pub(crate) struct LoadedEngine {
    pub(crate) model: Model,
    pub(crate) loaded: LoadedModel,
    /// How it was wished for.
    pub(crate) wish: LoadWish,
    pub(crate) uses: Uses,
    pub(crate) worker: RunningWorker,
    /// Why we ended it, if we did.
    ended_because: OnceLock<&'static str>,
}

impl LoadedEngine {
    /// Whether we ended it.
    pub(crate) fn was_ended(&self) -> bool {
        self.ended_because.get().is_some()
    }

    /// How the worker ended; `reason` if that does not show soon.
    pub(crate) async fn exit_or(&self, reason: &str) -> String {
        let exit = self.worker.end_within(EXIT_TIMEOUT).await;
        exit.unwrap_or_else(|| reason.to_owned())
    }

    /// Why the worker no longer answers, as an interruption.
    pub(crate) async fn end_in_words(&self, error: &EngineError) -> String {
        if let Some(reason) = self.ended_because.get() {
            return (*reason).to_owned();
        }
        match self.worker.end_within(EXIT_TIMEOUT).await {
            Some(exit) => interruption::engine_stopped(&exit),
            None => interruption::engine_failed(error),
        }
    }
}

/// What the rest of the app may know of the slot.
#[derive(Debug, Clone)]
pub(crate) enum SlotState {
    Empty,
    Loading {
        model: Model,
        wish: LoadWish,
        progress: watch::Receiver<LoadProgress>,
    },
    Loaded(Arc<LoadedEngine>),
    Failed {
        model: Model,
        error: Error,
    },
}

pub(crate) type LoadResult = Result<Arc<LoadedEngine>, Error>;

/// A model to be loaded, and how.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) model: Model,
    /// How it was wished for.
    pub(crate) wish: LoadWish,
    /// What the guard made of that.
    pub(crate) options: LoadOptions,
}

/// What gives way.
#[derive(Debug)]
pub(crate) enum Relief {
    /// This model, if nobody has used it for so long.
    Idle(Arc<LoadedEngine>, Duration),
    /// The load of this model; it ends with this error.
    Load(ModelId, Error),
    /// This model, whoever uses it, for this reason.
    Worker(Arc<LoadedEngine>, &'static str),
}

#[derive(Debug)]
enum Order {
    /// Have this loaded, whatever is there.
    Load(Box<Job>, oneshot::Sender<LoadResult>),
    /// Have this loaded, unless there is something.
    LoadIfEmpty(Box<Job>, oneshot::Sender<LoadResult>),
    /// The model that is there or on its way.
    Join(oneshot::Sender<LoadResult>),
    Unload(oneshot::Sender<()>),
    /// This one no longer answers.
    Discard(Arc<LoadedEngine>),
    /// Have this give way; says whether it was there.
    Relieve(Relief, oneshot::Sender<bool>),
}

/// The handle to the task.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    orders: mpsc::UnboundedSender<Order>,
    state: watch::Receiver<SlotState>,
}

impl Slot {
    /// Starts the task. `changed` is notified when the state is; `closing` ends the worker and the task.
    pub(crate) fn new(
        source: EngineSource,
        changed: Arc<Notify>,
        closing: watch::Receiver<bool>,
    ) -> Self {
        let (orders, inbox) = mpsc::unbounded_channel();
        let (publish, state) = watch::channel(SlotState::Empty);
        let owner = Owner::new(source, publish, changed);
        tokio::spawn(owner.run(inbox, closing));
        Self { orders, state }
    }

    /// What is there now.
    pub(crate) fn state(&self) -> SlotState {
        self.state.borrow().clone()
    }

    /// The state as it changes.
    pub(crate) fn states(&self) -> watch::Receiver<SlotState> {
        self.state.clone()
    }

    /// Loads this in the place of anything else. Ended by whoever wants something else: [`ErrorCode::Cancelled`].
    pub(crate) async fn load(&self, job: Job) -> LoadResult {
        self.ask(|done| Order::Load(Box::new(job), done)).await
    }

    /// Loads this if there is nothing; otherwise the model that there is.
    pub(crate) async fn load_if_empty(&self, job: Job) -> LoadResult {
        self.ask(|done| Order::LoadIfEmpty(Box::new(job), done))
            .await
    }

    /// The model that is there or on its way, or that takes its place; [`ErrorCode::ModelNotLoaded`] if there is none.
    pub(crate) async fn join(&self) -> LoadResult {
        self.ask(Order::Join).await
    }

    /// Ends the worker. Its memory is back when this returns.
    pub(crate) async fn unload(&self) {
        let (done, over) = oneshot::channel();
        // A task that has ended has ended its worker.
        let _ = self.orders.send(Order::Unload(done));
        let _ = over.await;
    }

    /// Says that this engine no longer answers, which the task may not have seen yet.
    pub(crate) fn discard(&self, engine: Arc<LoadedEngine>) {
        let _ = self.orders.send(Order::Discard(engine));
    }

    /// Has something give way. Returns whether it was still there; its memory is back then.
    pub(crate) async fn relieve(&self, relief: Relief) -> bool {
        let (done, over) = oneshot::channel();
        // A task that has ended has ended its worker.
        let _ = self.orders.send(Order::Relieve(relief, done));
        over.await.unwrap_or(false)
    }

    /// Returns when the task has ended.
    pub(crate) async fn closed(&self) {
        self.orders.closed().await;
    }

    async fn ask(&self, order: impl FnOnce(oneshot::Sender<LoadResult>) -> Order) -> LoadResult {
        let (done, answer) = oneshot::channel();
        let sent = self.orders.send(order(done));
        sent.map_err(|_| Error::closing())?;
        answer.await.unwrap_or_else(|_| Err(Error::closing()))
    }
}
