//! Quantized models: no further from what their weights say than llama.cpp is. `tests/reference/quantized/` holds models
//! of every type that computes, the logits of their dequantized weights, and how far llama.cpp's are from those
//! (`tests/reference/quantized.py` writes them). An engine rounds what goes into a quantized product; that is the noise.

use crate::files::Checkpoint;
use crate::kv::KvType;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// How much more than llama.cpp's divergence ours may be: both are of a few dozen rows.
const SHARE: f64 = 1.25;

/// Kullback-Leibler, nats, of all rows.
///
/// One token between two experts would be the whole mean: with a prompt that nobody chose, qwen3moe's row 97 had router
/// outputs of 0.6583 and 0.6570 for the second and the third expert in layer 0, exactly computed, and these outputs have a
/// noise of 0.009 (rms) in llama.cpp and here alike. llama.cpp took one, Wick the other, and that row then diverged by
/// 3.2e-2 nats where the median is 1.1e-4. In the other 199 choices all agreed. So the prompt of `quantized.py` leaves at
/// least 0.08 between the two, and the mean counts.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
struct Divergence {
    median: f64,
    mean: f64,
}

impl Divergence {
    fn of(mut rows: Vec<f64>) -> Self {
        rows.sort_by(f64::total_cmp);
        let count = u32::try_from(rows.len()).expect("few");
        Self {
            median: rows[(rows.len() - 1) / 2],
            mean: rows.iter().sum::<f64>() / f64::from(count),
        }
    }

    fn is_within(self, theirs: Self) -> bool {
        // A NaN is within nothing.
        self.median <= theirs.median * SHARE && self.mean <= theirs.mean * SHARE
    }
}

#[derive(serde::Deserialize)]
struct Expected {
    prompts: Vec<Vec<u32>>,
    kept: Vec<usize>,
    llama_cpp_divergence: Divergence,
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

/// Of the kept rows, and llama.cpp's.
fn measure(folder: &Path) -> (Divergence, Divergence) {
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
    (Divergence::of(all), expected.llama_cpp_divergence)
}

#[test]
fn quantized_models_stay_within_the_noise_that_llama_cpp_shows() {
    let folders = std::fs::read_dir(root().join("tests/reference/quantized")).expect("a folder");
    let mut folders: Vec<PathBuf> = folders.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    assert!(!folders.is_empty());
    let mut report = String::from(
        "nats from the logits of the dequantized weights: median, ours and llama.cpp's; mean, ours and llama.cpp's\n",
    );
    let mut wrong = Vec::new();
    for folder in folders {
        let name = folder.file_name().expect("a name").to_string_lossy();
        let (ours, theirs) = measure(&folder);
        let medians = format!("{:.2e} {:.2e}", ours.median, theirs.median);
        let means = format!("{:.2e} {:.2e}", ours.mean, theirs.mean);
        writeln!(report, "{name:16} {medians}  {means}").expect("room");
        if !ours.is_within(theirs) {
            wrong.push(format!("{name}: {ours:?} against {theirs:?}"));
        }
    }
    let checks = root().join("target/checks");
    std::fs::create_dir_all(&checks).expect("a folder");
    std::fs::write(checks.join("quantized.txt"), report).expect("a report");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
