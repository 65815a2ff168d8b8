//! `wick kiosk install`: looks whether all is there, then writes what starts the kiosk, and says what it wrote.
//!
//! Invariant: nothing is written before everything was looked at.

use super::check::proven;
use super::ground::{Ground, Scope, User};
use super::own_files::Own;
use super::units::{self, Start, UNIT};
use crate::output::{note, stdout};
use crate::stop::Stop;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct InstallArgs {
    /// Start with the machine, on its screen alone (needs root and cage)
    #[arg(long, conflicts_with = "session")]
    console: bool,
    /// Start with your desktop session
    #[arg(long)]
    session: bool,
    /// Who the kiosk of a console runs as [default: who called sudo]
    #[arg(long, value_name = "NAME", conflicts_with = "session")]
    user: Option<String>,
    /// The output, as `xrandr` or the settings of Wick name it [default: what is there]
    #[arg(long, value_name = "NAME")]
    display: Option<String>,
    /// The app [default: the wick-studio beside this program]
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// Only print what would be written
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// A folder that stands for the machine, for tests
    #[arg(long, value_name = "DIR", hide = true)]
    root: Option<PathBuf>,
}

/// What install is about to do.
struct Plan {
    scope: Scope,
    files: Vec<Own>,
    /// What stands against it, each with its remedy.
    problems: Vec<Stop>,
    /// What the person does next, a command each with why.
    next: Vec<String>,
}

pub(crate) fn install(args: &InstallArgs) -> Result<(), Stop> {
    let ground = Ground::new(args.root.as_deref());
    let plan = if args.console || (!args.session && !ground.in_a_session()) {
        on_a_console(args, &ground)?
    } else {
        in_a_session(args, &ground)?
    };
    if args.dry_run {
        return print(&plan);
    }
    for file in &plan.files {
        file.check(&ground)?;
    }
    if let Some(problem) = plan.problems.into_iter().next() {
        return Err(problem);
    }
    put(&plan.files, &ground)?;
    ground.systemctl(plan.scope, &["daemon-reload"]);
    stdout().write(&format!("Next:\n  {}\n", plan.next.join("\n  ")))
}

/// What a console needs beside Wick, and what is said where it is missing.
const CONSOLE_PROGRAMS: [(&str, &str); 2] = [
    (
        "cage",
        "cage is missing, the program that gives the kiosk the whole screen.",
    ),
    (
        "Xwayland",
        "Xwayland is missing, without which cage does not start.",
    ),
];

fn on_a_console(args: &InstallArgs, ground: &Ground) -> Result<Plan, Stop> {
    let user = console_user(args, ground)?;
    let start = start(args, ground)?;
    let data = data_folder(ground, &user.home);
    let mut problems = problems(ground, &start, &data);
    if !ground.may_change_the_machine() {
        let hint = "As root: `sudo wick kiosk install --console`. With --session it starts with your desktop instead.";
        let words = "Only root can make a kiosk start with the machine. Nothing was changed.";
        problems.insert(0, Stop::failed(words, hint));
    }
    for (program, words) in CONSOLE_PROGRAMS {
        if ground.program(program).is_none() {
            let hint = "`sudo apt-get install cage xwayland`, or both with the system's own package manager.";
            problems.push(Stop::failed(words, hint));
        }
    }
    Ok(Plan {
        scope: Scope::System,
        files: units::console(&start, &user.name),
        problems,
        next: vec![
            format!("sudo systemctl start {UNIT}"),
            "    shows it now; a desktop on this screen ends. Without it, it comes with the next boot.".into(),
            "sudo wick kiosk remove".into(),
            "    takes all of it back.".into(),
        ],
    })
}

