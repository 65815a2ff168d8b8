//! What physical disks read and write, from `/proc/diskstats`.
//!
//! Deliberately not partitions, RAM disks, loops, and device mappers: their bytes are those of the disks underneath.
//! What is a disk is told by `/sys/block/NAME/device`, which only what is a piece of hardware has.

use crate::DiskReading;
use crate::counter::Counter;
use crate::files::names;
use crate::words::shown;
use std::path::Path;
use std::time::Duration;

/// The unit of `/proc/diskstats`, whatever the disk's own sectors are (`Documentation/block/stat.rst`).
const SECTOR_BYTES: u64 = 512;

/// The disks of the machine and their counters.
#[derive(Debug, Default)]
pub(crate) struct Disks(Vec<Disk>);

#[derive(Debug)]
struct Disk {
    name: String,
    read: Counter,
    written: Counter,
}

impl Disks {
    /// Looks which disks there are. Those that stay keep their counters.
    pub(crate) fn scan(&mut self, root: &Path) {
        let blocks = root.join("sys/block");
        let mut names = names(&blocks);
        names.retain(|name| blocks.join(name).join("device").exists());
        self.0.retain(|disk| names.contains(&disk.name));
        names.retain(|name| self.0.iter().all(|disk| disk.name != *name));
        self.0.extend(names.into_iter().map(|name| Disk {
            name,
            read: Counter::default(),
            written: Counter::default(),
        }));
        self.0.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// The rates since the last text, of those disks that stand in it.
    pub(crate) fn read(&mut self, diskstats: &str, at: Duration) -> Vec<DiskReading> {
        let disks = self.0.iter_mut();
        disks
            .filter_map(|disk| {
                let [read, written] = diskstats.lines().find_map(|line| bytes(line, &disk.name))?;
                Some(DiskReading {
                    name: shown(&disk.name),
                    read_bytes_per_second: disk.read.bytes_per_second(at, read),
                    written_bytes_per_second: disk.written.bytes_per_second(at, written),
                })
            })
            .collect()
    }
}

/// Bytes read and written, if the line is this disk's: `major minor name reads merged sectors ms writes merged sectors
/// …` (`Documentation/admin-guide/iostats.rst`).
fn bytes(line: &str, name: &str) -> Option<[u64; 2]> {
    let mut fields = line.split_ascii_whitespace().skip(2);
    // A slash in a name is an exclamation mark in /sys.
    let same =
        |found: &str| found == name || (name.contains('!') && found.replace('/', "!") == name);
    fields.next().filter(|found| same(found))?;
    let sectors = |field: Option<&str>| field?.parse::<u64>().ok()?.checked_mul(SECTOR_BYTES);
    let read = sectors(fields.nth(2))?;
    let written = sectors(fields.nth(3))?;
    Some([read, written])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;

    #[test]
    fn bytes_are_sectors_of_512() {
        let check = |line: &str, expected: Option<[u64; 2]>| {
            assert_eq!(bytes(line, "nvme0n1"), expected, "{line:?}");
        };
        check("259 0 nvme0n1 10 0 4 9 20 0 8 9 0 9 9", Some([2048, 4096]));
        check("259 1 nvme0n1p1 10 0 4 9 20 0 8 9 0 9 9", None);
        check("259 0 nvme0n1 10 0 4 9 20 0", None);
        check("259 0 nvme0n1 10 0 -4 9 20 0 8", None);
        check("259 0 nvme0n1 10 0 18446744073709551615 9 20 0 8", None);
        check("", None);
        assert_eq!(bytes("1 0 a/b 1 1 1 1 1 1 1", "a!b"), Some([512, 512]));
    }

    #[test]
    fn a_disk_that_is_pulled_is_gone_and_one_that_is_plugged_in_begins() {
        let folder = tempfile::tempdir().expect("a folder");
        let block = |name: &str| folder.path().join("sys/block").join(name);
        for name in ["sda/device", "loop0", "dm-0"] {
            fs::create_dir_all(block(name)).expect("a folder");
        }
        let mut disks = Disks::default();
        disks.scan(folder.path());
        let mut check = |seconds, text: &str, expected: &[(&str, Option<u64>)]| {
            disks.scan(folder.path());
            let found = disks.read(text, Duration::from_secs(seconds));
            let found: Vec<_> = found
                .iter()
                .map(|disk| (disk.name.as_str(), disk.read_bytes_per_second))
                .collect();
            assert_eq!(found, expected);
        };
        let all = "8 0 sda 1 0 2 0 1 0 0\n7 0 loop0 1 0 9 0 1 0 0\n253 0 dm-0 1 0 9 0 1 0 0\n8 1 sda1 1 0 2 0 1 0 0";
        check(0, all, &[("sda", None)]);
        check(1, "8 0 sda 1 0 4 0 1 0 0", &[("sda", Some(1024))]);
        fs::create_dir_all(block("sdb/device")).expect("a folder");
        check(
            2,
            "8 0 sda 1 0 4 0 1 0 0\n8 16 sdb 1 0 9 0 1 0 0",
            &[("sda", Some(0)), ("sdb", None)],
        );
        check(3, "8 16 sdb 1 0 9 0 1 0 0", &[("sdb", Some(0))]);
        fs::remove_dir_all(block("sda")).expect("it is there");
        check(4, all, &[]);
    }

    proptest! {
        #[test]
        fn any_line_is_bytes_or_nothing(line: String, name: String) {
            let _ = (bytes(&line, &name), bytes(&format!("8 0 {name} {line}"), &name));
        }
    }
}
