//! Tests of the whole application: a real database in a folder of its own, and workers that do what the test says.

mod branches;
mod chat;
mod database;
mod downloads;
mod ends;
pub(crate) mod fake;
mod full_disk;
mod guard;
mod kiosk;
mod library;
mod models;
mod monitor;
mod status;
mod stop;
mod tell;
mod throughput;

use crate::worker::EngineSource;
use crate::{
    ChatEvent, Conversation, Error, Machine, Message, MessageState, ModelId, Paths, Startup, Studio,
};
use crate::{ConversationId, LibraryRoot};
use fake::{FakeEngines, FakeWorker};
use hub::RootKind;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::JoinHandle;

/// How long anything may take to come true.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is awaited comes at once or never; a test that waits for ever tells nothing.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it never came")
}

/// A folder with two models and the studio's data.
struct Place {
    folder: tempfile::TempDir,
}

/// A studio in a place, with the workers that it starts.
struct Desk {
    studio: Studio,
    workers: UnboundedReceiver<FakeWorker>,
}

/// An answer on its way.
struct Asked {
    task: JoinHandle<Result<(), Error>>,
    events: UnboundedReceiver<ChatEvent>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let models = folder.path().join("models");
        std::fs::create_dir(&models).expect("a folder");
        for name in ["alpha.Q4_1.gguf", "beta.Q4_1.gguf"] {
            std::fs::write(models.join(name), "GGUF").expect("a file");
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// A studio with its data in a folder, not started yet.
    fn closed_desk(&self, data: &str) -> Desk {
        self.closed_desk_with(data, None)
    }

    /// The same, with a hub.
    fn closed_desk_with(&self, data: &str, hub: Option<hub::HubSettings>) -> Desk {
        let (engines, workers) = FakeEngines::new();
        let own = LibraryRoot::new(self.path("models"), RootKind::ModelsFolder);
        let cache = hub
            .iter()
            .map(|hub| LibraryRoot::new(&hub.cache_dir, RootKind::HuggingFace));
        let paths = Paths {
            data_dir: self.path(data),
            library_roots: [own].into_iter().chain(cache).collect(),
            engine_program: PathBuf::new(),
            hub,
        };
        let machine = Machine::at(self.path("machine"));
        let studio = Studio::with_engines(paths, machine, EngineSource::Fake(engines));
        Desk { studio, workers }
    }

    async fn desk(&self) -> Desk {
        self.desk_in("data").await
    }

    async fn desk_in(&self, data: &str) -> Desk {
        let desk = self.closed_desk(data);
        assert_eq!(desk.studio.startup().await, Startup::Ready);
        desk
    }

    /// Gives the machine a memory of so many kB, of which so many are free.
    fn remember(&self, total_kib: u64, free_kib: u64) {
        let proc = self.path("machine/proc");
        std::fs::create_dir_all(&proc).expect("a folder");
        let text = format!(
            "MemTotal: {total_kib} kB\nMemFree: {free_kib} kB\nMemAvailable: {free_kib} kB\n"
        );
        // In one step: a reading must never find half of it.
        std::fs::write(proc.join("next"), text).expect("a file");
        std::fs::rename(proc.join("next"), proc.join("meminfo")).expect("a name");
    }

    /// What a power cut or a SIGKILL leaves: the files as they are at this moment.
    fn snapshot(&self, data: &str) {
        std::fs::create_dir(self.path(data)).expect("a folder");
        for name in listing(&self.data()) {
            std::fs::copy(self.data().join(&name), self.path(data).join(&name)).expect("a copy");
        }
    }

    fn model(&self, name: &str) -> ModelId {
        let path = self.path("models").join(format!("{name}.Q4_1.gguf"));
        let path = path.canonicalize().expect("a model");
        ModelId(path.to_string_lossy().into_owned())
    }
}

fn listing(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

impl Desk {
    /// The next worker that was started.
    async fn worker(&mut self) -> FakeWorker {
        soon(self.workers.recv()).await.expect("a worker")
    }

    /// The next worker, with its model loaded.
    async fn loaded(&mut self) -> FakeWorker {
        let mut worker = self.worker().await;
        worker.load().await;
        worker
    }

    fn ask<F>(&self, what: impl FnOnce(Studio, Box<dyn Fn(ChatEvent) + Send + Sync>) -> F) -> Asked
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let (sender, events) = mpsc::unbounded_channel();
        let sink = Box::new(move |event| drop(sender.send(event)));
        let task = tokio::spawn(what(self.studio.clone(), sink));
        Asked { task, events }
    }

    fn send(&self, conversation: Option<ConversationId>, text: &str) -> Asked {
        let text = text.to_owned();
        self.ask(async move |studio, sink| studio.send_message(conversation, text, sink).await)
    }

    fn regenerate(&self, message: &Message) -> Asked {
        let id = message.id;
        self.ask(async move |studio, sink| studio.regenerate_message(id, sink).await)
    }

    fn go_on(&self, message: &Message) -> Asked {
        let id = message.id;
        self.ask(async move |studio, sink| studio.continue_message(id, sink).await)
    }

    /// Says something and has it answered by this worker.
    async fn turn(
        &self,
        worker: &mut FakeWorker,
        conversation: Option<ConversationId>,
        question: &str,
        answer: &str,
    ) -> Conversation {
        let asked = self.send(conversation, question);
        worker.answer(answer).await;
        asked.finished().await
    }

    async fn conversation(&self, id: ConversationId) -> Conversation {
        self.studio.conversation(id).await.expect("a conversation")
    }

    /// Ends the studio in order and returns when the place is free for another one.
    async fn close(self) {
        self.studio.shutdown().await;
    }
}

impl Asked {
    /// The next event.
    async fn event(&mut self) -> ChatEvent {
        soon(self.events.recv()).await.expect("an event")
    }

