//! `wick kiosk remove`: ends the kiosk and deletes what install wrote, and nothing else.

use super::ground::{Ground, Scope};
use super::own_files::{Own, Standing};
use super::units::{self, Start, UNIT};
use crate::output::{note, stdout};
use crate::stop::Stop;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct RemoveArgs {
    /// Only say what would be deleted
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// A folder that stands for the machine, for tests
    #[arg(long, value_name = "DIR", hide = true)]
    root: Option<PathBuf>,
}

pub(crate) fn remove(args: &RemoveArgs) -> Result<(), Stop> {
    let ground = Ground::new(args.root.as_deref());
    let console = units::console(&nothing(), "");
    let session = match ground.config() {
        Ok(config) => units::session(&nothing(), &config),
        // Without a home there is no session's kiosk either.
        Err(_) => Vec::new(),
    };
    let was_in_session = take(Scope::User, &session, &ground, args.dry_run)?;
    let was_on_console = take(Scope::System, &console, &ground, args.dry_run)?;
    if !was_in_session && !was_on_console {
        note("wick: No kiosk is installed here. Nothing was deleted.");
    }
    Ok(())
}

/// Of what is only looked for, the text does not matter.
fn nothing() -> Start {
    Start {
        wick: PathBuf::new(),
        program: PathBuf::new(),
        display: None,
        env: Vec::new(),
    }
}

/// Deletes those of the files that are ours, and says whether there were any.
fn take(scope: Scope, files: &[Own], ground: &Ground, dry_run: bool) -> Result<bool, Stop> {
    let of = |standing| move |file: &&Own| file.stands(ground) == standing;
    for file in files.iter().filter(of(Standing::Foreign)) {
        let path = file.path().display();
        note(&format!("wick: {path} is not Wick's and stays."));
    }
    let ours: Vec<_> = files.iter().filter(of(Standing::Ours)).collect();
    if ours.is_empty() || dry_run {
        return list("would delete", &ours);
    }
    if scope == Scope::System && !ground.may_change_the_machine() {
        let words = "The kiosk of the console is the machine's; it was left as it is.";
        return Err(Stop::failed(words, "As root: `sudo wick kiosk remove`."));
    }
    ground.systemctl(scope, &["stop", UNIT]);
    for file in &ours {
        file.take(ground)?;
    }
    ground.systemctl(scope, &["daemon-reload"]);
    list("deleted", &ours)
}

fn list(what: &str, files: &[&Own]) -> Result<bool, Stop> {
    for file in files {
        stdout().write(&format!("{what} {}\n", file.path().display()))?;
    }
    Ok(!files.is_empty())
}
