//! One loaded model for the length of one command.

use crate::figures::as_f64;
use crate::interrupt::Interrupt;
use crate::output::progress;
use crate::stop::Stop;
use engine_api::{
    Answer, EngineError, FinishReason, GenerateRequest, Generation, GenerationEvent, LoadOptions,
    LoadProgress, LoadedModel, Question, Timings, Worker, WorkerExit,
};
use hub::Model;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A worker with a model in it.
#[derive(Debug)]
pub(crate) struct Session {
    /// The process that computes.
    pub(crate) worker: Worker,
    /// What it says of the model.
    pub(crate) loaded: LoadedModel,
    /// When it was started.
    pub(crate) started: Instant,
    /// Ctrl+C.
    pub(crate) interrupt: Interrupt,
}

/// How a generation ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finished {
    /// Why.
    pub(crate) reason: FinishReason,
    /// Where the time went.
    pub(crate) timings: Timings,
}

impl Session {
    /// Starts a worker, loads the model, does the work, and ends the worker, whatever came of it.
    pub(crate) fn with<T>(
        program: &Path,
        model: &Model,
        options: LoadOptions,
        work: impl AsyncFnOnce(&mut Self) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        runtime()?.block_on(async {
            let interrupt = Interrupt::listen();
            let started = Instant::now();
            let worker = Worker::start(program).await?;
            let result = match load(&worker, model, options, interrupt.clone()).await {
                Ok(loaded) => {
                    let mut session = Self {
                        worker: worker.clone(),
                        loaded,
                        started,
                        interrupt,
                    };
                    work(&mut session).await
                }
                Err(stop) => Err(stop),
            };
            worker.kill();
            exit(&worker).await;
            result
        })
    }

    /// Starts a worker without a model, does the work, and ends the worker, whatever came of it.
    pub(crate) fn without_model<T>(
        program: &Path,
        work: impl AsyncFnOnce(&mut Asking) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        runtime()?.block_on(async {
            let interrupt = Interrupt::listen();
            let worker = Worker::start(program).await?;
            let mut asking = Asking {
                worker: worker.clone(),
                interrupt,
            };
            let result = work(&mut asking).await;
            worker.kill();
            exit(&worker).await;
            result
        })
    }

    /// As [`Asking::ask`].
    pub(crate) async fn ask(
        &mut self,
        question: Question,
        on_answer: impl FnMut(Answer) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut asking = Asking {
            worker: self.worker.clone(),
            interrupt: self.interrupt.clone(),
        };
        asking.ask(question, on_answer).await
    }

    /// Runs one generation to its end and hands on its text as it comes. Ctrl+C cancels it.
    pub(crate) async fn generate(
        &mut self,
        request: GenerateRequest,
        on_text: impl FnMut(&str) -> Result<(), Stop>,
    ) -> Result<Finished, Stop> {
        let generation = self.worker.engine().generate(request)?;
        match follow(generation, &mut self.interrupt, on_text).await {
            Ok(finished) => Ok(finished),
            Err(Ending::Stop(stop)) => Err(stop),
            Err(Ending::Engine(error)) => Err(why(&self.worker, &self.interrupt, error).await),
        }
    }
}

/// A worker that answers questions.
#[derive(Debug)]
pub(crate) struct Asking {
    worker: Worker,
    interrupt: Interrupt,
}

impl Asking {
    /// Asks, and hands on each part of the answer. Ctrl+C ends it.
    pub(crate) async fn ask(
        &mut self,
        question: Question,
        mut on_answer: impl FnMut(Answer) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut answers = self.worker.engine().ask(question)?;
        loop {
            let next = tokio::select! {
                next = answers.next() => next,
                () = self.interrupt.comes() => return Err(Stop::Interrupted),
            };
            match next {
                Some(Ok(answer)) => on_answer(answer)?,
                Some(Err(error)) => return Err(why(&self.worker, &self.interrupt, error).await),
                None => return Ok(()),
            }
        }
    }
}

/// What async work runs on.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Stop> {
    tokio::runtime::Runtime::new().map_err(|error| Stop::Failed {
        message: format!("The system gives no threads: {error}."),
        hint: None,
    })
}

/// Loads the model. The person sees how far it has come.
async fn load(
    worker: &Worker,
    model: &Model,
    options: LoadOptions,
    mut interrupt: Interrupt,
) -> Result<LoadedModel, Stop> {
    let (sender, watching) = watch::channel(LoadProgress::default());
    let loading = worker.engine().load((&model.path).into(), options, sender);
    let loaded = tokio::select! {
        loaded = loading => Some(loaded),
        () = show(watching, &model.file_name) => None,
        () = interrupt.comes() => None,
    };
    progress("");
    match loaded {
        Some(Ok(loaded)) => Ok(loaded),
        Some(Err(error)) => Err(why(worker, &interrupt, error).await),
        None => Err(Stop::Interrupted),
    }
}

enum Ending {
    Stop(Stop),
    Engine(EngineError),
}

