//! How fast this machine reads its memory, measured.
//!
//! All cores read blocks far larger than any cache, each its own, and the best of a few rounds counts: what disturbs only
//! ever makes it slower. It takes about a third of a second.

use std::hint::black_box;
use std::sync::{Barrier, OnceLock};
use std::time::Instant;

/// What each core reads in a round. With two cores 256 MiB, with twenty 2.5 GiB.
const BLOCK_BYTES: usize = 128 << 20;
/// All blocks together take at most this much.
const MOST_BYTES: usize = 1 << 30;
const ROUNDS: usize = 5;

/// Bytes a second that all cores together read; `None` if the system gives no threads or memory.
#[expect(clippy::cast_precision_loss, reason = "three digits are enough")]
pub fn read_bandwidth() -> Option<f64> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let words = BLOCK_BYTES.min(MOST_BYTES / cores) / size_of::<u64>();
    let together = OnceLock::new();
    let best: Option<Vec<f64>> = std::thread::scope(|scope| {
        let spawn = |_| {
            std::thread::Builder::new()
                .spawn_scoped(scope, || fastest_round(words, together.wait()))
        };
        let readers: Vec<_> = (0..cores).map_while(|core| spawn(core).ok()).collect();
        // Threads that the system did not give must not be waited for.
        together.get_or_init(|| Barrier::new(readers.len()));
        readers
            .into_iter()
            .map(|reader| reader.join().ok()?)
            .collect()
    });
    let best = best?;
    let seconds = best.iter().copied().fold(0.0, f64::max);
    let bytes = words * size_of::<u64>() * best.len();
    (seconds > 0.0).then(|| bytes as f64 / seconds)
}

/// Seconds of the fastest round of one core, all of them reading at once.
fn fastest_round(words: usize, barrier: &Barrier) -> Option<f64> {
    let mut block = Vec::new();
    let got = block.try_reserve_exact(words);
    if got.is_ok() {
        block.resize(words, 1_u64);
    }
    let rounds = (0..ROUNDS).map(|_| {
        barrier.wait();
        let start = Instant::now();
        black_box(sum(black_box(&block)));
        start.elapsed().as_secs_f64()
    });
    let fastest = rounds.fold(f64::INFINITY, f64::min);
    got.ok().map(|()| fastest)
}

/// In the plainest way: compilers make of it as many sums side by side as keep the memory busy. Eight sums by hand were
/// four times slower than the memory.
fn sum(block: &[u64]) -> u64 {
    block.iter().fold(0, |sum, word| sum.wrapping_add(*word))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_machine_reads_its_memory() {
        let found = super::read_bandwidth().expect("threads and memory");
        assert!(found.is_finite() && found > 1e6, "{found} B/s");
    }
}
