//! Of a visitor who is gone there is nothing left: in the page, in the clipboard, on the disk.

use super::{NO_HASTE, phase, prepared, say, touch};
use wick_tests::window::{Desk, End, Home, Show};

/// Words that nobody else would write.
const SAID: &str = "quixotic zephyr 7731";
const DRAFT: &str = "marmalade obelisk 5519";
/// What the parrot answers beside them.
const ANSWERED: &str = "vermilion kumquat 8842";

/// No file of this home, its log among them, has any of it.
fn nothing_on_the_disk(desk: &Desk, when: &str) {
    let log = std::fs::read_to_string(desk.log()).unwrap_or_default();
    for words in [SAID, DRAFT, ANSWERED] {
        let taught = desk.home().path("says.md");
        let mut found = desk.home().finds(words);
        found.retain(|path| *path != taught);
        assert!(found.is_empty(), "{when}: {words:?} in {found:?}");
        assert!(!log.contains(words), "{when}: {words:?} in the log");
    }
}

async fn page_has_nothing(desk: &Desk) {
    let whole = "document.documentElement.outerHTML + JSON.stringify([{ ...localStorage }, { ...sessionStorage }, \
                 document.cookie, document.title, location.href])";
    let whole = desk.eval(whole, "").await.to_string();
    for words in [SAID, DRAFT, ANSWERED] {
        assert!(!whole.contains(words), "{words:?} in the page");
    }
}

#[tokio::test]
async fn nothing_of_a_visitor_stays() {
    let home = prepared(Home::with_parrot().with_temporary_folder(), NO_HASTE);
    let mut desk = Desk::prepare("kiosk-wiped", home, Show::Plain(1280, 800)).await;
    desk.start_kiosk(&[]).await;
    for round in ["the first", "the second"] {
        touch(&desk).await;
        assert_eq!(say(&desk, SAID).await, SAID);
        desk.home().teach(ANSWERED);
        assert_eq!(say(&desk, "and?").await, ANSWERED);
        std::fs::remove_file(desk.home().path("says.md")).expect("a file");
        desk.type_into("@kiosk-field", DRAFT).await;
        desk.screen().point(&["key", "ctrl+a"]);
        desk.screen().point(&["key", "ctrl+c"]);
        nothing_on_the_disk(&desk, &format!("while {round} is there"));
        desk.click("@kiosk-start-over").await;
        phase(&desk, "attract").await;
        page_has_nothing(&desk).await;
        nothing_on_the_disk(&desk, &format!("after {round}"));
    }
    // Neither the keyboard nor the middle button brings anything back.
    touch(&desk).await;
    desk.eval("(document.querySelector('@kiosk-field').focus(), 1)", "")
        .await;
    desk.screen().point(&["key", "ctrl+v", "shift+Insert"]);
    desk.screen().point(&["click", "2"]);
    desk.screen().point(&["key", "x"]);
    desk.until(
        "the letter arrives",
        "document.querySelector('@kiosk-field').value === 'x'",
    )
    .await;
    desk.end(End::Terminated).await;
    nothing_on_the_disk(&desk, "after the end");
}

/// The session itself is counted, for the operator.
#[tokio::test]
async fn a_killed_kiosk_leaves_no_words_either() {
    let home = prepared(Home::with_parrot().with_temporary_folder(), NO_HASTE);
    let mut desk = Desk::prepare("kiosk-wiped-killed", home, Show::Plain(1280, 800)).await;
    desk.start_kiosk(&[]).await;
    touch(&desk).await;
    assert_eq!(say(&desk, SAID).await, SAID);
    desk.end(End::Killed).await;
    nothing_on_the_disk(&desk, "after it was killed");
    desk.start_kiosk(&[]).await;
    phase(&desk, "attract").await;
    page_has_nothing(&desk).await;
}
