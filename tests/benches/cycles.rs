//! Whether anything is left behind: models loaded, used, unloaded, and taken away when another program eats the memory,
//! many times over. Printed; only that an answer or a model is not as it should be ends it.
//!
//! `cargo bench -p wick-tests --bench cycles`, after a build of all programs; `CYCLES` says how many (1,000). The program
//! that eats memory is this one again, and takes no more than [`EATEN_MIB`]; the guard is made to mind by a reserve that is
//! set so close to what is there that this is too much.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use studio::{
    ChatEvent, ErrorCode, GuardMeasure, LoadWish, Machine, MemoryChoice, MessageState, ModelId,
    ModelStatus, Paths, Studio,
};
use tokio::sync::mpsc;
use wick_tests::programs::program;
use wick_tests::starter_model;

const CYCLES: u32 = 1000;
/// After so many, what is kept for good is there.
const WARM: u32 = 50;
const EATEN_MIB: usize = 768;
const SPARED_MIB: u64 = 384;
const MIB: u64 = 1 << 20;
const EAT: &str = "eat";
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
const STORY: &str = "Write a long story about a lighthouse keeper.";

/// What the memory is like after a cycle.
#[derive(Debug, Clone, Copy)]
struct Figures {
    own_bytes: u64,
    available_bytes: u64,
    workers: usize,
}

fn main() {
    if std::env::args().any(|argument| argument == EAT) {
        return eat();
    }
    let cycles = std::env::var("CYCLES")
        .ok()
        .and_then(|text| text.parse().ok());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime
        .expect("a runtime")
        .block_on(run(cycles.unwrap_or(CYCLES)));
}

async fn run(cycles: u32) {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = Paths {
        data_dir: folder.path().join("data"),
        library_roots: Vec::new(),
        engine_program: program("wick-engine"),
        hub: None,
    };
    let studio = Studio::open(paths, Machine::local());
    studio.startup().await;
    let begun = Instant::now();
    let first = figures();
    let mut warm = first;
    let mut worst = first;
    for cycle in 1..=cycles {
        whole(&studio).await;
        overloaded(&studio, cycle % 2 == 0).await;
        let now = figures();
        assert_eq!(now.workers, 0, "a worker is left behind in cycle {cycle}");
        if cycle == WARM.min(cycles) {
            warm = now;
        }
        worst.own_bytes = worst.own_bytes.max(now.own_bytes);
        if cycle % 50 == 0 || cycle == cycles {
            tell(&format!("after {cycle} cycles"), now);
        }
    }
    tell("before the first", first);
    let end = figures();
    let thousandths = end.own_bytes * 1000 / warm.own_bytes;
    println!(
        "the app's memory is {}.{} % of what it was after {} cycles, {} MiB at most",
        thousandths / 10,
        thousandths % 10,
        WARM.min(cycles),
        worst.own_bytes / MIB
    );
    println!("{} s", begun.elapsed().as_secs());
    studio.shutdown().await;
}

/// Loaded, made to write, stopped, unloaded.
async fn whole(studio: &Studio) {
    load(studio).await;
    let mut events = write(studio);
    let conversation = token(&mut events).await;
    studio.stop_generation(conversation);
    let (state, text) = end(&mut events).await;
    assert_eq!(state, MessageState::Stopped);
    assert!(!text.is_empty(), "what was written is kept");
    studio.unload_model().await.expect("unloaded");
    assert_eq!(studio.status().model, ModelStatus::None);
}

