//! `wick top --json` beside the window: at one moment, both say the same.

use super::SHORT;
use serde_json::Value;
use std::path::Path;
use std::time::Instant;
use wick_tests::window::{Desk, Home, PATIENCE};

/// The starter model's tensors, to the byte.
const WEIGHTS_BYTES: u64 = 96_576_768;

/// What the window shows of the memory: the strip and the monitor in words, and what it was told.
#[derive(Debug, Clone, PartialEq)]
struct Window {
    strip: String,
    pool: String,
    held: Vec<String>,
    told: Value,
}

async fn window(desk: &Desk) -> Window {
    let call =
        "void window.__TAURI_INTERNALS__.invoke('status').then((status) => (window.told = status))";
    desk.eval("delete window.told", Value::Null).await;
    desk.eval(call, Value::Null).await;
    Window {
        strip: desk.text("@strip-memory").await,
        pool: desk.text("@monitor-pool").await,
        held: desk.texts("@monitor-loaded td").await,
        told: desk.until("the status", "window.told").await,
    }
}

fn top(desk: &Desk) -> Value {
    let output = desk.home().command("wick").args(["top", "--json"]).output();
    let output = output.expect("wick starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    let line = output.stdout.strip_suffix(b"\n").expect("a line");
    assert!(!line.contains(&b'\n'), "more than one line");
    serde_json::from_slice(line).expect("JSON")
}

/// What both say at one moment: the window says the same before `wick top` is asked and after.
async fn at_one_moment(desk: &Desk) -> (Window, Value) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let before = window(desk).await;
        let told = top(desk);
        if window(desk).await == before {
            return (before, told);
        }
        assert!(Instant::now() < deadline, "the window never stands still");
    }
}

fn gib(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "rounded to a tenth of a GiB")]
    let gib = bytes as f64 / f64::from(1 << 30);
    format!("{gib:.1}")
}

fn mib(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "rounded to a MiB")]
    let mib = bytes as f64 / f64::from(1 << 20);
    format!("{mib:.0} MiB")
}

#[tokio::test]
async fn top_says_what_the_strip_and_the_monitor_show() {
    let desk = Desk::open("top", Home::new()).await;
    desk.ask(SHORT).await;
    desk.click("@rail-monitor").await;
    desk.see_words("@monitor-loaded", "SmolLM2").await;
    desk.see_words("@monitor-pool", "Weights").await;
    let (window, top) = at_one_moment(&desk).await;

    let memory = &top["status"]["memory"];
    let bytes = |name: &str| memory[name].as_u64().expect("a number of bytes");
    for exact in ["total_bytes", "weights_bytes", "kv_cache_bytes"] {
        assert_eq!(memory[exact], window.told["memory"][exact], "{exact}");
    }
    assert_eq!(top["status"]["model"], window.told["model"]);
    assert_eq!(bytes("weights_bytes"), WEIGHTS_BYTES);
    assert!(bytes("kv_cache_bytes") > 0);
    let used = [
        "weights_bytes",
        "kv_cache_bytes",
        "scratch_bytes",
        "app_bytes",
        "other_bytes",
    ]
    .map(bytes);
    let strip = format!(
        "{} / {} GiB",
        gib(used.iter().sum()),
        gib(bytes("total_bytes"))
    );
    assert!(window.strip.contains(&strip), "{strip}: {window:?}");
    for (name, part) in [("Weights", "weights_bytes"), ("KV cache", "kv_cache_bytes")] {
        let words = mib(bytes(part));
        assert!(
            window.pool.contains(&format!("{name}\n{words}")),
            "{words}: {window:?}"
        );
        assert!(window.held.contains(&words), "{words}: {window:?}");
    }
    assert_eq!(top["now"]["generations"], Value::Array(Vec::new()));
    assert!(top["now"]["programs"][0]["bytes"].is_u64(), "{top}");
}

#[tokio::test]
async fn the_socket_is_this_persons_and_goes_with_the_app() {
    use std::os::unix::fs::PermissionsExt;
    let mut desk = Desk::open("top-socket", Home::with_parrot()).await;
    let socket = desk.home().data().join("readings.sock");
    let mode = |path: &Path| {
        std::fs::metadata(path)
            .expect("a socket")
            .permissions()
            .mode()
    };
    assert_eq!(mode(&socket) & 0o777, 0o600);
    desk.end(wick_tests::window::End::Terminated).await;
    assert!(!socket.exists());
    let told = top(&desk);
    assert_eq!(told["status"], Value::Null, "nobody is there to ask");
    assert!(told["now"]["reading"]["memory"]["total_bytes"].is_u64());

    // One that is killed leaves its socket, and the next one takes its place.
    desk.start().await;
    desk.end(wick_tests::window::End::Killed).await;
    assert!(socket.exists());
    assert_eq!(top(&desk)["status"], Value::Null);
    desk.start().await;
    assert!(top(&desk)["status"].is_object());
}
