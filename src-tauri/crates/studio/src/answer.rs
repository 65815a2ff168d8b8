//! The writing of one answer, from the stored turn to its end: the task behind `send_message` and its siblings.
//!
//! The task lives as long as the answer does, whether or not anybody still listens. It ends in one of two ways: the
//! answer is **over**, whatever state it is in, and stored; or it was **refused** before the engine began, and the turn
//! is withdrawn as if it had never been.
//!
//! Invariant: text that was shown is in the store a second later, or the disk takes none; then it stays here, which is
//! told, and is stored when there is room.

use crate::Error;
use crate::bandwidth::Bandwidth;
use crate::conversation::ChatEvent;
use crate::interruption;
use crate::meter::{Asker, Meter, Metered};
use crate::models::Models;
use crate::running::{Claim, Wish};
use crate::slot::LoadedEngine;
use crate::store::{Ending, Store, StoreError, Turn};
use engine_api::{EngineError, GenerateRequest, Generation, GenerationEvent, Prompt, ToolCall};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval_at};

/// Who wants to see an answer being written.
pub(crate) type Sink = Box<dyn Fn(ChatEvent) + Send + Sync>;

/// How often text is kept while it is being written.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// A worker that was asked to stop and still has said nothing after this time is not waited for any longer.
const STOP_TIMEOUT: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 10 });
/// The pause before an end that could not be stored is stored again. It doubles, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// One answer.
pub(crate) struct Answer {
    pub(crate) store: Store,
    pub(crate) models: Models,
    pub(crate) meter: Meter,
    pub(crate) bandwidth: Bandwidth,
    pub(crate) claim: Claim,
    pub(crate) closing: watch::Receiver<bool>,
    pub(crate) sink: Sink,
    pub(crate) turn: Turn,
}

/// Why the writing ended.
enum Outcome {
    Over(Ending),
    Refused(Error),
}

/// What ends an answer from outside.
enum Call {
    Stop,
    StopAtOnce,
    Close,
}

impl Answer {
    /// Writes it. An error means that the turn was withdrawn.
    pub(crate) async fn write(mut self) -> Result<(), Error> {
        let started = self.store.conversation(self.turn.conversation).await;
        let outcome = match started {
            Ok(conversation) => {
                (self.sink)(ChatEvent::Started { conversation });
                self.run().await
            }
            Err(error) => Outcome::Refused(error.into()),
        };
        match outcome {
            Outcome::Over(ending) => self.finish(ending).await,
            Outcome::Refused(error) => {
                tracing::info!(code = ?error.code, "refused before it ran");
                self.store.withdraw(&self.turn).await?;
                Err(error)
            }
        }
    }

    async fn finish(mut self, ending: Ending) -> Result<(), Error> {
        tracing::info!(state = ?ending.state, reason = ?ending.finish_reason, "over");
        self.keep(ending).await?;
        let conversation = match self.store.conversation(self.turn.conversation).await {
            Err(StoreError::NotFound(_)) => return Ok(()),
            other => other?,
        };
        // Who reacts to the end by sending the next message must not find the conversation busy.
        drop(self.claim);
        (self.sink)(ChatEvent::Finished { conversation });
        Ok(())
    }

    /// Stores the end, again and again while the disk is full: nobody else has the text.
    async fn keep(&mut self, ending: Ending) -> Result<(), Error> {
        let mut pause = FIRST_PAUSE;
        let mut last = false;
        loop {
            let error = match self.store_end(ending.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) if last || matches!(error, StoreError::Closed) => {
                    return Err(error.into());
                }
                Err(error) => Error::unkept(error),
            };
            tracing::warn!(%error, "the end is not stored yet");
            (self.sink)(ChatEvent::Unkept { error });
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.given_up() => last = true,
            }
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    async fn store_end(&self, ending: Ending) -> Result<(), StoreError> {
        let Turn {
            conversation,
            answer,
            written,
            ..
        } = self.turn.clone();
        self.store
            .finish(conversation, answer, written, ending)
            .await
    }

