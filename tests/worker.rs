//! The worker as a process: how it starts, and that it never outlives what it is for.

use engine_api::{
    EngineError, GenerateRequest, GenerationEvent, LoadOptions, LoadProgress, LoadedModel,
    Progress, Prompt, Sampling, Worker,
};
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
    loaded_with(LoadOptions::default()).await.0
}

async fn loaded_with(options: LoadOptions) -> (Worker, LoadedModel) {
    let worker = Worker::start(&program("wick-engine"))
        .await
        .expect("it starts");
    let progress = watch::channel(LoadProgress::default()).0;
    let loaded = worker
        .engine()
        .load(starter_model(), options, progress)
        .await
        .expect("it loads");
    (worker, loaded)
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

/// Waits until it tells of more steps than now.
async fn comes_further(worker: &Worker) {
    let mut progress = worker.engine().progress();
    let before = progress.borrow_and_update().steps;
    let further = progress.wait_for(|now| now.steps > before);
    let further = tokio::time::timeout(PATIENCE, further).await;
    further.expect("in time").expect("it is there");
}

/// Whether something is said within three times the pause between two reports.
async fn speaks(progress: &mut watch::Receiver<Progress>) -> bool {
    let pause = Duration::from_millis(1500);
    tokio::time::timeout(pause, progress.changed())
        .await
        .is_ok()
}

#[tokio::test]
async fn at_work_it_says_how_far_it_is_and_stopped_it_says_nothing() {
    let worker = loaded().await;
    let generation = worker.engine().generate(endless()).expect("valid");
    comes_further(&worker).await;
    comes_further(&worker).await;
    let id = worker.process_id().cast_signed();
    let pid = Pid::from_raw(id).expect("a process id");
    kill_process(pid, Signal::STOP).expect("it runs");
    let mut progress = worker.engine().progress();
    // What it wrote before may still be on its way; then there is silence.
    while speaks(&mut progress).await {}
    kill_process(pid, Signal::CONT).expect("it runs");
    comes_further(&worker).await;
    drop(generation);
    // Idle, it is silent too.
    while speaks(&mut progress).await {}
}

/// Anonymous memory of a worker that has read a prompt which fills its context: as predicted, within 5 %. The plan is for
/// the largest step; how large steps become is the machine's, so that what shorter ones left untouched is not expected.
/// All fixtures at several contexts: `cargo bench -p wick-engine --bench memory`.
#[tokio::test]
async fn it_takes_the_memory_that_was_planned() {
    for context_tokens in [512, 2048] {
        let (worker, loaded) = loaded_with(LoadOptions {
            context_tokens: Some(context_tokens),
            parallel: 1,
            ..LoadOptions::default()
        })
        .await;
        fill(&worker, &loaded).await;
        let (plan, told) = (loaded.plan, *worker.engine().memory().borrow());
        assert_eq!(told.weights_bytes, plan.weights_bytes);
        assert_eq!(told.kv_cache_bytes, plan.kv_cache_bytes);
        assert!(told.scratch_bytes <= plan.scratch_bytes, "{told:?}");
        let predicted = plan.total_bytes() - (plan.scratch_bytes - told.scratch_bytes);
        let measured = anonymous_bytes(&worker);
        let within = measured.abs_diff(predicted) * 100 <= measured * 5;
        assert!(within, "{context_tokens}: {predicted} for {measured}");
    }
}

/// Lets it read a prompt that leaves room for a few tokens, and write them.
async fn fill(worker: &Worker, loaded: &LoadedModel) {
    let ids = (0..loaded.context_tokens - 8).map(|at| at * 37 % loaded.vocabulary_tokens);
    let request = GenerateRequest {
        sampling: Sampling::greedy(),
        stop_at_end_of_turn: false,
        ..GenerateRequest::new(Prompt::Tokens(ids.collect()))
    };
    let mut generation = worker.engine().generate(request).expect("valid");
    let mut last = None;
    while let Some(event) = generation.next().await {
        last = Some(event.expect("no error"));
    }
    assert!(
        matches!(last, Some(GenerationEvent::Finished { .. })),
        "{last:?}"
    );
}

fn anonymous_bytes(worker: &Worker) -> u64 {
    let path = format!("/proc/{}/status", worker.process_id());
    let status = std::fs::read_to_string(path).expect("it runs");
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.expect("a number") * 1024
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
