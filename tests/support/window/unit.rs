//! systemd in small: starts what a unit says, hears `sd_notify`, and starts it again as the unit says.
//!
//! It plays the part of systemd.service(5) that `wick kiosk install` relies on, on the very unit that it prints. What
//! logind and PAM do for a console is not here.

use super::process::{tied, tied_stranger};
use super::{Home, PATIENCE, Screen};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often it looks whether its process is there.
const GLANCE: Duration = Duration::from_millis(10);

/// What a unit says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    command: Vec<String>,
    on_failure: bool,
    pause: Duration,
    watchdog: Duration,
    start_limit: Duration,
    /// Exit codes after which it is not started again.
    prevented: Vec<i32>,
}

impl Unit {
    /// What `wick kiosk install --dry-run` prints: the first file of it.
    pub fn read(printed: &str) -> Self {
        let setting = |name: &str| {
            let lines = printed.lines();
            let mut found = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            found
                .next()
                .unwrap_or_else(|| panic!("no {name}= in {printed}"))
        };
        let seconds = |name: &str| Duration::from_secs(setting(name).parse().expect("seconds"));
        assert_eq!(setting("Type"), "notify");
        Self {
            // Nothing in a test's command line needs quotes.
            command: setting("ExecStart").split(' ').map(str::to_owned).collect(),
            on_failure: setting("Restart") == "on-failure",
            pause: seconds("RestartSec"),
            watchdog: seconds("WatchdogSec"),
            start_limit: seconds("TimeoutStartSec"),
            prevented: vec![setting("RestartPreventExitStatus").parse().expect("a code")],
        }
    }
}

/// What is known of a running unit.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// How often it was started.
    pub starts: u32,
    /// How often it has said that it is ready.
    pub readies: u32,
    /// How often it was ended because it had not said that it lives.
    pub barks: u32,
    /// The first process of the last start.
    pub process: u32,
    /// How it ended for good.
    pub ended: Option<i32>,
}

/// A running unit. It ends with its handle.
pub struct Service {
    state: Arc<Mutex<State>>,
    stops: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Starts it at home and on a screen, in a desktop's session.
    pub fn start(unit: Unit, home: &Home, screen: &Screen) -> Self {
        let mut command = tied(&unit.command[0]);
        home.move_in(&mut command);
        screen.show(&mut command);
        Self::keep(unit, command, home)
    }

    /// Starts it at home, with a screen of X for cage to open its window on.
    pub fn start_console(unit: Unit, home: &Home, screen: &Screen) -> Self {
        let mut command = tied_stranger(&unit.command[0]);
        home.move_in(&mut command);
        screen.show(&mut command);
        command
            .env_remove("GDK_BACKEND")
            .env("WLR_BACKENDS", "x11")
            .env("WLR_RENDERER", "pixman");
        Self::keep(unit, command, home)
    }

    fn keep(unit: Unit, mut command: Command, home: &Home) -> Self {
        let socket = home.path("notify");
        let ear = UnixDatagram::bind(&socket).expect("a socket");
        ear.set_read_timeout(Some(GLANCE)).expect("a timeout");
        command
            .args(&unit.command[1..])
            .env("NOTIFY_SOCKET", &socket)
            .env("WATCHDOG_USEC", unit.watchdog.as_micros().to_string())
            .stdin(Stdio::null())
            .stderr(File::create(super::artifact("kiosk-unit.log")).expect("a log"));
        let state: Arc<Mutex<State>> = Arc::default();
        let stops: Arc<AtomicBool> = Arc::default();
        let keeper = Keeper {
            unit,
            command,
            ear,
            state: Arc::clone(&state),
            stops: Arc::clone(&stops),
        };
        Self {
            state,
            stops,
            thread: Some(std::thread::spawn(move || keeper.keep())),
        }
    }

    /// Waits until what is known of it is so.
    pub async fn until(&self, what: &str, so: impl Fn(&State) -> bool) -> State {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let state = self.state.lock().expect("no panic").clone();
            if so(&state) {
                return state;
            }
            assert!(Instant::now() < deadline, "not so: {what}: {state:?}");
            tokio::time::sleep(GLANCE).await;
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it had to say, it has said on standard error.
            let _ = thread.join();
        }
    }
}

struct Keeper {
    unit: Unit,
    command: Command,
    ear: UnixDatagram,
    state: Arc<Mutex<State>>,
    stops: Arc<AtomicBool>,
}

impl Keeper {
    fn keep(mut self) {
        loop {
            let child = self.command.spawn().expect("it starts");
            self.note(|state| {
                state.starts += 1;
                state.process = child.id();
            });
            let status = self.watch(child);
            let code = status.code().unwrap_or(-1);
            let again =
                self.unit.on_failure && !self.unit.prevented.contains(&code) && failed(status);
            if !again || self.stops.load(Ordering::Relaxed) {
                return self.note(|state| state.ended = Some(code));
            }
            std::thread::sleep(self.unit.pause);
        }
    }

    /// Watches a start until its end. Who does not live up to the watchdog is killed.
    fn watch(&self, mut child: Child) -> ExitStatus {
        let mut deadline = Instant::now() + self.unit.start_limit;
        let mut asked = false;
        loop {
            if let Some(status) = child.try_wait().expect("a child") {
                return status;
            }
            let word = self.hear();
            if word.lines().any(|line| line == "READY=1") {
                self.note(|state| state.readies += 1);
            }
            if word
                .lines()
                .any(|line| line == "READY=1" || line == "WATCHDOG=1")
            {
                deadline = Instant::now() + self.unit.watchdog;
            }
            if self.stops.load(Ordering::Relaxed) && !asked {
                asked = true;
                deadline = Instant::now() + Duration::from_secs(10);
                // It may have ended by itself.
                let _ = kill_process(Pid::from_child(&child), Signal::TERM);
            }
            if Instant::now() > deadline {
                self.note(|state| state.barks += 1);
                // It may have ended by itself.
                let _ = child.kill();
                return child.wait().expect("a child");
            }
        }
    }

    fn hear(&self) -> String {
        let mut word = [0; 4096];
        let length = self.ear.recv(&mut word).unwrap_or(0);
        String::from_utf8_lossy(&word[..length]).into_owned()
    }

    fn note(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().expect("no panic"));
    }
}

/// As systemd sees it: these four signals are a clean end.
fn failed(status: ExitStatus) -> bool {
    let clean = [Signal::HUP, Signal::INT, Signal::TERM, Signal::PIPE].map(Signal::as_raw);
    match status.signal() {
        Some(signal) => !clean.contains(&signal),
        None => !status.success(),
    }
}
