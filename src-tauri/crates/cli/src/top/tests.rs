//! What `wick top` shows of recorded machines, screen for screen (`screens/`).
//!
//! `WICK_RECORD=1 cargo test -p wick-cli top` writes those files anew; look at the difference before you commit it.

use super::palette::Palette;
use super::rates::Rates;
use super::source::{Seen, Source, Teller};
use super::view;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Color;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use studio::{Machine, MonitorNow, Snapshot};
use telemetry::Reading;

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What is seen of a recorded machine.
fn recorded(name: &str) -> Seen {
    let folder = here().join("../telemetry/fixtures").join(name);
    Source::of_machine(Machine::at(folder)).look()
}

fn status() -> Value {
    json!({
        "model": { "type": "loaded", "model_id": "/m/a.gguf", "name": "Llama-3.1-8B-Instruct", "architecture": "llama",
            "quantization": "Q4_K_M", "context_tokens": 8192, "device": "CPU: 20 threads" },
        "memory": { "total_bytes": 130_663_165_952_u64, "weights_bytes": 30_920_000_000_u64,
            "kv_cache_bytes": 8_590_000_000_u64, "scratch_bytes": 300_000_000, "app_bytes": 1_000_000_000, "other_bytes": 28_459_622_784_u64,
            "page_cache_bytes": 42_623_201_280_u64, "free_bytes": 18_770_341_888_u64 },
        "throughput": { "running": true, "decode_tokens_per_second": 41.26, "context_used_tokens": 1234, "last": null },
        "light": { "state": "slow", "reason": "Other programs have the processor." }
    })
}

fn generations() -> Value {
    json!([
        { "asker": { "type": "conversation", "id": 3 }, "model": "Llama-3.1-8B-Instruct", "stage": { "type": "decode" }, "generated_tokens": 123,
            "decode_tokens_per_second": 41.26, "running_ms": 3456 },
        { "asker": { "type": "kiosk" }, "model": "Llama-3.1-8B-Instruct",
            "stage": { "type": "prefill", "processed_tokens": 512, "total_tokens": 2048 }, "generated_tokens": 0,
            "decode_tokens_per_second": null, "running_ms": 800 }
    ])
}

fn programs() -> Value {
    json!([{ "name": "firefox", "bytes": 3_221_225_472_u64, "processes": 9 },
        { "name": "gnome-shell", "bytes": 429_916_160, "processes": 1 }])
}

/// What Wick tells on a Spark while it answers.
fn snapshot() -> Snapshot {
    let reading = recorded("spark-no-memory").now.reading;
    let now = json!({ "reading": reading, "programs": programs(), "generations": generations() });
    let snapshot = json!({ "status": status(), "now": now });
    serde_json::from_value(snapshot).expect("a snapshot")
}

/// The same, as it comes over the socket.
pub(super) fn snapshot_json() -> String {
    serde_json::to_string(&snapshot()).expect("JSON")
}

fn answering() -> Seen {
    let Snapshot { status, now } = snapshot();
    Seen {
        status: Some(status),
        now,
        teller: Teller::Wick,
    }
}

fn rates() -> Rates {
    let mut rates = Rates::default();
    for second in 0..200_u8 {
        let rate = (second % 60 > 13).then(|| 30.0 + f64::from(second % 12));
        rates.take(Duration::from_secs(second.into()), rate);
    }
    rates
}

fn drawn(seen: &Seen, (width, height): (u16, u16), coloured: bool) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    let draw =
        |frame: &mut ratatui::Frame<'_>| view::draw(frame, seen, &rates(), Palette::new(coloured));
    terminal.draw(draw).expect("it is drawn");
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let rows = buffer.content().chunks(buffer.area.width.into());
    let row = |cells: &[ratatui::buffer::Cell]| {
        let text: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        format!("{}\n", text.trim_end())
    };
    rows.map(row).collect()
}

