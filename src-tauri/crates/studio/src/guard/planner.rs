//! A worker without a model that is asked what one would take: started for one question, ended with it.
//!
//! Invariant: it answers in [`PATIENCE`] or counts as silent, and it has ended when [`Planner::end`] returns.

use super::admission::{LoadPlan, LoadWish};
use crate::judge::{USUAL_CONTEXT_TOKENS, ask};
use crate::worker::{EngineSource, RunningWorker};
use engine_api::{Answer, EngineError, Question};
use std::path::PathBuf;
use std::time::Duration;

/// How long a plan may take. It reads a header; a disk that sleeps may take seconds to wake.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the end of a worker without a model may take.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// Plans for one model.
pub(super) struct Planner {
    worker: RunningWorker,
    path: PathBuf,
    /// What is planned with where nobody asks for a context window.
    usual_context_tokens: u32,
}

impl Planner {
    /// Starts it. What the model is says how long its context may be.
    pub(super) async fn start(source: &EngineSource, path: PathBuf) -> Result<Self, EngineError> {
        let worker = source.start().await?;
        let mut planner = Self {
            worker,
            path,
            usual_context_tokens: USUAL_CONTEXT_TOKENS,
        };
        match planner.trained_context_tokens().await {
            Ok(trained) => {
                planner.usual_context_tokens = trained.min(USUAL_CONTEXT_TOKENS);
                Ok(planner)
            }
            Err(error) => {
                planner.end().await;
                Err(error)
            }
        }
    }

    /// What the model takes, loaded like this.
    pub(super) async fn plan(&self, wish: LoadWish) -> Result<LoadPlan, EngineError> {
        let context_tokens = wish.context_tokens.unwrap_or(self.usual_context_tokens);
        let question = Question::Plan {
            path: self.path.clone(),
            options: wish.to_be_planned(context_tokens),
        };
        match self.ask(question).await? {
            Answer::Plan(plan) => Ok(plan.into()),
            _ => Err(another_answer()),
        }
    }

    /// Ends it.
    pub(super) async fn end(self) {
        self.worker.kill();
        self.worker.end_within(END_TIMEOUT).await;
    }

    async fn trained_context_tokens(&self) -> Result<u32, EngineError> {
        let path = self.path.clone();
        let Answer::Inspection(inspection) = self.ask(Question::Inspect { path }).await? else {
            return Err(another_answer());
        };
        let trained = inspection.context_tokens.unwrap_or(u64::MAX);
        Ok(u32::try_from(trained).unwrap_or(u32::MAX))
    }

    async fn ask(&self, question: Question) -> Result<Answer, EngineError> {
        let answer = tokio::time::timeout(PATIENCE, ask(&self.worker, question)).await;
        answer.unwrap_or_else(|_| Err(EngineError::internal("the plan took too long")))
    }
}

fn another_answer() -> EngineError {
    EngineError::internal("another question was answered")
}
