//! Figures of the real window: start to first paint, what an idle window costs, what the app adds to the engine's time
//! to first token, painted frames at 500 tokens a second. Printed, never asserted: a figure depends on the machine.
//!
//! `cargo bench -p wick-tests --bench window`, after a release build of all programs: `make bench-window`.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use telemetry::Machine;
use wick_tests::window::{Desk, ENTER, Home};

const STARTS: usize = 5;
const IDLE: Duration = Duration::from_secs(20);
const TURNS: usize = 7;
/// Longer than an answer's first token takes.
const QUIET: Duration = Duration::from_secs(1);
/// The kernel's clock ticks a second in `/proc/*/stat` (`USER_HZ`), the same on every Linux that Wick runs on.
const TICKS_PER_SECOND: f64 = 100.0;

#[tokio::main]
async fn main() {
    time_to_first_token().await;
    frames().await;
    first_paint().await;
    idle().await;
}

fn print(name: &str, mut values: Vec<f64>, unit: &str) {
    values.sort_by(f64::total_cmp);
    let (least, most) = (values[0], values[values.len() - 1]);
    let median = values[values.len() / 2];
    println!(
        "{name:<48} {median:>8.1} {unit:<4} (from {least:.1} to {most:.1}, {} runs)",
        values.len()
    );
}

async fn first_paint() {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let desk = Desk::open("bench-start", Home::new()).await;
        let painted = "performance.timeOrigin + performance.getEntriesByName('first-contentful-paint')[0].startTime";
        let painted_ms = desk.until("something is painted", painted).await;
        times.push(number(&painted_ms) - started_ms(desk.process().id()));
    }
    print("process start to first contentful paint", times, "ms");
}

/// When a process began, in milliseconds since 1970.
fn started_ms(process: u32) -> f64 {
    let since_boot = field(&format!("/proc/{process}/stat"), |text| {
        stat_field(text, 21)
    }) / TICKS_PER_SECOND;
    let uptime = field("/proc/uptime", |text| {
        text.split(' ').next().map(str::to_owned)
    });
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    (now.as_secs_f64() - uptime + since_boot) * 1e3
}

fn field(path: &str, pick: impl Fn(&str) -> Option<String>) -> f64 {
    let text = std::fs::read_to_string(path).expect("the process runs");
    pick(&text)
        .and_then(|field| field.parse().ok())
        .expect("a number")
}

/// A field of `/proc/<pid>/stat`, counted from 0; the program's name before them may hold blanks.
fn stat_field(text: &str, index: usize) -> Option<String> {
    let (_, rest) = text.rsplit_once(") ")?;
    rest.split(' ').nth(index - 2).map(str::to_owned)
}

async fn idle() {
    let desk = Desk::open("bench-idle", Home::new()).await;
    let processes = Machine::local()
        .process_tree(desk.process().id())
        .expect("the app runs");
    let cpu_ticks = || -> f64 {
        let of = |id: &u32| {
            let path = format!("/proc/{id}/stat");
            field(&path, |text| stat_field(text, 13)) + field(&path, |text| stat_field(text, 14))
        };
        processes.iter().map(of).sum()
    };
    // The start's own work is over when the page is ready, its garbage collections soon after.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = cpu_ticks();
    tokio::time::sleep(IDLE).await;
    let share = (cpu_ticks() - before) / TICKS_PER_SECOND / IDLE.as_secs_f64() * 100.0;
    println!(
        "{:<48} {share:>8.2} %    of one core over {} s, {} processes",
        "idle window",
        IDLE.as_secs(),
        processes.len()
    );
    let pss = processes.iter().map(|id| {
        field(&format!("/proc/{id}/smaps_rollup"), |text| {
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
            line.split_whitespace().next().map(str::to_owned)
        })
    });
    println!(
        "{:<48} {:>8.1} MB",
        "idle window, PSS of all its processes",
        pss.sum::<f64>() * 1024.0 / 1e6
    );
}

