//! How a whole model loads and computes: peak memory against the file's size, tokens a second. Printed, never asserted.
//!
//! `cargo bench -p wick-engine --bench decoder -- MODEL [THREADS [q8_0|q4_k]]`; MODEL is a GGUF file or a folder.
#![expect(clippy::print_stdout, reason = "the figures are the result")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use wick_engine::decoder::{Chunk, Decoder, LoadOptions, LogitsWanted, RecurrentState};
use wick_engine::files::{Checkpoint, TensorInfo, TensorType};
use wick_engine::kv::{KvType, PageId, PageStore};

const CONTEXT: usize = 2_304;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|text| text != "--bench");
    let Some(path) = arguments.next() else {
        println!("a model's path is wanted");
        return;
    };
    let threads = arguments
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(2);
    let quantize = match arguments.next().as_deref() {
        Some("q8_0") => Some(TensorType::Q8_0),
        Some("q4_k") => Some(TensorType::Q4_K),
        _ => None,
    };
    if let Err(error) = run(Path::new(&path), threads, quantize) {
        println!("{error}");
    }
}

fn run(
    path: &Path,
    threads: usize,
    quantize: Option<TensorType>,
) -> Result<(), engine_api::EngineError> {
    let checkpoint = Checkpoint::open(path)?;
    let options = LoadOptions {
        context_tokens: CONTEXT,
        threads,
        quantize,
        cancelled: &AtomicBool::new(false),
    };
    let began = Instant::now();
    let decoder = Decoder::load(&checkpoint, &options, &mut |_| ())?;
    let bytes: u64 = checkpoint
        .tensors
        .values()
        .map(TensorInfo::size_bytes)
        .sum();
    let (peak, file) = (peak_bytes(), bytes as f64);
    println!(
        "loaded in {:.2} s; peak memory {:.3} × the tensors, {:.3} × the weights in memory, {:.0} MB more than those",
        began.elapsed().as_secs_f64(),
        peak / file,
        peak / decoder.weights_bytes() as f64,
        (peak - decoder.weights_bytes() as f64) / 1e6
    );
    let mut bench = Bench::new(decoder);
    bench.prefill(512)?;
    bench.decode(512, 32)?;
    bench.prefill(2_048)?;
    bench.decode(2_048, 32)?;
    println!("peak memory {:.3} × the tensors", peak_bytes() / file);
    Ok(())
}

struct Bench {
    decoder: Decoder,
    store: PageStore,
    pages: Vec<PageId>,
    state: Option<RecurrentState>,
}

impl Bench {
    fn new(decoder: Decoder) -> Self {
        let mut store = PageStore::new(decoder.page_shape(KvType::F16));
        Self {
            pages: (0..CONTEXT / 32).map(|_| store.grow()).collect(),
            state: decoder.empty_state(),
            store,
            decoder,
        }
    }

    fn step(&mut self, start: usize, count: usize) -> Result<(), engine_api::EngineError> {
        let tokens: Vec<u32> = (start..start + count)
            .map(|at| u32::try_from(at * 37 % 1_000).unwrap_or(0))
            .collect();
        let chunk = Chunk {
            tokens: &tokens,
            start,
            pages: &self.pages,
            state: self.state.as_mut(),
            logits: LogitsWanted::Last,
        };
        self.decoder.step(&mut self.store, &mut [chunk]).map(drop)
    }

    fn prefill(&mut self, tokens: usize) -> Result<(), engine_api::EngineError> {
        let began = Instant::now();
        for start in (0..tokens).step_by(512) {
            self.step(start, 512.min(tokens - start))?;
        }
        let rate = tokens as f64 / began.elapsed().as_secs_f64();
        println!("prefill of {tokens}: {rate:.1} tokens a second");
        Ok(())
    }

    fn decode(&mut self, depth: usize, tokens: usize) -> Result<(), engine_api::EngineError> {
        let began = Instant::now();
        for at in 0..tokens {
            self.step(depth + at, 1)?;
        }
        let rate = tokens as f64 / began.elapsed().as_secs_f64();
        println!("decode at {depth}: {rate:.1} tokens a second");
        Ok(())
    }
}

/// The most memory that this process has held so far.
fn peak_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() * 1024.0
}
