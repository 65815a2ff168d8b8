//! The one pool of memory that everything shares, divided among those who use it.

use crate::MemoryReading;
use serde::{Deserialize, Serialize};

/// The memory of the machine in seven parts, in bytes.
///
/// Invariant: the seven parts add up to `total_bytes`. They come from readings taken one after the other, so where they
/// contradict one another, the later field in the order of [`MemoryPool::divide`] gives way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, specta::Type)]
pub struct MemoryPool {
    /// All of it.
    #[specta(type = u32)]
    pub total_bytes: u64,
    /// Weights of loaded models.
    #[specta(type = u32)]
    pub weights_bytes: u64,
    /// Keys and values of loaded models.
    #[specta(type = u32)]
    pub kv_cache_bytes: u64,
    /// Buffers that loaded models compute with.
    #[specta(type = u32)]
    pub scratch_bytes: u64,
    /// The rest of this app, its workers included.
    #[specta(type = u32)]
    pub app_bytes: u64,
    /// Other programs and the kernel.
    #[specta(type = u32)]
    pub other_bytes: u64,
    /// Files that the kernel keeps in memory and gives back on demand.
    #[specta(type = u32)]
    pub page_cache_bytes: u64,
    /// What nobody uses.
    #[specta(type = u32)]
    pub free_bytes: u64,
}

/// What workers name of the memory that they hold, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NamedBytes {
    /// Weights.
    pub weights_bytes: u64,
    /// Keys and values.
    pub kv_cache_bytes: u64,
    /// Buffers to compute with.
    pub scratch_bytes: u64,
}

impl NamedBytes {
    fn sum(&self) -> u64 {
        let parts = [self.weights_bytes, self.kv_cache_bytes, self.scratch_bytes];
        parts.into_iter().fold(0, u64::saturating_add)
    }
}

impl MemoryPool {
    /// Divides the machine's memory. `app_resident_bytes` is what all processes of Wick hold, workers included; `named`
    /// are the shares of it that the workers can name.
    ///
    /// First come free memory and page cache, then weights, KV cache and scratch, then the rest of the app; what then
    /// remains is other programs and the kernel.
    pub fn divide(reading: &MemoryReading, app_resident_bytes: u64, named: NamedBytes) -> Self {
        let mut left_bytes = reading.total_bytes;
        let mut take = |wanted_bytes: u64| {
            let taken_bytes = wanted_bytes.min(left_bytes);
            left_bytes -= taken_bytes;
            taken_bytes
        };
        let free_bytes = take(reading.free_bytes);
        let page_cache_bytes = take(reading.page_cache_bytes);
        let weights_bytes = take(named.weights_bytes);
        let kv_cache_bytes = take(named.kv_cache_bytes);
        let scratch_bytes = take(named.scratch_bytes);
        let app_bytes = take(app_resident_bytes.saturating_sub(named.sum()));
        Self {
            total_bytes: reading.total_bytes,
            weights_bytes,
            kv_cache_bytes,
            scratch_bytes,
            app_bytes,
            other_bytes: left_bytes,
            page_cache_bytes,
            free_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reading(total_bytes: u64, free_bytes: u64, page_cache_bytes: u64) -> MemoryReading {
        MemoryReading {
            total_bytes,
            available_bytes: 0,
            free_bytes,
            page_cache_bytes,
        }
    }

    fn parts(pool: &MemoryPool) -> [u64; 7] {
        [
            pool.weights_bytes,
            pool.kv_cache_bytes,
            pool.scratch_bytes,
            pool.app_bytes,
            pool.other_bytes,
            pool.page_cache_bytes,
            pool.free_bytes,
        ]
    }

    fn named_bytes([weights_bytes, kv_cache_bytes, scratch_bytes]: [u64; 3]) -> NamedBytes {
        NamedBytes {
            weights_bytes,
            kv_cache_bytes,
            scratch_bytes,
        }
    }

    #[test]
    fn each_part_is_what_its_name_says() {
        let check = |free, cache, app, named: [u64; 3], expected: [u64; 7]| {
            let named = named_bytes(named);
            let pool = MemoryPool::divide(&reading(100, free, cache), app, named);
            assert_eq!(parts(&pool), expected);
        };
        // weights, KV cache, scratch, rest of the app, others, page cache, free
        check(20, 10, 40, [25, 5, 3], [25, 5, 3, 7, 30, 10, 20]);
        check(20, 10, 0, [0, 0, 0], [0, 0, 0, 0, 70, 10, 20]);
        // The app's reading is older than the worker's.
        check(20, 10, 20, [25, 5, 0], [25, 5, 0, 0, 40, 10, 20]);
        // Readings that contradict one another: nothing goes below zero.
        check(60, 60, 40, [25, 5, 1], [0, 0, 0, 0, 0, 40, 60]);
        check(20, 10, 90, [25, 5, 0], [25, 5, 0, 40, 0, 10, 20]);
    }

    proptest! {
        #[test]
        fn any_readings_add_up_to_the_total(
            total: u64, free: u64, cache: u64, app: u64, named: [u64; 3],
        ) {
            let pool = MemoryPool::divide(&reading(total, free, cache), app, named_bytes(named));
            let sum: u128 = parts(&pool).into_iter().map(u128::from).sum();
            prop_assert_eq!(sum, u128::from(total));
            prop_assert_eq!(pool.total_bytes, total);
        }
    }
}
