//! Conversations outlive the app.

use super::SHORT;
use wick_tests::window::{Desk, ENTER, End, Home};

const QUESTION: &str = "What is the capital of France?\nAnswer in one sentence.";
const TITLE: &str = "What is the capital of France?";

#[tokio::test]
async fn a_conversation_is_found_again() {
    let mut desk = Desk::open("restart", Home::new()).await;
    let answer = desk.ask(QUESTION).await;
    let follow_up = desk.ask("And of Italy?").await;
    let before = desk.messages().await;
    desk.see_conversations(&[TITLE]).await;

    desk.end(End::Terminated).await;
    desk.start().await;
    desk.see_conversations(&[TITLE]).await;
    desk.click("@conversation-item").await;
    desk.see_words("@message-user", TITLE).await;
    assert_eq!(desk.messages().await, before);
    assert_eq!((&before[1], &before[3]), (&answer, &follow_up));

    // It can be gone on with, and the new turn is kept like the others.
    let third = desk.ask(SHORT).await;
    assert_eq!(third.state, "complete");
    desk.end(End::Closed).await;
    desk.start().await;
    desk.click("@conversation-item").await;
    desk.see_words(
        "@message-user:nth-of-type(5), @message-user:nth-child(5)",
        SHORT,
    )
    .await;
    assert_eq!(desk.last().await, third);
}

#[tokio::test]
async fn renaming_and_deleting_last() {
    let mut desk = Desk::open("rename", Home::with_parrot()).await;
    desk.ask("first").await;
    desk.click("@new-conversation").await;
    desk.ask("second").await;
    desk.see_conversations(&["second", "first"]).await;

    desk.click("@conversation-menu").await;
    desk.click("@conversation-list .menu button").await;
    let field = "@conversation-list input";
    desk.type_into(field, &format!("Renamed{ENTER}")).await;
    desk.see_conversations(&["Renamed", "first"]).await;

    delete(&desk, "li:last-child").await;
    desk.click("@delete-dialog @confirm-delete").await;
    desk.see_conversations(&["Renamed"]).await;

    desk.end(End::Terminated).await;
    desk.start().await;
    desk.see_conversations(&["Renamed"]).await;
    // The last one can be kept, and be deleted.
    delete(&desk, "li").await;
    desk.click("@delete-dialog button:not(@confirm-delete)")
        .await;
    desk.see_no("@delete-dialog").await;
    desk.see_conversations(&["Renamed"]).await;
    delete(&desk, "li").await;
    desk.click("@delete-dialog @confirm-delete").await;
    desk.see_conversations(&[]).await;
    desk.see("@suggestion").await;
}

async fn delete(desk: &Desk, item: &str) {
    desk.click(&format!("@conversation-list {item} @conversation-menu"))
        .await;
    desk.click("@delete-conversation").await;
    desk.see("@delete-dialog").await;
}