    /// Returns when there is no more time to keep the answer: its conversation is to be deleted, or the app closes.
    async fn given_up(&mut self) {
        let mut seen = Wish::GoOn;
        while let Call::Stop = self.call(seen).await {
            seen = Wish::Stop;
        }
    }

    async fn run(&mut self) -> Outcome {
        let prompt = match self.store.prompt(self.turn.answer).await {
            Ok(prompt) => Prompt::chat(prompt),
            Err(error) => return Outcome::Refused(error.into()),
        };
        let request = GenerateRequest::new(prompt);
        // A worker that died while nobody used it may be noticed only now: then the second one gets the request.
        let first = match self.attempt(&request).await {
            Ok(outcome) => return outcome,
            Err(gone) => gone,
        };
        tracing::warn!("the worker was gone before it began; starting another one");
        self.models.discard(first);
        match self.attempt(&request).await {
            Ok(outcome) => outcome,
            Err(gone) => {
                let reason = gone.exit_or("its pipe closed").await;
                Outcome::Refused(EngineError::crashed(reason).into())
            }
        }
    }

    /// Has the answer written by the engine that there is, or by one loaded for it. The error is an engine that was
    /// gone before it began.
    async fn attempt(&mut self, request: &GenerateRequest) -> Result<Outcome, Arc<LoadedEngine>> {
        let (models, bandwidth) = (self.models.clone(), self.bandwidth.clone());
        let ready = async {
            let engine = models.ensure().await?;
            bandwidth.want(&engine.loaded).await;
            Ok(engine)
        };
        let engine = tokio::select! {
            // The end of the app also ends the load; it must not look as if the load had failed.
            biased;
            call = self.call(Wish::GoOn) => return Ok(Outcome::Over(call.ending())),
            engine = ready => engine,
        };
        let engine = match engine {
            Ok(engine) => engine,
            Err(error) => return Ok(Outcome::Refused(error)),
        };
        self.store
            .set_model(self.turn.answer, engine.model.name.clone());
        let _in_use = engine.begin_use();
        let generation = match engine.worker.engine().generate(request.clone()) {
            Ok(generation) => generation,
            Err(EngineError::Crashed { .. }) => return Err(engine),
            Err(error) => return Ok(Outcome::Refused(error.into())),
        };
        self.follow(engine, generation).await
    }

    /// Follows a generation to its end.
    async fn follow(
        &mut self,
        engine: Arc<LoadedEngine>,
        mut generation: Generation,
    ) -> Result<Outcome, Arc<LoadedEngine>> {
        let asker = Asker::Conversation {
            id: self.turn.conversation,
        };
        let mut progress = Progress::new(self.meter.begin(asker, engine.model.name.clone()));
        let mut save = save_interval();
        let mut seen = Wish::GoOn;
        let mut deadline = None;
        loop {
            tokio::select! {
                step = generation.next() => match step.unwrap_or_else(|| Err(EngineError::crashed("its pipe closed"))) {
                    Ok(GenerationEvent::Finished { reason, timings }) => {
                        let limit = self.bandwidth.limit(&engine.loaded, &timings);
                        let measured = progress.metered.finished(&timings, limit, Instant::now());
                        return Ok(Outcome::Over(Ending::finished(reason, timings, measured)));
                    }
                    Ok(event) => self.take(&mut progress, event),
                    Err(error) => return self.failed(engine, progress.began, error).await,
                },
                call = self.call(seen) => match call {
                    Call::Stop => {
                        generation.cancel();
                        seen = Wish::Stop;
                        deadline = Some(Instant::now() + STOP_TIMEOUT);
                    }
                    at_once => return Ok(Outcome::Over(at_once.ending())),
                },
                () = passed(deadline) => {
                    if progress.began {
                        // It hangs: whatever comes next would wait for it for ever.
                        self.models.discard(engine);
                    }
                    return Ok(Outcome::Over(Ending::stopped()));
                }
                _ = save.tick() => self.save(&mut progress),
            }
        }
    }

