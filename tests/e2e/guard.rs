//! A model that does not fit: what is offered, what a click on it does, and what a message to it says.

use std::fs;
use telemetry::Machine;
use wick_tests::window::{Desk, ESCAPE, Home};

const STARTER: &str = "@model-row[data-id*=SmolLM2]";

/// A home in which a little more than all the memory that is there stays free for the desktop.
fn home_without_room() -> Home {
    let home = Home::new();
    let available = Machine::local()
        .memory()
        .expect("a reading")
        .available_bytes;
    // Beyond what other tests may give back meanwhile, and not so far beyond that the watch takes it for a shortage.
    let reserve = available / 10 * 14;
    fs::create_dir_all(home.data()).expect("a folder");
    let settings = format!("{{\"guard\": {{\"reserve_bytes\": {reserve}}}}}");
    fs::write(home.data().join("settings.json"), settings).expect("a file");
    home
}

#[tokio::test]
async fn a_load_that_does_not_fit_is_refused_with_its_offers_and_an_offer_works() {
    let desk = Desk::open("guard", home_without_room()).await;
    desk.click("@rail-models").await;
    desk.click(&format!("{STARTER} @load")).await;
    desk.see_words("@load-refused", "does not fit into memory")
        .await;
    desk.see_words("@missing", "are missing").await;
    desk.picture("load-refused").await;
    desk.press(&[ESCAPE]).await;
    desk.see_no("@load-refused").await;
    desk.see(&format!("{STARTER}[data-state=on-disk]")).await;
    assert_eq!(desk.engines().len(), 0, "nobody is left who planned");

    // A message says it where it was written, and is kept.
    desk.click("@rail-chat").await;
    desk.send("Hello").await;
    desk.see("@refusal[data-code=out_of_memory]").await;
    assert_eq!(desk.value("@composer").await, "Hello");
    desk.see_conversations(&[]).await;

    desk.click("@rail-models").await;
    desk.click(&format!("{STARTER} @load")).await;
    desk.click("@load-anyway").await;
    desk.see(&format!("{STARTER}[data-state=loaded]")).await;
    desk.see_no("@load-refused").await;
    desk.click("@rail-chat").await;
    assert_eq!(desk.ask(super::SHORT).await.state, "complete");
    assert_eq!(desk.count("@guard-notice").await, 0);
}

#[tokio::test]
async fn what_is_kept_free_can_be_set() {
    let desk = Desk::open("guard-settings", home_without_room()).await;
    desk.click("@rail-settings").await;
    desk.see("@memory-settings").await;
    desk.until(
        "the reserve is shown",
        "document.querySelector('@reserve').value !== ''",
    )
    .await;
    desk.picture("settings-memory").await;
    desk.fill("@reserve", "").await;
    desk.fill("@idle-minutes", "5").await;
    desk.click("@save-memory").await;
    desk.see_words("@memory-settings", "Saved.").await;
    let kept = fs::read_to_string(desk.home().data().join("settings.json")).expect("a file");
    assert!(
        kept.contains("\"idle_minutes\": 5") && !kept.contains("reserve"),
        "{kept}"
    );
    desk.click("@rail-models").await;
    desk.click(&format!("{STARTER} @load")).await;
    desk.see(&format!("{STARTER}[data-state=loaded]")).await;
}
