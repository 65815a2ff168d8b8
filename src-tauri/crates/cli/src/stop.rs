//! Why a command ends before its time, and the exit code that tells it.

use crate::output::note;
use engine_api::EngineError;
use std::process::ExitCode;

/// Why a command ends before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It can't be done. Exit code 1.
    Failed {
        /// What happened, as a sentence.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// It was asked for wrongly. Exit code 2, as clap's own.
    Usage(String),
    /// Ctrl+C. Exit code 130, as shells have it: 128 + SIGINT.
    Interrupted,
    /// What it started has ended with this code, and has said why itself.
    Ended(u8),
    /// Nobody reads standard output any more: `wick … | head` has all it wanted. Exit code 0.
    ReaderGone,
}

/// The exit code of a program that Ctrl+C has ended.
pub(crate) const INTERRUPTED: u8 = 130;

impl Stop {
    pub(crate) fn failed(message: impl Into<String>, hint: &str) -> Self {
        Self::Failed {
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    /// Says it on standard error.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Failed { message, hint } => {
                note(&format!("wick: {message}"));
                if let Some(hint) = hint {
                    note(&format!("      {hint}"));
                }
                ExitCode::FAILURE
            }
            Self::Usage(message) => {
                note(&format!("wick: {message}\n      See `wick --help`."));
                ExitCode::from(2)
            }
            Self::Interrupted => ExitCode::from(INTERRUPTED),
            Self::Ended(code) => ExitCode::from(code),
            Self::ReaderGone => ExitCode::SUCCESS,
        }
    }
}

impl From<studio::Error> for Stop {
    fn from(error: studio::Error) -> Self {
        let hint = match error.link {
            // What the window has a field for, a terminal has a variable for.
            Some(link) => Some(format!(
                "Its page is {link}. An access token is taken from HF_TOKEN, or from the file that `hf auth login` writes."
            )),
            None => error.hint,
        };
        Self::Failed {
            message: error.message,
            hint,
        }
    }
}

impl From<hub::Error> for Stop {
    fn from(error: hub::Error) -> Self {
        studio::Error::from(error).into()
    }
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::InvalidRequest { reason } => Self::Usage(reason),
            // The studio's words are about a conversation; here is none.
            EngineError::ContextExceeded {
                prompt_tokens,
                limit_tokens,
            } => Self::failed(
                format!(
                    "The prompt is {prompt_tokens} tokens long, but the model takes at most {limit_tokens}. It was not run."
                ),
                "Shorten it.",
            ),
            other => studio::Error::from(other).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_engine_are_failures_but_a_bad_request_is_wrong_usage() {
        let check = |error: EngineError, words: &str| match Stop::from(error) {
            Stop::Failed { message, hint } => {
                assert!(message.contains(words), "{message}");
                assert!(hint.is_some(), "{message}");
            }
            other => panic!("{other:?}"),
        };
        let too_long = EngineError::ContextExceeded {
            prompt_tokens: 900,
            limit_tokens: 512,
        };
        check(too_long, "900 tokens long, but the model takes at most 512");
        check(EngineError::crashed("it was killed"), "it was killed");
        check(EngineError::internal("a shape"), "a shape");
        let usage = Stop::from(EngineError::invalid_request("top_p must be above 0"));
        assert_eq!(usage, Stop::Usage("top_p must be above 0".into()));
    }
}
