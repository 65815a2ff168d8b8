//! Judging the variants of a repository: their headers from the hub, what they take from the engine, what there is from the
//! machine.
//!
//! Headers are kept as sparse files of the true length in `headers/` of the data folder, so that the engine plans them as it
//! plans whole models, by the same code.

use crate::verdict::{Fit, Room, Verdict, judge, recommended, unjudged};
use crate::worker::{EngineSource, RunningWorker};
use crate::{Error, Studio};
use engine_api::{Answer, EngineError, Inspection, LoadOptions, MemoryPlan, Question};
use futures_util::StreamExt;
use hub::{Commit, Hub, Repo, RepoId, Variant};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::task::JoinSet;

/// More variants than anybody chooses among; each costs a few MB to look at. The smallest ones are looked at.
const MOST_JUDGED: usize = 64;
/// Headers that are fetched side by side.
const PARALLEL: usize = 3;
/// Repositories whose headers are kept.
const KEPT_HEADERS: usize = 20;
/// The context window that is planned with when nobody says another one.
pub(crate) const USUAL_CONTEXT_TOKENS: u32 = 8192;

/// What comes while a repository is judged.
#[derive(Debug, Clone, PartialEq, Serialize, specta::Type)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Judged {
    /// On one variant.
    Verdict {
        /// It.
        verdict: Verdict,
    },
    /// On all: the best that fits.
    Recommended {
        /// The variant's; `None` if none fits.
        key: Option<String>,
    },
}

/// Who judges: the hub that has the headers, the engine that plans them, and a folder to keep them in.
#[derive(Debug, Clone)]
pub struct Judge {
    hub: Hub,
    source: EngineSource,
    headers: PathBuf,
}

impl Judge {
    /// With this engine; headers are kept below this folder.
    pub fn new(hub: Hub, engine_program: PathBuf, data_dir: &Path) -> Self {
        Self::with(hub, EngineSource::Program(engine_program), data_dir)
    }

    fn with(hub: Hub, source: EngineSource, data_dir: &Path) -> Self {
        Self {
            hub,
            source,
            headers: data_dir.join("headers"),
        }
    }

    /// Judges all variants, one after the other as their headers come; a context window of `None` is 8,192 tokens, or what the
    /// model was trained for if that is less.
    ///
    /// # Errors
    /// What a worker that can't be started says. A variant that can't be judged has a verdict that says so.
    pub async fn all(
        &self,
        repo: &Repo,
        context_tokens: Option<u32>,
        room: Room,
        tell: impl Fn(Judged),
    ) -> Result<(), Error> {
        let worker = self.source.start().await?;
        let folder = self.headers_of(repo).await;
        let repo = Arc::new(repo.clone());
        // Each owns what it needs: futures that borrow from here are not known to be `Send` everywhere.
        let one = |variant: Variant| {
            let (judge, repo, worker, folder) =
                (self.clone(), repo.clone(), worker.clone(), folder.clone());
            async move {
                let planned = judge
                    .planned(&repo, &variant, &worker, &folder, context_tokens)
                    .await;
                (verdict(&variant.key, planned, room), variant.quantization)
            }
        };
        let judging: Vec<_> = repo
            .variants
            .iter()
            .take(MOST_JUDGED)
            .cloned()
            .map(one)
            .collect();
        let mut judged = futures_util::stream::iter(judging).buffered(PARALLEL);
        let mut verdicts = Vec::new();
        while let Some((verdict, quantization)) = judged.next().await {
            tell(Judged::Verdict {
                verdict: verdict.clone(),
            });
            verdicts.push((verdict, quantization));
        }
        worker.kill();
        let pairs = verdicts
            .iter()
            .map(|(verdict, quantization)| (verdict, quantization.as_deref()));
        tell(Judged::Recommended {
            key: recommended(pairs),
        });
        Ok(())
    }

    async fn planned(
        &self,
        repo: &Repo,
        variant: &Variant,
        worker: &RunningWorker,
        folder: &Path,
        context_tokens: Option<u32>,
    ) -> Result<(Inspection, Option<MemoryPlan>), Error> {
        let header = self
            .hub
            .header(&repo.id, &repo.commit, variant, folder)
            .await?;
        Ok(plan(worker, header, context_tokens).await?)
    }

    /// The folder for the headers of a repository at its commit. The oldest ones of others go.
    async fn headers_of(&self, repo: &Repo) -> PathBuf {
        let headers = self.headers.clone();
        let name = format!(
            "{}--{}",
            repo.id.as_str().replace('/', "--"),
            repo.commit.as_str()
        );
        let folder = headers.join(&name);
        let thinned = tokio::task::spawn_blocking(move || thin_out(&headers, &name)).await;
        drop(thinned); // headers that stay only take a little room
        folder
    }
}

