//! `wick top` in a terminal that is real, and where there is none.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{InputModes, LocalModes, OutputModes, Winsize, tcgetattr, tcsetwinsize};
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use wick_tests::programs::program;
use wick_tests::root;

/// How long anything may take to come true.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a terminal is told when a program takes its whole screen, and when it gives it back.
const TAKEN: &str = "\x1b[?1049h";
const GIVEN_BACK: &str = "\x1b[?1049l";

/// `wick top` where no app runs.
fn top(data: &tempfile::TempDir) -> Command {
    let mut command = Command::new(program("wick"));
    command.arg("top").env("WICK_DATA_DIR", data.path());
    command.env_remove("WICK_LOG").env_remove("NO_COLOR");
    command
}

fn piped(arguments: &[&str]) -> Output {
    let data = tempfile::tempdir().expect("a folder");
    top(&data).args(arguments).output().expect("wick starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn without_the_app_the_machine_tells() {
    let output = piped(&["--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(text(&output.stdout).lines().count(), 1);
    assert_eq!(told["status"], Value::Null);
    let reading = &told["now"]["reading"];
    let total = telemetry::Machine::local()
        .memory()
        .expect("a reading")
        .total_bytes;
    assert_eq!(reading["memory"]["total_bytes"], total);
    assert!(reading["cores"][0].is_number(), "rates need two looks");

    let output = piped(&[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(
        said.contains("Wick is not running: only the machine is shown"),
        "{said}"
    );
    assert!(!said.contains('\x1b'), "{said:?}");
}

#[test]
fn a_recorded_machine_is_shown_and_anything_else_is_not() {
    let fixtures = root().join("src-tauri/crates/telemetry/fixtures");
    let output = piped(&["--recorded", &fixtures.join("spark-64").to_string_lossy()]);
    let said = text(&output.stdout);
    assert!(
        said.contains("Recorded, not this machine: DGX Spark with 64 GB"),
        "{said}"
    );
    let check = |arguments: &[&str], code: i32, words: &str| {
        let output = piped(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(words) && output.stdout.is_empty(), "{said}");
    };
    check(
        &["--recorded", "/nowhere"],
        1,
        "/nowhere is no recorded machine",
    );
    check(&["--jso"], 2, "--json");
}

/// What a terminal does with what is typed and shown.
type Modes = (LocalModes, InputModes, OutputModes);

fn modes(terminal: &File) -> Modes {
    let modes = tcgetattr(terminal).expect("it has modes");
    (modes.local_modes, modes.input_modes, modes.output_modes)
}

/// A terminal with `wick top` on its screen.
struct Terminal {
    ours: File,
    theirs: File,
    child: Child,
    said: String,
    modes: Modes,
    _data: tempfile::TempDir,
}

impl Terminal {
    fn open(columns: u16, rows: u16) -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&ours).expect("it is ours");
        unlockpt(&ours).expect("it opens");
        let name = ptsname(&ours, Vec::new()).expect("a name");
        let name = name.into_string().expect("text");
        // The terminal is nobody's to be interrupted from.
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        let theirs = rustix::fs::open(name, flags, Mode::empty()).expect("the other end");
        let theirs = File::from(theirs);
        resize(&theirs, columns, rows);
        let modes = modes(&theirs);
        let end = || Stdio::from(theirs.try_clone().expect("a handle"));
        let child = top(&data).stdin(end()).stdout(end()).stderr(end()).spawn();
        Self {
            ours: File::from(ours),
            child: child.expect("wick starts"),
            theirs,
            said: String::new(),
            modes,
            _data: data,
        }
    }

    /// Waits until the terminal is told this, and forgets what came before.
    fn see(&mut self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.said.contains(words) {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).expect("a minute");
            let mut ready = [PollFd::new(&self.ours, PollFlags::IN)];
            let answers = poll(&mut ready, Some(&left)).expect("it can be waited for");
            assert!(answers > 0, "{words:?} is not in {:?}", self.said);
            let mut bytes = [0; 4096];
            let read = self.ours.read(&mut bytes).expect("it is read");
            self.said += &text(&bytes[..read]);
        }
        let end = self.said.find(words).expect("it is there") + words.len();
        self.said.drain(..end);
    }

    fn process(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resize(terminal: &File, columns: u16, rows: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).expect("it takes a size");
}

#[test]
fn however_it_ends_the_terminal_is_as_it_was() {
    let check = |end: &dyn Fn(&mut Terminal), code: i32| {
        let mut terminal = Terminal::open(80, 24);
        terminal.see(TAKEN);
        terminal.see("only the machine is shown");
        terminal.see("Memory");
        assert_ne!(modes(&terminal.theirs), terminal.modes, "raw");
        end(&mut terminal);
        terminal.see(GIVEN_BACK);
        let ended = terminal.child.wait().expect("it ends");
        assert_eq!(ended.code(), Some(code));
        assert_eq!(modes(&terminal.theirs), terminal.modes);
    };
    let press = |keys: &'static [u8]| {
        move |terminal: &mut Terminal| terminal.ours.write_all(keys).expect("a key")
    };
    check(&press(b"q"), 0);
    check(&press(b"\x03"), 0);
    check(&press(b"\x1b"), 0);
    let terminate = |terminal: &mut Terminal| {
        kill_process(terminal.process(), Signal::TERM).expect("it is there");
    };
    check(&terminate, 0);
}

#[test]
fn a_new_size_is_drawn() {
    let mut terminal = Terminal::open(80, 24);
    terminal.see("Memory");
    resize(&terminal.theirs, 160, 50);
    kill_process(terminal.process(), Signal::WINCH).expect("it is there");
    // Only the wide screen has titles.
    terminal.see("Largest programs");
}
