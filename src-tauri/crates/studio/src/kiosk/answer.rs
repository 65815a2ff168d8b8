//! The writing of one answer, to a visitor or in a scene: the task behind `say` and `play`.
//!
//! A worker that is lost on the way is replaced, and the same turn begins again; what can't be answered is answered with
//! calm words. Invariant: it ends, since it is bounded in tokens, in tries and in how long it waits.

use super::Kiosk;
use super::attempt::{Try, wished};
use super::config::Config;
use super::ready::Ready;
use super::view::{KioskAnswer, SessionEnd, VisitId};
use super::visit::Visit;
use super::visitor::Sink;
use super::words::Words;
use crate::running::Wish;
use crate::slot::LoadedEngine;
use engine_api::ChatMessage;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What a visitor reads where no model can answer.
const SHORT_BREAK: &str = "This screen is taking a short break. Please try again in a moment.";
/// What a visitor reads whose message alone does not fit.
const TOO_LONG: &str = "That is more than I can read at once. Please say it in fewer words.";
/// How often a worker may be lost over one answer.
const MOST_LOST: u32 = 2;
/// How long an answer waits for a model that is being loaded.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Whose answer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Visitor(VisitId),
    Scene,
}

/// What writes it.
pub(super) struct Speaker {
    pub(super) kiosk: Kiosk,
    pub(super) config: Arc<Config>,
    pub(super) wish: watch::Receiver<Wish>,
    pub(super) sink: Sink,
    whose: Whose,
    /// What is shown so far.
    pub(super) shown: Words,
    /// What came after the last whole word: not looked at yet, so not shown.
    pub(super) held_back: Words,
}

/// How the whole ended.
enum Outcome {
    /// With what is shown.
    Answered,
    /// With the kiosk's own words.
    Own(String),
    /// Nobody wants it any more.
    Ended,
}

impl Speaker {
    pub(super) fn new(
        kiosk: Kiosk,
        config: Arc<Config>,
        wish: watch::Receiver<Wish>,
        sink: Sink,
    ) -> Self {
        Self {
            kiosk,
            config,
            wish,
            sink,
            whose: Whose::Scene,
            shown: Words::default(),
            held_back: Words::default(),
        }
    }

    /// Answers the last message of a visitor.
    pub(super) async fn answer_visitor(mut self, visit: VisitId) {
        self.whose = Whose::Visitor(visit);
        let outcome = self.run(None).await;
        let own = match outcome {
            Outcome::Answered => None,
            Outcome::Own(words) => Some(words),
            Outcome::Ended => return self.leave(visit),
        };
        let finished = self.end_visit_answer(visit, own.as_deref());
        drop(self.wish);
        if let Some(finished) = finished {
            (self.sink)(finished);
        }
        self.kiosk.stirred();
    }

    /// Answers a scene's prompt; `false` when nothing could.
    pub(super) async fn answer_scene(mut self, prompt: String) -> bool {
        let outcome = self.run(Some(prompt)).await;
        let text = match outcome {
            Outcome::Answered => self.shown.as_str().to_owned(),
            Outcome::Own(words) if words == self.config.rules.blocked_answer => words,
            Outcome::Own(_) => return false,
            Outcome::Ended => return true,
        };
        let turns_left = 0;
        (self.sink)(KioskAnswer::Finished { text, turns_left });
        true
    }

    /// The answer is over, and the visitor is still there.
    fn end_visit_answer(&self, id: VisitId, own: Option<&str>) -> Option<KioskAnswer> {
        let mut state = self.kiosk.inner.state();
        let visit = state.visit(id)?;
        visit.end_answer(own);
        let finished = KioskAnswer::Finished {
            text: visit.last(),
            turns_left: visit.turns_left(self.config.visitor.max_turns),
        };
        self.kiosk.note(&visit.session(SessionEnd::Closed));
        Some(finished)
    }

    /// The visitor was wiped, or the app closes.
    fn leave(self, id: VisitId) {
        if let Some(visit) = self.kiosk.inner.state().visit(id) {
            visit.end_answer(None);
        }
    }

