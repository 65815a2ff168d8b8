//! `wick perplexity`: how surprised a model is by a text.

use super::{another_answer, as_json, text};
use crate::choice;
use crate::load_args::LoadArgs;
use crate::output::{progress, stdout};
use crate::session::Session;
use crate::stop::Stop;
use engine_api::{Answer, Question};
use std::path::PathBuf;
use studio::Paths;

const FIELDS: &str = "\
Each window of tokens begins anew, with the begin token if the model wants one, and only its second half is scored: as
llama-perplexity does it.
Fields of --json:
  windows, total_windows, tokens (scored), perplexity, error (its standard error)";

#[derive(Debug, clap::Args)]
#[command(after_long_help = FIELDS)]
pub(crate) struct PerplexityArgs {
    /// A model of the library (`wick list`), or a path
    #[arg(value_name = "MODEL")]
    model: String,
    /// The file with the text; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Tokens of a window
    #[arg(short, long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(4..))]
    window: u32,
    #[command(flatten)]
    load: LoadArgs,
    /// Write a JSON object; `wick perplexity --help` tells its fields
    #[arg(long)]
    json: bool,
}

pub(crate) fn perplexity(args: &PerplexityArgs) -> Result<(), Stop> {
    let text = text(None, Some(&args.file))?;
    let paths = Paths::from_environment()?;
    let model = choice::named(&choice::library(&paths), &args.model)?;
    let mut load = args.load.clone();
    load.context = load.context.or(Some(args.window));
    let mut last = None;
    Session::with(
        &paths.engine_program,
        &model,
        load.options(1),
        async |session| {
            let question = Question::Perplexity {
                text,
                context_tokens: args.window,
            };
            session
                .ask(question, |answer| {
                    let Answer::Perplexity(now) = answer else {
                        return Err(another_answer());
                    };
                    progress(&format!(
                        "window {} of {}: {:.4}",
                        now.windows, now.total_windows, now.perplexity
                    ));
                    last = Some(now);
                    Ok(())
                })
                .await
        },
    )?;
    progress("");
    let last = last.ok_or_else(another_answer)?;
    let text = if args.json {
        as_json(&last)?
    } else {
        format!(
            "{:.4} ± {:.4} over {} tokens in {} windows of {}\n",
            last.perplexity, last.error, last.tokens, last.windows, args.window
        )
    };
    stdout().write(&text)
}
