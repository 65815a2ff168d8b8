//! Live scenes, and the figures beside them.

use super::super::soon;
use super::stand::{PLAIN, Stand};
use crate::{ErrorCode, KioskAnswer};
use engine_api::FinishReason;
use engine_api::wire::Command;
use std::time::Duration;

#[tokio::test]
async fn a_live_scene_is_answered_and_nothing_of_it_stays() {
    let (stand, mut worker) = Stand::ready(PLAIN).await;
    let played = stand.play(1);
    assert_eq!(worker.answer("So it is.").await, ["user: PROMPT"]);
    assert_eq!(played.finished().await.0, "So it is.");
    worker.forget().await;
    assert_eq!(stand.sessions().await.len(), 0);
    assert_eq!(stand.desk.studio.conversations().await, Ok(vec![]));
    let played = stand.play(1);
    assert_eq!(worker.answer("Again.").await, ["user: PROMPT"]);
    played.finished().await;
    for scene in [0, 7] {
        let error = stand.play(scene).ended().await.expect_err("not live");
        assert_eq!(error.code, ErrorCode::InvalidRequest);
    }
}

#[tokio::test]
async fn a_visitor_ends_a_scene_at_once() {
    let (stand, mut worker) = Stand::ready(PLAIN).await;
    let mut played = stand.play(1);
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    worker.token(id, "Because ").await;
    played.token("Because ").await;
    let visit = soon(stand.kiosk.begin()).await.expect("a visit");
    assert_eq!(worker.command().await, Some(Command::Cancel { id }));
    worker.token(id, "late ").await;
    worker.finish(id, FinishReason::Cancelled).await;
    assert_eq!(played.ended().await, Ok(()));
    worker.forget().await;
    let error = stand.play(1).ended().await.expect_err("somebody is there");
    assert_eq!(error.code, ErrorCode::Cancelled);
    let prompt = stand.turn(&mut worker, visit, "one", "ONE").await;
    assert_eq!(prompt, ["system: RULES", "user: one"]);
}

#[tokio::test]
async fn another_scene_takes_the_place_of_the_one_before() {
    let (stand, mut worker) = Stand::ready(PLAIN).await;
    let first = stand.play(1);
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    let second = stand.play(1);
    let mut seen = Vec::new();
    // The order of the two is nobody's business.
    for _ in 0..2 {
        seen.push(worker.command().await.expect("a command"));
    }
    assert!(seen.contains(&Command::Cancel { id }), "{seen:?}");
    worker.finish(id, FinishReason::Cancelled).await;
    assert_eq!(first.ended().await, Ok(()));
    let next = seen.iter().find_map(|command| match command {
        Command::Generate { id, .. } => Some(*id),
        _ => None,
    });
    let next = next.expect("the second was asked");
    worker.prefill(next).await;
    worker.token(next, "Yes").await;
    worker.finish(next, FinishReason::EndOfTurn).await;
    assert_eq!(second.finished().await.0, "Yes");
}

#[tokio::test]
async fn figures_are_told_while_it_is_open_and_an_idle_kiosk_is_not_looked_at_often() {
    let (stand, mut worker) = Stand::ready(PLAIN).await;
    let mut readings = stand.kiosk.subscribe_readings();
    let is_loaded = |now: &crate::KioskReadings| now.model.as_deref() == Some("alpha");
    soon(readings.wait_for(is_loaded)).await.expect("told");
    let idle = stand.desk.studio.inner.sampler.period();
    assert_eq!(idle, Duration::from_secs(1));
    let mut played = stand.play(1);
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    soon(readings.wait_for(|now| now.running))
        .await
        .expect("told");
    worker.token(id, "a").await;
    worker.finish(id, FinishReason::EndOfTurn).await;
    while !matches!(played.event().await, KioskAnswer::Finished { .. }) {}
    let is_over = |now: &crate::KioskReadings| !now.running && now.ttft_ms == Some(12.5);
    soon(readings.wait_for(is_over)).await.expect("told");
    assert_eq!(stand.desk.studio.inner.sampler.period(), idle);
}
