//! The worker as a process: how it starts, and that it never outlives what it is for.

use engine_api::{EngineError, GenerateRequest, LoadOptions, LoadProgress, Prompt, Worker};
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use telemetry::Machine;
use tokio::sync::watch;
use wick_tests::programs::program;
use wick_tests::starter_model;
use wick_tests::window::Process;

const PATIENCE: Duration = Duration::from_secs(60);

async fn loaded() -> Worker {
    let worker = Worker::start(&program("wick-engine"))
        .await
        .expect("it starts");
    let progress = watch::channel(LoadProgress::default()).0;
    worker
        .engine()
        .load(starter_model(), LoadOptions::default(), progress)
        .await
        .expect("it loads");
    worker
}

fn endless() -> GenerateRequest {
    GenerateRequest {
        stop_at_end_of_turn: false,
        ..GenerateRequest::new(Prompt::Tokens(vec![1, 2, 3]))
    }
}

fn open(process_id: u32) -> Process {
    Process::find(process_id).expect("the process is there")
}

#[tokio::test]
async fn it_volunteers_to_be_killed() {
    let worker = loaded().await;
    let path = format!("/proc/{}/oom_score_adj", worker.process_id());
    assert_eq!(
        std::fs::read_to_string(path).expect("it runs").trim(),
        "1000"
    );
}

#[tokio::test]
async fn killed_it_ends_what_waits_and_says_how() {
    let worker = loaded().await;
    let mut generation = worker.engine().generate(endless()).expect("valid");
    generation.next().await.expect("queued").expect("no error");
    worker.kill();
    let last = loop {
        match generation.next().await {
            Some(Ok(_)) => {}
            last => break last,
        }
    };
    assert!(
        matches!(last, Some(Err(EngineError::Crashed { .. }))),
        "{last:?}"
    );
    assert!(worker.exited().await.0.contains("SIGKILL"));
}

#[tokio::test]
async fn dropped_it_is_gone() {
    let worker = loaded().await;
    let process = open(worker.process_id());
    let generation = worker.engine().generate(endless()).expect("valid");
    drop(worker);
    drop(generation);
    process.ended().await;
}

#[tokio::test]
async fn it_can_not_be_started_from_nothing() {
    let error = Worker::start(Path::new("/nowhere/wick-engine"))
        .await
        .expect_err("nothing there");
    assert!(
        error.to_string().contains("/nowhere/wick-engine"),
        "{error}"
    );
}

/// Another program that has a worker: `wick run`, answering for a long time.
fn parent() -> Child {
    Command::new(program("wick"))
        .arg("run")
        .arg("--model")
        .arg(starter_model())
        .args([
            "--temperature",
            "2",
            "--max-tokens",
            "3000",
            "Count from 1 to 1000.",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("wick starts")
}

async fn worker_of(parent: &Child) -> u32 {
    let machine = Machine::local();
    // The last thing that it does before it serves; until then it is still on its way to tie itself to its parent.
    let is_ready = |id: &u32| {
        let path = format!("/proc/{id}/oom_score_adj");
        std::fs::read_to_string(path).is_ok_and(|text| text.trim() == "1000")
    };
    let seek = async {
        loop {
            let tree = machine.process_tree(parent.id()).unwrap_or_default();
            if let Some(child) = tree.into_iter().find(is_ready) {
                return child;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, seek)
        .await
        .expect("it starts a worker")
}

#[tokio::test]
async fn it_dies_with_its_parent() {
    let mut parent = parent();
    let worker = open(worker_of(&parent).await);
    parent.kill().expect("it runs");
    worker.ended().await;
    parent.wait().expect("it was ours");
}

/// A worker that is stopped (or hangs in a driver) reads no end of its input.
#[tokio::test]
async fn stopped_it_dies_with_its_parent_too() {
    let mut parent = parent();
    let id = worker_of(&parent).await;
    let worker = open(id);
    let pid = Pid::from_raw(id.cast_signed()).expect("a process id");
    kill_process(pid, Signal::STOP).expect("it runs");
    parent.kill().expect("it runs");
    worker.ended().await;
    parent.wait().expect("it was ours");
}
