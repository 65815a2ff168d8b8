//! One try at an answer: a generation, followed to its end, of which only whole words without a blocked one are shown.
//!
//! What comes of it is [`super::answer`]'s to decide. Invariant: it ends: a worker that comes no further is lost, one that
//! does not stop is ended.

use super::answer::Speaker;
use super::view::KioskAnswer;
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

/// How one try ended.
pub(super) enum Try {
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

/// A generation on its way.
struct Course {
    generation: Generation,
    metered: Metered,
    /// When it last said something.
    heard: Instant,
    /// How it ends, once it was asked to, and until when that is waited for.
    ending: Option<(Try, tokio::time::Instant)>,
}

impl Course {
    /// Asks for its end.
    fn end(&mut self, how: Try) {
        self.generation.cancel();
        self.ending = Some((how, tokio::time::Instant::now() + STOP_TIMEOUT));
    }

    fn deadline(&self) -> Option<tokio::time::Instant> {
        self.ending.as_ref().map(|(_, deadline)| *deadline)
    }

    /// Whether the worker has come no further for too long.
    fn is_stalled(&self, engine: &LoadedEngine) -> bool {
        let moved = engine.worker.engine().progress().borrow().moved;
        self.ending.is_none() && moved.max(self.heard).elapsed() >= STALLED_AFTER
    }
}

impl Speaker {
    /// Has the engine answer these messages.
    pub(super) async fn attempt(
        &mut self,
        engine: &Arc<LoadedEngine>,
        messages: Vec<ChatMessage>,
    ) -> Try {
        let mut request = GenerateRequest::new(Prompt::chat(messages));
        request.max_tokens = Some(self.config.visitor.max_tokens);
        let _in_use = engine.begin_use();
        self.with_visit(|visit| visit.used(engine));
        let generation = match engine.worker.engine().generate(request) {
            Ok(generation) => generation,
            Err(error) => return failed(&error, engine),
        };
        let meter = &self.kiosk.inner.parts.meter;
        let course = Course {
            metered: meter.begin(Asker::Kiosk, engine.model.name.clone()),
            generation,
            heard: Instant::now(),
            ending: None,
        };
        self.follow_to_end(engine, course).await
    }

    /// Follows a generation to its end.
    async fn follow_to_end(&mut self, engine: &Arc<LoadedEngine>, mut course: Course) -> Try {
        let mut look = tokio::time::interval(LOOK_EVERY);
        let mut seen = Wish::GoOn;
        loop {
            let deadline = course.deadline();
            tokio::select! {
                step = course.generation.next() => {
                    let step = step.unwrap_or_else(|| Err(EngineError::crashed("its pipe closed")));
                    if let Some(end) = self.step(engine, &mut course, step) {
                        return end;
                    }
                }
                wish = wished(&mut self.wish, seen) => {
                    seen = wish;
                    course.end(self.stopped(wish));
                }
                () = passed(deadline) => {
                    // It hangs: what it holds goes with its process.
                    self.kiosk.inner.parts.models.discard(engine.clone());
                    return course.ending.map_or(Try::Lost, |(ending, _)| ending);
                }
                _ = look.tick() => if course.is_stalled(engine) {
                    return Try::Lost;
                }
            }
        }
    }

    /// Takes a step of a generation; how the try ended, if it has.
    fn step(
        &mut self,
        engine: &LoadedEngine,
        course: &mut Course,
        step: Result<GenerationEvent, EngineError>,
    ) -> Option<Try> {
        course.heard = Instant::now();
        let event = match (step, course.ending.take()) {
            // Whoever ended it doesn't wait for what becomes of the worker.
            (Err(_), Some((ending, _))) => return Some(ending),
            (Err(error), None) => return Some(failed(&error, engine)),
            (Ok(event), ending) => {
                course.ending = ending;
                event
            }
        };
        if let GenerationEvent::Finished { reason, timings } = event {
            self.measured(engine, &course.metered, &timings);
            let ending = course.ending.take().map(|(ending, _)| ending);
            return Some(ending.unwrap_or_else(|| self.finished(reason)));
        }
        let is_wanted = course.ending.is_none();
        if !self.take(&mut course.metered, &event, is_wanted) {
            course.end(Try::Blocked);
        }
        None
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
        self.show(whole, false)
    }

    /// Shows all that was held back: nothing more comes.
    fn show_rest(&mut self) -> bool {
        self.show(self.held_back.as_str().len(), true)
    }

    /// Shows so much of what was held back; `false` if a blocked word stands in it, and then nothing of it.
    fn show(&mut self, length: usize, is_end: bool) -> bool {
        let (piece, rest) = self.held_back.as_str().split_at(length);
        if piece.is_empty() {
            return true;
        }
        let (piece, rest) = (piece.to_owned(), rest.to_owned());
        self.shown.push_str(&piece);
        let rules = &self.config.rules;
        let is_blocked = if is_end {
            rules.blocks(self.shown.as_str())
        } else {
            rules.blocks_so_far(self.shown.as_str())
        };
        if is_blocked {
            return false;
        }
        self.held_back = rest.into();
        self.with_visit(|visit| visit.append(&piece));
        (self.sink)(KioskAnswer::Token { text: piece });
        true
    }

    /// It is stopped; what came so far stays, if it may.
    fn stopped(&mut self, wish: Wish) -> Try {
        match wish {
            Wish::Stop if self.show_rest() => Try::Answered,
            Wish::Stop => Try::Blocked,
            Wish::StopAtOnce | Wish::GoOn => Try::Ended,
        }
    }

    fn finished(&mut self, reason: FinishReason) -> Try {
        match (self.show_rest(), reason) {
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

async fn passed(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Returns when the wish is no longer `seen`.
pub(super) async fn wished(wish: &mut watch::Receiver<Wish>, seen: Wish) -> Wish {
    if seen == Wish::StopAtOnce {
        // Nothing ends it sooner, and whoever wished it may be gone.
        return std::future::pending().await;
    }
    let wish = wish.wait_for(|wish| *wish != seen).await;
    wish.map_or(Wish::StopAtOnce, |wish| *wish)
}
