//! The monitor: a person looks where the memory is and how fast it goes, while an answer comes and afterwards.

use super::SENTENCES;
use wick_tests::window::{Desk, Home};

#[tokio::test]
async fn the_monitor_shows_memory_speed_and_what_happened() {
    let desk = Desk::open("monitor", Home::new()).await;
    desk.ask(SENTENCES).await;
    desk.click("@rail-monitor").await;
    desk.see_words("@monitor-loaded", "SmolLM2").await;
    desk.see_words("@monitor-decode", "tokens per second").await;
    desk.see_words("@monitor-events", "loaded").await;
    desk.see_words("@monitor-pool", "Weights").await;
    // A reading comes four times a second while somebody looks: a line of them, not a point.
    let width = "document.querySelector('[data-testid=chart-memory] canvas').width > 200";
    desk.until("the chart fills its place", width).await;
    desk.picture("monitor").await;
    desk.click("@span-week").await;
    desk.picture("monitor-week").await;
    desk.click("@monitor-unload").await;
    desk.see_words("@monitor-loaded", "Nothing is loaded").await;
}
