//! A worker that does what the test says, over the real wire, and that can be killed like a process.

use engine_api::wire::{self, Command, Report};
use engine_api::{
    ChatMessage, Engine, EngineError, FinishReason, GenerationEvent, GenerationId, LoadedModel,
    Prompt, Timings,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};
use tokio::sync::{Notify, mpsc, watch};

type Exit = Arc<watch::Sender<Option<String>>>;

/// Hands the worker's side of each engine that is started to the test.
#[derive(Debug, Clone)]
pub(crate) struct FakeEngines {
    started: mpsc::UnboundedSender<FakeWorker>,
}

/// The app's side of a fake worker.
#[derive(Debug, Clone)]
pub(crate) struct FakeProcess {
    engine: Engine,
    exit: Exit,
    kill: Arc<Kill>,
}

/// What a process makes of being killed.
#[derive(Debug, Default)]
struct Kill {
    /// It takes its time: the test ends it.
    lingers: AtomicBool,
    came: Notify,
}

/// The worker's side.
#[derive(Debug)]
pub(crate) struct FakeWorker {
    commands: Lines<BufReader<ReadHalf<DuplexStream>>>,
    reports: WriteHalf<DuplexStream>,
    exit: Exit,
    kill: Arc<Kill>,
}

impl FakeEngines {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<FakeWorker>) {
        let (started, workers) = mpsc::unbounded_channel();
        (Self { started }, workers)
    }

    pub(crate) fn start(&self) -> FakeProcess {
        let (app, mut near) = tokio::io::duplex(1 << 16);
        let (mut far, worker) = tokio::io::duplex(1 << 16);
        let (exit, mut exited) = watch::channel(None);
        let exit = Arc::new(exit);
        // The pipe breaks when the process ends, whichever side holds on to it.
        tokio::spawn(async move {
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                _ = exited.wait_for(Option::is_some) => {}
            }
        });
        let (commands, reports) = tokio::io::split(worker);
        let kill = Arc::<Kill>::default();
        let _ = self.started.send(FakeWorker {
            commands: BufReader::new(commands).lines(),
            reports,
            exit: exit.clone(),
            kill: kill.clone(),
        });
        let (from_worker, to_worker) = tokio::io::split(app);
        FakeProcess {
            engine: Engine::connect(from_worker, to_worker),
            exit,
            kill,
        }
    }
}

fn end(exit: &Exit, words: &str) {
    exit.send_if_modified(|exit| {
        let is_new = exit.is_none();
        exit.get_or_insert_with(|| words.into());
        is_new
    });
}

impl FakeProcess {
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn kill(&self) {
        self.kill.came.notify_one();
        if !self.kill.lingers.load(Ordering::Relaxed) {
            end(&self.exit, "it was killed by the app");
        }
    }

    pub(crate) async fn exited(&self) -> String {
        let mut exit = self.exit.subscribe();
        let exit = exit.wait_for(Option::is_some).await.expect("an exit");
        exit.clone().expect("words")
    }
}

impl FakeWorker {
    pub(crate) async fn command(&mut self) -> Option<Command> {
        let line = super::soon(self.commands.next_line()).await;
        let line = line.ok().flatten()?;
        Some(serde_json::from_str(&line).expect("a command"))
    }

    pub(crate) async fn report(&mut self, report: &Report) {
        let line = wire::to_line(report).expect("a line");
        // A worker that was killed writes into nothing.
        let _ = self.reports.write_all(line.as_bytes()).await;
    }

    /// Writes what is no message.
    pub(crate) async fn rubbish(&mut self) {
        let _ = self.reports.write_all(b"rubbish\n").await;
    }

    /// Expects to be told to load; returns the file's name.
    pub(crate) async fn told_to_load(&mut self) -> String {
        let Some(Command::Load { path, .. }) = self.command().await else {
            panic!("no load");
        };
        let name = path.file_name().expect("a name");
        name.to_string_lossy().into_owned()
    }

