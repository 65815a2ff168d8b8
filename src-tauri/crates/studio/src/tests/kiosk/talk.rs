//! What is said and answered, and what of it the model reads.

use super::super::soon;
use super::stand::{PIN, PLAIN, Stand, later};
use crate::{Asker, ErrorCode, KioskAnswer, KioskPhase, PinAnswer, SessionEnd};
use chrono::NaiveTime;
use engine_api::wire::Command;
use engine_api::{EngineError, FinishReason, GenerationEvent};
use std::cell::Cell;

#[tokio::test]
async fn it_opens_with_a_pin_only_and_opening_and_closing_twice_is_once() {
    let place = super::super::Place::new();
    let desk = place.desk().await;
    let kiosk = desk.studio.kiosk();
    let error = kiosk.open().await.expect_err("no PIN");
    assert_eq!(error.code, ErrorCode::InvalidRequest);
    assert!(error.message.starts_with("Set a PIN first:"), "{error}");
    assert!(!kiosk.is_open() && kiosk.view().await.is_err());
    kiosk.set_pin(PIN.into()).await.expect("a PIN");
    for _ in 0..2 {
        kiosk.open().await.expect("it opens");
        assert!(kiosk.is_open());
    }
    for _ in 0..2 {
        soon(kiosk.close()).await;
        assert!(!kiosk.is_open());
    }
    let gone = kiosk.begin().await.expect_err("closed");
    assert_eq!(gone.code, ErrorCode::Cancelled);
}

#[tokio::test]
async fn a_visitor_is_answered_with_what_was_said_before_and_it_is_nobody_elses_business() {
    let (mut stand, mut worker, visit) = Stand::visited().await;
    assert_eq!(
        stand.until(|_| true).await.phase,
        KioskPhase::Visit { visit }
    );
    assert_eq!(stand.kiosk.begin().await, Ok(visit), "the same visitor");
    let mut said = stand.say(visit, "one");
    let (id, prompt) = worker.request().await;
    assert_eq!(prompt, ["system: RULES", "user: one"]);
    worker.prefill(id).await;
    let event = GenerationEvent::Reasoning {
        text: "hidden".into(),
        generated_tokens: 1,
    };
    worker.step(id, event).await;
    worker.token(id, "ONE ").await;
    assert_eq!(said.event().await, KioskAnswer::Thinking);
    assert_eq!(
        said.event().await,
        KioskAnswer::Token {
            text: "ONE ".into()
        }
    );
    assert_eq!(stand.shown().await, ["> one", "ONE "]);
    let running = stand.desk.studio.monitor_now().generations;
    assert_eq!(running[0].asker, Asker::Kiosk);
    let second = stand.say(visit, "two").ended().await;
    assert_eq!(second.expect_err("busy").code, ErrorCode::Busy);
    worker.finish(id, FinishReason::EndOfTurn).await;
    assert_eq!(said.finished().await, ("ONE ".into(), 2));
    let prompt = stand.turn(&mut worker, visit, "two", "TWO").await;
    let expected = ["system: RULES", "user: one", "assistant: ONE ", "user: two"];
    assert_eq!(prompt, expected);
    assert_eq!(stand.desk.studio.conversations().await, Ok(vec![]));
    let store = stand.desk.studio.store().expect("a store");
    let last = store.meta("last_model").await.expect("read");
    assert_eq!(last, None, "nobody's choice");
}

#[tokio::test]
async fn a_message_has_its_limits_and_a_refused_one_was_never_said() {
    let (stand, mut worker, visit) = Stand::visited().await;
    let refused = async |text: &str| {
        let error = stand.say(visit, text).ended().await.expect_err("refused");
        assert_eq!(error.code, ErrorCode::InvalidRequest, "{text}");
        error.message
    };
    assert_eq!(refused(" \n").await, "There is nothing to send.");
    let long = "é".repeat(21);
    assert!(refused(&long).await.contains("20 characters"));
    assert_eq!(stand.shown().await, [""; 0]);
    for turns_left in [2, 1, 0] {
        let said = stand.say(visit, &"é".repeat(20));
        worker.answer("yes").await;
        assert_eq!(said.finished().await, ("yes".into(), turns_left));
    }
    assert!(refused("more").await.contains("last message"));
    let view = stand.kiosk.view().await.expect("a view");
    assert_eq!(view.visit.expect("a visit").turns_left, 0);
}

#[tokio::test]
async fn blocked_words_are_neither_asked_nor_shown_and_leave_the_prompt() {
    let (stand, mut worker, visit) = Stand::visited().await;
    let said = stand.say(visit, "Rótten EGGS?");
    assert_eq!(said.finished().await, ("Something else.".into(), 2));
    let said = stand.say(visit, "breakfast");
    let (id, prompt) = worker.request().await;
    assert_eq!(prompt, ["system: RULES", "user: breakfast"]);
    worker.prefill(id).await;
    for text in ["Take rot", "ten eg", "gs, ", "all of them"] {
        worker.token(id, text).await;
    }
    assert_eq!(worker.command().await, Some(Command::Cancel { id }));
    worker.finish(id, FinishReason::Cancelled).await;
    assert_eq!(said.finished().await, ("Something else.".into(), 1));
    let prompt = stand.turn(&mut worker, visit, "three", "3").await;
    assert_eq!(prompt, ["system: RULES", "user: three"]);
    assert_eq!(stand.shown().await[3], "Something else.");
}

