//! A message that is longer than the model can take.

use wick_tests::window::{Desk, Home};

#[tokio::test]
async fn a_message_beyond_the_context_window_comes_back_with_both_numbers() {
    let desk = Desk::open("refusal", Home::new()).await;
    let text = "one two three four ".repeat(2500);
    let text = text.trim();
    desk.send(text).await;
    let refusal = desk.see("@refusal[data-code=context_exceeded]").await;
    let numbers: Vec<u32> = refusal
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect();
    let [length, limit] = numbers[..] else {
        panic!("not two numbers: {refusal}");
    };
    assert!(
        length > 10_000 && limit < length && limit >= 2048,
        "{refusal}"
    );
    assert_eq!(desk.value("@composer").await, text);
    desk.see_conversations(&[]).await;
    assert_eq!(desk.messages().await, []);
    assert_eq!(desk.count("@toast").await, 0, "it is told twice");
    desk.picture("chat-refusal").await;

    // What is shorter goes through, and the refusal with it.
    let answer = desk.ask(super::SHORT).await;
    assert_eq!(answer.state, "complete");
    desk.see_no("@refusal").await;
}
