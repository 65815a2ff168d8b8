//! `wick kiosk console`: what the unit of a console starts. It starts `cage`, and the app in it.
//!
//! It stands between systemd and the app for two reasons. logind moves all but the unit's first process into a session
//! of its own, from where systemd hears nothing (systemd.exec(5), `PAMName=`): so what the app says through `sd_notify`
//! is handed on from here. And cage's exit code says nothing of the app's (0.1.4 ends with 0 when its program was
//! killed): so that comes the same way.
//!
//! Invariant: whoever in the row console → cage → inside → app ends, all behind it end too, also by SIGKILL.

mod inside;
mod notify;

use crate::session::runtime;
use crate::stop::Stop;
use notify::{Ear, Heard, Mouth};
use rustix::process::{Pid, Signal, kill_process};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

#[derive(Debug, clap::Args)]
pub(crate) struct ConsoleArgs {
    /// The end of the row that is inside of cage
    #[arg(long, hide = true)]
    inside: bool,
    /// The app and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

pub(super) fn console(args: &ConsoleArgs) -> Result<(), Stop> {
    let code = if args.inside {
        inside::run(&args.command)?
    } else {
        runtime()?.block_on(outside(&args.command))?
    };
    if code == 0 {
        Ok(())
    } else {
        Err(Stop::Ended(code))
    }
}

/// What is known of the app.
#[derive(Debug, Default)]
struct App {
    id: Option<Pid>,
    code: Option<u8>,
}

/// Runs cage with the app in it, and returns the app's exit code.
async fn outside(command: &[String]) -> Result<u8, Stop> {
    let socket = runtime_folder()?.join("wick-kiosk.notify");
    let ear = Ear::at(&socket).map_err(|error| cannot("listen to the app", &error))?;
    let mouth = Mouth::of_systemd();
    let mut terminate =
        signal(SignalKind::terminate()).map_err(|error| cannot("hear SIGTERM", &error))?;
    let (cage, mut ended) =
        start_cage(command, &socket).map_err(|error| cannot("start cage", &error))?;
    let mut app = App::default();
    let status = loop {
        tokio::select! {
            // What was said comes before the end of who said it.
            biased;
            heard = ear.hear() => take(heard, &mut app, &mouth),
            _ = terminate.recv() => {
                // It may have ended by itself.
                let _ = kill_process(app.id.unwrap_or(cage), Signal::TERM);
            }
            status = &mut ended => break status,
        }
    };
    // Whoever comes next makes it anew.
    let _ = std::fs::remove_file(&socket);
    app.code.ok_or_else(|| too_early(&status))
}

fn take(heard: Heard, app: &mut App, mouth: &Mouth) {
    match heard {
        Heard::Id(id) => app.id = Some(id),
        Heard::Code(code) => app.code = Some(code),
        Heard::Word(word) => mouth.say(&word),
    }
}

/// Ends when this program's first thread does, which called.
fn start_cage(
    command: &[String],
    socket: &Path,
) -> io::Result<(Pid, oneshot::Receiver<io::Result<ExitStatus>>)> {
    let mut cage = bound("cage")
        .args(["-d", "--"])
        .arg(std::env::current_exe()?)
        .args(["kiosk", "console", "--inside", "--"])
        .args(command)
        .env(notify::VARIABLE, socket)
        // The watchdog is told of by the unit's first process, which this is.
        .env_remove("WATCHDOG_PID")
        .spawn()?;
    let id = Pid::from_child(&cage);
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || sender.send(cage.wait()));
    Ok((id, receiver))
}

/// A program that is killed when the thread that starts it ends.
fn bound(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]);
    command
}

fn runtime_folder() -> Result<PathBuf, Stop> {
    let folder = std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty());
    folder.map(PathBuf::from).ok_or_else(|| {
        let hint = "`wick kiosk install --console` writes a unit in which it is.";
        Stop::failed("XDG_RUNTIME_DIR is not set, so this is no session.", hint)
    })
}

fn cannot(what: &str, error: &io::Error) -> Stop {
    Stop::failed(
        format!("The kiosk's console can't {what}: {error}."),
        "The next start tries again.",
    )
}

fn too_early(status: &Result<io::Result<ExitStatus>, oneshot::error::RecvError>) -> Stop {
    let status = match status {
        Ok(Ok(status)) => status.to_string(),
        _ => "in an unknown way".into(),
    };
    Stop::failed(
        format!("cage ended before the app could ({status})."),
        "What it said stands above. The next start tries again.",
    )
}
