//! A day of a kiosk: many visitors, of whom one in fifty loses the worker and one in two hundred the web process. Printed;
//! it ends with an error when somebody is not served, something is left behind, or a process grows.
//!
//! `make soak`; `SESSIONS` says how many (1,000). Memory is what a process has of its own: a file that it maps is counted
//! for less as soon as another program with a `WebKit` starts.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::process::ExitCode;
use std::time::Instant;
use wick_tests::soak::{Figures, Plan, Soak};

const SESSIONS: u32 = 1000;
/// After so many, what is kept for good is there.
const WARM: u32 = 50;
/// By so much a process may have grown since then, in hundredths.
const MOST: u64 = 5;

fn main() -> ExitCode {
    let sessions = std::env::var("SESSIONS").ok();
    let sessions = sessions.and_then(|text| text.parse().ok());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .expect("a runtime")
        .block_on(run(sessions.unwrap_or(SESSIONS)))
}

async fn run(sessions: u32) -> ExitCode {
    let plan = Plan {
        sessions,
        // Two in a hundred, so that between them a worker grows old. Both it and the page are as old or older at each
        // later measurement than at the first.
        loses_worker: |number| matches!(number % 100, 10 | 20),
        loses_page: |number| number % 200 == 51,
    };
    let begun = Instant::now();
    let soak = Soak::open("kiosk-soak-long", plan).await;
    let mut warm: Option<Figures> = None;
    let mut faults = Vec::new();
    soak.run(WARM, |after, now| {
        println!(
            "{:>5} s, after {after:>4}: {now}",
            begun.elapsed().as_secs()
        );
        let warm = warm.get_or_insert(now);
        let words = now.grown_since(warm, MOST);
        faults.extend(words.into_iter().map(|one| format!("after {after}: {one}")));
    })
    .await;
    let served = soak.end().await;
    println!(
        "{sessions} sessions, {} turns, {} tokens, {} workers lost over an answer, {} s",
        served.turns,
        served.tokens,
        served.lost,
        begun.elapsed().as_secs()
    );
    for fault in &faults {
        println!("{fault}");
    }
    if faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
