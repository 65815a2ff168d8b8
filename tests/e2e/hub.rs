//! From the hub onto the disk and into an answer: what is searched, judged, brought, checked and deleted in the window.

use super::SHORT;
use fake_hub::{Content, FakeHub, Fault, Gated, Repo};
use std::sync::Arc;
use std::time::Duration;
use wick_tests::starter_model;
use wick_tests::window::{Desk, ENTER, End, Home};

const STARTER: &str = "wick/SmolLM2-135M-Instruct-GGUF";
const FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const CARD: &str = "---\nlicense: apache-2.0\n---\n# A small model\n\n![a picture](https://example.org/p.png)\n\nIt chats.\n";
const ROW: &str = "@download-row";

/// A hub with the starter model in one repository, a gated one, and one with a name that leads out.
async fn hub() -> FakeHub {
    let hub = FakeHub::start().await;
    hub.add_repo(
        Repo::new(STARTER)
            .licence("apache-2.0")
            .task("text-generation")
            .gguf_total(134_515_008),
    );
    let card = Content::Bytes(Arc::from(CARD.as_bytes()));
    hub.commit(
        STARTER,
        "main",
        &[(FILE, Content::File(starter_model())), ("README.md", card)],
    );
    hub.add_repo(Repo::new("wick/gated-GGUF").gated(Gated::Automatic));
    hub.commit(
        "wick/gated-GGUF",
        "main",
        &[(FILE, Content::File(starter_model()))],
    );
    hub
}

/// Searches in the Models view, and opens what is found.
async fn find(desk: &Desk, text: &str, id: &str) {
    desk.click("@rail-models").await;
    desk.click("@tab-discover").await;
    desk.type_into("@hub-search", &format!("{text}{ENTER}"))
        .await;
    desk.click(&format!("@result-row[data-id='{id}']")).await;
    desk.see("@variant").await;
}

#[tokio::test]
async fn a_model_is_found_and_brought_over_a_pause_and_a_restart_and_answers() {
    let hub = hub().await;
    hub.fault(
        Fault::slow(256 << 10, Duration::from_millis(50))
            .path(FILE)
            .always(),
    );
    let home = Home::without_model().with_hub(hub.endpoint());
    let mut desk = Desk::open("hub", home).await;
    desk.click("@rail-models").await;
    desk.click("@tab-discover").await;
    desk.see("@catalog-row").await;
    desk.picture("models-discover").await;
    find(&desk, "smol", STARTER).await;
    desk.see("@variant[data-fit=fits]").await;
    desk.see_words("@card", "It chats.").await;
    assert_eq!(
        desk.count("@card img").await,
        0,
        "a picture was asked for before anybody wanted it"
    );
    desk.picture("models-repository").await;

    desk.click("@download").await;
    desk.click("@tab-downloads").await;
    desk.see(&format!("{ROW}[data-state=fetching]")).await;
    desk.click(&format!("{ROW} @pause")).await;
    desk.see(&format!("{ROW}[data-state=paused]")).await;
    desk.picture("models-paused").await;

    // Paused stays paused, whatever ends the app; and what came is not fetched again.
    desk.end(End::Killed).await;
    desk.start().await;
    desk.click("@rail-models").await;
    desk.click("@tab-downloads").await;
    desk.see(&format!("{ROW}[data-state=paused]")).await;
    desk.click(&format!("{ROW} @resume")).await;
    desk.see(&format!("{ROW}[data-state=fetching]")).await;
    desk.end(End::Killed).await;
    hub.behave();
    desk.start().await;
    desk.click("@rail-models").await;
    desk.click("@tab-downloads").await;
    desk.see(&format!("{ROW}[data-state=complete]")).await;
    desk.picture("models-complete").await;
    desk.click(&format!("{ROW} @load-complete")).await;
    desk.click("@tab-library").await;
    desk.see("@model-row[data-state=loaded]").await;
    desk.picture("models-library").await;
    desk.click("@rail-chat").await;
    assert_eq!(desk.ask(SHORT).await.state, "complete");
}

#[tokio::test]
async fn a_gate_is_told_where_it_opens_and_a_token_opens_it() {
    let hub = hub().await;
    hub.accept_token("hf_visitor");
    hub.let_in("hf_visitor", "wick/gated-GGUF");
    let home = Home::without_model().with_hub(hub.endpoint());
    let desk = Desk::open("gate", home).await;
    find(&desk, "gated", "wick/gated-GGUF").await;
    desk.picture("models-gated").await;
    // Its header is closed too, so nothing is recommended: the person chooses.
    desk.click("@variant").await;
    desk.click("@download").await;
    desk.click("@tab-downloads").await;
    desk.see(&format!("{ROW}[data-state=failed] @access-notice"))
        .await;
    desk.picture("models-access").await;
    // One that the hub does not know is not kept.
    desk.type_into("@token", "hf_wrong").await;
    desk.click("@token-save").await;
    desk.see_words("@token-form", "does not accept").await;
    desk.fill("@token", "hf_visitor").await;
    desk.click("@token-save").await;
    desk.see(&format!("{ROW}[data-state=complete]")).await;
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(desk.home().path("cache/huggingface/token"))
            .expect("a file")
            .permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn without_the_hub_the_disk_works_and_discover_says_so() {
    let desk = Desk::open("offline", Home::new()).await;
    desk.click("@rail-models").await;
    desk.click("@tab-discover").await;
    desk.see("@catalog-row").await;
    desk.type_into("@hub-search", &format!("llama{ENTER}"))
        .await;
    desk.see_words("main", "offline").await;
    desk.picture("models-offline").await;
    desk.click("@tab-library").await;
    desk.see("@model-row").await;
}
