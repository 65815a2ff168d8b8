//! Whole models on the device: the logits that transformers computes, and the tokens that follow.

use super::super::decoder::{Decoder, Refused};
use super::super::device::Device;
use crate::decoder::parts::Parts;
use crate::decoder::tests::conformance::{Fixture, difference, fixtures, likeliest};
use crate::decoder::{Chunk, Decoder as OnProcessor, LoadOptions, LogitsWanted, Reserve};
use crate::files::{Checkpoint, TensorType};
use crate::kv::{KvType, PAGE_TOKENS, PageId, PageStore};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// As for the processor's decoder.
const TOLERANCE: f32 = 1e-4;

/// What the kernels know by now. A family that is added here stays.
const KNOWN: [&str; 21] = [
    "gemma2",
    "gemma3",
    "gemma4",
    "gemma4-moe",
    "glm4",
    "glm4moe",
    "gpt-oss",
    "granite",
    "granitemoe",
    "llama",
    "llama-3.1",
    "mistral3",
    "mixtral",
    "olmo2",
    "olmo3",
    "phi3-longrope",
    "phi3-window",
    "qwen2",
    "qwen3",
    "qwen3moe",
    "smollm3",
];

/// The model with room for so many positions, or why not.
fn bring(fixture: &Fixture, positions: usize) -> Result<Decoder, Refused> {
    let pages = positions.div_ceil(PAGE_TOKENS);
    bring_file(&fixture.checkpoint, positions, (KvType::F32, pages))
}

fn bring_file(
    checkpoint: &Checkpoint,
    context_tokens: usize,
    room: (KvType, usize),
) -> Result<Decoder, Refused> {
    let never = AtomicBool::new(false);
    let parts = Parts::prove(checkpoint, &options(context_tokens, &never))?;
    Decoder::bring(&Device::on_host(0), &parts, reserve(room), &mut |_| ())
}

fn reserve((kv_type, pages): (KvType, usize)) -> Reserve {
    Reserve {
        kv_type,
        pages,
        step_tokens: 16,
        step_logits: 1,
    }
}

fn options(context_tokens: usize, cancelled: &AtomicBool) -> LoadOptions<'_> {
    LoadOptions {
        context_tokens,
        threads: 2,
        quantize: None,
        cancelled,
    }
}

fn pages(positions: usize) -> Vec<PageId> {
    let pages = u32::try_from(positions.div_ceil(PAGE_TOKENS)).expect("few");
    (0..pages).map(PageId).collect()
}

fn chunk<'a>(
    tokens: &'a [u32],
    start: usize,
    pages: &'a [PageId],
    logits: LogitsWanted,
) -> Chunk<'a> {
    Chunk {
        tokens,
        start,
        pages,
        state: None,
        logits,
    }
}

/// All rows that a step gives, whose likeliest are those that are listed.
fn logits(decoder: &mut Decoder, step: Chunk) -> Vec<f32> {
    let lists = decoder.step(&[], &[step]).expect("a step");
    let rows = lists.iter().enumerate().map(|(at, list)| {
        let row = decoder.row(at).expect("a row");
        let listed = list.tokens().next().expect("one is the likeliest");
        assert_eq!(listed.1.to_bits(), row[listed.0 as usize].to_bits());
        assert_eq!(likeliest(&row), listed.0);
        row
    });
    rows.collect::<Vec<_>>().concat()
}

