//! `wick kiosk`: what an operator does for a screen in front of strangers, from a terminal.

mod check;
mod pin;

use crate::stop::Stop;
use check::CheckArgs;
use clap::Subcommand;
use pin::PinArgs;

#[derive(Debug, clap::Args)]
pub(crate) struct KioskArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look whether kiosk.toml is good, and what would be shown
    Check(CheckArgs),
    /// Set the PIN that leads out of the kiosk
    Pin(PinArgs),
}

pub(crate) fn kiosk(args: &KioskArgs) -> Result<(), Stop> {
    match &args.command {
        Command::Check(args) => check::check(args),
        Command::Pin(args) => pin::pin(args),
    }
}
