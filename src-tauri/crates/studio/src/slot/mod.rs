//! The place of one loaded model: the handle to the task that alone decides which worker there is.
//!
//! Structures for several loaded models would be several slots; today there is one.

mod owner;

use crate::Error;
use crate::interruption;
use crate::worker::{EngineSource, RunningWorker};
use engine_api::{EngineError, LoadProgress, LoadedModel};
use hub::Model;
use owner::Owner;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch};

#[cfg(doc)]
use crate::ErrorCode;

/// A worker whose pipe broke is about to end; how it does says why.
const EXIT_TIMEOUT: Duration = Duration::from_secs(2);

/// A model that a worker has loaded.
#[derive(Debug)]
pub(crate) struct LoadedEngine {
    pub(crate) model: Model,
    pub(crate) loaded: LoadedModel,
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
        progress: watch::Receiver<LoadProgress>,
    },
    Loaded(Arc<LoadedEngine>),
    Failed {
        model: Model,
        error: Error,
    },
}

pub(crate) type LoadResult = Result<Arc<LoadedEngine>, Error>;

#[derive(Debug)]
enum Order {
    /// Have this model loaded, whatever is there.
    Load(Model, oneshot::Sender<LoadResult>),
    /// Have this model loaded, unless there is one.
    LoadIfEmpty(Model, oneshot::Sender<LoadResult>),
    /// The model that is there or on its way.
    Join(oneshot::Sender<LoadResult>),
    Unload(oneshot::Sender<()>),
    /// This one no longer answers.
    Discard(Arc<LoadedEngine>),
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

    /// Loads this model in the place of any other. Ended by whoever wants another one: [`ErrorCode::Cancelled`].
    pub(crate) async fn load(&self, model: Model) -> LoadResult {
        self.ask(|done| Order::Load(model, done)).await
    }

    /// Loads this model if there is none; otherwise the one that there is.
    pub(crate) async fn load_if_empty(&self, model: Model) -> LoadResult {
        self.ask(|done| Order::LoadIfEmpty(model, done)).await
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
