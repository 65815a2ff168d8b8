//! What a kiosk takes of the machine: memory, files, processes that have ended and are not put away.

use crate::window::{Desk, Home};
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The processes of a kiosk.
const PROCESSES: [&str; 4] = [
    "wick-studio",
    "WebKitWebProcess",
    "WebKitNetworkProcess",
    "wick-engine",
];
/// Of a kiosk that is left alone, no process changes by more than a thousandth for so long…
const STILL: Duration = Duration::from_secs(3);
/// …or it is measured all the same.
const PATIENCE: Duration = Duration::from_secs(30);
const GLANCE: Duration = Duration::from_millis(250);

/// The memory of each process, in KiB: what is its own, with its part of what it shares with the others of the kiosk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    kib: [u64; PROCESSES.len()],
    /// Open files of all of them.
    descriptors: usize,
}

impl Figures {
    /// Of a kiosk that has come to rest.
    pub(super) async fn at_rest(desk: &Desk) -> Self {
        let begun = Instant::now();
        let mut still = (Self::now(desk.home()), begun);
        while still.1.elapsed() < STILL && begun.elapsed() < PATIENCE {
            tokio::time::sleep(GLANCE).await;
            let now = Self::now(desk.home());
            if !now.is_like(&still.0) {
                still = (now, Instant::now());
            }
        }
        Self::now(desk.home())
    }

    /// # Panics
    /// When one of the processes is not there exactly once.
    fn now(home: &Home) -> Self {
        let mut descriptors = 0;
        let kib = PROCESSES.map(|name| {
            let found = home.processes(name);
            assert_eq!(found.len(), 1, "{name}: {found:?}");
            let process = Path::new("/proc").join(found[0].id().to_string());
            let open = std::fs::read_dir(process.join("fd"));
            descriptors += open.map_or(0, Iterator::count);
            own_kib(&process)
        });
        Self { kib, descriptors }
    }

    fn is_like(&self, other: &Self) -> bool {
        let pairs = self.kib.iter().zip(other.kib);
        pairs.into_iter().all(|(a, b)| a.abs_diff(b) * 1000 <= b)
    }

    /// The processes that have grown by more than so many hundredths, in words.
    pub fn grown_since(&self, then: &Self, hundredths: u64) -> Vec<String> {
        let pairs = PROCESSES.iter().zip(self.kib.iter().zip(then.kib));
        pairs
            .filter(|(_, (now, then))| **now * 100 > then * (100 + hundredths))
            .map(|(name, (now, then))| format!("{name} has {now} KiB after {then} KiB"))
            .collect()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, kib) in PROCESSES.iter().zip(self.kib) {
            write!(f, "{name} {kib} KiB, ")?;
        }
        write!(f, "{} open files", self.descriptors)
    }
}

/// Memory of its own: what it shares with other programs is counted by how many those are, which is no growth of its own.
fn own_kib(process: &Path) -> u64 {
    let rollup = std::fs::read_to_string(process.join("smaps_rollup")).unwrap_or_default();
    let part = |name: &str| -> Option<u64> {
        let rest = rollup.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_whitespace().next()?.parse().ok()
    };
    let own = part("Pss_Anon:").zip(part("Pss_Shmem:"));
    let (anonymous, shared) = own.expect("the kernel tells a process's memory");
    anonymous + shared
}

/// What `WebKit` writes once for itself, some seconds after its first page: eight random bytes.
const OF_WEBKIT: [&str; 2] = ["CacheStorage", "CacheStorage/salt"];

/// All that lies in a home, without the database, which may grow.
pub(super) fn files(home: &Home) -> BTreeSet<PathBuf> {
    let root = home.path("");
    let mut found = BTreeSet::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path.clone());
            }
            let inside = path.strip_prefix(&root).map(Path::to_owned);
            found.extend(inside.ok().filter(|inside| !is_expected(inside)));
        }
    }
    found
}

fn is_expected(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str());
    let is_database = name.is_some_and(|name| name.starts_with("wick.db"));
    is_database || OF_WEBKIT.iter().any(|known| file.ends_with(known))
}

/// Children of this process that have ended, and that it has not put away.
pub(super) fn zombies(parent: u32) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let stats = entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let is_one = |stat: &String| {
        let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
        after.starts_with(&format!("Z {parent} "))
    };
    stats.filter(is_one).collect()
}
