//! Which names from the hub may become names on the disk.

use super::Wanted;
use crate::{Error, FileHash};

const LONGEST_PART_BYTES: usize = 255;

/// # Errors
/// [`Error::UnsafePath`] for a name that leads elsewhere, [`Error::Server`] for a hash that is none: each becomes a name.
pub(super) fn refuse_unsafe(wanted: &Wanted) -> Result<(), Error> {
    let paths = wanted.files.iter().map(|file| &file.path);
    if let Some(path) = paths.chain([&wanted.revision]).find(|path| !is_safe(path)) {
        return Err(Error::UnsafePath {
            repo: wanted.repo.clone(),
            path: path.clone(),
        });
    }
    let no_hash = |hash: &&FileHash| FileHash::of_name(hash.hex()).as_ref() != Some(*hash);
    match wanted.files.iter().map(|file| &file.hash).find(no_hash) {
        Some(hash) => Err(Error::server(format!("{:?} is no hash", hash.hex()))),
        None => Ok(()),
    }
}

/// Relative, of plain parts.
fn is_safe(path: &str) -> bool {
    path.split('/').all(|part| {
        !matches!(part, "" | "." | "..")
            && part.len() <= LONGEST_PART_BYTES
            && !part.contains(['\0', '\\'])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RepoFile;

    fn wanted(path: &str, revision: &str, hash: FileHash) -> Wanted {
        let file = RepoFile {
            path: path.into(),
            size_bytes: 1,
            hash,
        };
        Wanted {
            repo: "org/name".parse().expect("a repository"),
            revision: revision.into(),
            commit: "a".repeat(40).try_into().expect("a commit"),
            files: vec![file],
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let hash = || FileHash::Sha256("a".repeat(64));
        let check = |path: &str, safe: bool| {
            for wanted in [
                wanted(path, "main", hash()),
                wanted("model.gguf", path, hash()),
            ] {
                let told = refuse_unsafe(&wanted);
                assert_eq!(told.is_ok(), safe, "{path:?}");
                assert!(safe || matches!(told, Err(Error::UnsafePath { .. })));
            }
        };
        for path in [
            "a",
            "a/b.gguf",
            "refs/pr/1",
            "..a",
            "a..",
            "a b",
            "...",
            "ä",
        ] {
            check(path, true);
        }
        let long = "a".repeat(256);
        for path in [
            "", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "./a", "a\\b", "a\0",
            &long,
        ] {
            check(path, false);
        }
    }

    #[test]
    fn a_hash_that_is_none_is_refused() {
        let check = |hash: FileHash, fine: bool| {
            let told = refuse_unsafe(&wanted("a", "main", hash));
            assert_eq!(told.is_ok(), fine, "{told:?}");
        };
        check(FileHash::Sha256("../../../etc/passwd".into()), false);
        check(FileHash::Sha256("a".repeat(40)), false);
        check(FileHash::GitSha1("A".repeat(40)), false);
        check(FileHash::GitSha1(String::new()), false);
        check(FileHash::GitSha1("a".repeat(40)), true);
    }
}
