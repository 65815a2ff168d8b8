//! The list of a commit's files.
//!
//! The requests are ours, not hf-hub's `list_tree`: hf-hub 1.0.0 reads a file's SHA-256 under a name that the hub does not
//! send (`lfs.sha256` for `lfs.oid`, `repository/files.rs`), and follows the list to any host with the access token
//! (`pagination.rs`). Invariant: no path in the list leads out of the folder that it is written to, else there is no list.

use super::answer::{Next, Page};
use super::http::{Asked, Http};
use crate::{Commit, Error, FileHash, RepoFile, RepoId};
use serde::Deserialize;

/// A page has a thousand entries, or fifty with a hub that is asked for more about each.
const MAX_PAGES: usize = 400;
/// What a name in a path may have on any file system.
const MAX_NAME_BYTES: usize = 255;
const MAX_PATH_BYTES: usize = 1024;

/// An entry of the tree as the hub sends it.
#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    oid: String,
    #[serde(default)]
    size: u64,
    path: String,
    lfs: Option<Large>,
}

#[derive(Debug, Deserialize)]
struct Large {
    oid: String,
    size: u64,
}

impl Http {
    /// All files of a commit, by path.
    ///
    /// # Errors
    /// [`Error::UnsafePath`], [`Error::Server`] for a list that makes no sense, those of [`Http::json`].
    pub(crate) async fn files(
        &self,
        repo: &RepoId,
        commit: &Commit,
    ) -> Result<Vec<RepoFile>, Error> {
        let asked = Asked {
            repo: Some(repo),
            what: "the list of files",
        };
        let mut url = self.api_url(repo, "tree", commit.as_str())?;
        url.set_query(Some("recursive=true"));
        let mut files = Vec::new();
        for _ in 0..MAX_PAGES {
            let page: Page<Vec<Entry>> = self.page_of(url.clone(), &asked).await?;
            for entry in page.content {
                files.extend(file(entry, repo)?);
            }
            match page.next {
                Next::End => return Ok(in_order(files)),
                Next::Query(query) => url.set_query(Some(&query)),
                Next::Elsewhere => return Err(Error::server(format!("{asked} goes on elsewhere"))),
            }
        }
        Err(Error::server(format!("{asked} does not end")))
    }
}

fn in_order(mut files: Vec<RepoFile>) -> Vec<RepoFile> {
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    files
}

/// The file that an entry is; `None` for a folder.
fn file(entry: Entry, repo: &RepoId) -> Result<Option<RepoFile>, Error> {
    if !is_safe(&entry.path) {
        return Err(Error::UnsafePath {
            repo: repo.clone(),
            path: entry.path,
        });
    }
    if entry.kind != "file" {
        return Ok(None);
    }
    let (hex, size_bytes) = match entry.lfs {
        Some(large) => (large.oid, large.size),
        None => (entry.oid, entry.size),
    };
    let hash = FileHash::of_name(&hex)
        .ok_or_else(|| Error::server(format!("{} of {repo} has no hash", entry.path)))?;
    Ok(Some(RepoFile {
        path: entry.path,
        size_bytes,
        hash,
    }))
}

/// Whether a path may be written below a folder: relative, without `..`, and made of names that every file system takes.
pub(crate) fn is_safe(path: &str) -> bool {
    let name = |name: &str| {
        !matches!(name, "" | "." | "..") && name.len() <= MAX_NAME_BYTES && !name.contains('\\')
    };
    path.len() <= MAX_PATH_BYTES && !path.contains(char::is_control) && path.split('/').all(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Component, Path};

    #[test]
    fn only_paths_below_the_folder_are_safe() {
        let check = |path: &str, expected: bool| assert_eq!(is_safe(path), expected, "{path:?}");
        check("README.md", true);
        check(".gitattributes", true);
        check("Q4_K_M/a-00001-of-00002.gguf", true);
        check("Modèle très bon..gguf", true);
        check("...", true);
        check("", false);
        check("/etc/passwd", false);
        check("../x", false);
        check("a/../../x", false);
        check("a/..", false);
        check("./a", false);
        check("a//b", false);
        check("a/", false);
        check("..\\x", false);
        check("a\0b", false);
        check("a\nb", false);
        check(&"a".repeat(256), false);
        check(&"a/".repeat(600), false);
    }

    proptest! {
        #[test]
        fn any_safe_path_stays_below_its_folder(path in r"[./\\a\PC]{0,12}") {
            if is_safe(&path) {
                let normal = |part| matches!(part, Component::Normal(_));
                prop_assert!(Path::new(&path).components().all(normal), "{:?}", path);
                prop_assert!(Path::new("/f").join(&path).starts_with("/f"));
            }
        }
    }

    #[test]
    fn a_file_is_known_by_its_large_hash_or_else_by_its_blob() {
        let (large, blob) = ("a".repeat(64), "b".repeat(40));
        let check = |json: &str, expected: Option<(u64, FileHash)>| {
            let json = json.replace("LARGE", &large).replace("BLOB", &blob);
            let entry: Entry = serde_json::from_str(&json).expect("JSON");
            let found = file(entry, &"a/b".parse().expect("a repository"));
            let found = found.ok().flatten();
            assert_eq!(
                found.map(|file| (file.size_bytes, file.hash)),
                expected,
                "{json}"
            );
        };
        check(
            r#"{"type":"file","oid":"BLOB","size":7,"path":"p","lfs":{"oid":"LARGE","size":9,"pointerSize":130},"xetHash":"x"}"#,
            Some((9, FileHash::Sha256(large.clone()))),
        );
        check(
            r#"{"type":"file","oid":"BLOB","size":7,"path":"p"}"#,
            Some((7, FileHash::GitSha1(blob.clone()))),
        );
        check(
            r#"{"type":"directory","oid":"BLOB","size":0,"path":"p"}"#,
            None,
        );
        check(
            r#"{"type":"file","oid":"../../x","size":7,"path":"p"}"#,
            None,
        );
        check(
            r#"{"type":"file","oid":"BLOB","size":7,"path":"../p"}"#,
            None,
        );
    }
}
