//! `wick`: the studio in a terminal. What was asked for goes to standard output, everything else to standard error.

mod args;
mod ask;
mod bench;
mod bounded;
mod choice;
mod doctor;
mod figures;
mod interrupt;
mod kiosk;
mod list;
mod load_args;
mod models;
mod output;
mod package_files;
mod run;
mod session;
mod stop;
mod table;
mod top;

use args::{Args, Command};
use clap::Parser;
use std::io::IsTerminal;
use std::process::ExitCode;
use stop::Stop;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

fn main() -> ExitCode {
    let args = Args::parse();
    trace();
    match obey(args.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => stop.report(),
    }
}

fn obey(command: Command) -> Result<(), Stop> {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Search(args) => models::search::search(&args),
        Command::Pull(args) => models::pull::pull(&args),
        Command::List(args) => list::list(&args),
        Command::Rm(args) => models::rm::rm(&args),
        Command::Verify(args) => models::verify::verify(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Top(args) => top::top(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Kiosk(args) => kiosk::kiosk(&args),
        Command::Inspect(args) => ask::inspect::inspect(&args),
        Command::Plan(args) => ask::plan::plan(&args),
        Command::Tokenize(args) => ask::tokenize::tokenize(&args),
        Command::Logits(args) => ask::logits::logits(&args),
        Command::Perplexity(args) => ask::perplexity::perplexity(&args),
        Command::PackageFiles(args) => package_files::package_files(&args),
    }
}

/// Warnings, and what `WICK_LOG` asks for, on standard error.
fn trace() {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .with_env_var("WICK_LOG")
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .without_time()
        .init();
}
