//! Sending, and what becomes of it.

use super::fake::timings;
use super::{Place, last, last_state, lines, soon};
use crate::{ChatEvent, ConversationId, ErrorCode, FinishReason, MessageId, MessageState, Role};
use engine_api::{EngineError, GenerationEvent, ToolCall};

#[tokio::test]
async fn a_message_is_stored_answered_and_there_after_a_restart() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let mut asked = desk.send(None, "  What is a wick?\nTell me.");
    let started = asked.started().await;
    assert_eq!(started.title, "What is a wick?");
    assert_eq!(
        lines(&started),
        ["user:   What is a wick?\nTell me.", "assistant: "]
    );
    assert_eq!(last(&started).state, MessageState::Streaming);

    let mut worker = desk.loaded().await;
    let (id, prompt) = worker.request().await;
    assert_eq!(prompt, ["user:   What is a wick?\nTell me."]);
    worker.prefill(id).await;
    worker.token(id, "It ").await;
    worker.token(id, "burns.").await;
    assert_eq!(asked.event().await, ChatEvent::Queued);
    let prefill = ChatEvent::Prefill {
        processed_tokens: 3,
        total_tokens: 7,
    };
    assert_eq!(asked.event().await, prefill);
    asked.token("It ").await;
    asked.token("burns.").await;
    worker.finish(id, FinishReason::EndOfTurn).await;
    let finished = asked.finished().await;

    let answer = last(&finished);
    assert_eq!(answer.text, "It burns.");
    assert_eq!(answer.state, MessageState::Complete);
    assert_eq!(answer.model.as_deref(), Some("alpha"));
    assert_eq!(answer.finish_reason, Some(FinishReason::EndOfTurn));
    assert_eq!(answer.timings, Some(timings()));
    assert_eq!(answer.siblings, [answer.id]);
    assert_eq!(answer.parent_id, Some(finished.messages[0].id));

    desk.close().await;
    drop(worker);
    let desk = place.desk().await;
    assert_eq!(desk.conversation(finished.id).await, finished);
    let list = desk.studio.conversations().await.expect("a list");
    assert_eq!(list.len(), 1);
    assert_eq!(
        (list[0].id, list[0].title.as_str()),
        (finished.id, "What is a wick?")
    );
}

#[tokio::test]
async fn what_a_model_thinks_is_kept_beside_its_answer() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let mut asked = desk.send(None, "one");
    let mut worker = desk.loaded().await;
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    for text in ["Hm. ", "One."] {
        let event = GenerationEvent::Reasoning {
            text: text.into(),
            generated_tokens: 1,
        };
        worker.step(id, event).await;
    }
    worker.token(id, "ONE").await;
    worker.finish(id, FinishReason::EndOfTurn).await;
    for expected in ["Hm. ", "One."] {
        let thought = ChatEvent::Reasoning {
            text: expected.into(),
        };
        while asked.event().await != thought {}
    }
    let first = asked.finished().await;
    assert_eq!(last(&first).reasoning, "Hm. One.");
    assert_eq!(last(&first).text, "ONE");
    assert_eq!(desk.conversation(first.id).await, first);
    // It is the template's to decide whether the model sees it again.
    let asked = desk.send(Some(first.id), "two");
    let turns = worker.turns().await;
    assert_eq!(turns[1].reasoning.as_deref(), Some("Hm. One."));
    assert_eq!((turns[0].reasoning.as_deref(), turns.len()), (None, 3));
    drop(asked);
}

#[tokio::test]
async fn a_call_that_nobody_offered_is_shown_and_kept() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let asked = desk.send(None, "one");
    let mut worker = desk.loaded().await;
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    let call = ToolCall {
        id: "1".into(),
        name: "weather".into(),
        arguments: serde_json::json!({"city": "Ulm"}),
    };
    let event = GenerationEvent::ToolCall {
        call,
        generated_tokens: 9,
    };
    worker.step(id, event).await;
    worker.finish(id, FinishReason::EndOfTurn).await;
    let text = last(&asked.finished().await).text.clone();
    assert!(
        text.contains("weather") && text.contains("\"Ulm\""),
        "{text}"
    );
}

#[tokio::test]
async fn the_model_reads_the_earlier_turns() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let asked = desk.send(None, "one");
    let mut worker = desk.loaded().await;
    worker.answer("ONE").await;
    let first = asked.finished().await;
    let asked = desk.send(Some(first.id), "two");
    assert_eq!(
        worker.answer("TWO").await,
        ["user: one", "assistant: ONE", "user: two"]
    );
    let second = asked.finished().await;
    assert_eq!(
        lines(&second),
        ["user: one", "assistant: ONE", "user: two", "assistant: TWO"]
    );
    assert_eq!(second.messages[2].role, Role::User);
}

