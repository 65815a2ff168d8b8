//! The library with a model in it that can't be used.

use std::fs::File;
use std::io::{Read, copy};
use wick_tests::starter_model;
use wick_tests::window::{Desk, Home};

const BROKEN: &str = "@model-row[data-id*=Broken]";
const GOOD: &str = "@model-row[data-id*=SmolLM2]";

/// The first half of the starter model, as a download that was cut off leaves it.
fn add_half_a_model(home: &Home) {
    let whole = File::open(starter_model()).expect("the model");
    let half = whole.metadata().expect("a size").len() / 2;
    let path = home.models().join("Broken-135M.Q4_1.gguf");
    let mut file = File::create(path).expect("a file");
    copy(&mut whole.take(half), &mut file).expect("room for it");
}

#[tokio::test]
async fn a_cut_off_model_is_refused_by_name_and_the_good_one_loads() {
    let home = Home::new();
    add_half_a_model(&home);
    let desk = Desk::open("models", home).await;
    desk.click("@rail-models").await;
    desk.see(GOOD).await;
    desk.click(&format!("{BROKEN} @load")).await;
    desk.see_words("@problem-dialog", "Broken-135M.Q4_1.gguf")
        .await;
    desk.picture("models-refused").await;
    desk.click("@problem-dialog button").await;
    desk.see_no("@problem-dialog").await;
    let row = desk.see(&format!("{BROKEN}[data-state=failed]")).await;
    assert!(row.contains("Broken-135M.Q4_1.gguf can't be used"), "{row}");
    assert_eq!(desk.engines().len(), 0);

    desk.click(&format!("{GOOD} @load")).await;
    desk.see(&format!("{GOOD}[data-state=loaded]")).await;
    desk.picture("models-two").await;
    desk.click("@rail-chat").await;
    assert_eq!(desk.ask(super::SHORT).await.state, "complete");

    desk.click("@rail-models").await;
    desk.click(&format!("{GOOD} @unload")).await;
    desk.see(&format!("{GOOD}[data-state=on-disk]")).await;
    assert_eq!(desk.engines().len(), 0);
}

#[tokio::test]
async fn an_empty_library_says_what_to_do() {
    let desk = Desk::open("no-model", Home::without_model()).await;
    desk.see("@no-model").await;
    desk.picture("chat-no-model").await;
    desk.send("Hello").await;
    desk.see("@refusal").await;
    assert_eq!(desk.value("@composer").await, "Hello");
    desk.see_conversations(&[]).await;
    assert_eq!(desk.count("@toast").await, 0);
    desk.click("@no-model button").await;
    desk.see_words("main", ".gguf").await;
    desk.picture("models-empty").await;

    // Put there meanwhile, it is found.
    let model = starter_model();
    let name = model.file_name().expect("a file");
    std::os::unix::fs::symlink(&model, desk.home().models().join(name)).expect("a link");
    desk.click("main header button").await;
    desk.see(GOOD).await;
}
