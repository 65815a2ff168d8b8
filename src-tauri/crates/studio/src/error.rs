//! The only error that crosses the IPC, and the only place where it is made of the errors underneath.
//!
//! A message says what happened and what was kept; the hint says what to do. A code exists only if somebody acts on it.

use crate::guard::LoadRefusal;
use crate::store::StoreError;
use engine_api::EngineError;
use rusqlite::ffi;
use serde::{Deserialize, Serialize};

/// What an error is to the one who has to act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Load a model first.
    ModelNotLoaded,
    /// Free memory, or take a smaller model.
    OutOfMemory,
    /// Shorten the message or begin a new conversation.
    ContextExceeded,
    /// Take another model, or fetch this one again.
    UnsupportedModel,
    /// Try again: the engine is started anew.
    EngineCrashed,
    /// What was asked for is not there.
    NotFound,
    /// Make room on the disk.
    DiskFull,
    /// Give an access token, or accept a licence on the page that `link` names.
    AuthRequired,
    /// Look at the network; what is on the disk works all the same.
    Offline,
    /// Wait, then try again.
    RateLimited,
    /// What came is damaged: try again later, or report it to its publisher.
    ChecksumMismatch,
    /// Wait for what is running, or stop it.
    Busy,
    /// Somebody wanted it so: nothing to do.
    Cancelled,
    /// Ask for something else.
    InvalidRequest,
    /// Report it.
    Internal,
}

/// What went wrong, in words for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize, specta::Type)]
#[error("{message}")]
pub struct Error {
    /// What it is to the one who has to act on it.
    pub code: ErrorCode,
    /// What happened, and what was kept.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The page where it can be mended.
    #[serde(default)]
    pub link: Option<String>,
}

