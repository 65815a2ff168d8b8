//! `wick logits`: what a model thinks of each next token, as rows of F32.

use super::whole_file::WholeFile;
use super::{another_answer, text};
use crate::choice;
use crate::load_args::LoadArgs;
use crate::output::{note, stdout};
use crate::session::Session;
use crate::stop::Stop;
use engine_api::{Answer, Input, Question, Row};
use std::path::{Path, PathBuf};
use studio::Paths;

const FIELDS: &str = "\
With --json, one object a line and row: position, and logits with one number for each entry of the vocabulary (null where
it is not finite). With --output, the numbers alone, 4 bytes each, little-endian, row after row.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = FIELDS)]
pub(crate) struct LogitsArgs {
    /// A model of the library (`wick list`), or a path
    #[arg(value_name = "MODEL")]
    model: String,
    /// What the model reads; `-`, or nothing, reads standard input as it is
    #[arg(conflicts_with_all = ["file", "ids"])]
    text: Option<String>,
    /// Read the text from this file
    #[arg(short, long, value_name = "FILE", conflicts_with = "ids")]
    file: Option<PathBuf>,
    /// Token ids instead of a text, separated by commas
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    ids: Option<Vec<u32>>,
    /// The row after each token, and not only after the last
    #[arg(long)]
    all: bool,
    /// Write the rows into this file, as F32
    #[arg(short, long, value_name = "FILE", conflicts_with = "json")]
    output: Option<PathBuf>,
    #[command(flatten)]
    load: LoadArgs,
    /// Write one JSON object for each row
    #[arg(long)]
    json: bool,
}

pub(crate) fn logits(args: &LogitsArgs) -> Result<(), Stop> {
    let input = match &args.ids {
        Some(ids) => Input::Tokens(ids.clone()),
        None => Input::Text(text(args.text.as_deref(), args.file.as_deref())?),
    };
    let paths = Paths::from_environment()?;
    let model = choice::named(&choice::library(&paths), &args.model)?;
    let mut sink = Sink::new(args, Path::new(&model.id.0))?;
    let options = args.load.options(1);
    Session::with(&paths.engine_program, &model, options, async |session| {
        let question = Question::Logits {
            input,
            all: args.all,
        };
        session
            .ask(question, |answer| match answer {
                Answer::Row(row) => sink.take(&row),
                _ => Err(another_answer()),
            })
            .await
    })?;
    sink.finish()
}

/// Where rows go.
enum Sink {
    File {
        file: WholeFile,
        path: PathBuf,
        numbers: usize,
    },
    Json,
    Words,
}

impl Sink {
    fn new(args: &LogitsArgs, model: &Path) -> Result<Self, Stop> {
        match &args.output {
            Some(path) => Ok(Self::File {
                file: WholeFile::begin(path, model)?,
                path: path.clone(),
                numbers: 0,
            }),
            None if args.json => Ok(Self::Json),
            None => Ok(Self::Words),
        }
    }

    fn take(&mut self, row: &Row) -> Result<(), Stop> {
        match self {
            Self::File { file, numbers, .. } => {
                let numbers_as_bytes = row.logits.iter().flat_map(|logit| logit.to_le_bytes());
                *numbers = row.logits.len();
                file.write(&numbers_as_bytes.collect::<Vec<u8>>())
            }
            Self::Json => {
                let value = serde_json::json!({"position": row.position, "logits": row.logits});
                stdout().write(&format!("{value}\n"))
            }
            Self::Words => stdout().write(&in_words(row)),
        }
    }

    /// All rows have come.
    fn finish(self) -> Result<(), Stop> {
        if let Self::File {
            file,
            path,
            numbers,
        } = self
        {
            file.finish()?;
            let path = path.display();
            note(&format!("{numbers} numbers a row written to {path}"));
        }
        Ok(())
    }
}

/// The position, and the likeliest tokens with their logits.
fn in_words(row: &Row) -> String {
    let mut order: Vec<(u32, f32)> = (0..).zip(row.logits.iter().copied()).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    let best: Vec<String> = order
        .iter()
        .take(5)
        .map(|(id, logit)| format!("{id}: {logit:.4}"))
        .collect();
    format!("after token {}: {}\n", row.position, best.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_the_likeliest_first() {
        let row = Row {
            position: 3,
            is_last: true,
            logits: vec![0.5, -1.0, 2.25, f32::NEG_INFINITY],
        };
        assert_eq!(
            in_words(&row),
            "after token 3: 2: 2.2500, 0: 0.5000, 1: -1.0000, 3: -inf\n"
        );
    }
}