fn in_a_session(args: &InstallArgs, ground: &Ground) -> Result<Plan, Stop> {
    if Ground::is_root() && !ground.is_elsewhere() {
        return Err(Stop::failed(
            "A desktop session is a person's, and root has none. Nothing was changed.",
            "Call it without sudo, or with --console.",
        ));
    }
    let start = start(args, ground)?;
    let data = data_folder(ground, &ground.home()?);
    Ok(Plan {
        scope: Scope::User,
        files: units::session(&start, &ground.config()?),
        problems: problems(ground, &start, &data),
        next: vec![
            format!("systemctl --user start {UNIT}"),
            "    shows it now. Without it, it comes with your next login.".into(),
            "wick kiosk remove".into(),
            "    takes all of it back.".into(),
        ],
    })
}

/// Cage does not run as root, and a stranger's keyboard should not reach root either.
fn console_user(args: &InstallArgs, ground: &Ground) -> Result<User, Stop> {
    let caller = || ground.env("SUDO_USER")?.into_string().ok();
    let name = args.user.clone().or_else(caller);
    match name.as_deref() {
        Some("root") | None => Err(Stop::failed(
            "It must be said who the kiosk runs as, and root it can't be.",
            "Add --user NAME. An account of its own is best: `sudo useradd --create-home kiosk`.",
        )),
        Some(name) => ground.user(name),
    }
}

fn start(args: &InstallArgs, ground: &Ground) -> Result<Start, Stop> {
    let wick = std::env::current_exe().map_err(|error| {
        Stop::failed(
            format!("This program can't find itself: {error}."),
            "Try again.",
        )
    })?;
    let beside = wick.with_file_name("wick-studio");
    let program = match &args.program {
        Some(program) => std::path::absolute(program).unwrap_or_else(|_| program.clone()),
        None => beside,
    };
    let kept = ["WICK_DATA_DIR", "WICK_MODELS_DIR", "WICK_ENGINE", "HF_HOME"];
    let kept = kept.into_iter().filter_map(|name| {
        let value = ground.env(name)?.into_string().ok()?;
        Some((name.to_owned(), value))
    });
    Ok(Start {
        wick,
        program,
        display: args.display.clone(),
        env: kept.collect(),
    })
}

/// Where the kiosk's data will lie, as `Paths` finds it in that person's environment.
fn data_folder(ground: &Ground, home: &Path) -> PathBuf {
    let named = ground.env("WICK_DATA_DIR").map(PathBuf::from);
    named.unwrap_or_else(|| home.join(".local/share/wick"))
}

/// What stands against any kiosk.
fn problems(ground: &Ground, start: &Start, data: &Path) -> Vec<Stop> {
    let mut problems = Vec::new();
    if !ground.has_systemd() {
        let hint = "Have the machine's own way of starting things start `wick-studio --kiosk`.";
        let words = "This machine is not run by systemd, which is what would start the kiosk.";
        problems.push(Stop::failed(words, hint));
    }
    if !start.program.is_file() {
        let words = format!("The app is not at {}.", start.program.display());
        problems.push(Stop::failed(words, "Say where it is: --program PATH."));
    }
    if !studio::has_kiosk_pin(&ground.at(data)) {
        let words = "No PIN is set, so nobody could leave the kiosk.";
        let hint = "`wick kiosk pin` sets one; call it as the person whom the kiosk runs as.";
        problems.push(Stop::failed(words, hint));
    }
    problems.extend(proven(&ground.at(data).join("kiosk")).err());
    problems
}

fn print(plan: &Plan) -> Result<(), Stop> {
    for problem in &plan.problems {
        problem.clone().report();
    }
    let mut output = stdout();
    for file in &plan.files {
        let text = format!("# {}\n{}\n", file.path().display(), file.content());
        output.write(&text)?;
    }
    note("wick: Nothing was written.");
    Ok(())
}

fn put(files: &[Own], ground: &Ground) -> Result<(), Stop> {
    let mut output = stdout();
    for file in files {
        let what = if file.put(ground)? {
            "wrote "
        } else {
            "kept  "
        };
        output.write(&format!("{what} {}\n", file.path().display()))?;
    }
    Ok(())
}
