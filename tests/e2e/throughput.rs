//! How fast it went: the figures under an answer, the share of the machine's limit, and all of it in a file.

use super::SENTENCES;
use std::fs;
use wick_tests::window::{Desk, Home};

#[tokio::test]
async fn the_figures_of_an_answer_are_told_and_exported() {
    let desk = Desk::open("throughput", Home::new()).await;
    desk.ask(SENTENCES).await;
    desk.click("@figures").await;
    desk.see_words("@figures-more", "Between tokens, median")
        .await;
    desk.see_words("@figures-more", "% of this machine’s limit")
        .await;
    desk.picture("figures").await;

    desk.click("@rail-monitor").await;
    desk.see_words("@monitor-limit", "% of this machine’s limit")
        .await;
    desk.see_words("@monitor-bandwidth", "tokens per second are possible")
        .await;
    desk.click("@measure-again").await;
    desk.see_words("@measure-again", "Measure again").await;
    desk.see_words("@monitor-throughput", "SmolLM2").await;

    let folder = desk.home().path("Downloads");
    assert!(!folder.exists(), "only a click makes it");
    desk.click("@export-csv").await;
    desk.see_words("@exported", "Downloads/wick-throughput-")
        .await;
    let made = fs::read_dir(&folder).expect("a folder");
    let made: Vec<_> = made.map(|one| one.expect("a file").path()).collect();
    assert_eq!(made.len(), 1, "{made:?}");
    let text = fs::read_to_string(&made[0]).expect("a file");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains("decode_tokens_per_second"), "{text}");
    assert!(lines[1].contains("SmolLM2"), "{text}");
    desk.picture("throughput").await;
}
