//! Nothing that a stranger presses leads out.
//!
//! After each try a letter is typed: when it has arrived, what was tried is over, the page is the same one, and no menu or
//! window has taken the keyboard.

use super::{NO_HASTE, prepared, size, touch};
use serde_json::json;
use wick_tests::window::{Desk, Home, Show};

/// Keys as `xdotool` names them.
const KEYS: &[&str] = &[
    "alt+F4",
    "ctrl+w",
    "ctrl+q",
    "F11",
    "F12",
    "ctrl+shift+i",
    "ctrl+shift+c",
    "ctrl+shift+j",
    "alt+Left",
    "alt+Right",
    "alt+Home",
    "F5",
    "ctrl+F5",
    "ctrl+r",
    "ctrl+shift+r",
    "ctrl+p",
    "ctrl+o",
    "ctrl+s",
    "ctrl+u",
    "ctrl+n",
    "ctrl+shift+n",
    "ctrl+t",
    "ctrl+shift+t",
    "ctrl+F4",
    "ctrl+plus",
    "ctrl+minus",
    "ctrl+0",
    "ctrl+equal",
    "ctrl+f",
    "ctrl+g",
    "ctrl+h",
    "ctrl+j",
    "ctrl+k",
    "ctrl+l",
    "ctrl+d",
    "F1",
    "F3",
    "F6",
    "F7",
    "F9",
    "F10",
    "shift+F10",
    "Menu",
    "alt+space",
    "alt+F9",
    "alt+F10",
    "alt+F2",
    "alt+Tab",
    "alt+Return",
    "alt+d",
    "super",
    "super+d",
    "super+l",
    "ctrl+Escape",
    "ctrl+alt+t",
    "ctrl+alt+Delete",
    "ctrl+Tab",
    "ctrl+Page_Up",
    "ctrl+Page_Down",
    "Escape",
    "Print",
    "XF86Back",
    "XF86Forward",
    "XF86Refresh",
    "XF86HomePage",
    "XF86Search",
    "XF86WWW",
    "XF86Explorer",
    "XF86Calculator",
];

/// Buttons of a mouse: middle, right, and the two at its side; the wheel while Ctrl is held; a drag.
const POINTER: &[&[&str]] = &[
    &["click", "2"],
    &["click", "3"],
    &["click", "8"],
    &["click", "9"],
    &[
        "keydown", "ctrl", "click", "4", "click", "5", "click", "2", "keyup", "ctrl",
    ],
    &[
        "mousedown",
        "1",
        "mousemove_relative",
        "--",
        "-300",
        "-200",
        "mouseup",
        "1",
    ],
    &["keydown", "shift", "click", "3", "keyup", "shift"],
];

/// What a page could do to itself.
const SCRIPTS: &[&str] = &[
    "(window.open('https://example.org'), 1)",
    "(location.assign('https://example.org'), 1)",
    "(location.href = 'file:///etc/passwd', 1)",
    "(window.print(), 1)",
    "(document.body.requestFullscreen?.().catch(() => 0), 1)",
    "((() => { const one = document.createElement('a'); one.href = 'https://example.org'; one.target = '_blank'; \
      document.body.append(one); one.click(); one.remove(); })(), 1)",
    "((() => { const one = document.createElement('input'); one.type = 'file'; one.click(); })(), 1)",
    "((() => { const one = document.createElement('a'); one.href = 'data:text/plain,x'; one.download = 'x'; \
      document.body.append(one); one.click(); one.remove(); })(), 1)",
];

/// Proves that all is as it was.
async fn nothing_happened(desk: &Desk, tried: &str) {
    desk.screen().point(&["key", "x"]);
    let arrived = "document.querySelector('@kiosk-field')?.value.endsWith('x') && window.same";
    desk.until(&format!("the letter after {tried}"), arrived)
        .await;
    let state = "[window.same, location.href === window.same.href, innerWidth, innerHeight, devicePixelRatio,\
                  visualViewport.scale, document.visibilityState, document.hasFocus()]";
    let state = desk.eval(state, serde_json::Value::Null).await;
    let rest = state.as_array().map(|all| all[1..].to_vec());
    let expected = json!([true, 1280, 800, 1, 1, "visible", true]);
    assert_eq!(json!(rest), expected, "after {tried}");
    assert_eq!(desk.windows().await, 1, "after {tried}");
    desk.eval("(document.querySelector('@kiosk-field').value = '', 1)", "")
        .await;
}

async fn holds(managed: bool) {
    let name = if managed {
        "kiosk-locked-managed"
    } else {
        "kiosk-locked"
    };
    let home = prepared(Home::with_parrot(), NO_HASTE);
    let mut desk = Desk::prepare(name, home, Show::Plain(1280, 800)).await;
    if managed {
        desk.manage().await;
    }
    desk.start_kiosk(&[]).await;
    size(&desk, (1280, 800)).await;
    touch(&desk).await;
    desk.eval("(window.same = { href: location.href }, 1)", "")
        .await;
    desk.eval("(document.querySelector('@kiosk-field').focus(), 1)", "")
        .await;
    for key in KEYS {
        desk.screen().point(&["key", key]);
        nothing_happened(&desk, key).await;
    }
    desk.screen().point(&["mousemove", "640", "300"]);
    for tried in POINTER {
        desk.screen().point(tried);
        nothing_happened(&desk, &format!("{tried:?}")).await;
    }
    for script in SCRIPTS {
        desk.eval(script, "").await;
        nothing_happened(&desk, script).await;
    }
}

#[tokio::test]
async fn no_key_and_no_button_leads_out() {
    holds(false).await;
}

#[tokio::test]
async fn no_key_of_a_window_manager_leads_out_either() {
    holds(true).await;
}
