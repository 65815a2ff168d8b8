//! The page is loaded anew, which no key of the window does, while an answer is being written.

use wick_tests::window::{Desk, ESCAPE, Home};

#[tokio::test]
async fn a_page_loaded_anew_sends_nothing_again_and_can_stop() {
    let desk = Desk::open("reload", Home::with_parrot()).await;
    desk.send("again and again").await;
    desk.writing(5).await;
    desk.reload().await;
    desk.see("@stop").await;
    desk.see_conversations(&["again and again"]).await;
    desk.press(&[ESCAPE]).await;
    assert_eq!(desk.answered().await.state, "stopped");
    desk.see_conversations(&["again and again"]).await;
    assert_eq!(desk.messages().await.len(), 2);
    assert_eq!(desk.ask("two").await.text, "two");

    // The same with the button, and an answer that is asked for anew.
    desk.send("again and again").await;
    desk.writing(5).await;
    desk.reload().await;
    desk.click("@stop").await;
    assert_eq!(desk.answered().await.state, "stopped");
    assert_eq!(desk.messages().await.len(), 6);
}
