//! Floats that are quantized while they are loaded.

use super::alone;
use super::conformance::fixtures;
use crate::cpu::dequantize_row;
use crate::decoder::{Decoder, Demand, LoadOptions, plan};
use crate::files::{Checkpoint, TensorType, quantize};
use crate::kv::KvType;
use crate::weights::{AlignedBytes, Matrix};
use std::sync::atomic::AtomicBool;

fn load(checkpoint: &Checkpoint, quantize: Option<TensorType>) -> Decoder {
    let options = LoadOptions {
        context_tokens: 64,
        threads: 2,
        quantize,
        cancelled: &AtomicBool::new(false),
    };
    Decoder::load(checkpoint, &options, &mut |_| ()).expect("a fixture works")
}

/// Kullback-Leibler divergence of two rows of logits, in nats.
fn divergence(exact: &[f32], found: &[f32]) -> f64 {
    let logs = |row: &[f32]| {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = row.iter().map(|x| f64::from(x - largest).exp()).sum();
        row.iter()
            .map(|x| f64::from(x - largest) - sum.ln())
            .collect::<Vec<_>>()
    };
    let (exact, found) = (logs(exact), logs(found));
    let terms = exact.iter().zip(&found);
    terms.map(|(p, q)| p.exp() * (p - q)).sum()
}

/// The mean divergence of rows of logits; the plan is proven on the way.
fn mean_divergence(checkpoint: &Checkpoint) -> f64 {
    let to = TensorType::Q8_0;
    let (mut exact, mut small) = (load(checkpoint, None), load(checkpoint, Some(to)));
    let demand = Demand {
        context_tokens: 64,
        parallel: 1,
        kv_type: KvType::F32,
        step_tokens: 32,
        step_logits: 32,
        quantize: Some(to),
    };
    let what = checkpoint.path.display().to_string();
    let plan = plan(small.description(), checkpoint, &demand).expect("a fixture works");
    assert_eq!(plan.weights_bytes, small.weights_bytes(), "{what}");
    assert!(small.weights_bytes() < exact.weights_bytes(), "{what}");
    let vocabulary = exact.description().vocabulary;
    let tokens: Vec<u32> = (0..32).map(|at| at * 7 % 61).collect();
    let exact_rows = alone(&mut exact, &tokens, KvType::F32);
    let small_rows = alone(&mut small, &tokens, KvType::F32);
    let rows = exact_rows
        .chunks_exact(vocabulary)
        .zip(small_rows.chunks_exact(vocabulary));
    let divergences: Vec<f64> = rows.map(|(p, q)| divergence(p, q)).collect();
    divergences.iter().sum::<f64>() / 32.0
}

/// Weights of noise make experts and recurrent states flip more easily than trained ones, so those are bounded only
/// loosely.
#[test]
fn quantized_while_loading_is_smaller_and_says_nearly_the_same() {
    let plain = [
        "llama", "qwen2", "qwen3", "gemma2", "gemma3", "smollm3", "olmo2", "glm4",
    ];
    for fixture in fixtures() {
        let bound = if plain.contains(&fixture.name.as_str()) {
            0.001
        } else {
            0.2
        };
        let mean = mean_divergence(&fixture.checkpoint);
        assert!(mean < bound, "{}: {mean}", fixture.name);
    }
}

#[test]
fn four_bits_are_no_empty_promise_where_rows_are_short() {
    let fixtures = fixtures();
    let llama = fixtures.iter().find(|fixture| fixture.name == "llama");
    let checkpoint = &llama.expect("it is there").checkpoint;
    let taken = |quantize| load(checkpoint, quantize).weights_bytes();
    assert!(taken(Some(TensorType::Q4_K)) < taken(None));
}

#[test]
fn four_bits_come_near_the_numbers_that_they_stand_for() {
    let wave = |at: i16| f32::from(at) * 0.37;
    let numbers: Vec<f32> = (0..1024).map(|at| wave(at).sin()).collect();
    let bytes = quantize(numbers.clone(), TensorType::Q4_K).expect("four blocks");
    let mut aligned = AlignedBytes::zeroed(bytes.len());
    aligned.copy_from_slice(&bytes);
    let matrix = Matrix::new(aligned, 2, 512, TensorType::Q4_K);
    let mut found = vec![0.0; 512];
    for (row, expected) in numbers.chunks_exact(512).enumerate() {
        dequantize_row(&matrix, row, &mut found);
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 0.08, "{found} for {expected}");
        }
    }
    assert!(
        quantize(vec![0.0; 100], TensorType::Q4_K).is_err(),
        "no whole block"
    );
    assert!(
        quantize(vec![0.0; 256], TensorType::IQ2_S).is_err(),
        "no such target"
    );
}