/// From the key press to the paint of the first text, less what the engine itself says that it took.
async fn time_to_first_token() {
    let desk = Desk::open("bench-ttft", Home::new()).await;
    desk.ask("Hello").await;
    let mut added = Vec::new();
    for turn in 0..TURNS {
        desk.fill("@composer", &format!("Say hello {turn} times."))
            .await;
        desk.eval(WATCH_FIRST_TEXT, Value::Null).await;
        desk.press(&[ENTER]).await;
        // Asking meanwhile would take the page's time from what is measured.
        tokio::time::sleep(QUIET).await;
        let seen_ms = number(&desk.until("text is painted", "window.benchSeen").await);
        desk.answered().await;
        let engine_ms = desk.until("the engine's figures", LAST_TTFT).await;
        added.push(seen_ms - number(&engine_ms));
    }
    print(
        "Enter to first token painted, beyond the engine",
        added,
        "ms",
    );
}

/// Notes the time of the next Enter, and when the frame that first showed text of the answer was painted. The page puts
/// text in within a frame, so a task posted right then runs after that frame's paint; looking once a frame instead would
/// find the text a whole frame later.
const WATCH_FIRST_TEXT: &str = "(() => {
  window.benchSeen = 0;
  // A question of the last turn may have been answered after that turn.
  window.benchStatus = undefined;
  const answers = () => document.querySelectorAll('[data-testid=message-assistant]');
  const before = answers().length;
  let pressed = 0;
  addEventListener('keydown', () => (pressed = performance.now()), { once: true, capture: true });
  const painted = () => (window.benchSeen = performance.now() - pressed);
  const observer = new MutationObserver(() => {
    const prose = answers()[before]?.querySelector('.prose');
    if (!pressed || !prose?.textContent?.trim()) return;
    observer.disconnect();
    setTimeout(painted);
  });
  observer.observe(document.body, { subtree: true, childList: true, characterData: true });
  return true;
})()";

/// The exact figure is in the status; the page shows it rounded.
const LAST_TTFT: &str = "(() => {
  window.__TAURI_INTERNALS__.invoke('status').then((status) => (window.benchStatus = status));
  const status = window.benchStatus;
  window.benchStatus = undefined;
  return status && !status.throughput.running && status.throughput.last?.ttft_ms;
})()";

/// 500 tokens a second through the whole app, from the pipe to the paint.
async fn frames() {
    let home = Home::with_parrot();
    home.teach(&markdown());
    let desk = Desk::open("bench-frames", home).await;
    desk.eval(COUNT_FRAMES, Value::Null).await;
    desk.send("Go").await;
    desk.answered().await;
    let seconds = desk.eval("window.benchFrames", Value::Null).await;
    let seconds: Vec<f64> = seconds
        .as_array()
        .expect("a list")
        .iter()
        .map(number)
        .collect();
    // The last second is cut off by the end.
    let whole = seconds[..seconds.len() - 1].to_vec();
    print("painted frames in a second at 500 tokens/s", whole, "");
}

/// Frames in each second while an answer is being written.
const COUNT_FRAMES: &str = "(() => {
  window.benchFrames = [];
  let from = 0;
  const frame = (now) => {
    const writing = document.querySelector('[data-testid=message-assistant][data-state=streaming]');
    if (writing) {
      from ||= now;
      const second = Math.floor((now - from) / 1000);
      window.benchFrames[second] = (window.benchFrames[second] ?? 0) + 1;
    }
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  return true;
})()";

/// About ten seconds of prose, code, lists and tables.
fn markdown() -> String {
    let part = "## A heading\n\nSome prose with **bold** words, `code` and a [link](https://example.org), \
        which goes on for a while so that lines wrap.\n\n- one\n- two, with more words\n- three\n\n\
        ```rust\nfn main() {\n    let answer = 6 * 7;\n    println!(\"{answer}\");\n}\n```\n\n\
        | a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n\n";
    part.repeat(70)
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}
