//! The library over real folders.

mod folders;
mod lay_out;
mod other_tools;
mod removal;
mod verify;

use hub::{Library, LibraryRoot, Model, RootKind};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn write(path: impl AsRef<Path>, content: &[u8]) -> PathBuf {
    let path = path.as_ref();
    fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    fs::write(path, content).expect("a file");
    path.to_owned()
}

fn model_file(path: impl AsRef<Path>) -> PathBuf {
    write(path, b"GGUF and more")
}

fn library(roots: &[(&Path, &str)]) -> Library {
    let root = |(path, label): &(&Path, &str)| LibraryRoot {
        path: path.to_path_buf(),
        label: (*label).into(),
        kind: RootKind::ModelsFolder,
    };
    Library::new(roots.iter().map(root).collect())
}

fn models(roots: &[(&Path, &str)]) -> Vec<Model> {
    library(roots).models().expect("a library")
}

fn file_names(models: &[Model]) -> Vec<&str> {
    models
        .iter()
        .map(|model| model.file_name.as_str())
        .collect()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