/// Loaded, and taken away by the guard while another program eats the memory: idle, or in the middle of an answer.
async fn overloaded(studio: &Studio, writing: bool) {
    load(studio).await;
    let mut events = write(studio);
    let conversation = token(&mut events).await;
    if !writing {
        studio.stop_generation(conversation);
        end(&mut events).await;
    }
    let mut notices = studio.subscribe_guard();
    // An idle model goes below a half of the reserve, one that writes below an eighth.
    let part = if writing { 8 } else { 2 };
    let limit_bytes = available_bytes().saturating_sub(SPARED_MIB * MIB);
    reserve(studio, Some(limit_bytes * part));
    let mut eater = eater();
    let notice = tokio::time::timeout(PATIENCE, notices.recv()).await;
    let notice = notice.expect("the guard acts").expect("a notice");
    let _ = eater.kill();
    eater.wait().expect("it ends");
    if writing {
        assert_eq!(notice.measure, GuardMeasure::WorkerEnded);
        let (state, text) = end(&mut events).await;
        assert_eq!(state, MessageState::Interrupted);
        assert!(!text.is_empty(), "what was written is kept");
    } else {
        assert_eq!(notice.measure, GuardMeasure::UnloadedForMemory);
    }
    let refused = studio.load_model(starter(), LoadWish::default()).await;
    assert_eq!(refused.expect_err("no room").code, ErrorCode::OutOfMemory);
    reserve(studio, None);
}

fn starter() -> ModelId {
    ModelId(starter_model().to_string_lossy().into_owned())
}

async fn load(studio: &Studio) {
    let loaded = studio.load_model(starter(), LoadWish::default()).await;
    loaded.expect("loaded");
}

fn reserve(studio: &Studio, reserve_bytes: Option<u64>) {
    let choice = MemoryChoice {
        idle_minutes: 30,
        reserve_bytes,
    };
    studio.set_memory_settings(choice).expect("kept");
}

fn write(studio: &Studio) -> mpsc::UnboundedReceiver<ChatEvent> {
    let (sender, events) = mpsc::unbounded_channel();
    let studio = studio.clone();
    tokio::spawn(async move {
        let sink = move |event| drop(sender.send(event));
        let over = studio.send_message(None, STORY.into(), sink).await;
        over.expect("not refused");
    });
    events
}

/// Returns when the first token is there.
async fn token(events: &mut mpsc::UnboundedReceiver<ChatEvent>) -> studio::ConversationId {
    let mut conversation_id = None;
    loop {
        match next(events).await {
            ChatEvent::Started { conversation } => conversation_id = Some(conversation.id),
            ChatEvent::Token { .. } => return conversation_id.expect("it has started"),
            _ => {}
        }
    }
}

/// How the answer ended, and its text.
async fn end(events: &mut mpsc::UnboundedReceiver<ChatEvent>) -> (MessageState, String) {
    loop {
        if let ChatEvent::Finished { mut conversation } = next(events).await {
            let answer = conversation.messages.pop().expect("an answer");
            return (answer.state, answer.text);
        }
    }
}

async fn next(events: &mut mpsc::UnboundedReceiver<ChatEvent>) -> ChatEvent {
    let event = tokio::time::timeout(PATIENCE, events.recv()).await;
    event.expect("in time").expect("an event")
}

fn available_bytes() -> u64 {
    let memory = Machine::local().memory();
    memory.expect("a reading").available_bytes
}

fn figures() -> Figures {
    let machine = Machine::local();
    let own = std::process::id();
    let tree = machine.process_tree(own).expect("this process");
    Figures {
        own_bytes: machine.resident_bytes(own).expect("its memory"),
        available_bytes: available_bytes(),
        workers: tree.len() - 1,
    }
}

fn tell(when: &str, figures: Figures) {
    println!(
        "{when:<20} {:>5} MiB of the app, {:>6} MiB available",
        figures.own_bytes / MIB,
        figures.available_bytes / MIB
    );
}

/// This program again, eating.
fn eater() -> Child {
    let own = std::env::current_exe().expect("a path");
    let mut command = Command::new(own);
    command.arg(EAT).stdin(Stdio::piped());
    command.spawn().expect("it starts")
}

/// Takes memory, and keeps it until nobody wants it any more.
fn eat() {
    let eaten = vec![1_u8; EATEN_MIB << 20];
    let _ = std::io::stdin().read(&mut [0]);
    drop(eaten);
}
