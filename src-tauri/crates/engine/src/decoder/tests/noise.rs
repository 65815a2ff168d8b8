//! Quantized models: no further from what their weights say than llama.cpp is. `tests/reference/quantized/` holds models
//! of every type that computes, the logits of their dequantized weights, and how far llama.cpp's are from those
//! (`tests/reference/quantized.py` writes them). An engine rounds what goes into a quantized product; that is the noise.

use crate::files::Checkpoint;
use crate::kv::KvType;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// How much more than llama.cpp's divergence ours may be: both are medians of a few dozen rows.
const SHARE: f64 = 1.25;

#[derive(serde::Deserialize)]
struct Expected {
    prompts: Vec<Vec<u32>>,
    kept: Vec<usize>,
    /// Kullback-Leibler, nats, the median of all rows.
    llama_cpp_divergence: f64,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

fn expected(folder: &Path) -> (Expected, Vec<f32>) {
    let text = std::fs::read_to_string(folder.join("expected.json")).expect("expected.json");
    let bytes = std::fs::read(folder.join("logits.f32")).expect("logits.f32");
    let rows = bytes.as_chunks::<4>().0.iter();
    let rows = rows.map(|bytes| f32::from_le_bytes(*bytes)).collect();
    (serde_json::from_str(&text).expect("what is expected"), rows)
}

fn log_softmax(row: &[f32]) -> Vec<f64> {
    let largest = row
        .iter()
        .fold(f64::MIN, |largest, x| largest.max(f64::from(*x)));
    let sum: f64 = row.iter().map(|x| (f64::from(*x) - largest).exp()).sum();
    row.iter()
        .map(|x| f64::from(*x) - largest - sum.ln())
        .collect()
}

/// Kullback-Leibler divergence of `found` from `truth`, in nats.
fn divergence(truth: &[f32], found: &[f32]) -> f64 {
    let (truth, found) = (log_softmax(truth), log_softmax(found));
    truth
        .iter()
        .zip(&found)
        .map(|(truth, found)| truth.exp() * (truth - found))
        .sum()
}

/// The median of the kept rows, and llama.cpp's. Not the mean: a token between two experts may go either way, and one
/// such row weighs as much as all others together.
fn measure(folder: &Path) -> (f64, f64) {
    let (expected, rows) = expected(folder);
    let checkpoint = Checkpoint::open(&folder.join("model.gguf")).expect("a model");
    let mut decoder = super::load(&checkpoint).expect("a model that loads");
    let vocabulary = decoder.description().vocabulary;
    let mut rest = rows.chunks_exact(vocabulary);
    let mut all = Vec::new();
    for (prompt, kept) in expected.prompts.iter().zip(&expected.kept) {
        let found = super::alone(&mut decoder, prompt, KvType::F32);
        let found = found[(prompt.len() - kept) * vocabulary..].chunks_exact(vocabulary);
        all.extend(found.map(|found| divergence(rest.next().expect("a row"), found)));
    }
    assert!(rest.next().is_none(), "more rows than prompts");
    all.sort_by(f64::total_cmp);
    (all[(all.len() - 1) / 2], expected.llama_cpp_divergence)
}

#[test]
fn quantized_models_stay_within_the_noise_that_llama_cpp_shows() {
    let folders = std::fs::read_dir(root().join("tests/reference/quantized")).expect("a folder");
    let mut folders: Vec<PathBuf> = folders.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    assert!(!folders.is_empty());
    let mut report =
        String::from("nats from the logits of the dequantized weights: ours, llama.cpp's\n");
    let mut wrong = Vec::new();
    for folder in folders {
        let name = folder.file_name().expect("a name").to_string_lossy();
        let (ours, theirs) = measure(&folder);
        writeln!(report, "{name:16} {ours:.2e} {theirs:.2e}").expect("room");
        if ours.is_nan() || ours > theirs * SHARE {
            wrong.push(format!("{name}: {ours:.2e} against {theirs:.2e}"));
        }
    }
    let checks = root().join("target/checks");
    std::fs::create_dir_all(&checks).expect("a folder");
    std::fs::write(checks.join("quantized.txt"), report).expect("a report");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
