//! Everything can be done without a mouse.

use serde_json::Value;
use wick_tests::window::{CONTROL, Desk, ENTER, ESCAPE, Home};

const DELETE: char = '\u{E017}';
const F2: char = '\u{E032}';
const TAB: char = '\u{E004}';

#[tokio::test]
async fn a_conversation_by_keyboard() {
    let desk = Desk::open("keyboard", Home::with_parrot()).await;
    // The composer has the keyboard from the first moment on.
    desk.type_text("again and again").await;
    desk.press(&[ENTER]).await;
    desk.writing(5).await;
    // Escape closes what is open before it stops anything.
    desk.press(&[CONTROL, 'k']).await;
    desk.see("@palette").await;
    desk.press(&[ESCAPE]).await;
    desk.see_no("@palette").await;
    assert_eq!(desk.last().await.state, "streaming");
    desk.press(&[ESCAPE]).await;
    assert_eq!(desk.answered().await.state, "stopped");

    desk.press(&[CONTROL, 'n']).await;
    desk.see("@suggestion").await;
    desk.type_text("second").await;
    desk.press(&[ENTER]).await;
    assert_eq!(desk.answered().await.text, "second");
    desk.see_conversations(&["second", "again and again"]).await;
}

#[tokio::test]
async fn the_palette_finds_everything() {
    let desk = Desk::open("palette", Home::with_parrot()).await;
    desk.ask("first words").await;
    run(&desk, "settings").await;
    desk.see_words("main h1", "Settings").await;
    run(&desk, "theme light").await;
    desk.until(
        "the theme is light",
        "document.documentElement.dataset.theme === 'light'",
    )
    .await;
    run(&desk, "new conv").await;
    desk.see("@suggestion").await;
    assert_eq!(desk.messages().await, []);
    run(&desk, "words first").await;
    desk.see_words("@message-user", "first words").await;
    desk.press(&[CONTROL, '2']).await;
    desk.see("@model-row").await;
    desk.press(&[CONTROL, '1']).await;
    desk.see("@message-user").await;
}

async fn run(desk: &Desk, query: &str) {
    desk.press(&[CONTROL, 'k']).await;
    desk.see("@palette").await;
    desk.type_text(query).await;
    desk.press(&[ENTER]).await;
    desk.see_no("@palette").await;
}

#[tokio::test]
async fn conversations_are_renamed_and_deleted_by_keyboard() {
    let desk = Desk::open("list-keys", Home::with_parrot()).await;
    desk.ask("first").await;
    desk.eval(
        "document.querySelector('@conversation-item').focus()",
        Value::Null,
    )
    .await;
    desk.press(&[F2]).await;
    desk.see("@conversation-list input").await;
    desk.type_text("Other").await;
    desk.press(&[ENTER]).await;
    desk.see_conversations(&["Other"]).await;
    desk.press(&[DELETE]).await;
    desk.see("@delete-dialog").await;
    // The harmless answer has the keyboard first.
    desk.press(&[TAB]).await;
    desk.until(
        "Delete is in focus",
        "document.activeElement.matches('@confirm-delete')",
    )
    .await;
    desk.press(&[ENTER]).await;
    desk.see_conversations(&[]).await;
}
