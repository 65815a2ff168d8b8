//! Starting and ending a worker process.
//!
//! Each worker has one thread in the app, which starts it and then waits for its end. It must be that thread, and no
//! other: the worker asks the kernel to be killed when its parent *thread* dies (`PR_SET_PDEATHSIG`), so the thread
//! that started it has to live as long as the app or the worker, whichever is shorter.

use crate::{Engine, EngineError};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use tokio::net::unix::pipe;
use tokio::sync::{oneshot, watch};

/// What a worker exits with whose GPU failed: it says so because it can't go on, and the next one begins with a clean device.
pub const GPU_FAILED: i32 = 86;

/// How a worker ended, in words: `killed by signal 9 (SIGKILL)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerExit(pub String);

impl WorkerExit {
    fn new(status: io::Result<ExitStatus>) -> Self {
        Self(match status {
            Ok(status) => describe(status),
            Err(error) => format!("it can't be waited for: {error}"),
        })
    }
}

/// A `wick-engine` process and the handle to speak with it. Dropping the last clone kills the process.
#[derive(Debug, Clone)]
pub struct Worker {
    engine: Engine,
    process: Arc<Process>,
}

#[derive(Debug)]
struct Process {
    id: u32,
    pidfd: OwnedFd,
    exit: watch::Receiver<Option<WorkerExit>>,
}

struct Started {
    child_id: u32,
    pidfd: OwnedFd,
    stdin: OwnedFd,
    stdout: OwnedFd,
}

impl Worker {
    /// Starts the program and connects to it. Its standard error is the app's.
    ///
    /// # Errors
    /// [`EngineError::Crashed`] with the system's reason when it can't be started.
    pub async fn start(program: &Path) -> Result<Self, EngineError> {
        let mut command = Command::new(program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // A Ctrl+C in the terminal is the app's to handle: it ends a generation in order.
        command.process_group(0);
        let (started_sender, started) = oneshot::channel();
        let (exit_sender, exit) = watch::channel(None);
        std::thread::Builder::new()
            .name("wick-worker".into())
            .spawn(move || nurse(command, started_sender, &exit_sender))
            .map_err(|error| could_not_start(program.as_os_str(), &error))?;
        let started = started
            .await
            .unwrap_or_else(|_| Err(io::Error::other("its thread ended")))
            .map_err(|error| could_not_start(program.as_os_str(), &error))?;
        let engine = connect(started.stdout, started.stdin)
            .map_err(|error| could_not_start(program.as_os_str(), &error))?;
        let process = Process {
            id: started.child_id,
            pidfd: started.pidfd,
            exit,
        };
        Ok(Self {
            engine,
            process: Arc::new(process),
        })
    }

    /// The handle to speak with it.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The process id.
    pub fn process_id(&self) -> u32 {
        self.process.id
    }

    /// Kills it at once; its memory is back when [`Worker::exited`] returns.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// Waits for its end, however it comes.
    pub async fn exited(&self) -> WorkerExit {
        let mut exit = self.process.exit.clone();
        match exit.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(exit)) => exit.clone(),
            _ => WorkerExit("its thread ended".into()),
        }
    }
}

impl Process {
    fn kill(&self) {
        // Through the pidfd, which can't name another process that got the same number; a dead one is no error.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn could_not_start(program: &OsStr, error: &io::Error) -> EngineError {
    EngineError::crashed(format!(
        "{} can't be started: {error}",
        program.to_string_lossy()
    ))
}

fn connect(from_worker: OwnedFd, to_worker: OwnedFd) -> io::Result<Engine> {
    let from_worker = pipe::Receiver::from_owned_fd(from_worker)?;
    let to_worker = pipe::Sender::from_owned_fd(to_worker)?;
    Ok(Engine::connect(from_worker, to_worker))
}

/// The thread of one worker: starts it, hands out its pipes, waits for its end.
fn nurse(
    mut command: Command,
    started: oneshot::Sender<io::Result<Started>>,
    exit: &watch::Sender<Option<WorkerExit>>,
) {
    let child = command.spawn().and_then(|mut child| {
        let handles = take_handles(&mut child);
        if handles.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        handles.map(|handles| (child, handles))
    });
    match child {
        Ok((mut child, handles)) => {
            // Nobody waits for it any more: its pipes close here, and that ends it.
            drop(started.send(Ok(handles)));
            exit.send_replace(Some(WorkerExit::new(child.wait())));
        }
        Err(error) => drop(started.send(Err(error))),
    }
}

fn take_handles(child: &mut Child) -> io::Result<Started> {
    let pid = rustix::process::Pid::from_child(child);
    let missing = || io::Error::other("it has no pipe");
    Ok(Started {
        child_id: child.id(),
        pidfd: pidfd_open(pid, PidfdFlags::empty())?,
        stdin: child.stdin.take().ok_or_else(missing)?.into(),
        stdout: child.stdout.take().ok_or_else(missing)?.into(),
    })
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "it exited by itself".into(),
        (Some(GPU_FAILED), _) => "the GPU failed, and nothing on it can be trusted any more".into(),
        (Some(code), _) => format!("it exited with code {code}"),
        (None, Some(9)) => {
            "it was killed (SIGKILL), by hand or by the system for want of memory".into()
        }
        (None, Some(signal)) => format!("it was ended by signal {signal}{}", signal_name(signal)),
        (None, None) => "it ended in an unknown way".into(),
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        4 => " (SIGILL: an instruction that this processor lacks)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS: its file changed or its disk failed while it was read)",
        11 => " (SIGSEGV)",
        15 => " (SIGTERM)",
        _ => "",
    }
}
