//! This machine and processes of ours, for real.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use telemetry::{Error, Machine, ProcessState, Reader};

/// A child that is killed and waited for when dropped.
struct Running(Child);

impl Running {
    fn start(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        Self(command.spawn().expect("it is everywhere"))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).expect("it is ours");
    }

    /// Waits until the kernel tells the parent of it, and leaves it as it is.
    fn wait_until(&self, what: WaitIdOptions) {
        waitid(WaitId::Pid(self.id()), what | WaitIdOptions::NOWAIT).expect("it is ours");
    }

    fn id(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    fn state(&self) -> ProcessState {
        Machine::local()
            .process_activity(self.pid())
            .expect("it is there")
            .state
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_process_is_stopped_goes_on_and_ends() {
    let child = Running::start("cat", &[]);
    child.signal(Signal::STOP);
    child.wait_until(WaitIdOptions::STOPPED);
    assert_eq!(child.state(), ProcessState::Stopped);
    child.signal(Signal::CONT);
    child.wait_until(WaitIdOptions::CONTINUED);
    while child.state() != ProcessState::Sleeping {
        std::thread::yield_now();
    }
    child.signal(Signal::KILL);
    child.wait_until(WaitIdOptions::EXITED);
    assert_eq!(child.state(), ProcessState::Zombie);
    let pid = child.pid();
    drop(child);
    let gone = Machine::local().process_activity(pid);
    assert!(matches!(gone, Err(Error::Gone { pid: found }) if found == pid));
}

#[test]
fn a_process_that_computes_uses_processor_time_and_one_that_waits_does_not() {
    let machine = Machine::local();
    let used = |child: &Running| {
        machine
            .process_activity(child.pid())
            .expect("it is there")
            .cpu_ms
    };
    let busy = Running::start("sh", &["-c", "while :; do :; done"]);
    let waiting = Running::start("cat", &[]);
    while used(&busy) < 50 {
        std::thread::yield_now();
    }
    assert!(used(&waiting) < 50);
    let before = used(&busy);
    while used(&busy) <= before {
        std::thread::yield_now();
    }
}

#[test]
fn this_machine_is_read_again_and_again() {
    let machine = Machine::local();
    let cores = machine.processor().expect("a Linux machine").cores as usize;
    let mut reader = Reader::new(machine);
    let first = reader.read(Duration::ZERO);
    assert!(first.cores.is_empty() && first.recorded.is_none());
    let disks = first.disks.iter();
    assert!(
        disks
            .clone()
            .all(|disk| disk.read_bytes_per_second.is_none())
    );
    let second = reader.read(Duration::from_secs(1));
    assert_eq!(second.cores.len(), cores);
    let memory = second.memory.expect("a Linux machine");
    assert!(memory.available_bytes > 0 && memory.available_bytes <= memory.total_bytes);
    assert!(second.swap.is_some());
    assert!(
        second
            .disks
            .iter()
            .all(|disk| disk.read_bytes_per_second.is_some())
    );
    assert!(second.networks.iter().all(|network| network.name != "lo"));
    assert_eq!(second.gpus.is_empty(), second.gpu_absence.is_some());
}

#[test]
fn a_reader_may_move_to_another_thread() {
    let mut reader = Reader::new(Machine::local());
    let reading = std::thread::spawn(move || reader.read(Duration::ZERO)).join();
    assert!(reading.expect("no panic").memory.is_some());
}

#[test]
fn many_programs_come_and_go_while_they_are_listed() {
    let mut reader = Reader::new(Machine::local());
    for _ in 0..20 {
        let children: Vec<_> = (0..5).map(|_| Running::start("true", &[])).collect();
        assert!(reader.programs(&[], 5).len() <= 5);
        drop(children);
    }
}
