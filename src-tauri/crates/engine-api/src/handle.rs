//! The handle to a worker: cheap to clone, over any pair of byte pipes.
//!
//! One owner task holds all state (which generation waits for what); handles only send it orders. Writing has a task of
//! its own, so that a worker that stops reading never keeps the owner from routing what others are waiting for.

use crate::wire::{self, Command, MAX_LINE_BYTES, Report};
use crate::{
    Answer, EngineError, GenerateRequest, GenerationEvent, GenerationId, LoadOptions, LoadProgress,
    LoadedModel, MemoryUse, Progress, Question, QuestionId,
};
use futures_util::StreamExt;
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::codec::{FramedRead, LinesCodec};

type GenerationStep = Result<GenerationEvent, EngineError>;
type AnswerPart = Result<Answer, EngineError>;

/// A running worker. When the last handle and the last [`Generation`] are gone, the worker's input is closed, which
/// ends it.
#[derive(Debug, Clone)]
pub struct Engine {
    orders: mpsc::UnboundedSender<Order>,
    memory: watch::Receiver<MemoryUse>,
    progress: watch::Receiver<Progress>,
    next_id: Arc<AtomicU32>,
}

#[derive(Debug)]
enum Order {
    Load {
        path: PathBuf,
        options: LoadOptions,
        progress: watch::Sender<LoadProgress>,
        done: oneshot::Sender<Result<LoadedModel, EngineError>>,
    },
    Generate {
        id: GenerationId,
        request: Box<GenerateRequest>,
        steps: mpsc::UnboundedSender<GenerationStep>,
    },
    Ask {
        id: QuestionId,
        question: Box<Question>,
        parts: mpsc::UnboundedSender<AnswerPart>,
    },
    /// Who waits until it is done, if anybody does.
    Forget(Option<oneshot::Sender<()>>),
    Send(Command),
}

impl Engine {
    /// Speaks with the worker behind these pipes. Must be called inside a tokio runtime.
    pub fn connect<R, W>(from_worker: R, to_worker: W) -> Self
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let (orders, inbox) = mpsc::unbounded_channel();
        let (memory_sender, memory) = watch::channel(MemoryUse::default());
        let (progress_sender, progress) = watch::channel(Progress::begin());
        let (outbox, lines_out) = mpsc::unbounded_channel();
        tokio::spawn(write_lines(to_worker, lines_out));
        let owner = Owner {
            outbox,
            memory: memory_sender,
            progress: progress_sender,
            load: None,
            running: HashMap::new(),
            asked: HashMap::new(),
            forgetting: VecDeque::new(),
        };
        let codec = LinesCodec::new_with_max_length(MAX_LINE_BYTES);
        tokio::spawn(owner.run(FramedRead::new(from_worker, codec), inbox));
        Self {
            orders,
            memory,
            progress,
            next_id: Arc::default(),
        }
    }

    /// Loads a model; once in a worker's life. `progress` is written as the file is read.
    ///
    /// # Errors
    /// [`EngineError::InvalidRequest`] for an option out of its range;
    /// [`EngineError::InvalidModel`], [`EngineError::UnsupportedModel`] or [`EngineError::OutOfMemory`] from the
    /// worker; [`EngineError::Crashed`] when it died over it.
    pub async fn load(
        &self,
        path: PathBuf,
        options: LoadOptions,
        progress: watch::Sender<LoadProgress>,
    ) -> Result<LoadedModel, EngineError> {
        options.validate()?;
        let (done, loaded) = oneshot::channel();
        let order = Order::Load {
            path,
            options,
            progress,
            done,
        };
        self.orders.send(order).map_err(|_| pipe_closed())?;
        loaded.await.unwrap_or_else(|_| Err(pipe_closed()))
    }

    /// Starts a generation. Several may be started: as many run together as the model was loaded for, the others wait
    /// in the order in which they came.
    ///
    /// # Errors
    /// [`EngineError::InvalidRequest`] for a field out of its range; everything else comes through the [`Generation`].
    pub fn generate(&self, request: GenerateRequest) -> Result<Generation, EngineError> {
        request.validate()?;
        let id = GenerationId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let (sender, steps) = mpsc::unbounded_channel();
        let order = Order::Generate {
            id,
            request: Box::new(request),
            steps: sender,
        };
        self.orders.send(order).map_err(|_| pipe_closed())?;
        Ok(Generation {
            id,
            steps,
            orders: self.orders.clone(),
            over: false,
        })
    }

    /// Asks something beside the generations. A question about a path needs no loaded model.
    ///
    /// # Errors
    /// [`EngineError::Crashed`] when the worker is gone; everything else comes through the [`Answers`].
    pub fn ask(&self, question: Question) -> Result<Answers, EngineError> {
        let id = QuestionId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let (sender, parts) = mpsc::unbounded_channel();
        let order = Order::Ask {
            id,
            question: Box::new(question),
            parts: sender,
        };
        self.orders.send(order).map_err(|_| pipe_closed())?;
        Ok(Answers {
            id,
            parts,
            orders: self.orders.clone(),
            over: false,
        })
    }

    /// Lets the worker forget its KV cache: the next prompt is computed whole.
    pub fn forget_cache(&self) {
        // A worker that is gone holds no cache either.
        let _ = self.orders.send(Order::Forget(None));
    }

    /// The same, and returns when what was held is overwritten, or the worker is gone.
    pub async fn wipe_cache(&self) {
        let (done, wiped) = oneshot::channel();
        let _ = self.orders.send(Order::Forget(Some(done)));
        // An owner that has ended has dropped `done`.
        let _ = wiped.await;
    }

    /// What the worker says that it holds, as it changes.
    pub fn memory(&self) -> watch::Receiver<MemoryUse> {
        self.memory.clone()
    }

    /// Whether the worker comes further, while it has something to do.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Returns when the worker is no longer there.
    pub async fn closed(&self) {
        self.orders.closed().await;
    }
}

