//! Workers that die, hang and fail: a visitor sees at most that an answer begins again.

use super::super::soon;
use super::stand::Stand;
use crate::KioskPhase;
use engine_api::{EngineError, FinishReason};

#[tokio::test]
async fn a_worker_that_dies_over_an_answer_is_replaced_and_the_turn_begins_again() {
    let (mut stand, mut worker, visit) = Stand::visited().await;
    stand.turn(&mut worker, visit, "one", "ONE").await;
    let mut said = stand.say(visit, "two");
    let (id, prompt) = worker.request().await;
    worker.prefill(id).await;
    worker.token(id, "half ").await;
    said.token("half ").await;
    worker.die();
    said.again().await;
    assert_eq!(stand.shown().await[3], "");
    let mut worker = stand.desk.loaded().await;
    assert_eq!(worker.answer("TWO").await, prompt);
    assert_eq!(said.finished().await, ("TWO".into(), 1));
    let session = stand.sessions().await.remove(0);
    assert_eq!((session.turns, session.faults), (2, 1));
}

#[tokio::test]
async fn three_dead_workers_are_answered_with_calm_words() {
    let (mut stand, mut worker, visit) = Stand::visited().await;
    let said = stand.say(visit, "one");
    for _ in 0..2 {
        worker.request().await;
        worker.die();
        worker = stand.desk.loaded().await;
    }
    worker.request().await;
    worker.die();
    let (text, turns_left) = said.finished().await;
    assert_eq!(
        text,
        "This screen is taking a short break. Please try again in a moment."
    );
    assert_eq!(turns_left, 2);
    assert_eq!(stand.sessions().await[0].faults, 3);
    let mut worker = stand.desk.loaded().await;
    let prompt = stand.turn(&mut worker, visit, "two", "TWO").await;
    assert_eq!(
        prompt,
        ["system: RULES", "user: two"],
        "calm words are no prompt"
    );
}

#[tokio::test]
async fn a_worker_that_hangs_is_ended_and_the_turn_begins_again() {
    let (mut stand, mut worker, visit) = Stand::visited().await;
    let mut said = stand.say(visit, "one");
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    // It says nothing more.
    said.again().await;
    assert_eq!(worker.killed().await, "it was killed by the app");
    stand.desk.loaded().await.answer("ONE").await;
    assert_eq!(said.finished().await.0, "ONE");
}

#[tokio::test]
async fn a_failed_computation_is_no_text_for_a_visitor() {
    let (stand, mut worker, visit) = Stand::visited().await;
    let said = stand.say(visit, "one");
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    let error = EngineError::Internal {
        reason: "a matrix broke".into(),
    };
    worker.fail(id, error).await;
    let (text, _) = said.finished().await;
    assert!(text.contains("short break"), "{text}");
    assert_eq!(stand.sessions().await[0].faults, 1);
}

#[tokio::test]
async fn a_worker_that_dies_while_nobody_talks_is_replaced_at_once() {
    let (mut stand, worker, visit) = Stand::visited().await;
    worker.die();
    let mut worker = stand.desk.loaded().await;
    stand.turn(&mut worker, visit, "one", "ONE").await;
    assert_eq!(stand.phase(), KioskPhase::Visit { visit });
    // The one after it a moment later.
    worker.die();
    stand.until(|now| now.model.is_none()).await;
    let _worker = stand.desk.loaded().await;
    stand.until(|now| now.model.is_some()).await;
}

#[tokio::test]
async fn a_worker_that_does_not_stop_is_not_waited_for() {
    let (mut stand, mut worker, visit) = Stand::visited().await;
    let mut said = stand.say(visit, "one");
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    worker.token(id, "a ").await;
    said.token("a ").await;
    let over = stand.start_over(visit);
    soon(over).await.expect("a task").expect("over");
    assert_eq!(worker.killed().await, "it was killed by the app");
    assert_eq!(stand.phase(), KioskPhase::Attract);
    let next = stand.kiosk.begin().await.expect("a visit");
    let mut worker = stand.desk.loaded().await;
    let said = stand.say(next, "two");
    let (id, prompt) = worker.request().await;
    assert_eq!(prompt, ["system: RULES", "user: two"]);
    worker.token(id, "b ").await;
    worker.finish(id, FinishReason::EndOfTurn).await;
    assert_eq!(said.finished().await.0, "b ");
}
