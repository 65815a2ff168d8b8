//! Which model is meant.

use crate::output::note;
use crate::stop::Stop;
use hub::{Library, Model};
use std::path::Path;
use studio::Paths;

/// The library in the folders that the studio uses.
pub(crate) fn library(paths: &Paths) -> Library {
    studio::library_of(paths)
}

/// The model that goes by this name or lies at this path: what has a slash in it is a path, unless nothing is there and
/// the library knows a repository by this name; what the library doesn't know and what is there is a path too.
pub(crate) fn named(library: &Library, wanted: &str) -> Result<Model, Stop> {
    let (is_there, has_slash) = (Path::new(wanted).exists(), wanted.contains('/'));
    if has_slash && is_there {
        return Ok(Library::model_at(wanted)?);
    }
    if let Some(model) = pulled(library, wanted)? {
        return Ok(model);
    }
    match library.find(wanted) {
        Err(hub::Error::NotFound { .. }) if has_slash || is_there => Ok(Library::model_at(wanted)?),
        found => Ok(found?),
    }
}

/// The model that `wick pull` brought under this name: `ORG/NAME`, or `ORG/NAME:Q4_K_M`.
fn pulled(library: &Library, wanted: &str) -> Result<Option<Model>, Stop> {
    let (id, label) = match wanted.split_once(':') {
        Some((id, label)) => (id, Some(label)),
        None => (wanted, None),
    };
    let is_it = |model: &Model| {
        let quantization = model.quantization.as_deref().unwrap_or_default();
        let is_repo = model.repo.as_ref().is_some_and(|repo| repo.as_str() == id);
        is_repo && label.is_none_or(|label| label.eq_ignore_ascii_case(quantization))
    };
    let mut found = library.models()?.into_iter().filter(is_it);
    match (found.next(), found.next()) {
        (only, None) => Ok(only),
        _ => Err(Stop::Usage(format!(
            "{id} is here in several quantizations: say which, as {id}:Q4_K_M."
        ))),
    }
}

/// The library's only model, or its first.
pub(crate) fn default(paths: &Paths) -> Result<Model, Stop> {
    let models = library(paths).models()?;
    let count = models.len();
    let Some(first) = models.into_iter().next() else {
        return Err(Stop::failed(
            "There is no model in the library.",
            &where_to_put_models(paths),
        ));
    };
    if count > 1 {
        note(&format!(
            "wick: {} answers, the first of {count} models; --model chooses",
            first.file_name
        ));
    }
    Ok(first)
}

/// What to do about an empty library.
pub(crate) fn where_to_put_models(paths: &Paths) -> String {
    let folders = paths
        .library_roots
        .iter()
        .filter(|root| !root.is_cache())
        .map(|root| root.path.display().to_string());
    format!(
        "Put a GGUF file into {}, or name one with its path.",
        folders.collect::<Vec<_>>().join(" or ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub::{LibraryRoot, RootKind};
    use std::fs;

    fn paths(root: &Path) -> Paths {
        let models = LibraryRoot::new(root.join("models"), RootKind::ModelsFolder);
        let cache = LibraryRoot::new(root.join("cache"), RootKind::HuggingFace);
        Paths {
            data_dir: root.join("data"),
            library_roots: vec![models, cache],
            engine_program: root.join("wick-engine"),
            hub: None,
        }
    }

    fn file(root: &Path, path: &str) -> String {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(&path, b"GGUF").expect("a file");
        path.to_str().expect("UTF-8").to_owned()
    }

    #[test]
    fn a_path_a_name_or_the_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let paths = paths(folder.path());
        let Err(Stop::Failed { message, hint }) = default(&paths) else {
            panic!("a model in an empty library");
        };
        assert!(message.contains("no model"), "{message}");
        let hint = hint.expect("a hint");
        let told = |name: &str| hint.contains(folder.path().join(name).to_str().expect("UTF-8"));
        assert!(told("models") && !told("cache"), "{hint}");

        let beside = file(folder.path(), "elsewhere.gguf");
        let first = file(folder.path(), "models/a-Q4_0.gguf");
        let second = file(folder.path(), "models/b-Q8_0.gguf");
        assert_eq!(default(&paths).expect("two").path, first);
        let named = |wanted: &str| named(&library(&paths), wanted).map(|model| model.path);
        assert_eq!(named("b").expect("a name"), second);
        assert_eq!(named(&beside).expect("a path"), beside);
        let snapshot = folder.path().join("cache/models--org--c/snapshots/0123");
        fs::create_dir_all(&snapshot).expect("a folder");
        fs::write(snapshot.join("config.json"), "{}").expect("a file");
        fs::write(snapshot.join("model.safetensors"), "").expect("a file");
        let snapshot = snapshot.to_str().expect("UTF-8");
        assert_eq!(named("org/c").expect("a repository"), snapshot);
        // Tests run in the folder of the package.
        assert!(
            matches!(named("Cargo.toml"), Err(Stop::Failed { message, .. }) if message.contains("GGUF"))
        );
        assert!(
            matches!(named("none"), Err(Stop::Failed { message, .. }) if message.contains("a-Q4_0.gguf"))
        );
        assert!(
            matches!(named("./none"), Err(Stop::Failed { message, .. }) if message.contains("no such file"))
        );
    }
}