    /// The conversation as it is when the turn is stored.
    async fn started(&mut self) -> Conversation {
        match self.event().await {
            ChatEvent::Started { conversation } => conversation,
            other => panic!("not the start: {other:?}"),
        }
    }

    /// Waits for a token with this text.
    async fn token(&mut self, expected: &str) {
        loop {
            if let ChatEvent::Token { text } = self.event().await {
                assert_eq!(text, expected);
                return;
            }
        }
    }

    /// Waits for the prompt to be accepted.
    async fn prefill(&mut self) {
        while !matches!(self.event().await, ChatEvent::Prefill { .. }) {}
    }

    /// The conversation at the end, which must be the last event.
    async fn finished(mut self) -> Conversation {
        let result = soon(self.task).await.expect("a task");
        assert_eq!(result, Ok(()));
        let mut last = None;
        while let Some(event) = soon(self.events.recv()).await {
            last = Some(event);
        }
        match last {
            Some(ChatEvent::Finished { conversation }) => conversation,
            other => panic!("not the end: {other:?}"),
        }
    }

    /// The error; no end may have been told.
    async fn refused(mut self) -> Error {
        let error = soon(self.task)
            .await
            .expect("a task")
            .expect_err("a refusal");
        while let Some(event) = soon(self.events.recv()).await {
            assert!(!matches!(event, ChatEvent::Finished { .. }), "{event:?}");
        }
        error
    }
}

/// The branch as `role: text`.
fn lines(conversation: &Conversation) -> Vec<String> {
    let line = |message: &Message| format!("{}: {}", message.role.as_str(), message.text);
    conversation.messages.iter().map(line).collect()
}

fn last(conversation: &Conversation) -> &Message {
    conversation.messages.last().expect("a message")
}

fn last_state(conversation: &Conversation) -> (MessageState, Option<&str>) {
    let message = last(conversation);
    (message.state, message.interruption.as_deref())
}

/// What a worker could say that a model is.
pub(crate) fn inspection() -> engine_api::Inspection {
    engine_api::Inspection {
        name: None,
        architecture: "llama".into(),
        refusal: None,
        file_bytes: 0,
        parameters: 0,
        active_parameters: 0,
        active_bytes: 0,
        tensor_types: Vec::new(),
        context_tokens: None,
        layers: None,
        vocabulary_tokens: None,
        tokenizer: None,
        chat_template: None,
        licence: None,
        kv_bytes_per_token: Vec::new(),
    }
}
