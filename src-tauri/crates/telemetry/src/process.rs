//! What processes hold: the family of a process, its resident memory now and at most.

use crate::fields::field_bytes;
use crate::machine::read;
use crate::{Error, Machine};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

impl Machine {
    /// The process and all that descend from it, the process first, each generation before the next.
    ///
    /// Processes come and go while the list is read: one that ends meanwhile is left out.
    ///
    /// # Errors
    /// [`Error::Gone`] when there is no such process.
    pub fn process_tree(&self, root_pid: u32) -> Result<Vec<u32>, Error> {
        let mut children = BTreeMap::<u32, Vec<u32>>::new();
        let mut alive = BTreeSet::new();
        for pid in self.process_ids()? {
            let stat = read(&self.process(pid).join("stat"));
            if let Some(parent) = stat.ok().as_deref().and_then(parent_in_stat) {
                children.entry(parent).or_default().push(pid);
                alive.insert(pid);
            }
        }
        if !alive.remove(&root_pid) {
            return Err(Error::Gone { pid: root_pid });
        }
        let mut tree = vec![root_pid];
        let mut next = 0;
        while let Some(parent) = tree.get(next) {
            // Removing what is taken keeps a circle, which numbers used twice could make, from going on for ever.
            let born = children.remove(parent).unwrap_or_default();
            tree.extend(born.into_iter().filter(|pid| alive.remove(pid)));
            next += 1;
        }
        Ok(tree)
    }

    /// Memory that the process holds, in bytes: its proportional set size (a page shared by four counts a quarter for
    /// each), so that processes can be added up, less the pages of files, which are in the page cache and counted
    /// there. Where the kernel doesn't tell that, for it is another user's or the kernel is built without it, the
    /// resident set size, in which all pages count in full.
    ///
    /// A process that has ended but that its parent has not asked for yet holds nothing.
    ///
    /// # Errors
    /// [`Error::Gone`] when there is no such process; [`Error::Unreadable`].
    pub fn resident_bytes(&self, pid: u32) -> Result<u64, Error> {
        let rollup = read(&self.process(pid).join("smaps_rollup"));
        let proportional = rollup.ok().and_then(|text| {
            field_bytes(&text, "Pss_Anon")?.checked_add(field_bytes(&text, "Pss_Shmem")?)
        });
        match proportional {
            Some(bytes) => Ok(bytes),
            None => self.status_bytes(pid, "VmRSS"),
        }
    }

    /// The most that the resident set size of the process has been, in bytes.
    ///
    /// # Errors
    /// [`Error::Gone`] when there is no such process; [`Error::Unreadable`].
    pub fn peak_resident_bytes(&self, pid: u32) -> Result<u64, Error> {
        self.status_bytes(pid, "VmHWM")
    }

    fn status_bytes(&self, pid: u32, name: &str) -> Result<u64, Error> {
        let text = read(&self.process(pid).join("status")).map_err(|error| gone(pid, error))?;
        // A process that has ended, and the kernel's own threads, have no memory: the line is missing.
        Ok(field_bytes(&text, name).unwrap_or(0))
    }

    pub(crate) fn process(&self, pid: u32) -> PathBuf {
        self.proc().join(pid.to_string())
    }

    pub(crate) fn process_ids(&self) -> Result<Vec<u32>, Error> {
        let path = self.proc();
        let entries = fs::read_dir(&path).map_err(|source| Error::Unreadable {
            path: path.clone(),
            source,
        })?;
        let number = |name: &Path| name.to_str()?.parse().ok();
        let mut ids: Vec<u32> = entries
            .flatten()
            .filter_map(|entry| number(Path::new(&entry.file_name())))
            .collect();
        ids.sort_unstable();
        Ok(ids)
    }
}

/// The parent's process id. The name before it stands in brackets and may itself hold brackets and blanks, so the
/// fields begin after the last bracket: state, then parent (`man 5 proc_pid_stat`).
fn parent_in_stat(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// A folder that is not there, and the kernel's "no such process" while one of its files is read, are the same.
pub(crate) fn gone(pid: u32, error: Error) -> Error {
    const NO_SUCH_PROCESS: i32 = 3; // ESRCH
    match &error {
        Error::Unreadable { source, .. }
            if source.kind() == io::ErrorKind::NotFound
                || source.raw_os_error() == Some(NO_SUCH_PROCESS) =>
        {
            Error::Gone { pid }
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_parent_stands_after_the_last_bracket() {
        let check = |stat: &str, expected: Option<u32>| {
            assert_eq!(parent_in_stat(stat), expected, "{stat:?}");
        };
        check("12 (cat) S 7 12 12", Some(7));
        check("12 (a) R 99 (b) S 7 12", Some(7));
        check("12 (two words) S 7 12", Some(7));
        check("12 ()) S 7", Some(7));
        check("12 (cat) S", None);
        check("12 (cat) S -1", None);
        check("12 cat S 7", None);
        check("", None);
    }

    proptest! {
        #[test]
        fn any_text_has_a_parent_or_none(stat: String) {
            let _ = parent_in_stat(&stat);
        }
    }
}