    /// Loads what it is told to.
    pub(crate) async fn load(&mut self) -> String {
        let name = self.told_to_load().await;
        let model = LoadedModel {
            name: None,
            architecture: "llama".into(),
            quantization: "Q4_1".into(),
            context_tokens: 2048,
            parameters: 1,
            vocabulary_tokens: 1,
            device: "CPU".into(),
            load_ms: 1.0,
            ..LoadedModel::default()
        };
        self.report(&Report::Loaded(model)).await;
        name
    }

    pub(crate) async fn fail_to_load(&mut self, error: EngineError) {
        self.told_to_load().await;
        self.report(&Report::LoadFailed { error }).await;
    }

    /// Expects a request for a generation, with the prompt as `role: text`.
    pub(crate) async fn request(&mut self) -> (GenerationId, Vec<String>) {
        let Some(Command::Generate { id, request }) = self.command().await else {
            panic!("no request");
        };
        let Prompt::Chat(chat) = request.prompt else {
            panic!("no chat");
        };
        let line = |message: ChatMessage| format!("{}: {}", message.role.as_str(), message.content);
        (id, chat.messages.into_iter().map(line).collect())
    }

    /// Expects a request for a generation; returns the turns of its prompt.
    pub(crate) async fn turns(&mut self) -> Vec<ChatMessage> {
        match self.command().await {
            Some(Command::Generate { request, .. }) => match request.prompt {
                Prompt::Chat(chat) => chat.messages,
                other => panic!("no chat: {other:?}"),
            },
            other => panic!("no request: {other:?}"),
        }
    }

    pub(crate) async fn step(&mut self, id: GenerationId, event: GenerationEvent) {
        self.report(&Report::Generation { id, event }).await;
    }

    pub(crate) async fn prefill(&mut self, id: GenerationId) {
        self.step(id, GenerationEvent::Queued).await;
        let event = GenerationEvent::Prefill {
            processed_tokens: 3,
            total_tokens: 7,
        };
        self.step(id, event).await;
    }

    pub(crate) async fn token(&mut self, id: GenerationId, text: &str) {
        let event = GenerationEvent::Token {
            text: text.into(),
            generated_tokens: 1,
            logprobs: Vec::new(),
        };
        self.step(id, event).await;
    }

    pub(crate) async fn finish(&mut self, id: GenerationId, reason: FinishReason) {
        let timings = timings();
        self.step(id, GenerationEvent::Finished { reason, timings })
            .await;
    }

    pub(crate) async fn fail(&mut self, id: GenerationId, error: EngineError) {
        self.report(&Report::GenerationFailed { id, error }).await;
    }

    /// Answers the next request whole; returns its prompt.
    pub(crate) async fn answer(&mut self, text: &str) -> Vec<String> {
        let (id, prompt) = self.request().await;
        self.prefill(id).await;
        self.token(id, text).await;
        self.finish(id, FinishReason::EndOfTurn).await;
        prompt
    }

    /// Ends like a process that is killed from outside.
    pub(crate) fn die(self) {
        end(&self.exit, "it was killed by the test");
    }

    /// Lets it survive its killing until the test ends it, as a process with much memory does for a while.
    pub(crate) fn linger(&self) {
        self.kill.lingers.store(true, Ordering::Relaxed);
    }

    /// Returns when the app wants to end it.
    pub(crate) async fn to_be_killed(&self) {
        super::soon(self.kill.came.notified()).await;
    }

    /// Returns when the app has ended it.
    pub(crate) async fn killed(&self) -> String {
        let mut exit = self.exit.subscribe();
        let exit = super::soon(exit.wait_for(Option::is_some)).await;
        exit.expect("an exit").clone().expect("words")
    }
}

pub(crate) fn timings() -> Timings {
    Timings {
        prompt_tokens: 7,
        generated_tokens: 1,
        ttft_ms: 12.5,
        prefill_tokens_per_second: Some(0.1 + 0.2),
        ..Timings::default()
    }
}
