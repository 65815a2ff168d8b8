//! The kiosk: what strangers, their operator and the machine do to a screen that runs itself.

mod configuration;
mod displays;
mod lockdown;
mod operator;
mod returning;
mod soak;
mod visits;
mod wiping;

use wick_tests::kiosk::{PIN, configure, prepared};
use wick_tests::window::Desk;

/// The page's ground, `#12100e`.
const GROUND: &str = "srgb(18,16,14)";
/// Long enough for any story that is not about it.
const NO_HASTE: &str = "[visitor]\nidle_seconds = 3600\n";

/// Waits until the page says that this is going on.
async fn phase(desk: &Desk, name: &str) {
    let so = format!("document.documentElement.dataset.phase === '{name}'");
    desk.until(&format!("the phase {name}"), &so).await;
}

/// Waits until the page has this size, in its own pixels.
async fn size(desk: &Desk, (width, height): (u32, u32)) {
    let so = format!("innerWidth === {width} && innerHeight === {height}");
    desk.until(&format!("the page has {width} × {height}"), &so)
        .await;
}

/// Somebody touches the screen, or presses the mouse, in its middle.
async fn touch(desk: &Desk) {
    desk.see("@kiosk-scene").await;
    desk.click("@kiosk-scene").await;
    phase(desk, "visit").await;
    desk.see("@kiosk-field").await;
}

/// Says something, and waits for the whole answer.
async fn say(desk: &Desk, text: &str) -> String {
    let answers = "@kiosk-message[data-from=model]:not([aria-busy])";
    let before = desk.count(answers).await;
    desk.fill("@kiosk-field", text).await;
    desk.click("@kiosk-send").await;
    let more = format!("document.querySelectorAll('{answers}').length > {before}");
    desk.until("the whole answer", &more).await;
    desk.texts(answers).await.pop().unwrap_or_default()
}
