//! `wick kiosk`: what an operator does for a screen in front of strangers, from a terminal.

mod check;
mod console;
mod ground;
mod install;
mod own_files;
mod pin;
mod remove;
mod units;

use crate::stop::Stop;
use check::CheckArgs;
use clap::Subcommand;
use console::ConsoleArgs;
use install::InstallArgs;
use pin::PinArgs;
use remove::RemoveArgs;

#[derive(Debug, clap::Args)]
pub(crate) struct KioskArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the kiosk start by itself, and again whenever it ends
    Install(InstallArgs),
    /// Take back what install did
    Remove(RemoveArgs),
    /// What the unit of a console starts
    #[command(hide = true)]
    Console(ConsoleArgs),
    /// Look whether kiosk.toml is good, and what would be shown
    Check(CheckArgs),
    /// Set the PIN that leads out of the kiosk
    Pin(PinArgs),
}

/// The units that a package brings: where each lies below `/`, and its text.
pub(crate) fn packaged_units() -> [(&'static str, String); 2] {
    units::packaged()
}

pub(crate) fn kiosk(args: &KioskArgs) -> Result<(), Stop> {
    match &args.command {
        Command::Install(args) => install::install(args),
        Command::Remove(args) => remove::remove(args),
        Command::Console(args) => console::console(args),
        Command::Check(args) => check::check(args),
        Command::Pin(args) => pin::pin(args),
    }
}