/// A running generation. Dropping it cancels it.
#[derive(Debug)]
pub struct Generation {
    id: GenerationId,
    steps: mpsc::UnboundedReceiver<GenerationStep>,
    orders: mpsc::UnboundedSender<Order>,
    over: bool,
}

impl Generation {
    /// Its name among the generations of its worker.
    pub fn id(&self) -> GenerationId {
        self.id
    }

    /// The next step; `None` after [`GenerationEvent::Finished`] or an error.
    pub async fn next(&mut self) -> Option<GenerationStep> {
        if self.over {
            return None;
        }
        let step = self
            .steps
            .recv()
            .await
            .unwrap_or_else(|| Err(pipe_closed()));
        self.over = matches!(step, Err(_) | Ok(GenerationEvent::Finished { .. }));
        Some(step)
    }

    /// Asks for the end after the step that is running. The stream still delivers its `Finished`.
    pub fn cancel(&self) {
        // A worker that is gone has ended the generation by itself.
        let _ = self
            .orders
            .send(Order::Send(Command::Cancel { id: self.id }));
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        if !self.over {
            self.cancel();
        }
    }
}

/// The parts of the answer to a question, as they come. Dropping it withdraws the question.
#[derive(Debug)]
pub struct Answers {
    id: QuestionId,
    orders: mpsc::UnboundedSender<Order>,
    parts: mpsc::UnboundedReceiver<AnswerPart>,
    over: bool,
}

impl Answers {
    /// The next part; `None` after the last one or an error.
    pub async fn next(&mut self) -> Option<Result<Answer, EngineError>> {
        if self.over {
            return None;
        }
        let part = self.parts.recv().await;
        let part = part.unwrap_or_else(|| Err(pipe_closed()));
        self.over = part.as_ref().map_or(true, Answer::is_last);
        Some(part)
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        if !self.over {
            let command = Command::Withdraw { id: self.id };
            // A worker that is gone answers nothing.
            let _ = self.orders.send(Order::Send(command));
        }
    }
}

fn pipe_closed() -> EngineError {
    EngineError::crashed("its pipe closed")
}

struct PendingLoad {
    progress: watch::Sender<LoadProgress>,
    done: oneshot::Sender<Result<LoadedModel, EngineError>>,
}

struct Owner {
    outbox: mpsc::UnboundedSender<String>,
    memory: watch::Sender<MemoryUse>,
    progress: watch::Sender<Progress>,
    load: Option<PendingLoad>,
    running: HashMap<GenerationId, mpsc::UnboundedSender<GenerationStep>>,
    asked: HashMap<QuestionId, mpsc::UnboundedSender<AnswerPart>>,
    /// In the order in which the worker was told to forget.
    forgetting: VecDeque<Option<oneshot::Sender<()>>>,
}

impl Owner {
    async fn run<R: AsyncRead + Unpin>(
        mut self,
        mut lines: FramedRead<R, LinesCodec>,
        mut inbox: mpsc::UnboundedReceiver<Order>,
    ) {
        let end = loop {
            tokio::select! {
                order = inbox.recv() => match order {
                    Some(order) => self.obey(order),
                    None => break pipe_closed(),
                },
                line = lines.next() => match line {
                    Some(Ok(line)) => if let Err(error) = self.route(&line) { break error },
                    Some(Err(error)) => break EngineError::crashed(format!("its answer can't be read: {error}")),
                    None => break pipe_closed(),
                },
            }
        };
        self.end_all(&end);
    }