/// Compares with `screens/<name>.txt`.
fn check(name: &str, found: &str) {
    let path: PathBuf = here().join("src/top/screens").join(format!("{name}.txt"));
    if std::env::var_os("WICK_RECORD").is_some() {
        std::fs::write(&path, found).expect("the screens can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{name} is\n{found}");
}

#[test]
fn each_machine_is_drawn_as_it_was() {
    for name in ["desk", "desk-discrete", "spark-no-memory", "spark-64"] {
        let seen = recorded(name);
        for size in [(80, 24), (160, 50)] {
            let name = format!("{name}-{}x{}", size.0, size.1);
            check(&name, &text(&drawn(&seen, size, false)));
        }
        check(&format!("{name}-plain"), &view::plain(&seen));
    }
}

#[test]
fn an_answer_on_its_way_is_drawn_as_it_was() {
    let seen = answering();
    check("answering-80x24", &text(&drawn(&seen, (80, 24), false)));
    check("answering-160x50", &text(&drawn(&seen, (160, 50), false)));
    check("answering-plain", &view::plain(&seen));
    // Colours change nothing but what fills the bar and marks its parts.
    let without = text(&drawn(&seen, (80, 24), false));
    let with = text(&drawn(&seen, (80, 24), true));
    let differing = without.lines().zip(with.lines()).filter(|(a, b)| a != b);
    assert_eq!(differing.count(), 4, "{with}");
}

#[test]
fn who_tells_is_said() {
    let says = |teller: Teller, words: &str| {
        let seen = Seen {
            teller,
            ..recorded("desk")
        };
        let text = text(&drawn(&seen, (80, 24), false));
        assert!(text.contains(words), "{text}");
    };
    says(Teller::Silent, "Wick does not answer");
    let seen = Seen {
        teller: Teller::Alone,
        ..recorded("desk")
    };
    assert!(view::plain(&seen).contains("Wick is not running: only the machine is shown"));
}

#[test]
fn any_size_is_drawn_and_without_colours_there_is_none() {
    let seen = answering();
    for size in [
        (1, 1),
        (10, 3),
        (40, 10),
        (79, 24),
        (119, 30),
        (120, 5),
        (300, 90),
    ] {
        let buffer = drawn(&seen, size, false);
        let cells = buffer.content().iter();
        let coloured = cells.filter(|cell| (cell.fg, cell.bg) != (Color::Reset, Color::Reset));
        assert_eq!(coloured.count(), 0, "{size:?}");
    }
    let buffer = drawn(&seen, (80, 24), true);
    assert!(buffer.content().iter().any(|cell| cell.bg != Color::Reset));
}

#[test]
fn names_from_outside_command_nothing() {
    let hostile = "x\x1b]52;c;eA==\x07\u{9b}2J\u{202e}\ny";
    let mut snapshot = serde_json::to_value(snapshot()).expect("JSON");
    for field in [
        "/status/model/name",
        "/status/model/device",
        "/status/light/reason",
        "/now/programs/0/name",
        "/now/generations/0/model",
        "/now/reading/gpus/0/name",
        "/now/reading/disks/0/name",
        "/now/reading/sensors/0/chip",
        "/now/reading/recorded",
    ] {
        *snapshot.pointer_mut(field).expect(field) = hostile.into();
    }
    let Snapshot { status, now } = serde_json::from_value(snapshot).expect("a snapshot");
    let seen = Seen {
        status: Some(status),
        now,
        teller: Teller::Wick,
    };
    for text in [
        text(&drawn(&seen, (80, 24), false)),
        text(&drawn(&seen, (160, 50), true)),
        view::plain(&seen),
    ] {
        let harmful = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(harmful), "{text:?}");
    }
}

#[test]
fn nothing_that_is_absent_is_a_number() {
    let now = MonitorNow {
        reading: Reading::default(),
        ..MonitorNow::default()
    };
    let seen = Seen {
        status: None,
        now,
        teller: Teller::Alone,
    };
    let text = view::plain(&seen);
    assert!(!text.contains(|c: char| c.is_ascii_digit()), "{text}");
}
