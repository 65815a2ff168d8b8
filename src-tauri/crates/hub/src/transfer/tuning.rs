//! The sizes and times of a transfer. Tests make them small; nobody else changes them.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The sizes and times of a transfer.
#[derive(Debug, Clone)]
pub(super) struct Tuning {
    /// A file up to this length is asked for in one request.
    pub(super) small_bytes: u64,
    /// How long a part of a large file is that one request asks for.
    pub(super) unit_bytes: RangeInclusive<u64>,
    /// How much of what came is gathered before it is written.
    pub(super) write_bytes: usize,
    /// How long it is gathered at most.
    pub(super) write_every: Duration,
    /// How often what was written is made durable and said in the journal.
    pub(super) record_every: Duration,
    /// How much is hashed at once.
    pub(super) hash_bytes: u64,
    /// Silence of this length is a failure.
    pub(super) silence: Duration,
    /// How long the first wait after a failure is, and the longest.
    pub(super) wait: RangeInclusive<Duration>,
    /// How often it is looked whether another program is done with the file.
    pub(super) look_every: Duration,
    /// How many answers in a row may make no sense.
    pub(super) patience: u32,
    /// How many bytes the disk still takes.
    #[cfg(test)]
    pub(super) disk_bytes: Option<std::sync::Arc<std::sync::atomic::AtomicU64>>,
}

const MIB: u64 = 1024 * 1024;

impl Default for Tuning {
    fn default() -> Self {
        Self {
            small_bytes: 8 * MIB,
            unit_bytes: 8 * MIB..=64 * MIB,
            write_bytes: 512 * 1024,
            write_every: Duration::from_millis(200),
            record_every: Duration::from_secs(1),
            hash_bytes: 16 * MIB,
            silence: Duration::from_secs(30),
            wait: Duration::from_secs(1)..=Duration::from_secs(60),
            look_every: Duration::from_millis(200),
            patience: 5,
            #[cfg(test)]
            disk_bytes: None,
        }
    }
}
