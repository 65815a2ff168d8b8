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

#[tokio::test]
async fn a_recorded_spark_is_labelled_as_such_and_shown_as_one_pool() {
    let home = Home::with_parrot().on_machine("spark-no-memory");
    let desk = Desk::open("monitor-spark", home).await;
    desk.click("@rail-monitor").await;
    desk.see_words(
        "@monitor-recorded",
        "DGX Spark whose driver tells no memory",
    )
    .await;
    desk.see_words("@monitor-pool", "121.7 GiB").await;
    desk.see_words("@monitor-machine", "one pool with the machine's")
        .await;
    desk.see_words("@monitor-machine", "not reported by this GPU")
        .await;
    desk.see("@chart-power").await;
    // A line that has begun, not its first point.
    let filled = "document.querySelector('[data-testid=chart-temperature] canvas')?.width > 100";
    desk.until("the charts fill their places", filled).await;
    desk.picture("monitor-spark").await;
}

#[tokio::test]
async fn a_recorded_desk_shows_the_memory_of_its_gpu_beside_that_of_the_machine() {
    let home = Home::with_parrot().on_machine("desk-discrete");
    let desk = Desk::open("monitor-discrete", home).await;
    desk.click("@rail-monitor").await;
    desk.see_words("@monitor-machine", "RTX 4090").await;
    desk.see_words("@monitor-gpu-pool", "24.0 GiB").await;
    desk.picture("monitor-discrete").await;
}
