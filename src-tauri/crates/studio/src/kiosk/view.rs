//! What the kiosk's page is shown: types only, no behaviour.
//!
//! Invariant: what of it is shown to a stranger names no path of the machine, no library and no error.

use crate::Light;
use hub::ModelId;
use serde::{Deserialize, Serialize};
use std::hash::{DefaultHasher, Hash, Hasher};
use telemetry::MemoryPool;

/// Names one visitor session since the start of the app. A call that names one that is over does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, specta::Type)]
#[serde(transparent)]
pub struct VisitId(pub u32);

/// All that the kiosk's page shows and may not change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, specta::Type)]
pub struct KioskView {
    /// In which form of `kiosk.toml` this was; grows with each edit.
    pub version: u32,
    /// Shown at the top of every scene, such as "This computer answers by itself. No cloud."
    pub motto: String,
    /// The attract loop, in order; never empty.
    pub scenes: Vec<Scene>,
    /// What a visitor is offered.
    pub visitor: VisitorView,
    /// Where telemetry is drawn.
    pub overlay: Overlay,
    /// What is going on.
    pub now: KioskNow,
    /// The visitor's conversation, for a page that was loaded anew in the middle of it.
    pub visit: Option<VisitView>,
}

/// A part of the attract loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, specta::Type)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Scene {
    /// A large heading with a line under it.
    Title {
        /// The heading.
        heading: String,
        /// The line under it.
        text: String,
        /// A file in the kiosk's folder, to be asked for with `kiosk_picture`.
        picture: Option<String>,
        /// How long it is shown.
        seconds: u32,
    },
    /// A page of Markdown.
    Slide {
        /// The text.
        markdown: String,
        /// A file in the kiosk's folder, to be asked for with `kiosk_picture`.
        picture: Option<String>,
        /// How long it is shown.
        seconds: u32,
    },
    /// The model answers a scripted prompt, live, with the machine's figures large beside it.
    Live {
        /// The prompt, shown as the heading.
        prompt: String,
        /// How long the whole answer stays.
        seconds: u32,
    },
}

/// What a visitor is offered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, specta::Type)]
pub struct VisitorView {
    /// What the empty conversation says.
    pub greeting: String,
    /// Suggested prompts.
    pub cards: Vec<String>,
    /// The models to choose among; one means that there is no choice.
    pub models: Vec<KioskModel>,
    /// Messages that one visitor may send.
    pub max_turns: u32,
    /// The longest message, in characters.
    pub max_message_characters: u32,
    /// When the keyboard on the screen is shown.
    pub keyboard: KeyboardMode,
    /// Which letters lie where on it.
    pub layout: KeyboardLayout,
}

/// Which of the allowed models, for the page alone: it says nothing of where the file lies. The same while the app runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(transparent)]
pub struct KioskModelId(String);

impl KioskModelId {
    pub(crate) fn of(model: &ModelId) -> Self {
        let mut hasher = DefaultHasher::new();
        model.hash(&mut hasher);
        Self(format!("{:016x}", hasher.finish()))
    }
}

/// A model that a visitor may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct KioskModel {
    /// Which.
    pub id: KioskModelId,
    /// Its name.
    pub name: String,
}

/// When the keyboard on the screen is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum KeyboardMode {
    /// After a touch; a key of a real keyboard hides it.
    #[default]
    Auto,
    /// Always while a message can be written.
    On,
    /// Never.
    Off,
}

/// Which letters lie where on the keyboard on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum KeyboardLayout {
    /// English.
    #[default]
    Qwerty,
    /// German.
    Qwertz,
    /// French.
    Azerty,
}

/// Where telemetry is drawn while a visitor talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Overlay {
    /// Nowhere.
    Off,
    /// In a column beside the conversation.
    #[default]
    Beside,
    /// As a panel over its corner.
    Over,
}

/// What is going on in the kiosk; told as an event at each change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, specta::Type)]
pub struct KioskNow {
    /// As in [`KioskView::version`]: a page that has another one asks for the view again.
    pub version: u32,
    /// Whose turn it is.
    pub phase: KioskPhase,
    /// The name of the model that answers; `None` while none can.
    pub model: Option<String>,
}

/// Whose turn it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, specta::Type)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum KioskPhase {
    /// Nobody's: the loop runs.
    Attract,
    /// A visitor's.
    Visit {
        /// Which.
        visit: VisitId,
    },
    /// A visitor's who has been away for so long that all is about to be wiped.
    Countdown {
        /// Which.
        visit: VisitId,
        /// When.
        wipes_in_ms: u32,
    },
}