#[tokio::test]
async fn of_a_blocked_answer_only_what_came_before_was_ever_shown() {
    let (stand, mut worker, visit) = Stand::visited().await;
    let mut said = stand.say(visit, "breakfast");
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    for text in ["Take rot", "ten eggs", "hells. Rotten eggs"] {
        worker.token(id, text).await;
    }
    // A longer word is another word; the last word of all is looked at as well.
    for expected in ["Take ", "rotten ", "eggshells. Rotten "] {
        said.token(expected).await;
    }
    worker.finish(id, FinishReason::EndOfTurn).await;
    while let event = said.event().await
        && !matches!(event, KioskAnswer::Finished { .. })
    {
        assert!(!matches!(event, KioskAnswer::Token { .. }), "{event:?}");
    }
    assert_eq!(stand.shown().await, ["> breakfast", "Something else."]);
}

#[tokio::test]
async fn stopped_is_what_was_written_so_far() {
    let (stand, mut worker, visit) = Stand::visited().await;
    let mut said = stand.say(visit, "one");
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    worker.token(id, "half an").await;
    said.token("half ").await;
    stand.kiosk.stop(visit).await.expect("stopped");
    assert_eq!(worker.command().await, Some(Command::Cancel { id }));
    worker.token(id, "swer").await;
    worker.finish(id, FinishReason::Cancelled).await;
    assert_eq!(said.finished().await, ("half an".into(), 2));
    let prompt = stand.turn(&mut worker, visit, "two", "TWO").await;
    assert_eq!(prompt[2], "assistant: half an");
}

#[tokio::test]
async fn a_conversation_that_outgrows_the_window_loses_its_oldest_turns() {
    let (stand, mut worker, visit) = Stand::visited().await;
    stand.turn(&mut worker, visit, "one", "ONE").await;
    stand.turn(&mut worker, visit, "two", "TWO").await;
    let said = stand.say(visit, "three");
    let too_long = EngineError::ContextExceeded {
        prompt_tokens: 9,
        limit_tokens: 8,
    };
    let (id, prompt) = worker.request().await;
    assert_eq!(prompt.len(), 6);
    worker.fail(id, too_long.clone()).await;
    let (id, prompt) = worker.request().await;
    assert_eq!(prompt[1..], ["user: two", "assistant: TWO", "user: three"]);
    worker.prefill(id).await;
    worker.token(id, "THR").await;
    worker.finish(id, FinishReason::ContextFull).await;
    let (id, prompt) = worker.request().await;
    assert_eq!(prompt, ["system: RULES", "user: three"]);
    worker.fail(id, too_long).await;
    let (text, _) = said.finished().await;
    assert!(text.contains("fewer words"), "{text}");
}

#[tokio::test]
async fn the_operator_is_in_for_two_minutes_after_the_last_use() {
    let stand = Stand::open(PLAIN).await;
    let check = |expected| assert_eq!(stand.kiosk.check_unlocked().is_ok(), expected);
    check(false);
    let wrong = stand
        .kiosk
        .try_pin("111213".into())
        .await
        .expect("looked at");
    assert!(matches!(wrong, PinAnswer::Wrong { .. }), "{wrong:?}");
    check(false);
    let right = stand.kiosk.try_pin(PIN.into()).await;
    assert_eq!(right, Ok(PinAnswer::Right));
    for seconds in [0, 119, 119] {
        later(seconds).await;
        check(true);
    }
    later(121).await;
    check(false);
    check(false);
    assert_eq!(stand.kiosk.try_pin(PIN.into()).await, Ok(PinAnswer::Right));
    stand.kiosk.lock();
    check(false);
}

#[tokio::test]
async fn upkeep_is_due_when_the_clock_passes_its_hour_and_nobody_is_there() {
    let toml = format!("{PLAIN}\n[upkeep]\nrestart_at = \"04:30\"\n");
    let (stand, _worker) = Stand::ready(&toml).await;
    let visit = stand.kiosk.begin().await.expect("a visit");
    let clock = Cell::new(NaiveTime::from_hms_opt(4, 29, 59).expect("a time"));
    let tick = || clock.replace(clock.get() + chrono::Duration::seconds(10));
    let mut due = std::pin::pin!(stand.kiosk.upkeep_due_by(tick));
    let still = async |due: std::pin::Pin<&mut _>| {
        let waited = tokio::time::timeout(std::time::Duration::from_secs(40), due);
        tokio::time::pause();
        let waited = waited.await;
        tokio::time::resume();
        waited.is_err()
    };
    // Somebody is there; a touch now and then would do the same.
    assert!(still(due.as_mut()).await, "a visitor is there");
    // Who said nothing left nothing in the worker.
    stand.kiosk.start_over(visit).await.expect("over");
    soon(due).await;
    assert_eq!(stand.sessions().await[0].ended, SessionEnd::StartedOver);
}
