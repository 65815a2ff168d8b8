//! The monitor: a person looks where the memory is and how fast it goes, while an answer comes and afterwards.

use super::SENTENCES;
use wick_tests::window::{Desk, Home};

#[tokio::test]
async fn the_monitor_shows_memory_speed_and_what_happened() {
    let desk = Desk::open("monitor", Home::new()).await;
    desk.ask(SENTENCES).await;
    desk.click("[data-testid=rail-monitor]").await;
    desk.see_words("[data-testid=monitor-loaded]", "SmolLM2")
        .await;
    desk.see_words("[data-testid=monitor-decode]", "tokens per second")
        .await;
    desk.see_words("[data-testid=monitor-events]", "loaded")
        .await;
    desk.see_words("[data-testid=monitor-pool]", "Weights")
        .await;
    desk.picture("monitor").await;
    desk.click("[data-testid=span-week]").await;
    desk.picture("monitor-week").await;
    desk.click("[data-testid=monitor-unload]").await;
    desk.see_words("[data-testid=monitor-loaded]", "Nothing is loaded")
        .await;
}
