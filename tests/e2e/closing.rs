//! The window is closed in the middle of an answer, as a person closes it: nothing that was written is lost, nobody is
//! left, and the next start shows the way on.

use super::LONG;
use wick_tests::window::{Desk, End, Home, Message};

/// Closes the window while an answer is being written, and returns what was to be seen of it.
async fn close_while_writing(desk: &mut Desk, how: End) -> Message {
    desk.send(LONG).await;
    let begun = desk.writing(5).await;
    let engines = desk.engines();
    assert_eq!(engines.len(), 1, "{engines:?}");
    desk.end(how).await;
    engines[0].ended().await;
    assert_eq!(desk.engines().len(), 0, "{how:?}");
    begun
}

/// What stands in the database's file.
fn database_says(desk: &Desk, words: &str) -> bool {
    let file = std::fs::read(desk.home().data().join("wick.db")).expect("a database");
    let words = words.as_bytes();
    file.windows(words.len()).any(|part| part == words)
}

/// Finds the interrupted answer after the next start, and goes on with it.
async fn go_on(desk: &mut Desk) -> Message {
    desk.start().await;
    desk.click("@conversation-item").await;
    desk.see_words("@notice", "Wick was closed").await;
    let kept = desk.last().await;
    assert_eq!(kept.state, "interrupted");
    desk.click("@notice @go-on").await;
    let more = desk.writing(kept.text.split_whitespace().count() + 3).await;
    assert_eq!(more.id, kept.id, "it is the same message");
    assert!(more.text.starts_with(&kept.text), "{kept:?} {more:?}");
    kept
}

#[tokio::test]
async fn a_window_that_its_manager_closes_keeps_what_was_written() {
    let mut desk = Desk::open_managed("closing", Home::new()).await;
    let begun = close_while_writing(&mut desk, End::AltF4).await;
    // It ended in order: the log is in the file, and the answer's end with it.
    assert!(!desk.home().data().join("wick.db-wal").exists());
    assert!(database_says(
        &desk,
        "Wick was closed while this was being written."
    ));
    let kept = go_on(&mut desk).await;
    assert!(kept.text.starts_with(&begun.text), "{begun:?} {kept:?}");
}

#[tokio::test]
async fn a_window_that_loses_its_display_leaves_nobody_behind() {
    let mut desk = Desk::open("closing-alone", Home::new()).await;
    close_while_writing(&mut desk, End::Disconnected).await;
    go_on(&mut desk).await;
}
