//! The end of the application, in order and otherwise.

use super::{Place, last, last_state, listing, soon};
use crate::{ErrorCode, FinishReason, MessageState, Startup};
use std::sync::Weak;

#[tokio::test]
async fn an_orderly_end_keeps_what_is_being_written() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let mut asked = desk.send(None, "one");
    let mut worker = desk.loaded().await;
    let (generation, _) = worker.request().await;
    worker.prefill(generation).await;
    worker.token(generation, "half").await;
    asked.token("half").await;
    soon(desk.studio.shutdown()).await;
    assert_eq!(worker.killed().await, "it was killed by the app");
    let cut = asked.finished().await;
    assert_eq!(last(&cut).text, "half");
    let why = "Wick was closed while this was being written.";
    assert_eq!(last_state(&cut), (MessageState::Interrupted, Some(why)));
    assert_eq!(
        desk.send(Some(cut.id), "two").refused().await.code,
        ErrorCode::Cancelled
    );
    let error = desk
        .studio
        .load_model(place.model("beta"), crate::LoadWish::default())
        .await
        .expect_err("closing");
    assert_eq!(error.code, ErrorCode::Cancelled);
    let error = desk.studio.conversations().await.expect_err("closed");
    assert_eq!(error.code, ErrorCode::Internal);
    assert_eq!(listing(&place.data()), ["wick.db"], "all is in the file");
    let desk = place.desk().await;
    assert_eq!(desk.conversation(cut.id).await, cut);
}

#[tokio::test]
async fn dropping_the_last_studio_ends_the_worker_and_keeps_the_answer() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let mut asked = desk.send(None, "one");
    let id = asked.started().await.id;
    let mut worker = desk.loaded().await;
    let (generation, _) = worker.request().await;
    worker.prefill(generation).await;
    worker.token(generation, "half").await;
    asked.token("half").await;
    asked.task.abort();
    // The task that waits for the answer holds the last clone until it is gone.
    let _ = asked.task.await;
    let inner = std::sync::Arc::downgrade(&desk.studio.inner);
    drop(desk);
    assert!(
        Weak::upgrade(&inner).is_none(),
        "nothing keeps the studio but its owners"
    );
    assert_eq!(worker.killed().await, "it was killed by the app");
    let desk = place.closed_desk("data");
    let free = async {
        while desk.studio.startup().await != Startup::Ready {
            tokio::task::yield_now().await;
        }
    };
    soon(free).await;
    let cut = desk.conversation(id).await;
    assert_eq!(last(&cut).text, "half");
    assert_eq!(last(&cut).state, MessageState::Interrupted);
}

#[tokio::test]
async fn an_end_with_nothing_running_comes_at_once() {
    let place = Place::new();
    let desk = place.closed_desk("data");
    soon(desk.studio.shutdown()).await;
    let mut desk = place.desk().await;
    let asked = desk.send(None, "one");
    let mut worker = desk.loaded().await;
    let (generation, _) = worker.request().await;
    worker.prefill(generation).await;
    worker.finish(generation, FinishReason::EndOfTurn).await;
    asked.finished().await;
    soon(desk.studio.shutdown()).await;
}
