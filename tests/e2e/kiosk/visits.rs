//! A visitor comes, talks, goes, and is forgotten; the loop goes on.

use super::{phase, prepared, say, size, touch};
use wick_tests::window::{Desk, Home, Show};

/// Long enough to talk, short enough to be waited for.
const SOON: &str = "
motto = \"This computer answers by itself. No cloud.\"
[visitor]
cards = [\"Why is the sky blue?\", \"Write a haiku about Austin\"]
models = [\"SmolLM2-135M-Instruct\"]
max_tokens = 60
max_turns = 3
idle_seconds = 20
countdown_seconds = 12
";

/// Takes a picture when nothing appears any more. What goes on and on may go on.
async fn take(desk: &Desk, name: &str) {
    let still = "document.getAnimations().every((one) => one.playState !== 'running' \
                 || one.effect.getComputedTiming().activeDuration > 1000)";
    desk.until("nothing appears", still).await;
    desk.screen()
        .picture(&Desk::artifact(&format!("{name}.png")));
}

/// One visit from the loop to the loop, with a picture of each moment.
async fn comes_and_goes(width: u32, height: u32) {
    let name = format!("kiosk-{width}");
    let home = prepared(Home::new(), SOON);
    let mut desk = Desk::prepare(&name, home, Show::Plain(width, height)).await;
    desk.start_kiosk(&[]).await;
    size(&desk, (width, height)).await;
    phase(&desk, "attract").await;
    for kind in ["title", "slide", "live"] {
        desk.see(&format!("@kiosk-scene[data-type={kind}]")).await;
        if kind == "live" {
            let begun = "document.querySelector('@kiosk-scene .markdown')?.innerText.length > 40";
            desk.until("the model writes in the scene", begun).await;
            let rated = "parseInt(document.querySelector('@kiosk-figures .big')?.innerText) > 0";
            desk.until("its rate stands beside it", rated).await;
        }
        desk.screen()
            .picture(&Desk::artifact(&format!("{name}-{kind}.png")));
    }

    touch(&desk).await;
    take(&desk, &format!("{name}-greeting")).await;
    desk.click("@kiosk-card").await;
    let answered = "document.querySelectorAll('@kiosk-message[data-from=model]:not([aria-busy])').length === 1";
    desk.until("the card is answered", answered).await;
    let answer = say(&desk, "Say it in five words.").await;
    assert!(!answer.is_empty());
    assert_eq!(desk.count("@kiosk-message").await, 4);
    desk.see("@kiosk-start-over").await;
    take(&desk, &format!("{name}-conversation")).await;

    phase(&desk, "countdown").await;
    desk.see("@kiosk-countdown").await;
    take(&desk, &format!("{name}-countdown")).await;
    desk.click("@kiosk-still-here").await;
    phase(&desk, "visit").await;
    assert_eq!(
        desk.count("@kiosk-message").await,
        4,
        "the visitor was there"
    );

    phase(&desk, "countdown").await;
    phase(&desk, "attract").await;
    desk.see("@kiosk-scene").await;
    touch(&desk).await;
    assert_eq!(desk.count("@kiosk-message").await, 0, "of the one before");
    assert_eq!(desk.value("@kiosk-field").await, "");
}

#[tokio::test]
async fn a_visitor_comes_and_goes_on_a_television() {
    comes_and_goes(1920, 1080).await;
}

#[tokio::test]
async fn a_visitor_comes_and_goes_on_a_large_television() {
    comes_and_goes(3840, 2160).await;
}

#[tokio::test]
async fn there_is_an_end_to_what_one_visitor_may_say() {
    let config = "[visitor]\nmax_turns = 2\nidle_seconds = 3600\n";
    let home = prepared(Home::with_parrot(), config);
    let mut desk = Desk::prepare("kiosk-turns", home, Show::Plain(1280, 800)).await;
    desk.start_kiosk(&[]).await;
    touch(&desk).await;
    assert_eq!(say(&desk, "one two").await, "one two");
    assert_eq!(say(&desk, "three").await, "three");
    desk.until(
        "there is no more to say",
        "!document.querySelector('@kiosk-send:not(:disabled)')",
    )
    .await;
    desk.click("@kiosk-start-over").await;
    phase(&desk, "attract").await;
    touch(&desk).await;
    assert_eq!(say(&desk, "four").await, "four");
}

#[tokio::test]
async fn what_is_blocked_is_neither_answered_nor_said() {
    let config = "[visitor]\nidle_seconds = 3600\n[rules]\nblocked = [\"dragon\"]\nblocked_answer = \"Of something else.\"\n";
    let home = prepared(Home::with_parrot(), config);
    let mut desk = Desk::prepare("kiosk-rules", home, Show::Plain(1280, 800)).await;
    desk.start_kiosk(&[]).await;
    touch(&desk).await;
    assert_eq!(
        say(&desk, "tell me of a DRAGON").await,
        "Of something else."
    );
    desk.home().teach("and then the dragon came");
    assert_eq!(say(&desk, "tell me more").await, "Of something else.");
}
