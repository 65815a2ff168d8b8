//! `wick-parrot`: an engine without a model, for tests of the window. It says again what it is told, word by word.
//!
//! It speaks the worker's language on standard input and output and ends when its input does. Where the file exists that
//! the environment names as [`SAYS`], it says what is in there instead. A text that begins with [`FOR_EVER`] is said
//! again and again until it is cancelled. One that begins with [`LOSES_GPU`] ends it after two words, as a worker ends whose GPU
//! has failed.

use engine_api::wire::{Command, Report, to_line};
use engine_api::{
    FinishReason, GPU_FAILED, GenerateRequest, GenerationEvent, GenerationId, InterToken, KvRead,
    KvReads, LoadedModel, Prompt, Timings,
};
use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const FOR_EVER: &str = "again and again";
const LOSES_GPU: &str = "lose the GPU";
const SAYS: &str = "WICK_PARROT_SAYS";
/// 500 words a second, the pace at which the window's frames are counted (benches/window.rs).
const PACE: Duration = Duration::from_millis(2);

fn main() {
    let cancelled: Arc<Mutex<Arc<AtomicBool>>> = Arc::default();
    let current = || cancelled.lock().expect("no panic").clone();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        match serde_json::from_str(&line).expect("a command") {
            Command::Load { .. } => report(&Report::Loaded(model())),
            Command::Generate { id, request } => {
                let stop = Arc::new(AtomicBool::new(false));
                *cancelled.lock().expect("no panic") = stop.clone();
                std::thread::spawn(move || say(id, &request, &stop));
            }
            Command::Cancel { .. } => current().store(true, Ordering::Relaxed),
            // It has none.
            Command::ForgetCache => report(&Report::Forgotten),
            Command::Ask { .. } | Command::Withdraw { .. } => {}
        }
    }
}

fn model() -> LoadedModel {
    LoadedModel {
        name: Some("Parrot".into()),
        architecture: "parrot".into(),
        quantization: "Q4_1".into(),
        context_tokens: 8192,
        // A tenth of a gigabyte for each token, and a quarter of a kilobyte for each position before it.
        active_bytes: 100_000_000,
        kv_bytes_per_token: 256,
        kv_reads: KvReads {
            layers: vec![KvRead {
                window_tokens: None,
                bytes_per_token: 256,
            }],
            state_bytes: 0,
        },
        parameters: 1,
        vocabulary_tokens: 1,
        device: "perch".into(),
        load_ms: 1.0,
        ..LoadedModel::default()
    }
}

fn say(id: GenerationId, request: &GenerateRequest, stop: &AtomicBool) {
    let tell = |event| report(&Report::Generation { id, event });
    let taught = std::env::var_os(SAYS).and_then(|file| std::fs::read_to_string(file).ok());
    let text = taught.unwrap_or_else(|| last_words(&request.prompt));
    let total_tokens = 12;
    tell(GenerationEvent::Queued);
    tell(GenerationEvent::Prefill {
        processed_tokens: total_tokens,
        total_tokens,
    });
    let words: Vec<&str> = text.split_inclusive(char::is_whitespace).collect();
    let rounds = if text.starts_with(FOR_EVER) {
        usize::MAX
    } else {
        1
    };
    let start = Instant::now();
    let mut generated_tokens = 0;
    for word in std::iter::repeat_n(&words, rounds).flatten() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        if generated_tokens == 2 && text.starts_with(LOSES_GPU) {
            std::process::exit(GPU_FAILED);
        }
        generated_tokens += 1;
        let text = if rounds == 1 {
            (*word).to_owned()
        } else {
            format!("{} ", word.trim())
        };
        tell(GenerationEvent::Token {
            text,
            generated_tokens,
            logprobs: Vec::new(),
        });
        let due = PACE * generated_tokens;
        std::thread::sleep(due.saturating_sub(start.elapsed()));
    }
    let cancelled = stop.load(Ordering::Relaxed);
    let reason = if cancelled {
        FinishReason::Cancelled
    } else {
        FinishReason::EndOfTurn
    };
    tell(GenerationEvent::Finished {
        reason,
        timings: timings(total_tokens, generated_tokens),
    });
}

fn last_words(prompt: &Prompt) -> String {
    match prompt {
        Prompt::Chat(chat) => chat.messages.last().map(|last| last.content.clone()),
        Prompt::Text(_) | Prompt::Tokens(_) => None,
    }
    .unwrap_or_default()
}

fn timings(prompt_tokens: u32, generated_tokens: u32) -> Timings {
    Timings {
        prompt_tokens,
        prefilled_tokens: prompt_tokens,
        generated_tokens,
        ttft_ms: 84.0,
        prefill_tokens_per_second: Some(812.0),
        decode_tokens_per_second: Some(78.4),
        inter_token: (generated_tokens > 1).then_some(InterToken {
            median_ms: 12.5,
            p95_ms: 16.0,
            worst_ms: 31.0,
        }),
        ..Timings::default()
    }
}

fn report(report: &Report) {
    let line = to_line(report).expect("it has a form");
    // The app may have gone; then the input ends too.
    let mut output = std::io::stdout().lock();
    let _ = output.write_all(line.as_bytes());
    let _ = output.flush();
}
