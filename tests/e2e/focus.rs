//! The window is out of sight: its status is looked at more rarely, until somebody looks again.

use wick_tests::window::{Desk, Home, Process};

const WATCHED: &str = "somebody looks at the status";
const UNWATCHED: &str = "nobody looks at the status";

#[tokio::test]
async fn a_minimised_window_is_not_watched_until_it_is_back() {
    let desk = Desk::open_managed("focus", Home::with_parrot()).await;
    desk.until_true("the window has the keyboard", || desk.said(WATCHED) > 0)
        .await;
    assert_eq!(desk.said(UNWATCHED), 0);
    desk.press_outside("alt+F9");
    desk.until_true("nobody looks", || desk.said(UNWATCHED) > 0)
        .await;
    let before = desk.said(WATCHED);
    // Starting Wick again is how a person gets back a window that they can't find.
    let mut second = desk.another_start().spawn().expect("it starts");
    Process::find(second.id()).expect("our child").ended().await;
    second.wait().expect("our child");
    desk.until_true("somebody looks again", || desk.said(WATCHED) > before)
        .await;
}