    fn obey(&mut self, order: Order) {
        if self.is_idle() && !matches!(order, Order::Send(_) | Order::Forget(_)) {
            self.progress.send_modify(Progress::wake);
        }
        match order {
            Order::Load {
                path,
                options,
                progress,
                done,
            } => {
                self.load = Some(PendingLoad { progress, done });
                self.send(&Command::Load { path, options });
            }
            Order::Ask {
                id,
                question,
                parts,
            } => {
                self.asked.insert(id, parts);
                self.send(&Command::Ask { id, question });
            }
            Order::Generate { id, request, steps } => {
                self.running.insert(id, steps);
                self.send(&Command::Generate { id, request });
            }
            Order::Forget(done) => {
                self.forgetting.push_back(done);
                self.send(&Command::ForgetCache);
            }
            Order::Send(command) => self.send(&command),
        }
    }

    fn is_idle(&self) -> bool {
        self.load.is_none() && self.running.is_empty() && self.asked.is_empty()
    }

    fn send(&self, command: &Command) {
        match wire::to_line(command) {
            // The writer ends only when the pipe does, and that comes through `lines` as well.
            Ok(line) => drop(self.outbox.send(line)),
            Err(error) => tracing::error!(%error, "a command could not be written"),
        }
    }

    /// # Errors
    /// A line that is no [`Report`]: nothing that follows can be trusted.
    fn route(&mut self, line: &str) -> Result<(), EngineError> {
        let report = serde_json::from_str(line)
            .map_err(|error| EngineError::crashed(format!("its answer is no message: {error}")))?;
        match report {
            Report::Loading(progress) => {
                if let Some(load) = &self.load {
                    load.progress.send_replace(progress);
                }
            }
            Report::Loaded(model) => self.end_load(Ok(model)),
            Report::LoadFailed { error } => self.end_load(Err(error)),
            Report::Progress { steps } => {
                self.progress.send_modify(|progress| progress.hear(steps));
            }
            Report::Memory(memory) => drop(self.memory.send_replace(memory)),
            Report::Forgotten => {
                if let Some(done) = self.forgetting.pop_front().flatten() {
                    let _ = done.send(());
                }
            }
            Report::Generation { id, event } => {
                let over = matches!(event, GenerationEvent::Finished { .. });
                self.step(id, Ok(event), over);
            }
            Report::GenerationFailed { id, error } => self.step(id, Err(error), true),
            Report::Answer { id, answer } => self.part(id, Ok(answer)),
            Report::Unanswered { id, error } => self.part(id, Err(error)),
        }
        Ok(())
    }

    fn step(&mut self, id: GenerationId, step: GenerationStep, over: bool) {
        if let Some(steps) = self.running.get(&id) {
            // Nobody listens any more: its drop has sent the cancellation.
            let _ = steps.send(step);
        }
        if over {
            self.running.remove(&id);
        }
    }

    fn part(&mut self, id: QuestionId, part: AnswerPart) {
        let is_last = part.as_ref().map_or(true, Answer::is_last);
        if let Some(parts) = self.asked.get(&id) {
            // Nobody listens any more; the rest goes nowhere.
            let _ = parts.send(part);
        }
        if is_last {
            self.asked.remove(&id);
        }
    }

    fn end_load(&mut self, result: Result<LoadedModel, EngineError>) {
        if let Some(load) = self.load.take() {
            // Nobody waits any more: the handle is gone, and the worker with it.
            let _ = load.done.send(result);
        }
    }

    fn end_all(mut self, error: &EngineError) {
        self.memory.send_replace(MemoryUse::default());
        self.end_load(Err(error.clone()));
        for (_, steps) in self.running.drain() {
            let _ = steps.send(Err(error.clone()));
        }
        for (_, parts) in self.asked.drain() {
            let _ = parts.send(Err(error.clone()));
        }
    }
}

async fn write_lines<W: AsyncWrite + Unpin>(
    mut pipe: W,
    mut lines: mpsc::UnboundedReceiver<String>,
) {
    while let Some(line) = lines.recv().await {
        let mut line = line.into_bytes();
        let written = pipe.write_all(&line).await;
        // What somebody wrote does not stay in freed memory longer than it must.
        line.fill(0);
        std::hint::black_box(&mut line);
        if let Err(error) = written {
            tracing::debug!(%error, "the worker takes no more commands");
            return;
        }
        // An in-memory pipe may buffer; a lost flush shows at the next write.
        let _ = pipe.flush().await;
    }
    let _ = pipe.shutdown().await;
}

#[cfg(test)]
mod tests;
