//! The commands. The arguments of each are declared beside what it does.

use crate::bench::BenchArgs;
use crate::list::ListArgs;
use crate::run::RunArgs;
use clap::{Parser, Subcommand};

/// Runs language models on this computer. Models are GGUF files.
#[derive(Debug, Parser)]
#[command(name = "wick", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answer one prompt
    Run(RunArgs),
    /// List the models in the library
    List(ListArgs),
    /// Measure how fast a model runs here
    Bench(BenchArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Args::try_parse_from(line.split(' ')).map(|args| args.command)
    }

    #[test]
    fn the_declaration_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn run_takes_what_it_says() {
        let line = "wick run -m tiny --temperature 0 --top-k 5 --top-p 0.5 --min-p 0.1 --repeat-penalty 1 \
                    --max-tokens 9 --seed 7 --system be-brief --stop a --stop b hello";
        let Command::Run(args) = parse(line).expect("valid") else {
            panic!("another command");
        };
        assert_eq!(args.model.as_deref(), Some("tiny"));
        assert_eq!(args.prompt.as_deref(), Some("hello"));
        assert_eq!(args.stop, ["a", "b"]);
        assert_eq!(args.seed, Some(7));
    }

    #[test]
    fn bench_has_defaults_and_bounds() {
        let Command::Bench(args) = parse("wick bench tiny --runs 2").expect("valid") else {
            panic!("another command");
        };
        assert_eq!(
            (args.prompt_tokens, args.generate_tokens, args.runs),
            (None, None, 2)
        );
        for line in [
            "wick bench tiny --runs 0",
            "wick bench tiny --prompt-tokens 0",
            "wick bench tiny --generate-tokens 1",
        ] {
            let error = parse(line).expect_err(line);
            assert_eq!(error.kind(), ErrorKind::ValueValidation, "{line}");
            assert_eq!(error.exit_code(), 2);
        }
        assert_eq!(parse("wick bench").expect_err("no model").exit_code(), 2);
    }
}