#[test]
fn the_known_families_give_the_logits_of_their_own_implementation() {
    let mut known = BTreeSet::new();
    for fixture in fixtures() {
        let mut rest = fixture.logits.as_slice();
        for (prompt, kept) in fixture.expected.prompts.iter().zip(&fixture.expected.kept) {
            let mut decoder = match bring(&fixture, prompt.len()) {
                Ok(decoder) => decoder,
                Err(Refused::Unsupported(words)) => {
                    assert!(words.contains("yet"), "{words}");
                    break;
                }
                Err(error) => panic!("{}: {error}", fixture.name),
            };
            known.insert(fixture.name.clone());
            let vocabulary = decoder.description().vocabulary;
            let pages = pages(prompt.len());
            // In two steps, so that one looks at what the other has kept.
            let (first, second) = prompt.split_at(prompt.len() / 2);
            let mut found = Vec::new();
            for (tokens, start) in [(first, 0), (second, first.len())] {
                let chunk = chunk(tokens, start, &pages, LogitsWanted::All);
                if !tokens.is_empty() {
                    found.extend(logits(&mut decoder, chunk));
                }
            }
            let found = &found[(prompt.len() - kept) * vocabulary..];
            let (expected, more) = rest.split_at(kept * vocabulary);
            rest = more;
            let rows = found
                .chunks_exact(vocabulary)
                .zip(expected.chunks_exact(vocabulary));
            for (found, expected) in rows {
                let worst = difference(found, expected);
                assert!(worst < TOLERANCE, "{}: {worst:e}", fixture.name);
            }
        }
    }
    assert_eq!(known, KNOWN.map(String::from).into());
}

#[test]
fn the_known_families_go_on_with_the_same_tokens() {
    for fixture in fixtures() {
        let prompt = &fixture.expected.prompts[0];
        let greedy = &fixture.expected.greedy[..8];
        let Ok(mut decoder) = bring(&fixture, prompt.len() + greedy.len()) else {
            continue;
        };
        let pages = pages(prompt.len() + greedy.len());
        let (mut tokens, mut start) = (prompt.clone(), 0);
        for expected in greedy {
            let step = chunk(&tokens, start, &pages, LogitsWanted::Last);
            let next = likeliest(&logits(&mut decoder, step));
            assert_eq!(next, *expected, "{}", fixture.name);
            start += tokens.len();
            tokens = vec![next];
        }
        assert!(decoder.has_recorded(), "{}", fixture.name);
    }
}

#[test]
fn what_only_tensors_show_is_refused_before_anything_is_taken() {
    for (family, like, name, words) in [
        (
            "llama",
            "blk.1.attn_norm.weight",
            "blk.1.attn_norm.bias",
            "a norm with a bias",
        ),
        (
            "qwen3moe",
            "blk.0.ffn_gate_inp.weight",
            "blk.0.ffn_up_exps.scale",
            "scaled experts",
        ),
    ] {
        let fixture = fixtures().into_iter().find(|one| one.name == family);
        let mut checkpoint = fixture.expect(family).checkpoint;
        let mut tensor = checkpoint.tensors[like].clone();
        if name.ends_with("scale") {
            // One for each expert.
            tensor.shape.truncate(1);
        }
        checkpoint.tensors.insert(name.into(), tensor);
        let never = AtomicBool::new(false);
        let parts = Parts::prove(&checkpoint, &options(64, &never)).expect("proven");
        // Nothing has room there: so it has not been asked for.
        let device = Device::on_host_with(1);
        let brought = Decoder::bring(&device, &parts, reserve((KvType::F32, 2)), &mut |_| ());
        match brought {
            Err(Refused::Unsupported(reason)) => assert!(reason.contains(words), "{reason}"),
            other => panic!("{family}: {other:?}"),
        }
    }
}

#[test]
fn room_for_the_largest_step_is_taken_before_the_first() {
    let fixture = fixtures().into_iter().find(|one| one.name == "llama");
    let mut decoder = bring(&fixture.expect("a fixture"), 40).expect("brought");
    let taken = decoder.scratch_bytes();
    let pages = pages(40);
    let tokens: Vec<u32> = (0..16).collect();
    let steps = [(&tokens[..], 0), (&tokens[..1], 16)].map(|(tokens, start)| {
        decoder
            .step(&[], &[chunk(tokens, start, &pages, LogitsWanted::None)])
            .expect("a step");
        decoder.scratch_bytes() - taken
    });
    // Where rows stand and what attention finds; nothing that grows with the model's width.
    let row_bytes = decoder.description().embedding as u64 * 4;
    assert!(taken > 16 * 4 * row_bytes, "{taken}");
    assert!(
        steps.iter().all(|more| *more < taken / 2),
        "{steps:?} of {taken}"
    );
}

