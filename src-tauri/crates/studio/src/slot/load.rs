//! One load: a worker started once the last one has ended, told to load, and what it means if that fails.

use super::uses::Uses;
use super::{EXIT_TIMEOUT, Job, LoadResult, LoadedEngine};
use crate::worker::{EngineSource, RunningWorker};
use crate::{Error, ErrorCode, interruption};
use engine_api::{EngineError, LoadProgress};
use hub::Model;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;

/// The kernel takes a while to take back a hundred gigabytes. Longer than this means that it can't.
const END_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) async fn load(
    source: EngineSource,
    job: Job,
    last: Option<RunningWorker>,
    started: Arc<OnceLock<RunningWorker>>,
    progress: watch::Sender<LoadProgress>,
) -> LoadResult {
    ended(last).await;
    let worker = source.start().await?;
    let worker = started.get_or_init(|| worker);
    let Job {
        model,
        wish,
        options,
    } = job;
    let path = model.path.clone().into();
    match worker.engine().load(path, options, progress).await {
        Ok(loaded) => Ok(Arc::new(LoadedEngine {
            model,
            loaded,
            wish,
            worker: worker.clone(),
            uses: Uses::new(),
            ended_because: OnceLock::new(),
        })),
        Err(error) => Err(load_failed(&model, worker, error).await),
    }
}

async fn load_failed(model: &Model, worker: &RunningWorker, error: EngineError) -> Error {
    let EngineError::Crashed { reason } = error else {
        return error.into();
    };
    let exit = worker.end_within(EXIT_TIMEOUT).await.unwrap_or(reason);
    let error = Error::from(EngineError::crashed(exit));
    Error {
        message: format!("{} could not be loaded. {}", model.name, error.message),
        ..error
    }
}

pub(super) fn cancelled(model: &Model, why: &'static str) -> Error {
    let message = match why {
        interruption::REPLACED => format!(
            "Loading {} was ended: another model is loaded instead.",
            model.name
        ),
        interruption::UNLOADED => format!("Loading {} was ended: it was unloaded.", model.name),
        _ => format!("Loading {} was ended: Wick is closing.", model.name),
    };
    Error::new(ErrorCode::Cancelled, message)
}

pub(super) async fn ended(worker: Option<RunningWorker>) {
    if let Some(worker) = worker {
        worker.end_within(END_TIMEOUT).await;
    }
}
