//! Stopping and deleting, wherever the answer is on its way.

use super::{Place, last, last_state, lines, soon};
use crate::{ChatEvent, ErrorCode, FinishReason, MessageState, ModelStatus};
use engine_api::wire::Command;

#[tokio::test]
async fn stop_asks_the_worker_and_keeps_what_it_says_last() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let mut asked = desk.send(None, "one");
    let id = asked.started().await.id;
    let mut worker = desk.loaded().await;
    let (generation, _) = worker.request().await;
    worker.prefill(generation).await;
    worker.token(generation, "a").await;
    asked.token("a").await;
    desk.studio.stop_generation(id);
    assert_eq!(
        worker.command().await,
        Some(Command::Cancel { id: generation })
    );
    desk.studio.stop_generation(id);
    worker.token(generation, "b").await;
    worker.finish(generation, FinishReason::Cancelled).await;
    let stopped = asked.finished().await;
    assert_eq!(last_state(&stopped), (MessageState::Stopped, None));
    assert_eq!(last(&stopped).text, "ab");
    assert_eq!(last(&stopped).finish_reason, Some(FinishReason::Cancelled));
    assert!(last(&stopped).timings.is_some());
    desk.studio.stop_generation(id);
    desk.turn(&mut worker, Some(id), "two", "TWO").await;
}

#[tokio::test]
async fn stop_works_while_the_model_loads_and_the_load_goes_on() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let mut asked = desk.send(None, "one");
    let id = asked.started().await.id;
    let mut worker = desk.worker().await;
    worker.told_to_load().await;
    desk.studio.stop_generation(id);
    let stopped = asked.finished().await;
    assert_eq!(last_state(&stopped), (MessageState::Stopped, None));
    assert_eq!(lines(&stopped), ["user: one", "assistant: "]);
    assert!(matches!(
        desk.studio.status().model,
        ModelStatus::Loading { .. }
    ));
}

#[tokio::test]
async fn stop_works_while_the_answer_waits_for_its_turn() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let mut asked = desk.send(None, "one");
    let id = asked.started().await.id;
    let mut worker = desk.loaded().await;
    let (generation, _) = worker.request().await;
    desk.studio.stop_generation(id);
    assert_eq!(
        worker.command().await,
        Some(Command::Cancel { id: generation })
    );
    worker.finish(generation, FinishReason::Cancelled).await;
    assert_eq!(
        last_state(&asked.finished().await),
        (MessageState::Stopped, None)
    );
}

#[tokio::test]
async fn a_worker_that_does_not_stop_is_not_waited_for() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let mut asked = desk.send(None, "one");
    let id = asked.started().await.id;
    let mut worker = desk.loaded().await;
    let (generation, _) = worker.request().await;
    worker.prefill(generation).await;
    worker.token(generation, "a").await;
    asked.token("a").await;
    desk.studio.stop_generation(id);
    let stopped = asked.finished().await;
    assert_eq!(last_state(&stopped), (MessageState::Stopped, None));
    assert_eq!(last(&stopped).text, "a");
    // It hangs: the next message gets a new one.
    let mut next = desk.send(Some(id), "two");
    next.started().await;
    let mut worker = desk.loaded().await;
    let (generation, _) = worker.request().await;
    worker.prefill(generation).await;
    worker.token(generation, "b").await;
    worker.finish(generation, FinishReason::EndOfTurn).await;
    assert_eq!(last(&next.finished().await).text, "b");
}

#[tokio::test]
async fn deleting_ends_the_answer_and_nothing_comes_back() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let mut asked = desk.send(None, "one");
    let id = asked.started().await.id;
    let mut worker = desk.loaded().await;
    let (generation, _) = worker.request().await;
    worker.prefill(generation).await;
    worker.token(generation, "a").await;
    asked.token("a").await;
    // The worker says nothing to it: deleting does not wait for it.
    soon(desk.studio.delete_conversation(id))
        .await
        .expect("deleted");
    assert_eq!(
        worker.command().await,
        Some(Command::Cancel { id: generation })
    );
    worker.token(generation, "late").await;
    assert_eq!(soon(asked.task).await.expect("a task"), Ok(()));
    assert_eq!(desk.studio.conversations().await, Ok(vec![]));
    let gone = desk.studio.conversation(id).await.expect_err("gone");
    assert_eq!(gone.code, ErrorCode::NotFound);
    let next = desk.turn(&mut worker, None, "two", "TWO").await;
    assert_ne!(next.id, id, "a number is never used twice");
    let again = desk.studio.delete_conversation(id).await.expect_err("gone");
    assert_eq!(again.code, ErrorCode::NotFound);
    while let Some(event) = soon(asked.events.recv()).await {
        assert_ne!(
            event,
            ChatEvent::Token {
                text: "late".into()
            }
        );
    }
}

#[tokio::test]
async fn deleting_while_the_model_loads_leaves_nothing() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let mut asked = desk.send(None, "one");
    let id = asked.started().await.id;
    let mut worker = desk.worker().await;
    worker.told_to_load().await;
    soon(desk.studio.delete_conversation(id))
        .await
        .expect("deleted");
    assert_eq!(soon(asked.task).await.expect("a task"), Ok(()));
    assert_eq!(desk.studio.conversations().await, Ok(vec![]));
}
