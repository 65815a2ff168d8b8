//! The worker behind a loaded model: how it is started, and how it ended.
//!
//! Both enums have one variant outside of tests. The other one is the seam at which tests put a worker that misbehaves
//! to order.

#[cfg(test)]
use crate::tests::fake::{FakeEngines, FakeProcess};
use engine_api::{Engine, EngineError, Worker};
use std::path::PathBuf;
use std::time::Duration;

/// Where workers come from.
#[derive(Debug, Clone)]
pub(crate) enum EngineSource {
    /// The program `wick-engine`.
    Program(PathBuf),
    /// A task of the test.
    #[cfg(test)]
    Fake(FakeEngines),
}

impl EngineSource {
    /// Starts one.
    pub(crate) async fn start(&self) -> Result<RunningWorker, EngineError> {
        match self {
            Self::Program(program) => Worker::start(program).await.map(RunningWorker::Process),
            #[cfg(test)]
            Self::Fake(engines) => Ok(RunningWorker::Fake(engines.start())),
        }
    }
}

/// A worker that was started. A real one is killed when the last clone goes.
#[derive(Debug, Clone)]
pub(crate) enum RunningWorker {
    /// A process.
    Process(Worker),
    /// A task of the test.
    #[cfg(test)]
    Fake(FakeProcess),
}

impl RunningWorker {
    /// The handle to speak with it.
    pub(crate) fn engine(&self) -> &Engine {
        match self {
            Self::Process(worker) => worker.engine(),
            #[cfg(test)]
            Self::Fake(process) => process.engine(),
        }
    }

    /// The process's id; a task of a test has none.
    #[cfg_attr(
        not(test),
        expect(
            clippy::unnecessary_wraps,
            reason = "tests have workers without a process"
        )
    )]
    pub(crate) fn process_id(&self) -> Option<u32> {
        match self {
            Self::Process(worker) => Some(worker.process_id()),
            #[cfg(test)]
            Self::Fake(_) => None,
        }
    }

    /// Ends it at once.
    pub(crate) fn kill(&self) {
        match self {
            Self::Process(worker) => worker.kill(),
            #[cfg(test)]
            Self::Fake(process) => process.kill(),
        }
    }

    async fn exited(&self) -> String {
        match self {
            Self::Process(worker) => worker.exited().await.0,
            #[cfg(test)]
            Self::Fake(process) => process.exited().await,
        }
    }

    /// Returns when it is gone, or speaks no more.
    pub(crate) async fn gone(&self) {
        tokio::select! {
            _ = self.exited() => {}
            () = self.engine().closed() => {}
        }
    }

    /// How it ended, in words; `None` if it has not ended in this time.
    pub(crate) async fn end_within(&self, limit: Duration) -> Option<String> {
        tokio::time::timeout(limit, self.exited()).await.ok()
    }
}