async fn follow(
    mut generation: Generation,
    interrupt: &mut Interrupt,
    mut on_text: impl FnMut(&str) -> Result<(), Stop>,
) -> Result<Finished, Ending> {
    let mut cancelled = false;
    loop {
        let step = tokio::select! {
            biased;
            () = interrupt.comes(), if !cancelled => {
                cancelled = true;
                generation.cancel();
                continue;
            }
            step = generation.next() => step,
        };
        match step {
            Some(Ok(GenerationEvent::Token { text, .. })) => {
                on_text(&text).map_err(Ending::Stop)?;
            }
            Some(Ok(GenerationEvent::Finished { reason, timings })) => {
                return Ok(Finished { reason, timings });
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(Ending::Engine(error)),
            None => return Err(Ending::Engine(EngineError::crashed("it said nothing more"))),
        }
    }
}

/// The reason in the best words there are. A worker that is gone can't speak, but the system tells how it ended.
async fn why(worker: &Worker, interrupt: &Interrupt, error: EngineError) -> Stop {
    if !matches!(error, EngineError::Crashed { .. }) {
        return error.into();
    }
    let exit = exit(worker).await;
    // A second Ctrl+C kills it: then that is the reason, and not how it died.
    if interrupt.has_come() {
        return Stop::Interrupted;
    }
    match exit {
        Some(exit) => EngineError::crashed(exit.0).into(),
        None => error.into(),
    }
}

/// Waits for the end of a worker that should be ending, but not for ever: one that only closed its pipes lives on, and
/// one that hangs in a driver can't be killed.
async fn exit(worker: &Worker) -> Option<WorkerExit> {
    tokio::time::timeout(Duration::from_secs(2), worker.exited())
        .await
        .ok()
}

/// Shows how far the load has come, and never returns.
async fn show(mut watching: watch::Receiver<LoadProgress>, name: &str) {
    while watching.changed().await.is_ok() {
        let LoadProgress {
            done_bytes,
            total_bytes,
        } = *watching.borrow_and_update();
        let percent = 100.0 * as_f64(done_bytes) / as_f64(total_bytes.max(1));
        progress(&format!("loading {name} {percent:.0} %"));
    }
    std::future::pending::<()>().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine_api::wire::{Command, Report, to_line};
    use engine_api::{Engine, Prompt};
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

    /// A worker that sends two tokens, and its end when it is cancelled, or at once; or dies instead.
    async fn worker(pipe: DuplexStream, waits_for_cancel: bool, dies: bool) {
        let (commands, mut reports) = tokio::io::split(pipe);
        let mut lines = BufReader::new(commands).lines();
        while let Some(line) = lines.next_line().await.expect("a pipe") {
            let command: Command = serde_json::from_str(&line).expect("a command");
            let (id, texts, ends) = match command {
                Command::Generate { id, .. } => (id, &["a", "b"][..], !waits_for_cancel),
                Command::Cancel { id } => (id, &[][..], true),
                _ => continue,
            };
            let tokens = texts.iter().map(|text| GenerationEvent::Token {
                text: (*text).into(),
                generated_tokens: 1,
                logprobs: Vec::new(),
            });
            let finished = ends.then_some(GenerationEvent::Finished {
                reason: if waits_for_cancel {
                    FinishReason::Cancelled
                } else {
                    FinishReason::EndOfTurn
                },
                timings: Timings::default(),
            });
            for event in tokens.chain(finished.filter(|_| !dies)) {
                let line = to_line(&Report::Generation { id, event }).expect("a line");
                reports.write_all(line.as_bytes()).await.expect("a pipe");
            }
            if dies {
                return;
            }
        }
    }

    async fn run(
        interrupt: &mut Interrupt,
        (waits_for_cancel, dies): (bool, bool),
        on_text: impl FnMut(&str) -> Result<(), Stop>,
    ) -> Result<Finished, Ending> {
        let (app, pipe) = tokio::io::duplex(1 << 16);
        tokio::spawn(worker(pipe, waits_for_cancel, dies));
        let (from_worker, to_worker) = tokio::io::split(app);
        let engine = Engine::connect(from_worker, to_worker);
        let request = GenerateRequest::new(Prompt::Tokens(vec![1]));
        follow(engine.generate(request).expect("valid"), interrupt, on_text).await
    }

    #[tokio::test]
    async fn text_is_handed_on_in_order_until_the_end() {
        let mut text = String::new();
        let append = |part: &str| {
            text.push_str(part);
            Ok(())
        };
        let finished = run(&mut Interrupt::never(), (false, false), append).await;
        assert!(matches!(finished, Ok(f) if f.reason == FinishReason::EndOfTurn));
        assert_eq!(text, "ab");
    }

    #[tokio::test]
    async fn an_interrupt_cancels_and_waits_for_the_workers_word() {
        let finished = run(&mut Interrupt::now(), (true, false), |_| Ok(())).await;
        assert!(matches!(finished, Ok(f) if f.reason == FinishReason::Cancelled));
    }

    #[tokio::test]
    async fn a_worker_that_dies_is_the_engines_error() {
        let finished = run(&mut Interrupt::never(), (false, true), |_| Ok(())).await;
        assert!(matches!(
            finished,
            Err(Ending::Engine(EngineError::Crashed { .. }))
        ));
    }

    #[tokio::test]
    async fn a_reader_that_has_gone_ends_it_at_once() {
        let finished = run(&mut Interrupt::never(), (true, false), |_| {
            Err(Stop::ReaderGone)
        })
        .await;
        assert!(matches!(finished, Err(Ending::Stop(Stop::ReaderGone))));
    }
}
