//! A message is sent and its answer read while it comes.

use super::SENTENCES;
use serde_json::Value;
use wick_tests::window::{CONTROL, Desk, Home};

/// Notes each text of the last answer that is ever in the page, with the state that it has then.
const WATCH: &str = "new MutationObserver(() => {
    const last = [...document.querySelectorAll('@message-assistant')].at(-1);
    const now = [last?.dataset.state, last?.querySelector('.markdown')?.textContent ?? ''];
    if (last && JSON.stringify(now) !== JSON.stringify(seen.at(-1))) seen.push(now);
}).observe(document.body, { childList: true, subtree: true, characterData: true, attributes: true })";

#[tokio::test]
async fn an_answer_comes_word_by_word_and_the_conversation_is_remembered() {
    let desk = Desk::open("answer", Home::new()).await;
    desk.eval("window.seen = []", Value::Null).await;
    desk.eval(WATCH, Value::Null).await;
    let answer = desk.ask(SENTENCES).await;
    assert_eq!(answer.state, "complete");
    assert!(!answer.text.is_empty());
    check_growth(&desk.eval("window.seen", Value::Null).await);
    check_figures(&desk).await;
    check_strip(&desk).await;
    desk.picture("chat-answer").await;

    // The beginning of the conversation need not be read again, and nothing of it has gone.
    desk.ask("And of Italy?").await;
    desk.see_words("@message-assistant:last-child @figures", "reused")
        .await;
    let messages = desk.messages().await;
    let from_user: Vec<bool> = messages.iter().map(|one| one.from_user).collect();
    assert_eq!(from_user, [true, false, true, false]);
    assert_eq!(messages[1], answer);
}

/// Several texts were seen while it was written, each longer than the one before.
fn check_growth(seen: &Value) {
    let seen = seen.as_array().expect("a list");
    let written = seen.iter().filter(|now| now[0] == "streaming");
    let lengths: Vec<usize> = written
        .map(|now| now[1].as_str().map_or(0, str::len))
        .collect();
    assert!(lengths.len() > 3, "it came at once: {seen:?}");
    assert!(lengths.is_sorted(), "it shrank: {seen:?}");
}

async fn check_figures(desk: &Desk) {
    let figures = desk.text("@figures").await;
    for word in ["tok/s", "TTFT", "tokens", "prefill"] {
        assert!(figures.contains(word), "{figures:?} lacks {word}");
    }
}

async fn check_strip(desk: &Desk) {
    desk.see_words("@strip-model", "SmolLM2").await;
    desk.see_words("@strip-model", "Q4_1").await;
    desk.see_words("@strip-memory", "GiB").await;
    desk.see_words("@strip-rate", "TTFT").await;
    desk.see_words("@strip-rate", "decode").await;
    // The parts of the memory, the weights among them.
    let parts = "document.querySelectorAll('@strip-memory i, @strip-memory rect, @strip-memory .bar > *').length > 2";
    desk.until("the memory has parts", parts).await;
}

#[tokio::test]
async fn an_answer_is_written_anew_beside_the_old_one() {
    let desk = Desk::open("branches", Home::with_parrot()).await;
    let first = desk.ask("one two three").await;
    assert_eq!(first.text, "one two three");
    desk.click("@regenerate").await;
    desk.see_words("@branch", "2 / 2").await;
    let second = desk.answered().await;
    assert_ne!(second.id, first.id);
    desk.click("@branch button[aria-label='Previous alternative']")
        .await;
    desk.see_words("@branch", "1 / 2").await;
    assert_eq!(desk.last().await, first);
    desk.click("@branch button[aria-label='Next alternative']")
        .await;
    desk.see_words("@branch", "2 / 2").await;
    assert_eq!(desk.last().await, second);
}

#[tokio::test]
async fn copied_text_can_be_pasted() {
    let desk = Desk::open("copy", Home::with_parrot()).await;
    let markdown = "A **bold** word, `code`\n\n```python\nprint('1 < 2')\n```";
    desk.ask(markdown).await;
    let check = async |button: &str, expected: &str| {
        desk.click(button).await;
        desk.see_words(button, "Copied").await;
        desk.fill("@composer", "").await;
        desk.click("@composer").await;
        desk.press(&[CONTROL, 'v']).await;
        desk.until(
            "something is pasted",
            "document.querySelector('@composer').value",
        )
        .await;
        assert_eq!(desk.value("@composer").await, expected);
    };
    check("@message-assistant footer @copy", markdown).await;
    check("@message-assistant .code-block @copy", "print('1 < 2')").await;
}
