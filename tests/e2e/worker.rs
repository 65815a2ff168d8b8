//! The worker is killed while it answers, and the app in the same way: nothing is lost, and nobody is left.

use super::{LONG, SHORT};
use wick_tests::window::{Desk, End, Home, Message, Process};

fn engine_of(desk: &Desk) -> Process {
    let mut engines = desk.engines();
    assert_eq!(engines.len(), 1, "{engines:?}");
    engines.remove(0)
}

/// Kills the worker while it writes.
async fn kill_while_writing(desk: &Desk, begun: &Message) -> Message {
    let engine = engine_of(desk);
    engine.kill();
    let interrupted = desk.answered().await;
    assert_eq!(interrupted.state, "interrupted");
    assert_eq!(interrupted.id, begun.id);
    assert!(
        interrupted.text.starts_with(&begun.text),
        "{begun:?} {interrupted:?}"
    );
    engine.ended().await;
    interrupted
}

#[tokio::test]
async fn a_killed_worker_costs_nothing_that_was_written() {
    let desk = Desk::open("worker", Home::new()).await;
    desk.send(LONG).await;
    let begun = desk.writing(5).await;
    let interrupted = kill_while_writing(&desk, &begun).await;
    let notice = desk.see("@notice").await;
    assert!(
        notice.contains("interrupted") && notice.contains("SIGKILL"),
        "{notice}"
    );
    desk.picture("chat-interrupted").await;

    desk.click("@notice @go-on").await;
    let words = interrupted.text.split_whitespace().count();
    let more = desk.writing(words + 3).await;
    assert_eq!(more.id, interrupted.id, "it is the same message");
    assert!(
        more.text.starts_with(&interrupted.text),
        "{interrupted:?} {more:?}"
    );
    desk.see_no("@notice").await;

    // Once more, and this time the person just says something else.
    kill_while_writing(&desk, &more).await;
    let answer = desk.ask(SHORT).await;
    assert_eq!(answer.state, "complete");
    assert!(!answer.text.is_empty());
    assert_eq!(desk.engines().len(), 1);
    assert_eq!(desk.count("@toast").await, 0);
}

#[tokio::test]
async fn a_gpu_that_fails_costs_nothing_that_was_written_and_the_next_message_works() {
    let desk = Desk::open("gpu-failed", Home::with_parrot()).await;
    desk.send("lose the GPU and all that is on it").await;
    let interrupted = desk.answered().await;
    assert_eq!(
        (interrupted.text.as_str(), interrupted.state.as_str()),
        ("lose the", "interrupted")
    );
    desk.see_words("@notice", "the GPU failed").await;
    let answer = desk.ask("two").await;
    assert_eq!(
        (answer.text.as_str(), answer.state.as_str()),
        ("two", "complete")
    );
    assert_eq!(desk.engines().len(), 1);
}

#[tokio::test]
async fn a_worker_that_died_unnoticed_is_replaced() {
    let desk = Desk::open("worker-idle", Home::with_parrot()).await;
    desk.ask("one").await;
    engine_of(&desk).kill();
    let answer = desk.ask("two").await;
    assert_eq!(
        (answer.text.as_str(), answer.state.as_str()),
        ("two", "complete")
    );
}

#[tokio::test]
async fn no_worker_outlives_the_app() {
    let mut desk = Desk::open("orphans", Home::new()).await;
    for how in [End::Closed, End::Terminated, End::Killed] {
        desk.send(LONG).await;
        let begun = desk.writing(5).await;
        let engine = engine_of(&desk);
        desk.end(how).await;
        engine.ended().await;
        assert_eq!(desk.engines().len(), 0, "{how:?}");

        desk.start().await;
        desk.click("@conversation-item").await;
        desk.see_words("@notice", "Wick was closed").await;
        let kept = desk.last().await;
        assert_eq!(kept.state, "interrupted", "{how:?}");
        // A killed app may lose what it wrote in its last second, one that was asked to end nothing. The driver does
        // not always wait for the end of an app whose window it closed.
        assert!(
            !matches!(how, End::Terminated) || kept.text.starts_with(&begun.text),
            "{begun:?} {kept:?}"
        );
        desk.click("@new-conversation").await;
    }
}
