//! The thread that makes tokens of prompts and answers what needs no weights.

use super::outbox::Outbox;
use super::running::{Name, Running};
use super::{Arrived, Asked, Work, guarded};
use crate::decoder::families;
use crate::files::Checkpoint;
use crate::model::{self, Prompts, fit, inspect};
use crate::tokenizer::Tokenizer;
use engine_api::wire::Report;
use engine_api::{Answer, EngineError, Input, LoadOptions, MemoryPlan, Question, Text};
use std::path::Path;
use std::sync::{Arc, mpsc};

/// What it is given; the tokenizer is that of the model that is loaded at the time.
pub(super) enum Prepare {
    Prompt {
        arrived: Box<Arrived>,
        prompts: Arc<Prompts>,
    },
    Question {
        asked: Box<Asked>,
        prompts: Option<Arc<Prompts>>,
    },
}

pub(super) struct Preparing {
    pub(super) work: mpsc::Sender<Work>,
    pub(super) outbox: Outbox,
    pub(super) running: Running,
}

impl Preparing {
    /// Returns when the computing thread has ended.
    pub(super) fn run(self, inbox: mpsc::Receiver<Prepare>) {
        for prepare in inbox {
            match prepare {
                Prepare::Prompt { arrived, prompts } => {
                    let request = &arrived.request;
                    let prepared = guarded(|| prompts.prepare(request)).map(Box::new);
                    let _ = self.work.send(Work::Prepared { arrived, prepared });
                }
                Prepare::Question { asked, prompts } => self.question(asked, prompts.as_deref()),
            }
        }
    }

    fn question(&self, asked: Box<Asked>, prompts: Option<&Prompts>) {
        let id = asked.id;
        if let Some(tokens) = guarded(|| Ok(to_evaluate(&asked.question, prompts)))
            .unwrap_or_else(|error| Some(Err(error)))
        {
            let _ = self.work.send(Work::Evaluate { asked, tokens });
            return;
        }
        let report = match guarded(|| answer(&asked.question, prompts)) {
            Ok(answer) => Report::Answer { id, answer },
            Err(error) => Report::Unanswered { id, error },
        };
        self.running.end(Name::Question(id));
        self.outbox.send(&report);
    }
}

/// The tokens of a question that needs the weights.
fn to_evaluate(
    question: &Question,
    prompts: Option<&Prompts>,
) -> Option<Result<Vec<u32>, EngineError>> {
    let text;
    let input = match question {
        Question::Logits { input, .. } => input,
        Question::Perplexity { text: asked, .. } => {
            text = Input::Text(asked.clone());
            &text
        }
        Question::Inspect { .. } | Question::Plan { .. } | Question::Tokenize { .. } => {
            return None;
        }
    };
    Some(
        prompts
            .ok_or(EngineError::ModelNotLoaded)
            .and_then(|prompts| prompts.input_tokens(input)),
    )
}

fn answer(question: &Question, prompts: Option<&Prompts>) -> Result<Answer, EngineError> {
    match question {
        Question::Inspect { path } => Ok(Answer::Inspection(Box::new(inspect(path)?))),
        Question::Plan { path, options } => plan(path, options).map(Answer::Plan),
        Question::Tokenize {
            path,
            text,
            specials,
            ends,
        } => {
            let ids = if let Some(path) = path {
                tokenize(path, text, *specials, *ends)?
            } else {
                let prompts = prompts.ok_or(EngineError::ModelNotLoaded)?;
                model::tokenize(&prompts.tokenizer, text, *specials, *ends)
            };
            Ok(Answer::Tokens { ids })
        }
        Question::Logits { .. } | Question::Perplexity { .. } => {
            Err(EngineError::internal("this question needs the weights"))
        }
    }
}

fn plan(path: &Path, options: &LoadOptions) -> Result<MemoryPlan, EngineError> {
    options.validate()?;
    let checkpoint = Checkpoint::open(path)?;
    let description = families::describe(&checkpoint)?;
    Ok(fit(&description, &checkpoint, options)?.plan)
}

/// The file may hold nothing but a vocabulary.
fn tokenize(path: &Path, text: &Text, specials: bool, ends: bool) -> Result<Vec<u32>, EngineError> {
    let tokenizer = Tokenizer::of(&Checkpoint::open(path)?)?;
    Ok(model::tokenize(&tokenizer, text, specials, ends))
}
