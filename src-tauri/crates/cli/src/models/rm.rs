//! `wick rm`: deletes a model, after it has said what that frees and what stays.

use crate::choice;
use crate::figures::bytes;
use crate::output::{note, stdout};
use crate::stop::Stop;
use hub::Removal;
use std::io::{IsTerminal, stdin};
use studio::Paths;

#[derive(Debug, clap::Args)]
pub(crate) struct RmArgs {
    /// A model of the library (`wick list`)
    #[arg(value_name = "MODEL")]
    model: String,
    /// Do it without asking
    #[arg(short, long)]
    yes: bool,
    /// Only say what it would do
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) fn rm(args: &RmArgs) -> Result<(), Stop> {
    let paths = Paths::from_environment()?;
    let library = choice::library(&paths);
    let model = choice::named(&library, &args.model)?;
    let removal = library.removal(&model.id)?;
    note(&in_words(&removal));
    if args.dry_run {
        return Ok(());
    }
    if removal.files.is_empty() {
        let hint = "What stays, and why, stands above.";
        return Err(Stop::failed(
            "There is nothing of it that may be deleted.",
            hint,
        ));
    }
    if !args.yes && !agreed(&removal)? {
        note("wick: Nothing was deleted.");
        return Ok(());
    }
    let freed = library.remove(&removal)?;
    stdout().write(&format!("{} were freed.\n", bytes(freed)))
}

fn in_words(removal: &Removal) -> String {
    let goes = removal
        .files
        .iter()
        .map(|file| format!("  goes   {}\n", file.path));
    let stays = removal
        .kept
        .iter()
        .map(|kept| format!("  stays  {}: {}\n", kept.path, kept.because));
    let lines: String = goes.chain(stays).collect();
    format!(
        "wick: Deleting it frees {}:\n{}",
        bytes(removal.freed_bytes),
        lines.trim_end()
    )
}

/// Asks the person at the terminal; where there is none, nobody agrees.
fn agreed(removal: &Removal) -> Result<bool, Stop> {
    if !stdin().is_terminal() {
        return Err(Stop::failed(
            "Nobody is there to be asked, so nothing was deleted.",
            "With --yes it is done without asking.",
        ));
    }
    note(&format!(
        "wick: Free {}? Type yes.",
        bytes(removal.freed_bytes)
    ));
    let mut answer = String::new();
    let read = stdin().read_line(&mut answer);
    Ok(read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
