//! Who has the PIN gets out; who has not waits ever longer.

use super::{NO_HASTE, PIN, phase, prepared, touch};
use wick_tests::window::{Desk, End, Home, Show};

async fn opened(name: &str) -> Desk {
    let home = prepared(Home::with_parrot(), NO_HASTE);
    let mut desk = Desk::prepare(name, home, Show::Plain(1280, 800)).await;
    desk.start_kiosk(&[]).await;
    desk
}

/// Types a PIN with the keyboard, as soon as one is looked at.
async fn try_pin(desk: &Desk, pin: &str) {
    desk.see("@kiosk-pin").await;
    desk.until(
        "a PIN can be typed",
        "!document.querySelector('@kiosk-pin-words').innerText.includes('again in')",
    )
    .await;
    for digit in pin.chars() {
        desk.screen().point(&["key", &digit.to_string()]);
    }
    desk.until(
        "it is typed",
        "!document.querySelector('@kiosk-pin-key[data-key=enter]')?.disabled",
    )
    .await;
    desk.screen().point(&["key", "Return"]);
}

/// Tries a wrong one until it is looked at, and returns the seconds that the page says one has to wait then.
async fn wrong(desk: &Desk, pin: &str) -> u64 {
    loop {
        try_pin(desk, pin).await;
        desk.see_words("@kiosk-pin-words", "again in").await;
        let words = desk.text("@kiosk-pin-words").await;
        if words.contains("That was not it") {
            let number = words.split(' ').find_map(|word| word.parse().ok());
            return number.expect("a number");
        }
    }
}

#[tokio::test]
async fn wrong_pins_slow_down_and_the_right_one_leads_out() {
    let mut desk = opened("kiosk-pin").await;
    desk.screen().point(&["key", "ctrl+alt+k"]);
    for wrong in ["1111", "2222", "3333"] {
        try_pin(&desk, wrong).await;
        desk.see_words("@kiosk-pin-words", "That was not it").await;
    }
    let first = wrong(&desk, "4444").await;
    // A restart does not help.
    desk.end(End::Killed).await;
    desk.start_kiosk(&[]).await;
    desk.screen().point(&["key", "ctrl+alt+k"]);
    let second = wrong(&desk, "5555").await;
    assert!(second > first, "{first} s, then {second} s");
    desk.until(
        "the wait is over",
        "!document.querySelector('@kiosk-pin-words').innerText.includes('again in')",
    )
    .await;
    try_pin(&desk, PIN).await;
    desk.see("@kiosk-leave-quit").await;
    desk.picture("kiosk-operator").await;
    desk.click("@kiosk-leave-back").await;
    desk.see_no("@kiosk-leave-quit").await;
    phase(&desk, "attract").await;
}

#[tokio::test]
async fn the_corner_is_a_way_in_and_quitting_ends_all() {
    let desk = opened("kiosk-corner").await;
    touch(&desk).await;
    desk.screen()
        .point(&["mousemove", "1270", "10", "mousedown", "1"]);
    desk.see("@kiosk-pin").await;
    desk.screen().point(&["mouseup", "1"]);
    desk.picture("kiosk-pin").await;
    try_pin(&desk, PIN).await;
    desk.see("@kiosk-leave-quit").await;
    // Later: the answer to a click would be lost with the page.
    let quit = "(setTimeout(() => document.querySelector('@kiosk-leave-quit').click(), 500), 1)";
    desk.eval(quit, "").await;
    desk.process().ended().await;
}

/// What only the operator may do is refused to a page that asks for it without a PIN.
#[tokio::test]
async fn no_call_gets_around_the_pin() {
    let desk = opened("kiosk-calls").await;
    let refused = |command: &str, arguments: &str| {
        format!(
            "((window.answer = null), window.__TAURI_INTERNALS__.invoke('{command}', {arguments}).then(\
             () => (window.answer = 'done'), (error) => (window.answer = JSON.stringify(error) ?? 'refused')), 1)"
        )
    };
    for (command, arguments) in [
        ("kiosk_leave", "{ how: 'to_desk' }"),
        ("kiosk_leave", "{ how: 'quit' }"),
        ("kiosk_today", "{}"),
        ("conversations", "{}"),
        ("send_message", "{}"),
        ("set_kiosk_pin", "{ pin: '9753' }"),
        ("open_link", "{ url: 'https://example.org' }"),
        ("kiosk_setup", "{}"),
        ("plugin:window|close", "{}"),
        ("plugin:webview|create_webview_window", "{}"),
    ] {
        desk.eval(&refused(command, arguments), "").await;
        let answer = desk.until("an answer", "window.answer").await;
        assert_ne!(answer, "done", "{command}");
    }
    assert_eq!(desk.windows().await, 1);
    phase(&desk, "attract").await;
}
