//! The handle against a worker that does what the test says.

use super::*;
use crate::{FinishReason, Prompt, Timings};
use tokio::io::{AsyncBufReadExt, BufReader, DuplexStream};

struct FakeWorker {
    commands: tokio::io::Lines<BufReader<tokio::io::ReadHalf<DuplexStream>>>,
    reports: tokio::io::WriteHalf<DuplexStream>,
}

impl FakeWorker {
    async fn command(&mut self) -> Option<Command> {
        let line = self.commands.next_line().await.expect("pipe")?;
        Some(serde_json::from_str(&line).expect("a command"))
    }

    async fn report(&mut self, report: &Report) {
        let line = wire::to_line(report).expect("a line");
        self.reports.write_all(line.as_bytes()).await.expect("pipe");
    }
}

fn pair() -> (Engine, FakeWorker) {
    let (app, worker) = tokio::io::duplex(1024);
    let (from_worker, to_worker) = tokio::io::split(app);
    let (commands, reports) = tokio::io::split(worker);
    let worker = FakeWorker {
        commands: BufReader::new(commands).lines(),
        reports,
    };
    (Engine::connect(from_worker, to_worker), worker)
}

fn request() -> GenerateRequest {
    GenerateRequest::new(Prompt::Tokens(vec![1, 2]))
}

fn token(id: GenerationId, text: &str) -> Report {
    Report::Generation {
        id,
        event: GenerationEvent::Token {
            text: text.into(),
            generated_tokens: 1,
            logprobs: Vec::new(),
        },
    }
}

#[tokio::test]
async fn steps_reach_the_generation_they_belong_to() {
    let (engine, mut worker) = pair();
    let mut first = engine.generate(request()).expect("valid");
    let mut second = engine.generate(request()).expect("valid");
    // A worker answers only what it has been asked.
    worker.command().await.expect("the first request");
    worker.command().await.expect("the second request");
    for (id, text) in [(second.id(), "b"), (first.id(), "a")] {
        worker.report(&token(id, text)).await;
    }
    for (generation, expected) in [(&mut first, "a"), (&mut second, "b")] {
        let Some(Ok(GenerationEvent::Token { text, .. })) = generation.next().await else {
            panic!("no token");
        };
        assert_eq!(text, expected);
    }
    let finished = GenerationEvent::Finished {
        reason: FinishReason::EndOfTurn,
        timings: Timings::default(),
    };
    worker
        .report(&Report::Generation {
            id: first.id(),
            event: finished.clone(),
        })
        .await;
    assert_eq!(first.next().await, Some(Ok(finished)));
    assert_eq!(first.next().await, None);
}

#[tokio::test]
async fn dropping_a_generation_cancels_it() {
    let (engine, mut worker) = pair();
    let generation = engine.generate(request()).expect("valid");
    let id = generation.id();
    drop(generation);
    assert!(matches!(
        worker.command().await,
        Some(Command::Generate { .. })
    ));
    assert_eq!(worker.command().await, Some(Command::Cancel { id }));
}

#[tokio::test]
async fn a_question_is_over_with_its_last_part() {
    let (engine, mut worker) = pair();
    let mut answers = engine
        .ask(Question::Logits {
            input: crate::Input::Tokens(vec![1, 2]),
            all: true,
        })
        .expect("the worker is there");
    let Some(Command::Ask { id, .. }) = worker.command().await else {
        panic!("no question");
    };
    for position in 0..2 {
        let row = crate::Row {
            position,
            is_last: position == 1,
            logits: vec![0.5],
        };
        let answer = Answer::Row(row);
        worker.report(&Report::Answer { id, answer }).await;
    }
    for expected in 0..2 {
        let Some(Ok(Answer::Row(row))) = answers.next().await else {
            panic!("no row");
        };
        assert_eq!(row.position, expected);
    }
    assert_eq!(answers.next().await, None);
}

#[tokio::test]
async fn a_dead_worker_ends_everything_that_waits() {
    let (engine, worker) = pair();
    let mut generation = engine.generate(request()).expect("valid");
    drop(worker);
    let step = generation.next().await;
    assert!(
        matches!(step, Some(Err(EngineError::Crashed { .. }))),
        "{step:?}"
    );
    assert_eq!(generation.next().await, None);
    engine.closed().await;
    assert!(engine.generate(request()).is_err());
}

#[tokio::test]
async fn rubbish_on_the_pipe_is_a_crash_and_no_panic() {
    let (engine, mut worker) = pair();
    let mut generation = engine.generate(request()).expect("valid");
    worker.reports.write_all(b"rubbish\n").await.expect("pipe");
    let step = generation.next().await;
    assert!(
        matches!(step, Some(Err(EngineError::Crashed { .. }))),
        "{step:?}"
    );
}

#[tokio::test]
async fn the_last_handle_closes_the_workers_input() {
    let (engine, mut worker) = pair();
    let twin = engine.clone();
    drop(engine);
    twin.forget_cache();
    assert_eq!(worker.command().await, Some(Command::ForgetCache));
    drop(twin);
    assert_eq!(worker.command().await, None);
}

#[tokio::test]
async fn who_wipes_waits_for_the_worker_and_not_for_one_that_is_gone() {
    let (engine, mut worker) = pair();
    engine.forget_cache();
    let mut wiped = std::pin::pin!(engine.wipe_cache());
    let mut nobody = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..2 {
        // Each order has its own answer: the first is not ours.
        assert!(wiped.as_mut().poll(&mut nobody).is_pending());
        assert_eq!(worker.command().await, Some(Command::ForgetCache));
    }
    worker.report(&Report::Forgotten).await;
    worker.report(&Report::Progress { steps: 1 }).await;
    let mut progress = engine.progress();
    let heard = progress.wait_for(|progress| progress.steps == 1);
    drop(heard.await.expect("heard"));
    assert!(wiped.as_mut().poll(&mut nobody).is_pending());
    worker.report(&Report::Forgotten).await;
    wiped.await;
    let wiped = engine.wipe_cache();
    drop(worker);
    wiped.await;
}

#[tokio::test]
async fn progress_is_what_was_heard_and_when_it_moved() {
    let (engine, mut worker) = pair();
    let mut progress = engine.progress();
    let before = *progress.borrow_and_update();
    let _generation = engine.generate(request()).expect("valid");
    progress.changed().await.expect("given something to do");
    let woken = *progress.borrow_and_update();
    assert!(woken.heard > before.heard && woken.moved == woken.heard);
    let mut heard = Vec::new();
    for steps in [7, 7, 9] {
        worker.report(&Report::Progress { steps }).await;
        progress.changed().await.expect("heard");
        heard.push(*progress.borrow_and_update());
    }
    let [first, still, moved] = heard.as_slice() else {
        panic!("{heard:?}");
    };
    assert_eq!([first.steps, still.steps, moved.steps], [7, 7, 9]);
    assert!(first.moved == first.heard && moved.moved == moved.heard);
    assert!(still.heard > first.heard && still.moved == first.moved);
    // Another one waits behind it: the worker was not idle, and silence goes on counting.
    let _second = engine.generate(request()).expect("valid");
    engine.forget_cache();
    while worker.command().await != Some(Command::ForgetCache) {}
    assert_eq!(*progress.borrow(), *moved);
}