/// Quantized matrices go through kernels of their own, those of experts sorted by expert where a prompt is long enough.
#[test]
fn quantized_models_give_what_the_processor_gives() {
    let quantized = ["gpt-oss", "llama", "qwen3moe"];
    for fixture in fixtures()
        .into_iter()
        .filter(|one| quantized.contains(&&*one.name))
    {
        let never = AtomicBool::new(false);
        let options = LoadOptions {
            quantize: Some(TensorType::Q8_0),
            ..options(64, &never)
        };
        let mut here =
            OnProcessor::load(&fixture.checkpoint, &options, &mut |_| ()).expect("loaded");
        let parts = Parts::prove(&fixture.checkpoint, &options).expect("proven");
        let room = (KvType::F32, 2);
        let device = Device::on_host(5);
        let mut there =
            Decoder::bring(&device, &parts, reserve(room), &mut |_| ()).expect("brought");
        let mut store = PageStore::new(here.page_shape(KvType::F32));
        let pages = [store.grow(), store.grow()];
        let tokens: Vec<u32> = (0..40).map(|at| at * 7 % 61).collect();
        for (tokens, start) in [(&tokens[..], 0), (&[3], 40)] {
            let mut step = [chunk(tokens, start, &pages, LogitsWanted::Last)];
            let expected = here.step(&mut store, &mut step).expect("a step").to_vec();
            let [step] = step;
            let apart = divergence(&expected, &logits(&mut there, step));
            assert!(apart < 1e-3, "{}, {start}: {apart:e}", fixture.name);
        }
    }
}

#[test]
fn the_starter_model_gives_what_the_processor_gives() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../models/SmolLM2-135M-Instruct.Q4_1.gguf");
    let checkpoint = Checkpoint::open(&file).expect("the starter model");
    let never = AtomicBool::new(false);
    let options = options(PAGE_TOKENS, &never);
    let mut model = OnProcessor::load(&checkpoint, &options, &mut |_| ()).expect("loaded");
    let kind = KvType::F16;
    let mut there = bring_file(&checkpoint, PAGE_TOKENS, (kind, 1)).expect("brought");
    let mut store = PageStore::new(model.page_shape(kind));
    let pages = [store.grow()];
    let mut start = 0;
    // Many, which go through the tensor cores, few, and one.
    for tokens in [
        &[1_u32, 4093, 198, 28, 339, 198, 1, 28, 4093][..],
        &[28, 7],
        &[339],
    ] {
        let mut step = [chunk(tokens, start, &pages, LogitsWanted::Last)];
        let expected = model.step(&mut store, &mut step).expect("a step").to_vec();
        let [step] = step;
        let found = logits(&mut there, step);
        let apart = divergence(&expected, &found);
        // With F32 keys the processor is 4 to 7 thousandths from itself with F16.
        assert!(apart < 0.02, "{start}: {apart:e}");
        assert_eq!(likeliest(&found), likeliest(&expected));
        start += tokens.len();
    }
}

/// How far two rows of logits are apart: Kullback and Leibler's divergence, in nats. Eight bits round differently where sums
/// differ in their last bits, so single logits are no measure.
fn divergence(expected: &[f32], found: &[f32]) -> f64 {
    let logs = |logits: &[f32]| {
        let largest = logits.iter().copied().fold(f32::MIN, f32::max);
        let all: f64 = logits.iter().map(|x| f64::from(x - largest).exp()).sum();
        let log = move |x: &f32| f64::from(x - largest) - all.ln();
        logits.iter().map(log).collect::<Vec<_>>()
    };
    let pairs = logs(expected).into_iter().zip(logs(found));
    pairs
        .map(|(expected, found)| expected.exp() * (expected - found))
        .sum()
}
