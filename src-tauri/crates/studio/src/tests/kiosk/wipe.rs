//! Who goes leaves nothing: not here, not in the worker, not on the disk.

use super::super::soon;
use super::stand::{PLAIN, Stand, holds, later};
use crate::{ErrorCode, KioskPhase, SessionEnd};
use engine_api::FinishReason;
use engine_api::wire::{Command, Report};

const SECRET: &str = "xylophone quagmire";
const ANSWER: &str = "zephyr marmalade";

#[tokio::test]
async fn who_is_away_is_asked_and_then_wiped_unless_touched() {
    let (mut stand, mut worker, visit) = Stand::visited().await;
    stand.turn(&mut worker, visit, "one", "ONE").await;
    let is_counting = |now: &crate::KioskNow| matches!(now.phase, KioskPhase::Countdown { .. });
    later(59).await;
    assert_eq!(stand.phase(), KioskPhase::Visit { visit });
    later(2).await;
    let counting = stand.until(is_counting).await.phase;
    let KioskPhase::Countdown { wipes_in_ms, .. } = counting else {
        panic!("{counting:?}");
    };
    assert!((14_000..=15_000).contains(&wipes_in_ms), "{wipes_in_ms}");
    stand.kiosk.touched(visit).await.expect("touched");
    assert_eq!(stand.phase(), KioskPhase::Visit { visit });
    later(61).await;
    stand.until(is_counting).await;
    assert_eq!(stand.shown().await.len(), 2, "not wiped yet");
    later(16).await;
    worker.told_to_forget().await;
    assert!(
        is_counting(&stand.now.borrow()),
        "not before the worker has"
    );
    worker.report(&Report::Forgotten).await;
    stand.until(|now| now.phase == KioskPhase::Attract).await;
    assert_eq!(stand.shown().await.len(), 0);
    let session = stand.sessions().await.remove(0);
    assert_eq!(
        (session.ended, session.turns, session.tokens),
        (SessionEnd::Idle, 1, 1)
    );
    assert_eq!(session.model.as_deref(), Some("alpha"));
    assert_eq!((session.ttft_ms, session.faults), (Some(12.5), 0));
}

#[tokio::test]
async fn who_reads_an_answer_that_is_being_written_is_there() {
    let (mut stand, mut worker, visit) = Stand::visited().await;
    let mut said = stand.say(visit, "one");
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    worker.token(id, "a ").await;
    said.token("a ").await;
    later(600).await;
    worker.token(id, "b ").await;
    said.token("b ").await;
    assert_eq!(stand.phase(), KioskPhase::Visit { visit });
    worker.finish(id, FinishReason::MaxTokens).await;
    said.finished().await;
    later(61).await;
    stand
        .until(|now| matches!(now.phase, KioskPhase::Countdown { .. }))
        .await;
}

#[tokio::test]
async fn nothing_is_left_on_the_disk_and_the_next_visitor_is_another() {
    let (mut stand, mut worker, visit) = Stand::visited().await;
    stand.turn(&mut worker, visit, SECRET, ANSWER).await;
    let over = stand.start_over(visit);
    worker.forget().await;
    soon(over).await.expect("a task").expect("over");
    assert_eq!(stand.phase(), KioskPhase::Attract);
    let next = stand.kiosk.begin().await.expect("a visit");
    assert_ne!(next, visit);
    // What comes late in the old name touches nobody.
    later(61).await;
    stand
        .until(|now| matches!(now.phase, KioskPhase::Countdown { .. }))
        .await;
    stand.kiosk.touched(visit).await.expect("nothing");
    stand.kiosk.stop(visit).await.expect("nothing");
    stand.kiosk.start_over(visit).await.expect("nothing");
    let late = stand.say(visit, "late").ended().await.expect_err("over");
    assert_eq!(late.code, ErrorCode::Cancelled);
    assert!(matches!(stand.phase(), KioskPhase::Countdown { visit, .. } if visit == next));
    stand.kiosk.touched(next).await.expect("touched");
    let prompt = stand.turn(&mut worker, next, "two", "TWO").await;
    assert_eq!(prompt, ["system: RULES", "user: two"]);
    assert_eq!(stand.sessions().await.len(), 2, "each is noted");
    let place = stand.place;
    stand.desk.close().await;
    for words in [SECRET, ANSWER] {
        assert!(!holds(place.folder.path(), words), "{words}");
    }
    assert!(holds(place.folder.path(), "alpha"), "it does look");
}

#[tokio::test]
async fn starting_over_ends_the_answer_and_waits_for_all_of_it() {
    let (stand, mut worker, visit) = Stand::visited().await;
    let mut said = stand.say(visit, "one");
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    worker.token(id, "a ").await;
    said.token("a ").await;
    let over = stand.start_over(visit);
    assert_eq!(worker.command().await, Some(Command::Cancel { id }));
    worker.token(id, "late ").await;
    worker.finish(id, FinishReason::Cancelled).await;
    worker.told_to_forget().await;
    // A new visitor waits until the old one is gone.
    let begin = tokio::spawn({
        let kiosk = stand.kiosk.clone();
        async move { kiosk.begin().await }
    });
    tokio::task::yield_now().await;
    assert!(!begin.is_finished() && !over.is_finished());
    worker.report(&Report::Forgotten).await;
    soon(over).await.expect("a task").expect("over");
    assert_ne!(soon(begin).await.expect("a task"), Ok(visit));
    assert_eq!(said.ended().await, Ok(()));
}

#[tokio::test]
async fn a_worker_that_does_not_say_that_it_forgot_is_ended() {
    let (mut stand, mut worker, visit) = Stand::visited().await;
    stand.turn(&mut worker, visit, "one", "ONE").await;
    let over = stand.start_over(visit);
    worker.told_to_forget().await;
    soon(over).await.expect("a task").expect("over");
    assert_eq!(worker.killed().await, "it was killed by the app");
    assert_eq!(stand.phase(), KioskPhase::Attract);
    let _worker = stand.desk.loaded().await;
    stand.until(|now| now.model.is_some()).await;
}

#[tokio::test]
async fn closing_wipes_too_and_so_does_the_end_of_the_app() {
    for by_app in [false, true] {
        let (stand, mut worker, visit) = Stand::visited().await;
        stand.turn(&mut worker, visit, SECRET, ANSWER).await;
        let (kiosk, studio) = (stand.kiosk.clone(), stand.desk.studio.clone());
        let closing = tokio::spawn(async move {
            if by_app {
                studio.shutdown().await;
            } else {
                kiosk.close().await;
            }
        });
        if !by_app {
            worker.forget().await;
        }
        soon(closing).await.expect("a task");
        assert!(!stand.kiosk.is_open());
        assert!(stand.kiosk.view().await.is_err());
        if !by_app {
            assert_eq!(stand.sessions().await[0].ended, SessionEnd::Closed);
        }
    }
}

#[tokio::test]
async fn without_a_countdown_it_is_wiped_at_once() {
    let toml = PLAIN.replace("countdown_seconds = 15", "countdown_seconds = 0");
    let (mut stand, _worker) = Stand::ready(&toml).await;
    stand.kiosk.begin().await.expect("a visit");
    later(61).await;
    stand.until(|now| now.phase == KioskPhase::Attract).await;
    let session = stand.sessions().await.remove(0);
    assert_eq!((session.ended, session.turns), (SessionEnd::Idle, 0));
}
