//! A kiosk that is open, and what a visitor sees of it.

use super::super::fake::FakeWorker;
use super::super::{Desk, Place, soon};
use crate::{Error, Kiosk, KioskAnswer, KioskModelId, KioskNow, KioskPhase, KioskSession, VisitId};
use engine_api::wire::{Command, Report};
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(super) const PIN: &str = "702815";
/// One scene of each kind that matters here, one model.
pub(super) const PLAIN: &str = r#"
[visitor]
system_prompt = "RULES"
models = ["alpha"]
max_turns = 3
max_message_characters = 20
idle_seconds = 60
countdown_seconds = 15
[rules]
blocked = ["rotten eggs"]
blocked_answer = "Something else."
[[scene]]
type = "title"
heading = "Hello"
[[scene]]
type = "live"
prompt = "PROMPT"
"#;

/// An open kiosk.
pub(super) struct Stand {
    pub(super) place: Place,
    pub(super) desk: Desk,
    pub(super) kiosk: Kiosk,
    pub(super) now: watch::Receiver<KioskNow>,
}

/// An answer to a visitor or in a scene.
pub(super) struct Answer {
    pub(super) task: JoinHandle<Result<(), Error>>,
    events: UnboundedReceiver<KioskAnswer>,
}

impl Stand {
    /// With this `kiosk.toml`; nothing is loaded yet.
    pub(super) async fn closed(toml: &str) -> Self {
        let place = Place::new();
        let folder = place.data().join("kiosk");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("kiosk.toml"), toml).expect("a file");
        let desk = place.desk().await;
        let kiosk = desk.studio.kiosk();
        soon(kiosk.set_pin(PIN.into())).await.expect("a PIN");
        let now = kiosk.subscribe();
        Self {
            place,
            desk,
            kiosk,
            now,
        }
    }

    pub(super) async fn open(toml: &str) -> Self {
        let stand = Self::closed(toml).await;
        soon(stand.kiosk.open()).await.expect("it opens");
        let setup = stand.kiosk.setup().await.expect("a setup");
        assert_eq!(setup.problem, None);
        stand
    }

    /// The model of this name as the page is offered it.
    pub(super) async fn offered(&self, name: &str) -> KioskModelId {
        let view = self.kiosk.view().await.expect("a view");
        let mut models = view.visitor.models.into_iter();
        models.find(|model| model.name == name).expect(name).id
    }

    /// Open, with its model loaded.
    pub(super) async fn ready(toml: &str) -> (Self, FakeWorker) {
        let mut stand = Self::open(toml).await;
        let worker = stand.desk.loaded().await;
        stand.until(|now| now.model.is_some()).await;
        (stand, worker)
    }

    /// Open, with a visitor.
    pub(super) async fn visited() -> (Self, FakeWorker, VisitId) {
        let (stand, worker) = Self::ready(PLAIN).await;
        let visit = stand.kiosk.begin().await.expect("a visit");
        (stand, worker, visit)
    }

    /// Waits until that is so.
    pub(super) async fn until(&mut self, is_so: impl FnMut(&KioskNow) -> bool) -> KioskNow {
        let now = soon(self.now.wait_for(is_so)).await.expect("told").clone();
        self.now.mark_unchanged();
        now
    }

    pub(super) fn phase(&self) -> KioskPhase {
        self.now.borrow().phase.clone()
    }

    pub(super) fn say(&self, visit: VisitId, text: &str) -> Answer {
        let (kiosk, text) = (self.kiosk.clone(), text.to_owned());
        answer(async move |sink| kiosk.say(visit, text, sink).await)
    }

    pub(super) fn play(&self, scene: u32) -> Answer {
        let kiosk = self.kiosk.clone();
        answer(async move |sink| kiosk.play(scene, sink).await)
    }

    /// Says something, and has it answered.
    pub(super) async fn turn(
        &self,
        worker: &mut FakeWorker,
        visit: VisitId,
        text: &str,
        answer: &str,
    ) -> Vec<String> {
        let said = self.say(visit, text);
        let prompt = worker.answer(answer).await;
        assert_eq!(said.finished().await.0, answer);
        prompt
    }

    pub(super) fn start_over(&self, visit: VisitId) -> JoinHandle<Result<(), Error>> {
        let kiosk = self.kiosk.clone();
        tokio::spawn(async move { kiosk.start_over(visit).await })
    }

    pub(super) async fn sessions(&self) -> Vec<KioskSession> {
        self.kiosk.log(1).await.expect("a log").sessions
    }

    /// What the page would show of the conversation, as `> question` and `answer`.
    pub(super) async fn shown(&self) -> Vec<String> {
        let view = self.kiosk.view().await.expect("a view");
        let messages = view.visit.map(|visit| visit.messages).unwrap_or_default();
        let line = |message: crate::VisitMessage| {
            let mark = if message.from_visitor { "> " } else { "" };
            format!("{mark}{}", message.text)
        };
        messages.into_iter().map(line).collect()
    }
}

/// Time passes for everybody at once.
pub(super) async fn later(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

type Sink = Box<dyn Fn(KioskAnswer) + Send + Sync>;

fn answer<F>(ask: impl FnOnce(Sink) -> F) -> Answer
where
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let (sender, events) = mpsc::unbounded_channel();
    let sink = Box::new(move |event| drop(sender.send(event)));
    let task = tokio::spawn(ask(sink));
    Answer { task, events }
}

impl Answer {
    pub(super) async fn event(&mut self) -> KioskAnswer {
        soon(self.events.recv()).await.expect("an event")
    }

    /// Waits for this text.
    pub(super) async fn token(&mut self, expected: &str) {
        loop {
            if let KioskAnswer::Token { text } = self.event().await {
                return assert_eq!(text, expected);
            }
        }
    }

    /// Waits until it begins again.
    pub(super) async fn again(&mut self) {
        while self.event().await != KioskAnswer::Again {}
    }

    /// The text at the end, which must be the last event, and the turns that are left.
    pub(super) async fn finished(mut self) -> (String, u32) {
        assert_eq!(soon(self.task).await.expect("a task"), Ok(()));
        let mut last = None;
        while let Some(event) = soon(self.events.recv()).await {
            last = Some(event);
        }
        match last {
            Some(KioskAnswer::Finished { text, turns_left }) => (text, turns_left),
            other => panic!("not the end: {other:?}"),
        }
    }

    /// How it ended without an end of its text.
    pub(super) async fn ended(mut self) -> Result<(), Error> {
        let result = soon(self.task).await.expect("a task");
        while let Some(event) = soon(self.events.recv()).await {
            let is_text = matches!(
                event,
                KioskAnswer::Finished { .. } | KioskAnswer::Token { .. }
            );
            assert!(!is_text, "{event:?}");
        }
        result
    }
}

impl FakeWorker {
    /// Expects to be told to forget.
    pub(super) async fn told_to_forget(&mut self) {
        assert_eq!(self.command().await, Some(Command::ForgetCache));
    }

    /// The same, and does.
    pub(super) async fn forget(&mut self) {
        self.told_to_forget().await;
        self.report(&Report::Forgotten).await;
    }
}

/// Whether a file in this folder, or in one in it, holds these words.
pub(super) fn holds(folder: &Path, words: &str) -> bool {
    let mut entries = std::fs::read_dir(folder).expect("a folder");
    entries.any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return holds(&path, words);
        }
        let bytes = std::fs::read(&path).expect("a file");
        bytes
            .windows(words.len())
            .any(|part| part == words.as_bytes())
    })
}
