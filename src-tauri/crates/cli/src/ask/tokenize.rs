//! `wick tokenize`: the token ids of a text.

use super::{another_answer, one, text};
use crate::choice;
use crate::output::stdout;
use crate::stop::Stop;
use engine_api::{Answer, Question};
use std::path::PathBuf;
use studio::Paths;

#[derive(Debug, clap::Args)]
pub(crate) struct TokenizeArgs {
    /// A model of the library (`wick list`), or a path; a GGUF file that holds only a vocabulary will do
    #[arg(value_name = "MODEL")]
    model: String,
    /// The text; `-`, or nothing, reads standard input as it is
    #[arg(conflicts_with = "file")]
    text: Option<String>,
    /// Read the text from this file
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Leave out the tokens that the model wants at the beginning and the end
    #[arg(long)]
    no_special: bool,
    /// Take the texts of special tokens as text like any other
    #[arg(long)]
    as_text: bool,
    /// Write {"ids": […]}
    #[arg(long)]
    json: bool,
}

pub(crate) fn tokenize(args: &TokenizeArgs) -> Result<(), Stop> {
    let text = text(args.text.as_deref(), args.file.as_deref())?;
    let paths = Paths::from_environment()?;
    let model = choice::named(&choice::library(&paths), &args.model)?;
    let question = Question::Tokenize {
        path: Some(model.path.into()),
        text,
        specials: !args.as_text,
        ends: !args.no_special,
    };
    let Answer::Tokens { ids } = one(&paths.engine_program, question)? else {
        return Err(another_answer());
    };
    stdout().write(&written(&ids, args.json))
}

fn written(ids: &[u32], json: bool) -> String {
    let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
    if json {
        return format!("{{\"ids\": [{}]}}\n", ids.join(", "));
    }
    ids.join(" ") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_for_people_and_programs() {
        assert_eq!(written(&[1, 22], false), "1 22\n");
        assert_eq!(written(&[1, 22], true), "{\"ids\": [1, 22]}\n");
        assert_eq!(written(&[], true), "{\"ids\": []}\n");
        let json: serde_json::Value = serde_json::from_str(&written(&[1, 22], true)).expect("JSON");
        assert_eq!(json["ids"][1], 22);
    }
}
