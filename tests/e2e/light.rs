//! The honest light: a worker that hangs is told from one that is only slow, and is replaced with a click.

use super::{LONG, SHORT};
use std::time::{Duration, Instant};
use wick_tests::window::{Desk, Hogs, Home};

/// What was asked for: who looks knows it within this time.
const RECOGNISED_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_stopped_worker_is_stuck_and_a_click_replaces_it() {
    let desk = Desk::open("light-stuck", Home::new()).await;
    desk.send(LONG).await;
    let begun = desk.writing(5).await;
    desk.see("@strip-light[data-state=working], @strip-light[data-state=slow]")
        .await;
    let engine = desk.engines().remove(0);
    engine.stop();
    let stopped = Instant::now();
    desk.see("@strip-light[data-state=stuck]").await;
    let recognised = stopped.elapsed();
    assert!(recognised < RECOGNISED_WITHIN, "after {recognised:?}");
    desk.click("@rail-monitor").await;
    desk.see_words("@monitor-light", "stopped by a signal")
        .await;
    desk.see_words("@monitor-events", "came no further").await;
    desk.picture("monitor-stuck").await;

    desk.click("@monitor-restart").await;
    engine.ended().await;
    desk.see("@strip-light[data-state=ready]").await;
    desk.click("@rail-chat").await;
    let kept = desk.answered().await;
    assert_eq!(kept.state, "interrupted");
    assert!(kept.text.starts_with(&begun.text), "{begun:?} {kept:?}");
    assert_eq!(desk.ask(SHORT).await.state, "complete");
    assert_eq!(desk.engines().len(), 1);
}

#[tokio::test]
async fn a_worker_that_shares_the_processor_is_slow_and_not_stuck() {
    let desk = Desk::open("light-slow", Home::new()).await;
    desk.send(LONG).await;
    desk.writing(5).await;
    let hogs = Hogs::start(2);
    desk.see("@strip-light[data-state=slow]").await;
    let why = desk.text("@strip-light").await;
    assert!(why.contains("Other programs use"), "{why}");
    // As long as a stopped one would take to be called stuck, and longer.
    let end = Instant::now() + RECOGNISED_WITHIN;
    while Instant::now() < end {
        assert_eq!(desk.count("@strip-light[data-state=stuck]").await, 0);
    }
    drop(hogs);
    desk.click("@stop").await;
    desk.see("@strip-light[data-state=ready]").await;
}
