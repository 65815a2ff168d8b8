//! `wick top`: what the machine and the running Wick do, on the whole screen, as one JSON line, or once as text.
//!
//! The facts are the running app's ([`source`]); without one, the machine's own. It deliberately changes nothing: there
//! is no order to give here.

mod palette;
mod rates;
mod screen;
mod source;
mod view;

#[cfg(test)]
mod tests;

use crate::output::{note, stdout};
use crate::stop::Stop;
use source::{Seen, Source, Teller};
use std::io::IsTerminal;
use std::path::PathBuf;
use studio::{Machine, Paths};

const EXPLANATION: &str = "\
The screen:
  Wick is asked four times a second; while it is not running, the machine alone is
  shown. q, Esc or Ctrl+C leave. NO_COLOR=1 takes the colours away. Where standard
  output is no terminal, the same is written once, as text.

Fields with --json (bytes, milliseconds, tokens a second, degrees Celsius, watts):
  status   what the strip above Wick's window shows: model, memory (the pool in six
           parts), throughput, light; null while Wick is not running
  now      reading (memory, swap, pressure, cores, disks, networks, sensors, gpus),
           programs (the largest others), generations (those that run or wait)
  null is what the machine does not tell, never zero.

Exit codes: 0 it was shown, with or without Wick; 1 it can't be; 2 wrong usage.";

#[derive(Debug, clap::Args)]
#[command(after_long_help = EXPLANATION)]
pub(crate) struct TopArgs {
    /// Write one JSON line, whose fields `wick top --help` tells, and leave
    #[arg(long)]
    json: bool,
    /// Show a recorded machine: a folder in the form of a root file system
    #[arg(long, value_name = "FOLDER")]
    recorded: Option<PathBuf>,
}

pub(crate) fn top(args: &TopArgs) -> Result<(), Stop> {
    let mut source = source(args)?;
    if args.json {
        let seen = shown(source.look_once())?;
        explain(seen.teller);
        return stdout().write(&(json(&seen)? + "\n"));
    }
    if std::io::stdout().is_terminal() {
        return screen::show(source);
    }
    stdout().write(&view::plain(&shown(source.look_once())?))
}

fn source(args: &TopArgs) -> Result<Source, Stop> {
    let Some(folder) = &args.recorded else {
        return Ok(Source::of_app(&Paths::from_environment()?.data_dir));
    };
    if folder.join("proc").is_dir() {
        return Ok(Source::of_machine(Machine::at(folder)));
    }
    Err(Stop::failed(
        format!("{} is no recorded machine.", folder.display()),
        "It must hold a folder `proc`, as a root file system does.",
    ))
}

/// Where neither Wick nor the machine tells anything, there is nothing to show.
fn shown(seen: Seen) -> Result<Seen, Stop> {
    if seen.status.is_some() || seen.now.reading.memory.is_some() {
        return Ok(seen);
    }
    Err(Stop::failed(
        "Wick is not running, and this machine's memory can't be read.",
        "Is /proc there, and may it be read?",
    ))
}

/// Says why there is no status although Wick is there.
fn explain(teller: Teller) {
    if let (Teller::Silent | Teller::Foreign, Some(words)) = (teller, teller.excuse()) {
        note(&format!("wick: {words}."));
    }
}

fn json(seen: &Seen) -> Result<String, Stop> {
    serde_json::to_string(seen).map_err(|error| Stop::Failed {
        message: format!("What was read can't be written as JSON: {error}."),
        hint: None,
    })
}
