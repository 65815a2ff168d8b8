//! A file that is written whole or not at all.
//!
//! Invariant: until all is written, what stood under its name stands there as it was. What is no regular file
//! (`/dev/null`, a pipe) has nothing to be kept and is written into at once.

use crate::stop::Stop;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file that is being written.
#[derive(Debug)]
pub(super) struct WholeFile {
    file: File,
    /// As it was asked for.
    path: PathBuf,
    /// The unfinished file and the place where it goes, if it isn't there already.
    unfinished: Option<(PathBuf, PathBuf)>,
}

impl WholeFile {
    /// Begins the file at `path`, which must not be `model` nor lie in it.
    pub(super) fn begin(path: &Path, model: &Path) -> Result<Self, Stop> {
        // Links are followed: what they lead to is replaced, not the link.
        let goal = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if is_of(&goal, model) {
            return Err(is_model(path));
        }
        let begun = match fs::metadata(&goal) {
            Ok(there) if !there.is_file() => File::options()
                .write(true)
                .open(&goal)
                .map(|file| (file, None)),
            _ => begin_beside(goal),
        };
        let (file, unfinished) = begun.map_err(|error| cannot_write(path, &error))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            unfinished,
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| cannot_write(&self.path, &error))
    }

    /// Puts the file in its place.
    pub(super) fn finish(mut self) -> Result<(), Stop> {
        if let Some((unfinished, goal)) = &self.unfinished {
            fs::rename(unfinished, goal).map_err(|error| cannot_write(&self.path, &error))?;
        }
        self.unfinished = None;
        Ok(())
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some((unfinished, _)) = &self.unfinished {
            // It may be gone already; then there is nothing to do.
            let _ = fs::remove_file(unfinished);
        }
    }
}

/// The file, its place, and where it goes.
type Begun = (File, Option<(PathBuf, PathBuf)>);

/// A new file beside the one it is to become: only there a rename is sure to be on the same disk.
fn begin_beside(goal: PathBuf) -> io::Result<Begun> {
    let name = goal.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let mut unfinished = OsString::from(".");
    unfinished.push(name);
    unfinished.push(format!(".{}.incomplete", std::process::id()));
    let unfinished = goal.with_file_name(unfinished);
    let file = File::create_new(&unfinished)?;
    Ok((file, Some((unfinished, goal))))
}

/// Whether it is the model, or lies in the folder that the model is.
fn is_of(goal: &Path, model: &Path) -> bool {
    let model = model.canonicalize();
    model.is_ok_and(|model| goal.starts_with(model))
}

fn is_model(path: &Path) -> Stop {
    Stop::failed(
        format!(
            "{} belongs to the model itself. Nothing was written.",
            path.display()
        ),
        "Give --output another file.",
    )
}

fn cannot_write(path: &Path, error: &io::Error) -> Stop {
    Stop::failed(
        format!(
            "{} can't be written: {error}. A file that was there is as it was.",
            path.display()
        ),
        "Give --output a file in a folder that can be written and has room.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_stays_as_it_was_until_another_is_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let (goal, link) = (folder.path().join("rows"), folder.path().join("link"));
        let names = || fs::read_dir(folder.path()).expect("a folder").count();
        fs::write(&goal, "before").expect("a file");
        symlink("rows", &link).expect("a link");
        for path in [&goal, &link] {
            let mut file = WholeFile::begin(path, Path::new("/nowhere")).expect("it begins");
            file.write(b"half").expect("there is room");
            assert_eq!(fs::read(&goal).expect("it is there"), b"before");
            drop(file);
            assert_eq!(names(), 2, "nothing is left behind");
        }
        for (path, text) in [(&goal, "one"), (&link, "two")] {
            let mut file = WholeFile::begin(path, Path::new("/nowhere")).expect("it begins");
            file.write(text.as_bytes()).expect("there is room");
            file.finish().expect("it is put in its place");
            assert_eq!(fs::read_to_string(&goal).expect("it is there"), text);
            assert_eq!(names(), 2, "nothing is left behind");
        }
        assert!(link.is_symlink(), "a link is followed, not replaced");
    }

    #[test]
    fn a_model_is_not_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for name in ["model.gguf", "other"] {
            fs::write(at(name), "GGUF").expect("a file");
        }
        symlink("model.gguf", at("link")).expect("a link");
        let check = |path: &Path, model: &Path, is_refused: bool| {
            let begun = WholeFile::begin(path, model);
            assert_eq!(begun.is_err(), is_refused, "{path:?} {model:?}");
        };
        check(&at("model.gguf"), &at("model.gguf"), true);
        check(&at("link"), &at("model.gguf"), true);
        check(&at("model.gguf"), &at("link"), true);
        check(&at("model.gguf"), folder.path(), true);
        check(&at("other"), &at("model.gguf"), false);
        check(&at("new"), &at("model.gguf"), false);
        assert_eq!(fs::read(at("model.gguf")).expect("it is there"), b"GGUF");
    }

    #[test]
    fn what_is_no_file_is_written_into() {
        let mut file = WholeFile::begin(Path::new("/dev/null"), Path::new("/nowhere"));
        let file = file.as_mut().expect("anybody may");
        file.write(b"rows").expect("it takes all");
        assert!(file.unfinished.is_none());
        assert!(WholeFile::begin(Path::new("/"), Path::new("/nowhere")).is_err());
    }
}