    fn take(&mut self, progress: &mut Progress, event: GenerationEvent) {
        let event = match event {
            GenerationEvent::Queued => ChatEvent::Queued,
            GenerationEvent::Prefill {
                processed_tokens,
                total_tokens,
            } => {
                progress.began = true;
                let metered = &mut progress.metered;
                metered.prefill(processed_tokens, total_tokens, Instant::now());
                ChatEvent::Prefill {
                    processed_tokens,
                    total_tokens,
                }
            }
            GenerationEvent::Token {
                text,
                generated_tokens,
                ..
            } => {
                progress.wrote(generated_tokens);
                self.turn.written.text.push_str(&text);
                ChatEvent::Token { text }
            }
            GenerationEvent::Reasoning {
                text,
                generated_tokens,
            } => {
                progress.wrote(generated_tokens);
                self.turn.written.reasoning.push_str(&text);
                ChatEvent::Reasoning { text }
            }
            GenerationEvent::ToolCall {
                call,
                generated_tokens,
            } => {
                progress.wrote(generated_tokens);
                let text = in_words(&call);
                self.turn.written.text.push_str(&text);
                ChatEvent::Token { text }
            }
            // Handled where it comes from: it ends the loop.
            GenerationEvent::Finished { .. } => return,
        };
        (self.sink)(event);
    }

    fn save(&self, progress: &mut Progress) {
        if std::mem::take(&mut progress.unsaved) {
            self.store.save(self.turn.answer, self.turn.written.clone());
        }
    }

    /// What an error of the engine means for the answer.
    async fn failed(
        &self,
        engine: Arc<LoadedEngine>,
        began: bool,
        error: EngineError,
    ) -> Result<Outcome, Arc<LoadedEngine>> {
        tracing::warn!(%error, began, "the engine failed");
        let crashed = matches!(error, EngineError::Crashed { .. });
        if !began && !engine.was_ended() {
            return if crashed {
                Err(engine)
            } else {
                Ok(Outcome::Refused(error.into()))
            };
        }
        if !crashed {
            return Ok(Outcome::Over(Ending::interrupted(
                interruption::engine_failed(&error),
            )));
        }
        // Finding out how it ended may take a moment.
        self.store.save(self.turn.answer, self.turn.written.clone());
        let why = engine.end_in_words(&error).await;
        self.models.discard(engine);
        Ok(Outcome::Over(Ending::interrupted(why)))
    }

    /// Returns when something from outside is to end the answer, other than what was `seen` already.
    async fn call(&mut self, seen: Wish) -> Call {
        tokio::select! {
            wish = self.claim.wish_other_than(seen) => match wish {
                Wish::StopAtOnce => Call::StopAtOnce,
                Wish::Stop | Wish::GoOn => Call::Stop,
            },
            () = crate::closed(&mut self.closing) => Call::Close,
        }
    }
}

impl Call {
    fn ending(&self) -> Ending {
        match self {
            Self::Stop | Self::StopAtOnce => Ending::stopped(),
            Self::Close => Ending::interrupted(interruption::CLOSED),
        }
    }
}

/// What is known of a running generation.
struct Progress {
    /// The engine has accepted the prompt.
    began: bool,
    unsaved: bool,
    metered: Metered,
}

impl Progress {
    fn new(metered: Metered) -> Self {
        Self {
            began: false,
            unsaved: false,
            metered,
        }
    }

    fn wrote(&mut self, generated_tokens: u32) {
        self.began = true;
        self.unsaved = true;
        self.metered.tokens(generated_tokens, Instant::now());
    }
}

/// A call that a model asks for unasked, since no tools are offered here: shown as what it is, so that it isn't lost.
fn in_words(call: &ToolCall) -> String {
    let arguments = serde_json::to_string_pretty(&call.arguments).unwrap_or_default();
    format!(
        "\n\nIt asks to call `{}`:\n\n```json\n{arguments}\n```\n",
        call.name
    )
}

fn save_interval() -> Interval {
    let mut save = interval_at(tokio::time::Instant::now() + SAVE_EVERY, SAVE_EVERY);
    save.set_missed_tick_behavior(MissedTickBehavior::Delay);
    save
}

async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
