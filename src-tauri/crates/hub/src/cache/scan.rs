//! What lies in a repository's folder of the cache, as the Python tools and Wick leave it. It reads names, links and refs,
//! never contents, and changes nothing.
//!
//! Source: `huggingface_hub`'s documentation of its cache, and its `utils/_cache_manager.py` (2.4).

use crate::small_file::small_file;
use crate::{Commit, RepoId};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A commit has 40 letters.
const MAX_REF_BYTES: u64 = 256;
/// `refs/refs/pr/1` is the deepest that the hub has.
const MAX_REF_DEPTH: usize = 4;
/// More than that are none that a program left.
const MAX_REFS: usize = 1_000;

/// `models--ORG--NAME` in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CachedRepo {
    pub(crate) folder: PathBuf,
    /// `ORG/NAME`.
    pub(crate) name: String,
}

/// Where a file of a snapshot lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cached {
    pub(crate) repo: CachedRepo,
    /// `snapshots/COMMIT`.
    pub(crate) snapshot: PathBuf,
}

/// A ref and the commit that it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) path: PathBuf,
    /// `main`, `refs/pr/1`.
    pub(crate) name: String,
    pub(crate) commit: String,
}

impl CachedRepo {
    /// `None` for a folder that is no model's repository.
    pub(crate) fn of(folder: &Path) -> Option<Self> {
        let name = folder.file_name()?.to_str()?.strip_prefix("models--")?;
        Some(Self {
            folder: folder.to_owned(),
            name: name.replace("--", "/"),
        })
    }

    pub(crate) fn id(&self) -> Option<RepoId> {
        self.name.parse().ok()
    }

    /// The snapshots, the best first: the one that `main` is, then the newest. `None` for a folder without any place for them.
    pub(crate) fn snapshots(&self) -> Option<Vec<PathBuf>> {
        let main = commit(&self.folder.join("refs/main")).unwrap_or_default();
        let entries = fs::read_dir(self.folder.join("snapshots")).ok()?;
        let mut found: Vec<_> = entries
            .flatten() // an entry that can't be read is gone
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| {
                let is_main = entry.file_name().to_str() == Some(&main);
                // Deleting a file in it changes it, and makes it no newer.
                let made = entry
                    .metadata()
                    .and_then(|entry| entry.created().or_else(|_| entry.modified()));
                let made = made.unwrap_or(SystemTime::UNIX_EPOCH);
                (is_main, made, entry.path())
            })
            .collect();
        found.sort();
        Some(found.into_iter().rev().map(|(.., path)| path).collect())
    }

    /// All refs, by name.
    pub(crate) fn references(&self) -> Vec<Reference> {
        let root = self.folder.join("refs");
        let mut found = Vec::new();
        let mut folders = vec![(root.clone(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if is_folder && depth < MAX_REF_DEPTH {
                    folders.push((path, depth + 1));
                } else if found.len() < MAX_REFS {
                    found.extend(reference(&root, path));
                }
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// The name of the revision that this commit is: `main` before any other.
    pub(crate) fn revision(&self, commit: &str) -> Option<String> {
        let mut names = self
            .references()
            .into_iter()
            .filter(|reference| reference.commit == commit)
            .map(|reference| reference.name);
        let first = names.next()?;
        let main = names.find(|name| name == "main");
        Some(main.unwrap_or(first))
    }
}

impl Cached {
    /// Of a path below `models--ORG--NAME/snapshots/COMMIT`, or of that folder itself. It is read from the path alone.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        path.ancestors().find_map(|snapshot| {
            let snapshots = snapshot.parent()?;
            let repo = snapshots.ends_with("snapshots").then_some(snapshots)?;
            Some(Self {
                repo: CachedRepo::of(repo.parent()?)?,
                snapshot: snapshot.to_owned(),
            })
        })
    }

    /// The folder's name, a commit or not.
    pub(crate) fn commit_name(&self) -> &str {
        let name = self.snapshot.file_name().and_then(|name| name.to_str());
        name.unwrap_or_default()
    }

    pub(crate) fn commit(&self) -> Option<Commit> {
        self.commit_name().to_owned().try_into().ok()
    }
}

fn reference(root: &Path, path: PathBuf) -> Option<Reference> {
    Some(Reference {
        name: path.strip_prefix(root).ok()?.to_str()?.to_owned(),
        commit: commit(&path)?,
        path,
    })
}

/// The commit that a ref names.
fn commit(path: &Path) -> Option<String> {
    let content = String::from_utf8(small_file(path, MAX_REF_BYTES)?).ok()?;
    Some(content.trim().to_owned())
}

/// Where a link leads, one step, without looking whether anything is there; `None` for what is no link. The dots in it are
/// taken literally, as the cache writes its links.
pub(crate) fn hop(link: &Path) -> Option<PathBuf> {
    let target = fs::read_link(link).ok()?;
    let joined = link.parent()?.join(target);
    let mut plain = PathBuf::new();
    for part in joined.components() {
        match part {
            std::path::Component::ParentDir => {
                plain.pop();
            }
            std::path::Component::CurDir => {}
            part => plain.push(part),
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_path_tells_its_repository_and_snapshot() {
        let check = |path: &str, expected: Option<(&str, &str)>| {
            let found = Cached::of(Path::new(path));
            let found = found
                .as_ref()
                .map(|found| (found.repo.name.as_str(), found.commit_name()));
            assert_eq!(found, expected, "{path}");
        };
        let folder = "/c/models--Qwen--Qwen3-0.6B/snapshots/abc";
        check(folder, Some(("Qwen/Qwen3-0.6B", "abc")));
        check(
            &format!("{folder}/Q4/x.gguf"),
            Some(("Qwen/Qwen3-0.6B", "abc")),
        );
        check("/c/models--gpt2/snapshots/abc/x", Some(("gpt2", "abc")));
        check("/c/datasets--a--b/snapshots/abc/x", None);
        check("/c/models--a--b/blobs/abc", None);
        check("/", None);
    }

    #[test]
    fn a_revision_is_called_main_if_it_is_main() {
        let temp = tempfile::tempdir().expect("a folder");
        let folder = temp.path().join("models--a--b");
        fs::create_dir_all(folder.join("refs/refs/pr")).expect("folders");
        let refs = [
            ("dev", "x"),
            ("main", "x\n"),
            ("refs/pr/1", "y"),
            ("v2", ""),
        ];
        for (name, commit) in refs {
            fs::write(folder.join("refs").join(name), commit).expect("a ref");
        }
        symlink("/dev/zero", folder.join("refs/endless")).expect("a link");
        let repo = CachedRepo::of(&folder).expect("a repository");
        let check = |commit: &str, expected: Option<&str>| {
            assert_eq!(repo.revision(commit).as_deref(), expected, "{commit}");
        };
        check("x", Some("main"));
        check("y", Some("refs/pr/1"));
        check("z", None);
    }

    #[test]
    fn a_link_leads_one_step() {
        let temp = tempfile::tempdir().expect("a folder");
        let link = temp.path().join("link");
        symlink("a/../../b", &link).expect("a link");
        let parent = temp.path().parent().expect("a parent");
        assert_eq!(hop(&link), Some(parent.join("b")));
        assert_eq!(hop(temp.path()), None);
    }
}
