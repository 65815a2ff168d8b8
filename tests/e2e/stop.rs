//! An answer is stopped and gone on with.

use super::LONG;
use wick_tests::window::{Desk, Home};

#[tokio::test]
async fn a_stopped_answer_is_kept_and_goes_on() {
    let desk = Desk::open("stop", Home::new()).await;
    desk.send(LONG).await;
    let begun = desk.writing(5).await;
    desk.click("@stop").await;
    let stopped = desk.answered().await;
    assert_eq!(stopped.state, "stopped");
    assert_eq!(stopped.id, begun.id);
    assert!(
        stopped.text.starts_with(&begun.text),
        "{begun:?} {stopped:?}"
    );
    desk.see_words("@figures", "stopped").await;
    // The composer is free again, and nothing more is written.
    desk.see("@send").await;
    desk.see_no("@stop").await;

    desk.click("@go-on").await;
    let words = stopped.text.split_whitespace().count();
    let more = desk.writing(words + 5).await;
    desk.click("@stop").await;
    let whole = desk.answered().await;
    assert_eq!(whole.id, stopped.id, "it is the same message");
    assert!(more.text.starts_with(&stopped.text), "{stopped:?} {more:?}");
    assert!(whole.text.len() > stopped.text.len());
    assert_eq!(desk.messages().await.len(), 2);
}

#[tokio::test]
async fn what_is_stopped_at_once_is_stopped() {
    let desk = Desk::open("stop-at-once", Home::new()).await;
    // Nothing is loaded yet: this stops the load's wait.
    desk.send(LONG).await;
    desk.click("@stop").await;
    assert_eq!(desk.answered().await.state, "stopped");
    let answer = desk.ask(super::SHORT).await;
    assert_eq!(answer.state, "complete");
}
