//! The app is started a second time with the same data.

use serde_json::Value;
use wick_tests::window::{Desk, Home, Process};

#[tokio::test]
async fn a_second_start_ends_and_the_first_stays() {
    let desk = Desk::open("second-start", Home::with_parrot()).await;
    desk.ask("one").await;
    desk.eval("document.body.dataset.mark = 'mine'", Value::Null)
        .await;
    let mut second = desk.another_start().spawn().expect("it starts");
    Process::find(second.id()).expect("our child").ended().await;
    let status = second.wait().expect("our child");
    assert_eq!(status.code(), Some(0));
    assert!(desk.process().is_alive());
    assert_eq!(desk.home().processes("wick-studio").len(), 1);
    // It is still the same page, and it works.
    desk.until(
        "the page is as it was",
        "document.body.dataset.mark === 'mine'",
    )
    .await;
    assert_eq!(desk.ask("two").await.text, "two");
}
