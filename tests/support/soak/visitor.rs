//! One visitor, whose fingers are xdotool's: real touches at places of the screen, real keys.
//!
//! The driver only looks, with expressions that hand out nothing of the page, so that what the page holds is the page's
//! own doing. Invariant: a step returns when what it is for is seen.

use super::RARE;
use crate::window::{Desk, Process};
use serde_json::Value;

/// Answers that are whole.
const WHOLE: &str =
    "[...document.querySelectorAll('@kiosk-message[data-from=model]:not([aria-busy])')]";
/// What a visitor reads where none could be given.
const FAULT: &str = "short break";

/// What befalls a visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fate {
    /// Which visitor, from 1.
    pub(super) number: u32,
    pub(super) turns: u32,
    /// The visitor just goes; otherwise "Start over" is pressed.
    pub(super) walks_away: bool,
    /// In the middle of the second answer the worker is killed.
    pub(super) loses_worker: bool,
    /// Between two turns the web process is killed.
    pub(super) loses_page: bool,
}

/// From the loop to the loop. Returns the last answer.
pub(super) async fn visit(desk: &Desk, fate: Fate) -> String {
    tap(desk, "@kiosk-scene").await;
    ready(desk, 0).await;
    let mut answer = String::new();
    for turn in 0..fate.turns {
        if turn == 0 && fate.number.is_multiple_of(2) {
            tap(desk, "@kiosk-card").await;
        } else {
            write(desk, &format!("tell me of {RARE}{}x{turn}", fate.number)).await;
        }
        if turn == 1 && fate.loses_worker {
            lose_worker(desk).await;
        }
        answer = answered(desk, turn + 1).await;
        if turn == 0 && fate.loses_page {
            lose_page(desk).await;
            ready(desk, turn + 1).await;
        }
    }
    if fate.walks_away {
        phase(desk, "countdown").await;
    } else {
        tap(desk, "@kiosk-start-over").await;
    }
    attract(desk).await;
    answer
}

/// Waits until nobody is there any more and the loop is shown.
pub(super) async fn attract(desk: &Desk) {
    phase(desk, "attract").await;
    desk.see("@kiosk-scene").await;
}

async fn phase(desk: &Desk, name: &str) {
    let so = format!("document.documentElement.dataset.phase === '{name}'");
    desk.until(&format!("the phase {name}"), &so).await;
}

/// Waits until the next message can be typed, after so many answers.
async fn ready(desk: &Desk, answers: u32) {
    let so = format!(
        "document.documentElement.dataset.phase === 'visit' && document.hasFocus() \
         && document.activeElement === document.querySelector('@kiosk-field') && {WHOLE}.length === {answers}"
    );
    desk.until("a message can be typed", &so).await;
}

/// Presses the mouse where this is.
async fn tap(desk: &Desk, selector: &str) {
    desk.see(selector).await;
    let place = format!(
        "(({{ left, top, width, height }}) => [left + width / 2, top + height / 2])\
         (document.querySelector('{selector}').getBoundingClientRect())"
    );
    let place = desk.eval(&place, Value::Null).await;
    let pixel = |at: usize| format!("{:.0}", place[at].as_f64().unwrap_or_default());
    let (x, y) = (pixel(0), pixel(1));
    desk.screen().point(&["mousemove", &x, &y, "click", "1"]);
}

/// Types a message and sends it.
async fn write(desk: &Desk, text: &str) {
    desk.screen().point(&["type", "--delay", "1", text]);
    let typed = format!("document.querySelector('@kiosk-field')?.value === '{text}'");
    desk.until("it is typed", &typed).await;
    desk.screen().point(&["key", "Return"]);
}

/// Waits for the whole answer of this turn.
async fn answered(desk: &Desk, turn: u32) -> String {
    let whole = format!("{WHOLE}.length === {turn} && {WHOLE}.at(-1).innerText.trim()");
    let answer = desk.until("a whole answer that is not empty", &whole).await;
    let answer = answer.as_str().unwrap_or_default();
    assert!(!answer.contains(FAULT), "a visitor reads {answer:?}");
    answer.to_owned()
}

/// Kills the worker as soon as an answer is begun.
async fn lose_worker(desk: &Desk) {
    desk.see("@kiosk-message[aria-busy]").await;
    end(desk.engines()).await;
}

/// Kills the web process, and waits for another one.
async fn lose_page(desk: &Desk) {
    end(desk.home().processes("WebKitWebProcess")).await;
    desk.until("the page is back", "document.documentElement.dataset.ready")
        .await;
}

async fn end(mut processes: Vec<Process>) {
    assert_eq!(processes.len(), 1, "{processes:?}");
    let process = processes.remove(0);
    process.kill();
    process.ended().await;
}
