//! The writing of one answer, to a visitor or in a scene: the task behind `say` and `play`.
//!
//! A worker that is lost on the way is replaced, and the same turn begins again; what can't be answered is answered with
//! calm words. Invariant: it ends, since it is bounded in tokens, in tries and in how long it waits.

use super::Kiosk;
use super::config::Config;
use super::ready::Ready;
use super::view::{KioskAnswer, SessionEnd, VisitId};
use super::visitor::Sink;
use super::words::Words;
use crate::light::STUCK_AFTER;
use crate::meter::{Asker, Metered};
use crate::running::Wish;
use crate::slot::LoadedEngine;
use engine_api::{
    ChatMessage, EngineError, FinishReason, GenerateRequest, Generation, GenerationEvent, Prompt,
    Timings,
};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What a visitor reads where no model can answer.
const SHORT_BREAK: &str = "This screen is taking a short break. Please try again in a moment.";
/// What a visitor reads whose message alone does not fit.
const TOO_LONG: &str = "That is more than I can read at once. Please say it in fewer words.";
/// How often a worker may be lost over one answer.
const MOST_LOST: u32 = 2;
/// A worker that was asked to stop and still says nothing after this time is not waited for any longer.
const STOP_TIMEOUT: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 5 });
/// How long a worker that has work may come no further.
const STALLED_AFTER: Duration = if cfg!(test) {
    Duration::from_secs(1)
} else {
    STUCK_AFTER
};
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long an answer waits for a model that is being loaded.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// Whose answer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Visitor(VisitId),
    Scene,
}

/// What writes it.
pub(super) struct Speaker {
    kiosk: Kiosk,
    config: Arc<Config>,
    wish: watch::Receiver<Wish>,
    sink: Sink,
    whose: Whose,
    /// What is shown so far.
    shown: Words,
    /// What came after the last whole word: not looked at yet, so not shown.
    held_back: Words,
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

/// How one try ended.
enum Try {
    Answered,
    Blocked,
    Ended,
    /// The prompt does not fit.
    TooLong,
    /// The answer no longer fits behind the prompt.
    Full,
    /// The worker is gone, or comes no further.
    Lost,
    /// The computation failed.
    Failed,
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
                Try::Answered => return Outcome::Answered,
                Try::Blocked => return Outcome::Own(self.config.rules.blocked_answer.clone()),
                Try::Ended => return Outcome::Ended,
                Try::TooLong | Try::Full if self.outgrow() => self.begin_again(),
                Try::Full => return Outcome::Answered,
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

    async fn attempt(&mut self, engine: &Arc<LoadedEngine>, messages: Vec<ChatMessage>) -> Try {
        let mut request = GenerateRequest::new(Prompt::chat(messages));
        request.max_tokens = Some(self.config.visitor.max_tokens);
        let _in_use = engine.begin_use();
        self.with_visit(|visit| visit.used(engine));
        match engine.worker.engine().generate(request) {
            Ok(generation) => self.follow_to_end(engine, generation).await,
            Err(error) => failed(&error, engine),
        }
    }

    /// Follows a generation to its end.
    async fn follow_to_end(
        &mut self,
        engine: &Arc<LoadedEngine>,
        mut generation: Generation,
    ) -> Try {
        let meter = &self.kiosk.inner.parts.meter;
        let mut metered = meter.begin(Asker::Kiosk, engine.model.name.clone());
        let mut look = tokio::time::interval(LOOK_EVERY);
        let mut heard = Instant::now();
        // What was asked for, and how it ends then.
        let mut ending: Option<(Try, tokio::time::Instant)> = None;
        let mut seen = Wish::GoOn;
        loop {
            tokio::select! {
                step = generation.next() => {
                    heard = Instant::now();
                    let step = step.unwrap_or_else(|| Err(EngineError::crashed("its pipe closed")));
                    match step {
                        Ok(GenerationEvent::Finished { reason, timings }) => {
                            self.measured(engine, &metered, &timings);
                            return match ending {
                                Some((ending, _)) => ending,
                                None => self.finished(reason),
                            };
                        }
                        // Whoever ended it doesn't wait for what becomes of the worker.
                        Err(error) => return ending.map_or_else(|| failed(&error, engine), |(ending, _)| ending),
                        Ok(event) if self.take(&mut metered, &event, ending.is_none()) => {}
                        Ok(_) => {
                            generation.cancel();
                            ending = Some((Try::Blocked, deadline()));
                        }
                    }
                },
                wish = wished(&mut self.wish, seen) => {
                    generation.cancel();
                    seen = wish;
                    self.show_rest(wish);
                    ending = Some((if wish == Wish::Stop { Try::Answered } else { Try::Ended }, deadline()));
                }
                () = passed(ending.as_ref().map(|(_, deadline)| *deadline)) => {
                    // It hangs: what it holds goes with its process.
                    self.kiosk.inner.parts.models.discard(engine.clone());
                    return ending.map_or(Try::Lost, |(ending, _)| ending);
                }
                _ = look.tick() => {
                    let moved = engine.worker.engine().progress().borrow().moved.max(heard);
                    if ending.is_none() && moved.elapsed() >= STALLED_AFTER {
                        return Try::Lost;
                    }
                }
            }
        }
    }

