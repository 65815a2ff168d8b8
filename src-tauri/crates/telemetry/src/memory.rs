//! The memory of the whole machine: `/proc/meminfo`, and the pressure on it.

use crate::fields::field_bytes;
use crate::machine::read;
use crate::{Error, Machine, MemoryPressure, SwapReading};
use serde::{Deserialize, Serialize};

/// Memory of the whole machine, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct MemoryReading {
    /// All that the kernel manages.
    #[specta(type = u32)]
    pub total_bytes: u64,
    /// What the kernel reckons that new programs could take without swapping: free and most of the page cache.
    #[specta(type = u32)]
    pub available_bytes: u64,
    /// What nobody uses for anything.
    #[specta(type = u32)]
    pub free_bytes: u64,
    /// What the kernel holds only to be faster and gives back on demand: files read and their names. It is
    /// `Cached + Buffers + SReclaimable - Shmem`, as htop reckons it (`linux/LinuxMachine.c`): the kernel counts shared
    /// memory and tmpfs as `Cached` (`Documentation/filesystems/proc.rst`), but can't give them back.
    #[specta(type = u32)]
    pub page_cache_bytes: u64,
}

impl Machine {
    /// The memory of the whole machine, from `/proc/meminfo`.
    ///
    /// # Errors
    /// [`Error::Unreadable`], or [`Error::Malformed`] when the total, the free or the available memory is missing.
    pub fn memory(&self) -> Result<MemoryReading, Error> {
        let path = self.proc().join("meminfo");
        let text = read(&path)?;
        memory(&text).map_err(|name| Error::Malformed {
            path,
            reason: format!("it has no {name} in kB"),
        })
    }

    /// The pressure on the memory, from `/proc/pressure/memory`; `None` where the kernel does not tell.
    pub fn pressure(&self) -> Option<MemoryPressure> {
        pressure(&read(&self.proc().join("pressure/memory")).ok()?)
    }
}

/// The memory in a `meminfo`, or the name of what it lacks.
fn memory(text: &str) -> Result<MemoryReading, &'static str> {
    let needed = |name: &'static str| field_bytes(text, name).ok_or(name);
    // Kernels are built without some of these; then there is nothing of the kind to count.
    let optional = |name: &str| field_bytes(text, name).unwrap_or(0);
    let cache_bytes = ["Cached", "Buffers", "SReclaimable"]
        .into_iter()
        .fold(0_u64, |sum, name| sum.saturating_add(optional(name)));
    Ok(MemoryReading {
        total_bytes: needed("MemTotal")?,
        available_bytes: needed("MemAvailable")?,
        free_bytes: needed("MemFree")?,
        page_cache_bytes: cache_bytes.saturating_sub(optional("Shmem")),
    })
}

/// The memory in a `meminfo`, if no part of it is larger than the whole.
pub(crate) fn plausible_memory(text: &str) -> Option<MemoryReading> {
    let reading = memory(text).ok()?;
    let parts = [
        reading.available_bytes,
        reading.free_bytes,
        reading.page_cache_bytes,
    ];
    let plausible = parts.iter().all(|part| *part <= reading.total_bytes);
    plausible.then_some(reading)
}

/// The swap space in a `meminfo`.
pub(crate) fn swap(text: &str) -> Option<SwapReading> {
    let total_bytes = field_bytes(text, "SwapTotal")?;
    let used_bytes = total_bytes.checked_sub(field_bytes(text, "SwapFree")?)?;
    Some(SwapReading {
        total_bytes,
        used_bytes,
    })
}

/// The pressure in a `/proc/pressure/memory`: `some avg10=0.12 avg60=… avg300=… total=…`, and likewise `full`.
pub(crate) fn pressure(text: &str) -> Option<MemoryPressure> {
    Some(MemoryPressure {
        some_avg10: avg10(text, "some")?,
        full_avg10: avg10(text, "full")?,
    })
}

fn avg10(text: &str, kind: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(kind))?;
    let mut fields = line.split_ascii_whitespace();
    let percent = fields.find_map(|field| field.strip_prefix("avg10="))?;
    let percent: f64 = percent.parse().ok()?;
    (0.0..=100.0).contains(&percent).then_some(percent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pressure_is_percent() {
        let check = |text: &str, expected: Option<(f64, f64)>| {
            let found = pressure(text).map(|found| (found.some_avg10, found.full_avg10));
            assert_eq!(found, expected, "{text:?}");
        };
        check(
            "some avg10=12.50 avg60=1.00 avg300=0.10 total=9\nfull avg10=3.25 avg60=0.00 avg300=0.00 total=4\n",
            Some((12.5, 3.25)),
        );
        check("some avg10=0.00 total=0\n", None);
        check("some avg10=101\nfull avg10=0", None);
        check("some avg10=NaN\nfull avg10=0", None);
        check("some avg10=-1\nfull avg10=0", None);
        check("", None);
    }

    #[test]
    fn swap_is_what_is_not_free() {
        let check = |text: &str, expected: Option<(u64, u64)>| {
            let found = swap(text).map(|found| (found.total_bytes, found.used_bytes));
            assert_eq!(found, expected, "{text:?}");
        };
        check("SwapTotal: 8 kB\nSwapFree: 5 kB\n", Some((8192, 3072)));
        check("SwapTotal: 0 kB\nSwapFree: 0 kB\n", Some((0, 0)));
        check("SwapTotal: 5 kB\nSwapFree: 8 kB\n", None);
        check("SwapTotal: 5 kB\n", None);
    }

    #[test]
    fn a_part_larger_than_the_whole_is_no_reading() {
        let check = |total: u64, free: u64, available: u64, cached: u64, expected: bool| {
            let text = format!(
                "MemTotal: {total} kB\nMemFree: {free} kB\nMemAvailable: {available} kB\nCached: {cached} kB"
            );
            assert_eq!(plausible_memory(&text).is_some(), expected, "{text:?}");
        };
        check(9, 1, 5, 3, true);
        check(9, 9, 9, 9, true);
        check(9, 10, 5, 3, false);
        check(9, 1, 10, 3, false);
        check(9, 1, 5, 10, false);
    }

    proptest! {
        #[test]
        fn any_text_is_plausible_or_nothing(text: String, number: f64) {
            let line = format!("some avg10={number}\nfull avg10={number} {text}");
            for text in [&text, &line] {
                let found = pressure(text);
                prop_assert!(found.is_none_or(|found| (0.0..=100.0).contains(&found.some_avg10)));
                let _ = (swap(text), plausible_memory(text));
            }
        }
    }
}
