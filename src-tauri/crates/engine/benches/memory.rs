//! The plan against the truth: what a worker takes in memory after a prompt that fills its context, beside what was
//! planned. Printed, never asserted (`tests/worker.rs` asserts two of the rows).
//!
//! `cargo bench -p wick-engine --bench memory [-- MODEL…]`; without a MODEL, the starter model, if it is there, and every
//! model of `tests/reference`. Measured is the process's anonymous memory (`RssAnon`), the most that was seen while it
//! wrote. Ratios are predicted over measured.
#![expect(clippy::print_stdout, reason = "the figures are the result")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use engine_api::{
    EngineError, GenerateRequest, KvType, LoadOptions, LoadProgress, LoadedModel, Prompt, Sampling,
    Worker,
};
use std::path::{Path, PathBuf};
use tokio::sync::watch;

const STARTER: &str = "models/SmolLM2-135M-Instruct.Q4_1.gguf";
const KV_TYPES: [KvType; 3] = [KvType::F32, KvType::F16, KvType::Q8_0];
/// Tokens written after the prompt.
const ANSWER_TOKENS: u32 = 8;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments = std::env::args().skip(1).filter(|text| text != "--bench");
    let mut models: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
    if models.is_empty() {
        models = own_models();
    }
    println!(
        "| model | context | KV | weights | KV cache | scratch | worker | predicted | measured | ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for model in &models {
        for context in contexts(model) {
            for kv_type in KV_TYPES {
                let row = measure(model, *context, kv_type).await;
                // Heads that no block of Q8_0 fills are refused.
                println!("{}", row.unwrap_or_else(|error| format!("| {error} |")));
            }
        }
    }
}

fn contexts(model: &Path) -> &'static [u32] {
    if is_large(model) {
        &[512, 2_048, 8_192]
    } else {
        &[32, 96]
    }
}

fn own_models() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let starter = root.join(STARTER);
    let folders = std::fs::read_dir(root.join("tests/reference/models"));
    let mut tiny: Vec<_> = folders
        .into_iter()
        .flatten()
        .flatten()
        .map(|folder| folder.path().join("model.gguf"))
        .collect();
    tiny.sort();
    [starter]
        .into_iter()
        .filter(|path| path.is_file())
        .chain(tiny)
        .collect()
}

fn is_large(model: &Path) -> bool {
    std::fs::metadata(model).is_ok_and(|file| file.len() > 16 << 20)
}

fn name(model: &Path) -> String {
    let folder = model.parent().and_then(Path::file_name).unwrap_or_default();
    let name = if is_large(model) {
        model.file_name().unwrap_or_default()
    } else {
        folder
    };
    name.to_string_lossy().into_owned()
}

async fn measure(path: &Path, context: u32, kv_type: KvType) -> Result<String, EngineError> {
    let worker = Worker::start(Path::new(env!("CARGO_BIN_EXE_wick-engine"))).await?;
    let options = LoadOptions {
        context_tokens: Some(context),
        parallel: 1,
        kv_type,
        ..LoadOptions::default()
    };
    let progress = watch::channel(LoadProgress::default()).0;
    let loaded = worker
        .engine()
        .load(path.to_owned(), options, progress)
        .await?;
    // Twice: a worker's first steps are short until it knows how fast it is.
    let first = most_bytes(&worker, &loaded).await?;
    worker.engine().forget_cache();
    let measured = first.max(most_bytes(&worker, &loaded).await?);
    let plan = loaded.plan;
    let mib = |bytes: u64| format!("{:.2}", bytes as f64 / f64::from(1 << 20));
    let parts = [
        plan.weights_bytes,
        plan.kv_cache_bytes,
        plan.scratch_bytes,
        plan.worker_bytes,
        plan.total_bytes(),
        measured,
    ];
    Ok(format!(
        "| {} | {} | {kv_type:?} | {} | {:.3} |",
        name(path),
        loaded.context_tokens,
        parts.map(mib).join(" | "),
        plan.total_bytes() as f64 / measured as f64,
    ))
}

/// The most that was seen during a prompt that fills the context and its answer.
async fn most_bytes(worker: &Worker, loaded: &LoadedModel) -> Result<u64, EngineError> {
    let mut generation = worker.engine().generate(filling(loaded))?;
    let mut most = anonymous_bytes(worker);
    while let Some(event) = generation.next().await {
        event?;
        most = most.max(anonymous_bytes(worker));
    }
    Ok(most)
}

/// A prompt that leaves room for a few tokens.
fn filling(loaded: &LoadedModel) -> GenerateRequest {
    let count = loaded.context_tokens.saturating_sub(ANSWER_TOKENS);
    let token = |at: u32| at * 37 % loaded.vocabulary_tokens.max(1);
    GenerateRequest {
        sampling: Sampling::greedy(),
        max_tokens: Some(ANSWER_TOKENS),
        stop_at_end_of_turn: false,
        ..GenerateRequest::new(Prompt::Tokens((0..count).map(token).collect()))
    }
}

fn anonymous_bytes(worker: &Worker) -> u64 {
    let path = format!("/proc/{}/status", worker.process_id());
    let status = std::fs::read_to_string(path).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}
