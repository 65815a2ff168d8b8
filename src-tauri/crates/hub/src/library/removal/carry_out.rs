//! Does what a removal says. If it is cut in the middle, contents are left over, never names that lead nowhere.

use super::Removal;
use super::shared;
use crate::Error;
use std::fs;
use std::io;

/// Returns the bytes that it freed.
pub(super) fn carry_out(removal: &Removal) -> Result<u64, Error> {
    let mut freed_bytes = 0_u64;
    let pairs = removal.steps.entries.iter().zip(&removal.files);
    for (done, (entry, leaving)) in pairs.enumerate() {
        // What the shared store holds is deleted under its lock, and only if nobody has come to it meanwhile.
        let deleted = shared::locked(&entry.path, || entry.delete());
        if let Err(source) = deleted {
            return Err(stopped(removal, done, freed_bytes, source));
        }
        freed_bytes = freed_bytes.saturating_add(leaving.freed_bytes);
    }
    for folder in &removal.steps.folders {
        // What is not empty stays, and so does what can't be deleted: nothing is lost by it.
        if let Err(error) = fs::remove_dir(folder) {
            tracing::debug!(folder = %folder.display().to_string().escape_debug(), %error, "a folder stays");
        }
    }
    Ok(freed_bytes)
}

fn stopped(removal: &Removal, done: usize, freed_bytes: u64, source: io::Error) -> Error {
    let paths = removal.steps.entries.iter().map(|entry| entry.path.clone());
    let mut removed: Vec<_> = paths.collect();
    let left = removed.split_off(done);
    let path = left.first().cloned().unwrap_or_default();
    if removed.is_empty() && source.kind() == io::ErrorKind::InvalidData {
        return Error::Changed { path };
    }
    Error::PartlyRemoved {
        removed,
        left,
        freed_bytes,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModelId;
    use crate::library::removal::{Plan, Versions};
    use std::collections::HashMap;
    use std::path::PathBuf;

    /// A removal of three files of 4 bytes each, of which some change before it is carried out.
    fn carried_out(changed: &[usize]) -> (Result<u64, Error>, Vec<PathBuf>, tempfile::TempDir) {
        let temp = tempfile::tempdir().expect("a folder");
        let paths: Vec<_> = (0..3).map(|at| temp.path().join(at.to_string())).collect();
        let mut plan = Plan::new(temp.path(), HashMap::new());
        for path in &paths {
            fs::write(path, "four").expect("a file");
            assert!(plan.delete(path));
        }
        let removal = plan.removal(ModelId("m".into()), Versions::Shown);
        for at in changed {
            fs::write(&paths[*at], "changed").expect("a file");
        }
        (carry_out(&removal), paths, temp)
    }

    #[test]
    fn a_removal_that_fails_in_the_middle_says_what_is_gone_and_what_is_not() {
        let (freed, paths, _temp) = carried_out(&[]);
        assert_eq!(freed.expect("all there"), 12);
        assert!(paths.iter().all(|path| !path.exists()));

        let (failed, paths, _temp) = carried_out(&[1]);
        let error = failed.expect_err("one has changed");
        let Error::PartlyRemoved {
            removed,
            left,
            freed_bytes,
            path,
            ..
        } = &error
        else {
            panic!("{error:?}");
        };
        assert_eq!(
            (removed, left),
            (&paths[..1].to_vec(), &paths[1..].to_vec())
        );
        assert_eq!((*freed_bytes, path), (4, &paths[1]));
        assert_eq!(paths.iter().filter(|path| path.exists()).count(), 2);
        let words = "1 of 3 files were removed, which freed 4 bytes; ";
        assert!(error.to_string().starts_with(words), "{error}");

        let (failed, paths, _temp) = carried_out(&[0, 2]);
        assert!(matches!(failed, Err(Error::Changed { path }) if path == paths[0]));
        assert!(paths.iter().all(|path| path.exists()));
    }
}