impl Error {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
            link: None,
        }
    }

    /// With what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn link(mut self, link: impl Into<String>) -> Self {
        self.link = Some(link.into());
        self
    }

    pub(crate) fn no_hub() -> Self {
        Self::new(
            ErrorCode::NotFound,
            "There is no folder for what Hugging Face's tools share: neither HOME nor HF_HOME is set.",
        )
        .hint("Set HF_HOME to a folder, then start Wick again.")
    }

    pub(crate) fn over_budget(over_bytes: u64) -> Self {
        Self::new(
            ErrorCode::DiskFull,
            format!(
                "With this the downloaded models would take {} more than the disk budget. Nothing was lost.",
                in_words(over_bytes)
            ),
        )
        .hint("Raise the budget or delete a model, then resume.")
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(
            ErrorCode::NotFound,
            format!("This {what} is no longer there."),
        )
    }

    /// What was asked for can't be done.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, message)
    }

    pub(crate) fn cancelled(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Cancelled, message)
    }

    /// A fault of ours, or of the system's.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, message)
    }

    pub(crate) fn busy() -> Self {
        Self::new(
            ErrorCode::Busy,
            "An answer is still being written in this conversation. Nothing was sent.",
        )
        .hint("Wait for its end, or stop it.")
    }

    pub(crate) fn no_model() -> Self {
        Self::new(
            ErrorCode::NotFound,
            "There is no model on this computer yet. Nothing was sent.",
        )
        .hint("Put a GGUF file into a models folder, then send again.")
    }

    pub(crate) fn not_open() -> Self {
        Self::new(
            ErrorCode::Internal,
            "The conversations are not open. Nothing was changed.",
        )
        .hint("Start beside the database that can't be opened, or start Wick again.")
    }

    /// An answer that is over could not be stored, which is tried again.
    pub(crate) fn unkept(error: StoreError) -> Self {
        let why = Self::from(error);
        let message = match why.code {
            ErrorCode::DiskFull => "The disk is full: this answer could not be kept yet.".into(),
            _ => format!("This answer could not be kept yet. {}", why.message),
        };
        Self::new(why.code, message)
            .hint("Make room on the disk and leave Wick open: it is kept as soon as there is some.")
    }

    /// A load that does not fit. Nothing was touched for it.
    pub(crate) fn no_room(refusal: &LoadRefusal) -> Self {
        let LoadRefusal {
            name,
            plan,
            room_bytes,
            reserve_bytes,
            ..
        } = refusal;
        let kept = refusal
            .replaces
            .as_ref()
            .map_or_else(String::new, |kept| format!(" {kept} stays loaded."));
        let room = match room_bytes {
            0 => "there is nothing".into(),
            _ => format!("there are {}", in_words(*room_bytes)),
        };
        let message = format!(
            "{name} was not loaded: it takes {}, and beside the {} that stay free for the desktop {room}.{kept}",
            in_words(plan.total_bytes),
            in_words(*reserve_bytes),
        );
        Self::new(ErrorCode::OutOfMemory, message).hint(
            "Close other programs, or load it from the list of models, which says what else helps.",
        )
    }

    /// A load that the guard stopped.
    pub(crate) fn load_stopped(name: &str) -> Self {
        let message = format!(
            "Loading {name} was stopped: memory ran short, and the desktop would have stood still."
        );
        Self::new(ErrorCode::OutOfMemory, message)
            .hint("Close other programs, or load it with a smaller context window.")
    }

    pub(crate) fn closing() -> Self {
        Self::cancelled("Wick is closing. What was written so far is kept.")
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        use EngineError as E;
        let (code, message, hint) = match error {
            E::InvalidModel { file, reason } => (
                ErrorCode::UnsupportedModel,
                format!("{file} can't be used: {reason}."),
                "Fetch the file again, or choose another model.",
            ),
            E::UnsupportedModel { file, reason } => (
                ErrorCode::UnsupportedModel,
                format!("{file} can't be run: {reason}."),
                "Choose another model.",
            ),
            E::ModelNotLoaded => (
                ErrorCode::ModelNotLoaded,
                "No model is loaded.".into(),
                "Load a model, then try again.",
            ),
            E::ContextExceeded {
                prompt_tokens,
                limit_tokens,
            } => (
                ErrorCode::ContextExceeded,
                format!(
                    "With this message the conversation is {prompt_tokens} tokens long, but the model takes at most \
                     {limit_tokens}. It was not run, and nothing is lost."
                ),
                "Shorten the message, or begin a new conversation.",
            ),
            E::InvalidRequest { reason } => (
                ErrorCode::InvalidRequest,
                format!("The engine refused the request: {reason}."),
                "Change what it names, then try again.",
            ),
            E::OutOfMemory { reason } => (
                ErrorCode::OutOfMemory,
                format!("There is not enough memory: {reason}."),
                "Close other programs, or choose a smaller model.",
            ),
            E::Busy { waiting, limit } => (
                ErrorCode::Busy,
                format!(
                    "{waiting} requests are waiting already, and at most {limit} may. Nothing was sent."
                ),
                "Wait for the end of some, or stop them.",
            ),
            E::Crashed { reason } => (
                ErrorCode::EngineCrashed,
                format!("The engine stopped: {reason}."),
                "Try again: the engine is started anew.",
            ),
            E::Internal { reason } => (
                ErrorCode::Internal,
                format!("The engine failed: {reason}."),
                "Try again. If it comes back, please report it with these words.",
            ),
        };
        Self::new(code, message).hint(hint)
    }
}