fn verdict(
    key: &str,
    planned: Result<(Inspection, Option<MemoryPlan>), Error>,
    room: Room,
) -> Verdict {
    match planned {
        Ok((inspection, Some(plan))) => judge(key, &plan, &inspection, room),
        Ok((inspection, None)) => {
            let refusal = inspection.refusal.unwrap_or_default();
            unjudged(
                key,
                Fit::Unsupported,
                format!("Wick can't run it: {refusal}."),
                room,
            )
        }
        Err(error) => unjudged(key, Fit::Unknown, error.message, room),
    }
}

impl Studio {
    /// Judges the variants of a repository that was shown, as [`Judge::all`]. Whoever asks next ends this.
    ///
    /// # Errors
    /// [`ErrorCode::Cancelled`](crate::ErrorCode::Cancelled) when somebody else asked; as for [`Judge::all`].
    pub async fn judge(
        &self,
        repo: &RepoId,
        commit: &Commit,
        context_tokens: Option<u32>,
        tell: impl Fn(Judged) + Send + Sync + 'static,
    ) -> Result<(), Error> {
        let repo = self.shown_repository(repo, commit)?;
        let judge = Judge::with(
            self.hub()?.clone(),
            self.inner.source.clone(),
            &self.inner.data_dir,
        );
        let mut judging = self.inner.judging.subscribe();
        self.inner.judging.send_modify(|asked| *asked += 1);
        judging.mark_unchanged();
        let room = self.room().await;
        // A task of its own, which ends with the set when nobody waits any more.
        let mut task = JoinSet::new();
        task.spawn(async move { judge.all(&repo, context_tokens, room, tell).await });
        tokio::select! {
            judged = task.join_next() => judged.and_then(Result::ok).unwrap_or_else(|| Err(Error::closing())),
            _ = judging.changed() => Err(Error::cancelled("Another repository is being judged.")),
        }
    }

    /// What the machine has for a model.
    async fn room(&self) -> Room {
        let memory = self.status().memory;
        let loaded = memory.weights_bytes + memory.kv_cache_bytes;
        let available = memory.free_bytes + memory.page_cache_bytes + loaded;
        let reserve = self.inner.models.guard().reserve_bytes(memory.total_bytes);
        let bandwidth = self.inner.bandwidth.get().await;
        Room::beside(reserve, memory.total_bytes, available, bandwidth)
    }
}

/// Asks a worker without a model what one is and takes; no plan for one that it refuses.
async fn plan(
    worker: &RunningWorker,
    path: PathBuf,
    context_tokens: Option<u32>,
) -> Result<(Inspection, Option<MemoryPlan>), EngineError> {
    let inspect = Question::Inspect { path: path.clone() };
    let Answer::Inspection(inspection) = ask(worker, inspect).await? else {
        return Err(EngineError::internal("another question was answered"));
    };
    if inspection.refusal.is_some() {
        return Ok((*inspection, None));
    }
    let trained = inspection
        .context_tokens
        .and_then(|tokens| u32::try_from(tokens).ok());
    let wanted = context_tokens.unwrap_or(USUAL_CONTEXT_TOKENS);
    let options = LoadOptions {
        context_tokens: Some(trained.map_or(wanted, |trained| wanted.min(trained))),
        parallel: 1,
        ..LoadOptions::default()
    };
    match ask(worker, Question::Plan { path, options }).await? {
        Answer::Plan(plan) => Ok((*inspection, Some(plan))),
        _ => Err(EngineError::internal("another question was answered")),
    }
}

/// Asks a worker one question that has one answer.
pub(crate) async fn ask(worker: &RunningWorker, question: Question) -> Result<Answer, EngineError> {
    let mut answers = worker.engine().ask(question)?;
    let answer = answers.next().await;
    answer.unwrap_or_else(|| Err(EngineError::crashed("it said nothing")))
}

/// Leaves the newest folders, and the one of this name.
fn thin_out(headers: &Path, name: &str) -> std::io::Result<()> {
    let mut folders: Vec<_> = std::fs::read_dir(headers)?
        .flatten()
        .filter(|entry| entry.file_name() != name)
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    folders.sort();
    let surplus = folders.len().saturating_sub(KEPT_HEADERS);
    for (_, folder) in folders.into_iter().take(surplus) {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(())
}