#[tokio::test]
async fn a_window_that_no_longer_listens_loses_nothing() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let mut asked = desk.send(None, "one");
    let id = asked.started().await.id;
    asked.task.abort();
    drop(asked.events);
    let mut worker = desk.loaded().await;
    worker.answer("ONE").await;
    soon(desk.studio.inner.running.all_over()).await;
    assert_eq!(
        lines(&desk.conversation(id).await),
        ["user: one", "assistant: ONE"]
    );
    assert_eq!(
        last(&desk.conversation(id).await).state,
        MessageState::Complete
    );
}

#[tokio::test]
async fn a_text_of_blanks_and_a_conversation_that_is_gone_are_refused() {
    let place = Place::new();
    let desk = place.desk().await;
    assert_eq!(
        desk.send(None, " \n\t").refused().await.code,
        ErrorCode::InvalidRequest
    );
    assert_eq!(
        desk.send(Some(ConversationId(9)), "hi")
            .refused()
            .await
            .code,
        ErrorCode::NotFound
    );
    assert_eq!(desk.studio.conversations().await, Ok(vec![]));
    let gone = desk
        .studio
        .select_message(MessageId(9))
        .await
        .expect_err("gone");
    assert_eq!(gone.code, ErrorCode::NotFound);
}

#[tokio::test]
async fn a_prompt_that_is_too_long_leaves_no_trace() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let too_long = EngineError::ContextExceeded {
        prompt_tokens: 5000,
        limit_tokens: 2047,
    };
    // A new conversation disappears again.
    let asked = desk.send(None, "long");
    let mut worker = desk.loaded().await;
    let (id, _) = worker.request().await;
    worker.fail(id, too_long.clone()).await;
    let error = asked.refused().await;
    assert_eq!(error.code, ErrorCode::ContextExceeded);
    assert!(
        error.message.contains("5000") && error.message.contains("2047"),
        "{error}"
    );
    assert!(error.hint.is_some());
    assert_eq!(desk.studio.conversations().await, Ok(vec![]));
    // An old one is as it was.
    let before = desk.turn(&mut worker, None, "short", "SHORT").await;
    let list = desk.studio.conversations().await;
    let asked = desk.send(Some(before.id), "long");
    let (id, _) = worker.request().await;
    worker.fail(id, too_long).await;
    asked.refused().await;
    assert_eq!(desk.conversation(before.id).await, before);
    assert_eq!(desk.studio.conversations().await, list);
}

#[tokio::test]
async fn a_model_that_cannot_be_loaded_withdraws_the_turn() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let asked = desk.send(None, "hi");
    let error = EngineError::UnsupportedModel {
        file: "alpha".into(),
        reason: "its architecture is bert".into(),
    };
    desk.worker().await.fail_to_load(error).await;
    let error = asked.refused().await;
    assert_eq!(error.code, ErrorCode::UnsupportedModel);
    assert!(error.message.contains("bert"), "{error}");
    assert_eq!(desk.studio.conversations().await, Ok(vec![]));
}

#[tokio::test]
async fn without_a_model_nothing_is_sent() {
    let place = Place::new();
    std::fs::remove_dir_all(place.path("models")).expect("a folder");
    let desk = place.desk().await;
    let error = desk.send(None, "hi").refused().await;
    assert_eq!(error.code, ErrorCode::NotFound);
    assert!(error.hint.is_some());
    assert_eq!(desk.studio.conversations().await, Ok(vec![]));
}

#[tokio::test]
async fn a_worker_that_dies_in_the_middle_leaves_its_text_and_the_next_message_works() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let mut asked = desk.send(None, "one");
    let mut worker = desk.loaded().await;
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    worker.token(id, "half an ").await;
    asked.token("half an ").await;
    worker.die();
    let cut = asked.finished().await;
    assert_eq!(last(&cut).text, "half an ");
    let (state, interruption) = last_state(&cut);
    assert_eq!(state, MessageState::Interrupted);
    assert_eq!(
        interruption,
        Some("The engine stopped: it was killed by the test.")
    );

    let asked = desk.send(Some(cut.id), "two");
    let mut worker = desk.loaded().await;
    let prompt = worker.answer("TWO").await;
    assert_eq!(prompt, ["user: one", "assistant: half an ", "user: two"]);
    assert_eq!(last(&asked.finished().await).text, "TWO");
}

#[tokio::test]
async fn rubbish_in_the_middle_is_a_crash_and_the_worker_is_ended() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let asked = desk.send(None, "one");
    let mut worker = desk.loaded().await;
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    worker.token(id, "half").await;
    worker.rubbish().await;
    let cut = asked.finished().await;
    assert_eq!(last(&cut).text, "half");
    assert_eq!(last(&cut).state, MessageState::Interrupted);
    assert_eq!(worker.killed().await, "it was killed by the app");
}

#[tokio::test]
async fn a_computation_that_fails_in_the_middle_keeps_the_text_and_the_worker() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let asked = desk.send(None, "one");
    let mut worker = desk.loaded().await;
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    worker.token(id, "half").await;
    worker.fail(id, EngineError::internal("NaN")).await;
    let cut = asked.finished().await;
    assert_eq!(last(&cut).text, "half");
    assert_eq!(
        last_state(&cut),
        (MessageState::Interrupted, Some("The engine failed: NaN."))
    );
    desk.turn(&mut worker, Some(cut.id), "two", "TWO").await;
}

