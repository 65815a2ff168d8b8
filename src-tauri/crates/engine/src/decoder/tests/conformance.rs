//! Every family against its own implementation: `tests/reference/models/` holds a tiny model of each, with the logits that
//! transformers computes in `f64` (`tests/reference/models.py` writes them).

use super::{Chunk, LogitsWanted, Running};
use crate::decoder::families::KNOWN;
use crate::decoder::{Decoder, LoadOptions};
use crate::files::Checkpoint;
use crate::kv::{KvType, PageStore};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// What may be between ours and theirs, as a share of the largest logit of the row.
const TOLERANCE: f32 = 1e-4;

#[derive(serde::Deserialize)]
pub(crate) struct Expected {
    pub(crate) prompts: Vec<Vec<u32>>,
    /// How many of each prompt's last rows of logits are there.
    pub(crate) kept: Vec<usize>,
    pub(crate) greedy: Vec<u32>,
}

pub(crate) struct Fixture {
    pub(crate) name: String,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) expected: Expected,
    pub(crate) logits: Vec<f32>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/reference/models")
}

/// All of them, by name.
pub(crate) fn fixtures() -> Vec<Fixture> {
    let folders = std::fs::read_dir(folder()).expect("the folder of models");
    let mut folders: Vec<PathBuf> = folders.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    folders.into_iter().map(|folder| fixture(&folder)).collect()
}

/// Those that are there as Hugging Face lays them out too, opened so.
pub(super) fn folders() -> Vec<Fixture> {
    let theirs = |mut fixture: Fixture| {
        let path = folder().join(&fixture.name).join("huggingface");
        if !path.is_dir() {
            return None;
        }
        fixture.name.push_str(" in a folder");
        fixture.checkpoint = Checkpoint::open(&path).expect("a model");
        Some(fixture)
    };
    fixtures().into_iter().filter_map(theirs).collect()
}

fn fixture(folder: &Path) -> Fixture {
    let text = std::fs::read_to_string(folder.join("expected.json")).expect("expected.json");
    let bytes = std::fs::read(folder.join("logits.f32")).expect("logits.f32");
    let number = |bytes: &[u8; 4]| f32::from_le_bytes(*bytes);
    Fixture {
        name: folder
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned(),
        checkpoint: Checkpoint::open(&folder.join("model.gguf")).expect("a model"),
        expected: serde_json::from_str(&text).expect("what is expected"),
        logits: bytes.as_chunks::<4>().0.iter().map(number).collect(),
    }
}

impl Fixture {
    pub(crate) fn load(&self, context_tokens: usize) -> Decoder {
        let options = LoadOptions {
            context_tokens,
            threads: 2,
            quantize: None,
            cancelled: &AtomicBool::new(false),
        };
        let decoder = Decoder::load(&self.checkpoint, &options, &mut |_| ());
        decoder.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// The worst difference of all rows, as a share of the row's largest logit.
    fn worst(&self) -> f32 {
        let mut rest = self.logits.as_slice();
        let mut worst = 0.0_f32;
        for (prompt, kept) in self.expected.prompts.iter().zip(&self.expected.kept) {
            let mut decoder = self.load(prompt.len());
            let vocabulary = decoder.description().vocabulary;
            let found = super::alone(&mut decoder, prompt, KvType::F32);
            let found = &found[(prompt.len() - kept) * vocabulary..];
            let (expected, more) = rest.split_at(kept * vocabulary);
            rest = more;
            for (found, expected) in found
                .chunks_exact(vocabulary)
                .zip(expected.chunks_exact(vocabulary))
            {
                worst = worst.max(difference(found, expected));
            }
        }
        assert!(rest.is_empty(), "{}: more rows than prompts", self.name);
        worst
    }

    /// The tokens that follow the first prompt.
    fn greedy(&self) -> Vec<u32> {
        let prompt = &self.expected.prompts[0];
        let count = self.expected.greedy.len();
        let mut decoder = self.load(prompt.len() + count);
        let mut store = PageStore::new(decoder.page_shape(KvType::F32));
        let mut tokens = prompt.clone();
        tokens.resize(prompt.len() + count, 0);
        let mut running = Running::new(&tokens, &decoder, &mut store);
        let mut chunk = prompt.clone();
        let mut found = Vec::new();
        let mut start = 0;
        while found.len() < count {
            let step = Chunk {
                tokens: &chunk,
                start,
                pages: &running.pages,
                state: running.state.as_mut(),
                logits: LogitsWanted::Last,
            };
            let logits = decoder.step(&mut store, &mut [step]).expect("a step");
            start += chunk.len();
            chunk = vec![likeliest(logits)];
            found.push(chunk[0]);
        }
        found
    }
}

pub(crate) fn difference(found: &[f32], expected: &[f32]) -> f32 {
    let largest = expected
        .iter()
        .fold(0.0_f32, |largest, x| largest.max(x.abs()));
    let differences = found
        .iter()
        .zip(expected)
        .map(|(found, expected)| (found - expected).abs());
    let worst = differences.fold(0.0_f32, |worst, x| {
        if x.is_nan() {
            f32::INFINITY
        } else {
            worst.max(x)
        }
    });
    worst / largest
}

pub(crate) fn likeliest(logits: &[f32]) -> u32 {
    let best = (0..).zip(logits).max_by(|(_, a), (_, b)| a.total_cmp(b));
    best.map_or(0, |(id, _)| id)
}

#[test]
fn every_family_gives_the_logits_of_its_own_implementation() {
    let mut wrong = Vec::new();
    let mut report =
        String::from("worst difference of a logit, as a share of the largest in its row\n");
    for fixture in fixtures() {
        let worst = fixture.worst();
        let line = format!("{:16} {worst:.1e}\n", fixture.name);
        report.push_str(&line);
        if worst >= TOLERANCE {
            wrong.push(line);
        }
    }
    let checks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/checks");
    std::fs::create_dir_all(&checks).expect("a folder");
    std::fs::write(checks.join("conformance.txt"), report).expect("a report");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_family_goes_on_with_the_same_tokens() {
    for fixture in fixtures() {
        assert_eq!(
            fixture.greedy(),
            fixture.expected.greedy,
            "{}",
            fixture.name
        );
    }
}

#[test]
fn folders_compute_what_their_converted_files_compute() {
    let folders = folders();
    assert!(folders.len() >= 7, "some were not opened");
    for fixture in folders {
        let worst = fixture.worst();
        assert!(worst < TOLERANCE, "{}: {worst:e}", fixture.name);
        assert_eq!(
            fixture.greedy(),
            fixture.expected.greedy,
            "{}",
            fixture.name
        );
    }
}

#[test]
fn every_known_architecture_has_a_model() {
    let fixtures = fixtures();
    let there: BTreeSet<&str> = fixtures
        .iter()
        .filter_map(|fixture| fixture.checkpoint.metadata.architecture())
        .collect();
    let missing: Vec<&str> = KNOWN
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !there.contains(name))
        .collect();
    assert_eq!(missing, [""; 0]);
}
