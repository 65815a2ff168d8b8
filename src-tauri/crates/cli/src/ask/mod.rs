//! Commands that ask a model something beside an answer: what it is, what it takes, its tokens, its logits. They are how
//! anyone compares Wick with another engine.

pub(crate) mod inspect;
pub(crate) mod logits;
pub(crate) mod perplexity;
pub(crate) mod plan;
pub(crate) mod tokenize;
mod whole_file;

use crate::bounded;
use crate::session::Session;
use crate::stop::Stop;
use engine_api::{Answer, EngineError, Question, Text};
use serde::Serialize;
use std::path::Path;

/// The one answer to a question that needs no loaded model.
fn one(program: &Path, question: Question) -> Result<Answer, Stop> {
    Session::without_model(program, async |session| {
        let mut answer = None;
        session
            .ask(question, |next| {
                answer = Some(next);
                Ok(())
            })
            .await?;
        answer.ok_or_else(|| EngineError::crashed("it said nothing").into())
    })
}

/// What should not be: an answer to another question.
fn another_answer() -> Stop {
    EngineError::internal("the engine answered another question").into()
}

pub(crate) fn as_json(value: &impl Serialize) -> Result<String, Stop> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Stop::Failed {
        message: format!("The answer can't be written as JSON: {error}."),
        hint: None,
    })?;
    Ok(text + "\n")
}

/// The bytes of a file, of standard input (`-`), or those of a text that was given.
fn text(given: Option<&str>, file: Option<&Path>) -> Result<Text, Stop> {
    let bytes = match (given, file) {
        (Some("-") | None, None) => from_stdin()?,
        (Some(text), None) => return Ok(Text::Text(text.to_owned())),
        (_, Some(path)) if path == Path::new("-") => from_stdin()?,
        (_, Some(path)) => from_file(path)?,
    };
    Ok(match String::from_utf8(bytes) {
        Ok(text) => Text::Text(text),
        Err(error) => Text::Bytes(error.into_bytes()),
    })
}

fn from_stdin() -> Result<Vec<u8>, Stop> {
    bounded::read(std::io::stdin(), "Standard input", bounded::TEXT_BYTES)
}

fn from_file(path: &Path) -> Result<Vec<u8>, Stop> {
    let name = path.display().to_string();
    let file = std::fs::File::open(path).map_err(|error| Stop::Failed {
        message: format!("{name} can't be read: {error}."),
        hint: None,
    })?;
    bounded::read(file, &name, bounded::TEXT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_from_where_it_is_said_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("text");
        std::fs::write(&path, b"caf\xc3\xa9\n").expect("a file");
        assert_eq!(
            text(None, Some(&path)).ok(),
            Some(Text::Text("café\n".into()))
        );
        std::fs::write(&path, b"\xff").expect("a file");
        assert_eq!(text(None, Some(&path)).ok(), Some(Text::Bytes(vec![0xff])));
        assert_eq!(text(Some("hi"), None).ok(), Some(Text::Text("hi".into())));
        assert!(text(None, Some(&folder.path().join("none"))).is_err());
    }
}