#[tokio::test]
async fn a_worker_that_dies_before_it_begins_is_replaced_once() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let asked = desk.send(None, "one");
    let mut worker = desk.loaded().await;
    worker.request().await;
    worker.die();
    let mut worker = desk.loaded().await;
    worker.answer("ONE").await;
    let done = asked.finished().await;
    assert_eq!(last(&done).text, "ONE");

    let asked = desk.send(Some(done.id), "two");
    worker.request().await;
    worker.die();
    let mut worker = desk.loaded().await;
    worker.request().await;
    worker.die();
    let error = asked.refused().await;
    assert_eq!(error.code, ErrorCode::EngineCrashed);
    assert!(error.message.contains("killed by the test"), "{error}");
    assert_eq!(desk.conversation(done.id).await, done);
}

#[tokio::test]
async fn one_answer_at_a_time_in_a_conversation_but_several_conversations() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let mut first = desk.send(None, "one");
    let id = first.started().await.id;
    let mut worker = desk.loaded().await;
    let (one, _) = worker.request().await;
    let error = desk.send(Some(id), "more").refused().await;
    assert_eq!(error.code, ErrorCode::Busy);
    assert!(error.hint.is_some());
    let second = desk.send(None, "two");
    let (two, _) = worker.request().await;
    for (generation, text) in [(two, "TWO"), (one, "ONE")] {
        worker.prefill(generation).await;
        worker.token(generation, text).await;
        worker.finish(generation, FinishReason::EndOfTurn).await;
    }
    assert_eq!(
        lines(&first.finished().await),
        ["user: one", "assistant: ONE"]
    );
    assert_eq!(
        lines(&second.finished().await),
        ["user: two", "assistant: TWO"]
    );
    assert_eq!(
        lines(&desk.conversation(id).await),
        ["user: one", "assistant: ONE"]
    );
}

#[tokio::test]
async fn who_hears_of_the_end_may_send_at_once() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let (sender, mut claimed) = tokio::sync::mpsc::unbounded_channel();
    let asked = desk.ask(async move |studio, sink| {
        let running = studio.inner.running.clone();
        let claim_at_the_end = move |event: ChatEvent| {
            if let ChatEvent::Finished { conversation } = &event {
                let claim = running.claim(conversation.id);
                sender.send(claim.map(drop)).expect("a test");
            }
            sink(event);
        };
        studio
            .send_message(None, "one".into(), claim_at_the_end)
            .await
    });
    desk.loaded().await.answer("ONE").await;
    asked.finished().await;
    assert_eq!(soon(claimed.recv()).await, Some(Ok(())));
}

#[tokio::test]
async fn a_worker_that_dies_after_the_prompt_was_accepted_interrupts() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let mut asked = desk.send(None, "one");
    let mut worker = desk.loaded().await;
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    asked.prefill().await;
    worker.die();
    let cut = asked.finished().await;
    assert_eq!(lines(&cut), ["user: one", "assistant: "]);
    assert_eq!(last(&cut).state, MessageState::Interrupted);
}

#[tokio::test]
async fn titles_are_what_the_person_says() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let asked = desk.send(None, "one");
    let mut worker = desk.loaded().await;
    worker.answer("ONE").await;
    let id = asked.finished().await.id;
    let refused = async |title: &str| {
        let error = desk
            .studio
            .rename_conversation(id, title)
            .await
            .expect_err("refused");
        assert_eq!(error.code, ErrorCode::InvalidRequest);
        assert_eq!(desk.conversation(id).await.title, "one");
    };
    refused("").await;
    refused(" \n ").await;
    refused(&"x".repeat(201)).await;
    desk.studio
        .rename_conversation(id, "  Wicks \n")
        .await
        .expect("a name");
    desk.turn(&mut worker, Some(id), "two", "TWO").await;
    assert_eq!(desk.conversation(id).await.title, "Wicks");
    let longest = "é".repeat(200);
    desk.studio
        .rename_conversation(id, &longest)
        .await
        .expect("a name");
    let gone = desk
        .studio
        .rename_conversation(ConversationId(9), "x")
        .await
        .expect_err("gone");
    assert_eq!(gone.code, ErrorCode::NotFound);
}

#[tokio::test]
async fn the_list_begins_with_the_conversation_used_last() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let asked = desk.send(None, "one");
    let mut worker = desk.loaded().await;
    worker.answer("ONE").await;
    let one = asked.finished().await.id;
    let two = desk.turn(&mut worker, None, "two", "TWO").await.id;
    let order = async || {
        let list = desk.studio.conversations().await.expect("a list");
        list.into_iter()
            .map(|conversation| conversation.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(order().await, [two, one]);
    // The clock of the database counts milliseconds.
    while desk.conversation(one).await.messages.len() < 4 || order().await != [one, two] {
        desk.turn(&mut worker, Some(one), "more", "MORE").await;
    }
}