    /// Tries until there is an answer, or no hope of one.
    async fn run(&mut self, scene: Option<String>) -> Outcome {
        (self.sink)(KioskAnswer::Thinking);
        let mut lost: Option<Arc<LoadedEngine>> = None;
        let mut losses = 0;
        loop {
            let engine = match self.engine(lost.as_ref()).await {
                Ok(Some(engine)) => engine,
                Ok(None) => return self.give_up("no model is ready"),
                Err(ended) => return ended,
            };
            let Some(messages) = self.messages(scene.as_deref()) else {
                return Outcome::Ended;
            };
            match self.attempt(&engine, messages).await {
                Try::Blocked => return Outcome::Own(self.config.rules.blocked_answer.clone()),
                Try::Ended => return Outcome::Ended,
                Try::TooLong | Try::Full if self.outgrow() => self.begin_again(),
                Try::Answered | Try::Full => return Outcome::Answered,
                Try::TooLong => return Outcome::Own(TOO_LONG.into()),
                Try::Failed => return self.give_up("the engine failed"),
                Try::Lost => {
                    self.kiosk.inner.parts.models.discard(engine.clone());
                    if losses == MOST_LOST {
                        return self.give_up("the worker was lost too often");
                    }
                    losses += 1;
                    self.fault("a worker was lost over an answer: it begins again");
                    self.begin_again();
                    lost = Some(engine);
                }
            }
        }
    }

    /// The model that answers, once it is ready; `None` if there is none. Never the one that was `lost`.
    async fn engine(
        &mut self,
        lost: Option<&Arc<LoadedEngine>>,
    ) -> Result<Option<Arc<LoadedEngine>>, Outcome> {
        let mut ready = self.kiosk.inner.ready.subscribe();
        let is_settled = |ready: &Ready| {
            ready.is_settled()
                && !matches!((ready.engine(), lost), (Some(one), Some(lost)) if Arc::ptr_eq(one, lost))
        };
        let waited = tokio::time::timeout(LONGEST_WAIT, ready.wait_for(is_settled));
        tokio::select! {
            biased;
            wish = wished(&mut self.wish, Wish::GoOn) => Err(match wish {
                Wish::Stop => Outcome::Answered,
                Wish::StopAtOnce | Wish::GoOn => Outcome::Ended,
            }),
            ready = waited => Ok(ready.ok().and_then(|ready| ready.ok()?.engine().cloned())),
        }
    }

    /// What the model reads; `None` when the visitor is gone.
    fn messages(&self, scene: Option<&str>) -> Option<Vec<ChatMessage>> {
        match (self.whose, scene) {
            (Whose::Visitor(id), _) => {
                let mut state = self.kiosk.inner.state();
                let visit = state.visit(id)?;
                Some(visit.prompt(&self.config.visitor.system_prompt))
            }
            (Whose::Scene, prompt) => Some(vec![ChatMessage::user(prompt.unwrap_or_default())]),
        }
    }

    /// What was shown of this answer is taken away.
    fn begin_again(&mut self) {
        self.shown.clear();
        self.held_back.clear();
        self.with_visit(Visit::clear_answer);
        (self.sink)(KioskAnswer::Again);
    }

    /// Leaves the oldest turn out; whether there was one.
    fn outgrow(&self) -> bool {
        let mut is_shorter = false;
        self.with_visit(|visit| is_shorter = visit.outgrow());
        is_shorter
    }

    fn give_up(&self, why: &'static str) -> Outcome {
        self.fault(why);
        Outcome::Own(SHORT_BREAK.into())
    }

    fn fault(&self, why: &'static str) {
        tracing::warn!(whose = ?self.whose, "{why}");
        self.with_any_visit(Visit::fault);
    }

    /// Changes the visit that this answer belongs to, unless it is being wiped.
    pub(super) fn with_visit(&self, change: impl FnOnce(&mut Visit)) {
        if let Whose::Visitor(id) = self.whose
            && let Some(visit) = self.kiosk.inner.state().visit(id)
        {
            change(visit);
        }
    }

    /// The same, also while it is being wiped.
    pub(super) fn with_any_visit(&self, change: impl FnOnce(&mut Visit)) {
        let mut state = self.kiosk.inner.state();
        if let Whose::Visitor(id) = self.whose
            && let Some(visit) = state.visit.as_mut().filter(|visit| visit.id == id)
        {
            change(visit);
        }
    }
}
