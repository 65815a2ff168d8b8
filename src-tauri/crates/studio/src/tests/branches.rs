//! Regenerating, choosing among siblings, going on.

use super::{Desk, Place, last, last_state, lines};
use crate::tests::fake::FakeWorker;
use crate::{Conversation, ErrorCode, FinishReason, MessageState};
use engine_api::EngineError;

async fn one_turn(place: &Place) -> (Desk, FakeWorker, Conversation) {
    let mut desk = place.desk().await;
    let asked = desk.send(None, "one");
    let mut worker = desk.loaded().await;
    worker.answer("ONE").await;
    let conversation = asked.finished().await;
    (desk, worker, conversation)
}

/// A conversation whose only answer was cut off after `half`.
async fn half_a_turn(place: &Place, reason: FinishReason) -> (Desk, FakeWorker, Conversation) {
    let mut desk = place.desk().await;
    let asked = desk.send(None, "one");
    let mut worker = desk.loaded().await;
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    worker.token(id, "half").await;
    worker.finish(id, reason).await;
    let conversation = asked.finished().await;
    (desk, worker, conversation)
}

#[tokio::test]
async fn a_regenerated_answer_stands_beside_the_old_one() {
    let place = Place::new();
    let (desk, mut worker, first) = one_turn(&place).await;
    let old = last(&first).clone();
    let asked = desk.regenerate(&old);
    assert_eq!(worker.answer("UNO").await, ["user: one"]);
    let second = asked.finished().await;
    assert_eq!(lines(&second), ["user: one", "assistant: UNO"]);
    let new = last(&second).clone();
    assert_eq!(new.siblings, [old.id, new.id]);
    assert_eq!(new.parent_id, old.parent_id);

    let below = desk.turn(&mut worker, Some(first.id), "two", "TWO").await;
    let back = desk.studio.select_message(old.id).await.expect("a branch");
    assert_eq!(lines(&back), ["user: one", "assistant: ONE"]);
    assert_eq!(last(&back).siblings, [old.id, new.id]);
    // Back again: down to the newest tip of that branch.
    let again = desk.studio.select_message(new.id).await.expect("a branch");
    assert_eq!(again.messages, below.messages);
    desk.close().await;
    let desk = place.desk().await;
    assert_eq!(
        lines(&desk.conversation(first.id).await).len(),
        4,
        "the head is kept"
    );
}

#[tokio::test]
async fn of_several_branches_the_newest_tip_is_shown() {
    let place = Place::new();
    let (desk, mut worker, first) = one_turn(&place).await;
    let two = desk.turn(&mut worker, Some(first.id), "two", "TWO").await;
    let asked = desk.regenerate(last(&two));
    worker.answer("DUE").await;
    let due = asked.finished().await;
    desk.studio
        .select_message(last(&two).id)
        .await
        .expect("a branch");
    let shown = desk
        .studio
        .select_message(first.messages[0].id)
        .await
        .expect("a branch");
    assert_eq!(shown.messages, due.messages);
}

#[tokio::test]
async fn only_answers_are_regenerated_and_a_refused_one_leaves_no_trace() {
    let place = Place::new();
    let (desk, mut worker, before) = one_turn(&place).await;
    let error = desk.regenerate(&before.messages[0]).refused().await;
    assert_eq!(error.code, ErrorCode::InvalidRequest);
    let asked = desk.regenerate(last(&before));
    let (id, _) = worker.request().await;
    let no_memory = EngineError::OutOfMemory {
        reason: "KV cache".into(),
    };
    worker.fail(id, no_memory).await;
    assert_eq!(asked.refused().await.code, ErrorCode::OutOfMemory);
    assert_eq!(desk.conversation(before.id).await, before);
}

#[tokio::test]
async fn going_on_appends_to_the_same_message() {
    for reason in [FinishReason::Cancelled, FinishReason::MaxTokens] {
        let place = Place::new();
        let (desk, mut worker, cut) = half_a_turn(&place, reason).await;
        let mut asked = desk.go_on(last(&cut));
        let started = asked.started().await;
        assert_eq!(last(&started).text, "half");
        assert_eq!(last(&started).state, MessageState::Streaming);
        assert_eq!(
            worker.answer(" more").await,
            ["user: one", "assistant: half"]
        );
        let whole = asked.finished().await;
        assert_eq!(lines(&whole), ["user: one", "assistant: half more"]);
        assert_eq!(last(&whole).id, last(&cut).id);
        assert_eq!(last(&whole).state, MessageState::Complete);
        assert_eq!(last(&whole).finish_reason, Some(FinishReason::EndOfTurn));
    }
}

#[tokio::test]
async fn an_interrupted_answer_goes_on_in_a_new_worker() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let mut asked = desk.send(None, "one");
    let mut worker = desk.loaded().await;
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    worker.token(id, "half").await;
    asked.token("half").await;
    worker.die();
    let cut = asked.finished().await;
    let asked = desk.go_on(last(&cut));
    let mut worker = desk.loaded().await;
    assert_eq!(
        worker.answer(" more").await,
        ["user: one", "assistant: half"]
    );
    let whole = asked.finished().await;
    assert_eq!(last(&whole).text, "half more");
    assert_eq!(last_state(&whole), (MessageState::Complete, None));
}

#[tokio::test]
async fn going_on_that_is_refused_changes_nothing() {
    let place = Place::new();
    let (desk, mut worker, before) = half_a_turn(&place, FinishReason::Cancelled).await;
    let list = desk.studio.conversations().await;
    let asked = desk.go_on(last(&before));
    let (id, _) = worker.request().await;
    let too_long = EngineError::ContextExceeded {
        prompt_tokens: 9,
        limit_tokens: 8,
    };
    worker.fail(id, too_long).await;
    assert_eq!(asked.refused().await.code, ErrorCode::ContextExceeded);
    assert_eq!(desk.conversation(before.id).await, before);
    assert_eq!(desk.studio.conversations().await, list);
}

#[tokio::test]
async fn only_the_last_answer_goes_on_and_only_if_it_ended_early() {
    let place = Place::new();
    let (desk, mut worker, cut) = half_a_turn(&place, FinishReason::Cancelled).await;
    let whole = desk.turn(&mut worker, Some(cut.id), "two", "TWO").await;
    for message in [&whole.messages[0], last(&cut), last(&whole)] {
        let error = desk.go_on(message).refused().await;
        assert_eq!(error.code, ErrorCode::InvalidRequest, "{}", message.text);
    }
    assert_eq!(desk.conversation(whole.id).await, whole);
}

#[tokio::test]
async fn an_answer_without_a_word_begins_anew() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let mut asked = desk.send(None, "one");
    let id = asked.started().await.id;
    let mut worker = desk.worker().await;
    let name = worker.told_to_load().await;
    assert_eq!(name, "alpha.Q4_1.gguf");
    desk.studio.stop_generation(id);
    let stopped = asked.finished().await;
    desk.studio.unload_model().await.expect("unloaded");
    let asked = desk.go_on(last(&stopped));
    let mut worker = desk.loaded().await;
    assert_eq!(worker.answer("ONE").await, ["user: one"]);
    assert_eq!(
        lines(&asked.finished().await),
        ["user: one", "assistant: ONE"]
    );
}
