//! The end of the row that is inside of cage: starts the app, and says how it ended.

use super::notify::Mouth;
use super::{bound, cannot};
use crate::stop::Stop;
use rustix::process::{Signal, set_parent_process_death_signal};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// Runs the app and returns its exit code.
pub(super) fn run(command: &[String]) -> Result<u8, Stop> {
    // cage may end without a word to its program.
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| cannot("stay with cage", &io::Error::from(error)))?;
    let [program, arguments @ ..] = command else {
        return Err(Stop::Usage("It is not said what to start.".into()));
    };
    let mouth = Mouth::of_systemd();
    let mut app = bound(program)
        .args(arguments)
        .spawn()
        .map_err(|error| cannot("start the app", &error))?;
    mouth.say_id(app.id());
    let status = app
        .wait()
        .map_err(|error| cannot("wait for the app", &error))?;
    let code = code(status);
    mouth.say_code(code);
    Ok(code)
}

/// As shells have it: 128 + the signal.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| Some(128 + status.signal()?));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