/// A visitor's conversation. It is only ever in memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, specta::Type)]
pub struct VisitView {
    /// Which visitor.
    pub visit: VisitId,
    /// What was said, in turns: visitor, model, visitor, …
    pub messages: Vec<VisitMessage>,
    /// Whether the last answer is still being written.
    pub answering: bool,
    /// Messages that may still be sent.
    pub turns_left: u32,
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct VisitMessage {
    /// Whether the visitor said it.
    pub from_visitor: bool,
    /// What.
    pub text: String,
}

/// What happens while an answer, to a visitor or in a scene, is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, specta::Type)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum KioskAnswer {
    /// It is read, or waits for a model that is being loaded.
    Thinking,
    /// Text to append.
    Token {
        /// The text.
        text: String,
    },
    /// The worker was lost and another one begins again: what was shown of this answer is to be taken away.
    Again,
    /// It is over; in this form it is kept until the visitor is gone.
    Finished {
        /// The whole text: the answer, or the kiosk's own words where a rule or a fault stands against one.
        text: String,
        /// Messages that may still be sent.
        turns_left: u32,
    },
}

/// The machine's figures, large, a few times a second. What is not told is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, specta::Type)]
pub struct KioskReadings {
    /// The memory in its parts.
    pub memory: MemoryPool,
    /// The name of the loaded model.
    pub model: Option<String>,
    /// Whether something is being generated.
    pub running: bool,
    /// Over the last second while tokens come, else of the last answer.
    pub decode_tokens_per_second: Option<f64>,
    /// Of the answer that is being written once its first token is there, else of the last one.
    pub ttft_ms: Option<f64>,
    /// What the machine draws.
    pub power_watts: Option<f64>,
    /// The temperature.
    pub celsius: Option<f64>,
    /// The share of what the memory's bandwidth allows, of 1.
    pub limit_share: Option<f64>,
    /// Whether the worker works.
    pub light: Light,
}

/// What comes of a PIN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PinAnswer {
    /// The operator is in, until [`super::Kiosk::lock`] or two minutes without a call.
    Right,
    /// It was wrong, and none is looked at for this long.
    Wrong {
        /// Milliseconds.
        wait_ms: u32,
    },
    /// It was not looked at: this long after wrong ones, none is.
    TooSoon {
        /// Milliseconds.
        wait_ms: u32,
    },
}

/// How an operator leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Leave {
    /// To the desk's window.
    ToDesk,
    /// Wick ends.
    Quit,
    /// Wick starts anew, as a kiosk.
    Restart,
}

/// What Settings shows of the kiosk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, specta::Type)]
pub struct KioskSetup {
    /// Where `kiosk.toml` lies or would lie.
    pub folder: String,
    /// Whether it is there; otherwise what comes with Wick is in force.
    pub has_folder: bool,
    /// What is wrong with it. What was good before stays in force.
    pub problem: Option<ConfigProblem>,
    /// Scenes in force.
    pub scenes: u32,
    /// Names of the models in force that are in the library.
    pub models: Vec<String>,
    /// Models that it names and the library lacks.
    pub missing_models: Vec<String>,
    /// Whether a PIN is set; without one there is no kiosk.
    pub has_pin: bool,
    /// The output that was chosen; `None` is the one that the window is on.
    pub display: Option<String>,
}

/// A mistake in `kiosk.toml` or in a file that it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct ConfigProblem {
    /// The file.
    pub file: String,
    /// The line in it, from 1.
    pub line: Option<u32>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// A visitor session that is over, without anything that was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, specta::Type)]
pub struct KioskSession {
    /// When it began, in milliseconds since 1970.
    #[specta(type = u32)]
    pub began_at_ms: i64,
    /// How long it took.
    #[specta(type = u32)]
    pub duration_ms: u64,
    /// How it ended.
    pub ended: SessionEnd,
    /// The model's name.
    pub model: Option<String>,
    /// Messages of the visitor.
    pub turns: u32,
    /// Tokens generated.
    pub tokens: u32,
    /// Mean over its answers, by tokens.
    pub decode_tokens_per_second: Option<f64>,
    /// Median of its answers.
    pub ttft_ms: Option<f64>,
    /// Workers lost and answers that failed.
    pub faults: u32,
}

/// How a visitor session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum SessionEnd {
    /// The visitor was away.
    Idle,
    /// The visitor, or the next one, chose to start over.
    StartedOver,
    /// The kiosk was closed, or restarted.
    Closed,
}

/// The sessions of some days, the newest first, and all of them together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, specta::Type)]
pub struct KioskLog {
    /// At most the newest 500.
    pub sessions: Vec<KioskSession>,
    /// How many there were.
    pub count: u32,
    /// Messages of all.
    pub turns: u32,
    /// Tokens of all.
    #[specta(type = u32)]
    pub tokens: u64,
    /// Faults of all.
    pub faults: u32,
    /// Median length.
    pub median_duration_ms: Option<f64>,
    /// Mean, by tokens.
    pub decode_tokens_per_second: Option<f64>,
}
