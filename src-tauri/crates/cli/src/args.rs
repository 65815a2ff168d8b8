//! The commands. The arguments of each are declared beside what it does.

use crate::ask::inspect::InspectArgs;
use crate::ask::logits::LogitsArgs;
use crate::ask::perplexity::PerplexityArgs;
use crate::ask::plan::PlanArgs;
use crate::ask::tokenize::TokenizeArgs;
use crate::bench::BenchArgs;
use crate::doctor::DoctorArgs;
use crate::kiosk::KioskArgs;
use crate::list::ListArgs;
use crate::models::pull::PullArgs;
use crate::models::rm::RmArgs;
use crate::models::search::SearchArgs;
use crate::models::verify::VerifyArgs;
use crate::package_files::PackageFilesArgs;
use crate::run::RunArgs;
use crate::top::TopArgs;
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
    /// Search Hugging Face
    Search(SearchArgs),
    /// Bring a model from Hugging Face
    Pull(PullArgs),
    /// List the models in the library
    List(ListArgs),
    /// Delete a model, after saying what that frees
    Rm(RmArgs),
    /// Check the files of models against their hashes
    Verify(VerifyArgs),
    /// Measure how fast a model runs here
    Bench(BenchArgs),
    /// Show memory, speed and the machine, as they are now
    Top(TopArgs),
    /// Tell what computes here and why, and what needs you
    Doctor(DoctorArgs),
    /// Set up a screen that runs itself
    Kiosk(KioskArgs),
    /// Tell what a model is
    Inspect(InspectArgs),
    /// Tell what a model would take in memory
    Plan(PlanArgs),
    /// Turn a text into token ids
    Tokenize(TokenizeArgs),
    /// Write what a model thinks of each next token
    Logits(LogitsArgs),
    /// Measure how surprised a model is by a text
    Perplexity(PerplexityArgs),
    /// Write what a package of a distribution brings beside the programs
    #[command(hide = true)]
    PackageFiles(PackageFilesArgs),
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
    fn questions_take_what_they_say() {
        for line in [
            "wick inspect tiny --json",
            "wick plan tiny --context 4096 --parallel 4 --kv-type q8_0 --json",
            "wick tokenize tiny --file f --no-special --json",
            "wick logits tiny --ids 1,2,3 --all --output rows.f32",
            "wick perplexity tiny text.txt --window 256 --threads 2",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
        for line in [
            "wick plan tiny --kv-type q4_0",
            "wick logits tiny text --ids 1",
            "wick tokenize tiny text --file f",
            "wick perplexity tiny text.txt --window 3",
        ] {
            assert_eq!(parse(line).expect_err(line).exit_code(), 2, "{line}");
        }
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
