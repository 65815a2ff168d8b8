//! Processes by a handle that never names another one: a pidfd.

use super::PATIENCE;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fmt;
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A program that ends with the thread that starts it, even when that has no time to clean up.
pub(super) fn tied(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]);
    command
}

/// The same, as somebody else where root runs the tests: some programs refuse root. It may still read and write
/// wherever root may, so that the folders of the test need not be given away.
pub(super) fn tied_stranger(program: &str) -> Command {
    if !rustix::process::geteuid().is_root() {
        return tied(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .args([
            "--inh-caps",
            "+dac_override",
            "--ambient-caps",
            "+dac_override",
        ])
        .args(["setpriv", "--pdeathsig", "KILL", program]);
    command
}

/// A process, there or gone.
pub struct Process {
    id: u32,
    pidfd: OwnedFd,
}

impl Process {
    /// The process with this number; `None` when there is none.
    pub fn find(id: u32) -> Option<Self> {
        let pid = Pid::from_raw(id.try_into().ok()?)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        Some(Self { id, pidfd })
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Whether it has not ended yet.
    pub fn is_alive(&self) -> bool {
        !self.ends_within(Duration::ZERO)
    }

    /// SIGKILL.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGSTOP: it stays and does nothing more.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    fn signal(&self, signal: Signal) {
        // One that has gone already needs none.
        let _ = pidfd_send_signal(&self.pidfd, signal);
    }

    /// Waits for its end, and says whether it came.
    pub fn ends_within(&self, limit: Duration) -> bool {
        let limit = Timespec::try_from(limit).ok();
        let mut handle = [PollFd::new(&self.pidfd, PollFlags::IN)];
        poll(&mut handle, limit.as_ref()).is_ok_and(|ready| ready > 0)
    }

    /// Waits for its end.
    pub async fn ended(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.is_alive() {
            assert!(Instant::now() < deadline, "{self:?} does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Programs that want all the processor time there is, until they are dropped.
pub struct Hogs(Vec<Child>);

impl Hogs {
    /// So many for each core.
    pub fn start(for_each_core: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let hog = |_| {
            let mut hog = tied("sh");
            hog.args(["-c", "while :; do :; done"]);
            hog.spawn().expect("sh")
        };
        Self((0..cores * for_each_core).map(hog).collect())
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        for hog in &mut self.0 {
            // One that has ended already takes no time either.
            let _ = hog.kill();
            let _ = hog.wait();
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arguments = std::fs::read(format!("/proc/{}/cmdline", self.id)).unwrap_or_default();
        let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
        write!(f, "{} {}", self.id, arguments.trim())
    }
}