    /// Takes an event; `false` when a blocked word stands in what it brings.
    fn take(&mut self, metered: &mut Metered, event: &GenerationEvent, is_wanted: bool) -> bool {
        let now = Instant::now();
        match event {
            GenerationEvent::Prefill {
                processed_tokens,
                total_tokens,
            } => metered.prefill(*processed_tokens, *total_tokens, now),
            GenerationEvent::Reasoning {
                generated_tokens, ..
            }
            | GenerationEvent::ToolCall {
                generated_tokens, ..
            } => metered.tokens(*generated_tokens, now),
            GenerationEvent::Token {
                text,
                generated_tokens,
                ..
            } => {
                metered.tokens(*generated_tokens, now);
                return !is_wanted || self.hear(text);
            }
            GenerationEvent::Queued | GenerationEvent::Finished { .. } => {}
        }
        true
    }

    /// Shows what came, as far as it is whole words; `false` for a blocked one, which is not shown.
    fn hear(&mut self, text: &str) -> bool {
        self.held_back.push_str(text);
        let rules = &self.config.rules;
        let whole = if rules.blocked.is_empty() {
            self.held_back.as_str().len()
        } else {
            end_of_words(self.held_back.as_str())
        };
        self.show(whole)
    }

    /// Shows so much of what was held back; `false` if a blocked word stands in it. The last word of all may not grow.
    fn show(&mut self, length: usize) -> bool {
        let (piece, rest) = self.held_back.as_str().split_at(length);
        if piece.is_empty() {
            return true;
        }
        let (piece, rest) = (piece.to_owned(), rest.to_owned());
        self.shown.push_str(&piece);
        if self.config.rules.blocks(self.shown.as_str()) {
            return false;
        }
        self.held_back = rest.into();
        self.with_visit(|visit| visit.append(&piece));
        (self.sink)(KioskAnswer::Token { text: piece });
        true
    }

    /// It was stopped: what was held back is shown, if it may be.
    fn show_rest(&mut self, wish: Wish) {
        if wish == Wish::Stop {
            self.show(self.held_back.as_str().len());
        }
    }

    fn finished(&mut self, reason: FinishReason) -> Try {
        match (self.show(self.held_back.as_str().len()), reason) {
            (false, _) => Try::Blocked,
            (true, FinishReason::ContextFull) => Try::Full,
            (true, _) => Try::Answered,
        }
    }

    fn measured(&self, engine: &LoadedEngine, metered: &Metered, timings: &Timings) {
        let limit = self
            .kiosk
            .inner
            .parts
            .bandwidth
            .limit(&engine.loaded, timings);
        metered.finished(timings, limit, Instant::now());
        self.with_any_visit(|visit| visit.measured(timings));
    }

    /// What was shown of this answer is taken away.
    fn begin_again(&mut self) {
        self.shown.clear();
        self.held_back.clear();
        self.with_visit(super::visit::Visit::clear_answer);
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
        self.with_any_visit(super::visit::Visit::fault);
    }

    /// Changes the visit that this answer belongs to, unless it is being wiped.
    fn with_visit(&self, change: impl FnOnce(&mut super::visit::Visit)) {
        if let Whose::Visitor(id) = self.whose
            && let Some(visit) = self.kiosk.inner.state().visit(id)
        {
            change(visit);
        }
    }

    /// The same, also while it is being wiped.
    fn with_any_visit(&self, change: impl FnOnce(&mut super::visit::Visit)) {
        let mut state = self.kiosk.inner.state();
        if let Whose::Visitor(id) = self.whose
            && let Some(visit) = state.visit.as_mut().filter(|visit| visit.id == id)
        {
            change(visit);
        }
    }
}

/// What an error of the engine means.
fn failed(error: &EngineError, engine: &LoadedEngine) -> Try {
    match error {
        EngineError::ContextExceeded { .. } => Try::TooLong,
        EngineError::Crashed { .. } | EngineError::ModelNotLoaded => Try::Lost,
        _ if engine.was_ended() => Try::Lost,
        _ => Try::Failed,
    }
}

/// Up to where a text is whole words: what comes next can't go on with the last one. Scripts that write no spaces have
/// none to wait for.
fn end_of_words(text: &str) -> usize {
    let goes_on =
        |c: char| c.is_alphanumeric() && (c < '\u{e00}' || ('\u{ac00}'..='\u{d7a3}').contains(&c));
    let last = text.char_indices().rev().find(|(_, c)| !goes_on(*c));
    last.map_or(0, |(at, c)| at + c.len_utf8())
}

fn deadline() -> tokio::time::Instant {
    tokio::time::Instant::now() + STOP_TIMEOUT
}

async fn passed(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Returns when the wish is no longer `seen`.
async fn wished(wish: &mut watch::Receiver<Wish>, seen: Wish) -> Wish {
    if seen == Wish::StopAtOnce {
        // Nothing ends it sooner, and whoever wished it may be gone.
        return std::future::pending().await;
    }
    let wish = wish.wait_for(|wish| *wish != seen).await;
    wish.map_or(Wish::StopAtOnce, |wish| *wish)
}
