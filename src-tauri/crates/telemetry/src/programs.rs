//! The largest other programs by name, for the question who has the memory.
//!
//! Deliberately cheap: what a process holds is its resident memory less what it shares or has of files (`statm`). The
//! proportional set size would be truer where processes share pages that belong to no file, but makes the kernel walk
//! the page tables of all processes.

use crate::words::shown;
use crate::{Machine, Reader};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What the kernel adds to the name of a file that was replaced or removed.
const DELETED: &str = " (deleted)";

/// A program: all processes of one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct Program {
    /// The file that it runs, without folders; where one may not know that, the first 15 bytes of what it calls itself.
    pub name: String,
    /// Memory that its processes hold, without the pages that they share or that are pages of a file.
    #[specta(type = u32)]
    pub bytes: u64,
    /// How many processes.
    pub processes: u32,
}

impl Reader {
    /// The largest programs, at most `most`, the largest first. `ours` are the processes that don't count. Neither do
    /// the kernel's threads.
    ///
    /// It opens two files for each process: call it every few seconds, not at each reading. Processes that end
    /// meanwhile are left out.
    pub fn programs(&mut self, ours: &[u32], most: usize) -> Vec<Program> {
        let mut programs = by_name(&self.machine, &ours.iter().copied().collect());
        programs.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
        programs.truncate(most);
        programs
    }
}

fn by_name(machine: &Machine, ours: &BTreeSet<u32>) -> Vec<Program> {
    let page_bytes = machine.page_bytes();
    let ids = machine.process_ids().unwrap_or_default();
    let mut programs = BTreeMap::<String, (u64, u32)>::new();
    for pid in ids.into_iter().filter(|pid| !ours.contains(pid)) {
        let folder = machine.process(pid);
        let pages = own_pages(&folder).filter(|pages| *pages > 0);
        let Some((pages, name)) = pages.zip(name(&folder)) else {
            continue;
        };
        let (bytes, processes) = programs.entry(name).or_default();
        *bytes = bytes.saturating_add(pages.saturating_mul(page_bytes));
        *processes += 1;
    }
    let programs = programs.into_iter();
    let program = |(name, (bytes, processes))| Program {
        name,
        bytes,
        processes,
    };
    programs.map(program).collect()
}

/// Pages that are resident and not shared: `size resident shared …` (`man 5 proc_pid_statm`). The kernel's threads and
/// what has ended have none.
fn own_pages(folder: &Path) -> Option<u64> {
    let mut bytes = [0; 128];
    let length = File::open(folder.join("statm"))
        .ok()?
        .read(&mut bytes)
        .ok()?;
    let text = str::from_utf8(&bytes[..length]).ok()?;
    let mut fields = text.split_ascii_whitespace().skip(1);
    let mut next = || fields.next()?.parse::<u64>().ok();
    let (resident, shared) = (next()?, next()?);
    Some(resident.saturating_sub(shared))
}

fn name(folder: &Path) -> Option<String> {
    let file = std::fs::read_link(folder.join("exe")).ok();
    let file = file.as_deref().and_then(Path::file_name);
    let name = file.map(|name| name.to_string_lossy().into_owned());
    let name = name.or_else(|| crate::files::short(&folder.join("comm")))?;
    Some(shown(name.strip_suffix(DELETED).unwrap_or(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    struct Processes(TempDir);

    impl Processes {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a folder"))
        }

        /// With `pages` of its own, 7 of files beside them.
        fn add(&self, pid: u32, comm: &[u8], exe: Option<&str>, pages: u64) {
            let folder = self.0.path().join(format!("proc/{pid}"));
            fs::create_dir_all(&folder).expect("a folder");
            let statm = format!("{} {} 7 1 0 9 0\n", pages + 99, pages + 7);
            fs::write(folder.join("statm"), statm).expect("a file");
            fs::write(folder.join("comm"), comm).expect("a file");
            if let Some(exe) = exe {
                symlink(exe, folder.join("exe")).expect("a link");
            }
        }

        fn programs(&self, ours: &[u32], most: usize) -> Vec<(String, u64, u32)> {
            let programs = Reader::new(Machine::at(self.0.path())).programs(ours, most);
            let parts = programs.into_iter();
            parts
                .map(|program| (program.name, program.bytes / 4096, program.processes))
                .collect()
        }
    }

    #[test]
    fn processes_of_one_name_are_one_program() {
        let all = Processes::new();
        all.add(1, b"systemd\n", None, 5);
        all.add(10, b"Web Content\n", Some("/usr/lib/firefox/firefox"), 100);
        all.add(
            11,
            b"firefox\n",
            Some("/usr/lib/firefox/firefox (deleted)"),
            50,
        );
        all.add(12, b"wick-engine\n", Some("/opt/wick/wick-engine"), 9000);
        all.add(13, b"bash\n", None, 5);
        all.add(14, b"kthread) S (\n", None, 0);
        fs::create_dir_all(all.0.path().join("proc/15")).expect("a folder");
        let check = |ours: &[u32], most, expected: &[(&str, u64, u32)]| {
            let found = all.programs(ours, most);
            let found: Vec<_> = found
                .iter()
                .map(|(name, pages, count)| (name.as_str(), *pages, *count))
                .collect();
            assert_eq!(found, expected);
        };
        check(
            &[12],
            9,
            &[("firefox", 150, 2), ("bash", 5, 1), ("systemd", 5, 1)],
        );
        check(&[12], 2, &[("firefox", 150, 2), ("bash", 5, 1)]);
        check(&[], 1, &[("wick-engine", 9000, 1)]);
        check(&[], 0, &[]);
    }

    #[test]
    fn weird_names_are_made_fit_to_be_shown() {
        let check = |comm: &[u8], expected: &str| {
            let all = Processes::new();
            all.add(1, comm, None, 1);
            assert_eq!(all.programs(&[], 9), [(expected.to_owned(), 1, 1)]);
        };
        check(b"(sd-pam)\n", "(sd-pam)");
        check(b"a\nb\x1b[2J\n", "a\u{fffd}b\u{fffd}[2J");
        check(b"\xff\xfe\n", "\u{fffd}\u{fffd}");
        check(b"\n", "?");
        check(b"a) R 1 (\n", "a) R 1 (");
    }

    #[test]
    fn ten_thousand_processes_are_no_trouble() {
        let all = Processes::new();
        for pid in 1..=100 {
            all.add(
                pid,
                format!("p{}\n", pid % 100).as_bytes(),
                None,
                u64::from(pid % 100),
            );
        }
        for pid in 101..=10_000 {
            let like = (pid - 1) % 100 + 1;
            symlink(like.to_string(), all.0.path().join(format!("proc/{pid}"))).expect("a link");
        }
        let found = all.programs(&[99], 2);
        assert_eq!(
            found,
            [
                ("p99".to_owned(), 99 * 99, 99),
                ("p98".to_owned(), 98 * 100, 100)
            ]
        );
    }

    #[test]
    fn this_process_is_a_program_unless_it_is_ours() {
        let me = std::process::id();
        let exe = std::env::current_exe().expect("it runs");
        let name = exe
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let mut reader = Reader::new(Machine::local());
        let has =
            |programs: &[Program]| programs.iter().any(|program| program.name == shown(&name));
        assert!(has(&reader.programs(&[], usize::MAX)));
        assert!(!has(&reader.programs(&[me], usize::MAX)));
    }
}
