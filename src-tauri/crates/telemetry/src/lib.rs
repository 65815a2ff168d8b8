//! Readings of the machine that Wick runs on: its memory, its processor, and what processes hold of it.
//!
//! The only crate that reads `/proc`. It deliberately knows no GPU yet, keeps no history and draws no conclusion:
//! a reading is taken when it is asked for, and whoever asks decides what it means.
//!
//! Invariant: whatever stands in the files that it reads, the answer is a reading or an [`Error`], never a panic.

mod bandwidth;
mod error;
mod fields;
mod machine;
mod pool;
mod process;
mod stall;

pub use bandwidth::read_bandwidth;
pub use error::Error;
pub use machine::{Machine, MemoryReading, Processor};
pub use pool::MemoryPool;