impl From<hub::Error> for Error {
    fn from(error: hub::Error) -> Self {
        use hub::Error as E;
        let (code, hint) = match &error {
            E::NotFound { .. } => (
                ErrorCode::NotFound,
                "Choose one of the models in the library.",
            ),
            E::Ambiguous { .. } => (ErrorCode::InvalidRequest, "Say more of its name."),
            E::NotAModel { .. } => (ErrorCode::UnsupportedModel, "Choose another file."),
            E::Io { source, .. } if is_full(source) => return disk_full(None),
            E::Io { .. } => (
                ErrorCode::Internal,
                "Look at the disk and at the permissions of the file and its folder.",
            ),
            E::Invalid(_) => (ErrorCode::InvalidRequest, "Change it, then try again."),
            E::Offline { .. } => (
                ErrorCode::Offline,
                "Look at the network. What is on this disk works all the same.",
            ),
            E::AccessDenied { access, link, .. } => return denied(&error, *access, link),
            E::NotOnHub { .. } => (
                ErrorCode::NotFound,
                "Look at its name; it may have been renamed or removed.",
            ),
            E::RateLimited { .. } => (
                ErrorCode::RateLimited,
                "Wait, then try again. With an access token the hub allows more.",
            ),
            E::Server { .. } => (
                ErrorCode::Internal,
                "Try again later. What was fetched is kept.",
            ),
            E::UnsafePath { .. } => (
                ErrorCode::InvalidRequest,
                "Nothing of it was fetched. Take another repository, and report this one to Hugging Face.",
            ),
            E::DiskFull { missing_bytes, .. } => return disk_full(Some(*missing_bytes)),
            E::Mismatch { .. } => (
                ErrorCode::ChecksumMismatch,
                "It was fetched twice, and nothing of it was kept. Try again later; if it stays so, report it to its publisher.",
            ),
            E::Changed { .. } => (ErrorCode::Busy, "Look again, then decide."),
            E::PartlyRemoved { .. } => (
                ErrorCode::Internal,
                "Look at the permissions of the folder, then delete what is left.",
            ),
            E::Locked { .. } => (
                ErrorCode::Busy,
                "Wait for the other program, then try again.",
            ),
            E::Stopped => (ErrorCode::Cancelled, "What was fetched is kept."),
        };
        Self::new(code, sentence(&error)).hint(hint)
    }
}

fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    )
}

fn disk_full(missing_bytes: Option<u64>) -> Error {
    let message = match missing_bytes {
        Some(bytes) => format!(
            "The disk has too little room: with the reserve that stays free, {} are missing. What was fetched is kept.",
            in_words(bytes)
        ),
        None => "The disk is full. What was fetched is kept.".into(),
    };
    Error::new(ErrorCode::DiskFull, message)
        .hint("Make room on the disk, or lower the reserve of downloads; then go on with it.")
}

fn denied(error: &hub::Error, access: hub::Access, link: &str) -> Error {
    use hub::Access as A;
    let (hint, link) = match access {
        A::NoToken => (
            "Make an access token on your page at Hugging Face and give it to Wick; accept the licence if it has one.",
            link,
        ),
        A::WrongToken => (
            "Make a new access token on your page at Hugging Face and give it to Wick.",
            link,
        ),
        A::LicenceNotAccepted => ("Accept the licence on its page, then try again.", link),
        A::PrivateOrMissing => (
            "Look at its name. If it is private, give Wick an access token that may see it.",
            link,
        ),
    };
    Error::new(ErrorCode::AuthRequired, sentence(error))
        .hint(hint)
        .link(link)
}

/// Bytes for a sentence. What the page and the terminal show in figures they write themselves.
fn in_words(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let power = (0..units.len() - 1)
        .take_while(|power| bytes >> (10 * (power + 1)) > 0)
        .count();
    let tenths = (u128::from(bytes) * 10) >> (10 * power);
    format!("{}.{} {}", tenths / 10, tenths % 10, units[power])
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(what) => Self::not_found(what),
            StoreError::Invalid(reason) => Self::invalid(reason),
            StoreError::Closed => Self::not_open(),
            StoreError::Sqlite(error) => from_sqlite(&error),
        }
    }
}

fn from_sqlite(error: &rusqlite::Error) -> Error {
    let full = error
        .sqlite_error()
        .is_some_and(|e| e.extended_code & 0xff == ffi::SQLITE_FULL);
    if full {
        return Error::new(
            ErrorCode::DiskFull,
            "The disk is full: the last change could not be kept. All that was kept before is still there.",
        )
        .hint("Make room on the disk, then try again.");
    }
    Error::internal(format!(
        "The conversations could not be read or written: {error}. What was kept before is still there."
    ))
    .hint("Try again. If it comes back, start Wick again.")
}

/// The text of an error underneath as a sentence.
pub(crate) fn sentence(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    format!("{}{}.", first.collect::<String>(), letters.as_str())
}

#[cfg(test)]
mod tests;
