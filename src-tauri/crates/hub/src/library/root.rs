//! The folders in which models are looked for, and where other tools keep theirs.
//!
//! It reads no more than says where a folder is. Invariant: a setting of another tool that can't be read is as good as none.
//! Sources: `huggingface_hub`'s documented variables; Ollama's documentation (`OLLAMA_MODELS`, its service's home);
//! LM Studio's `.lmstudio-home-pointer` and the `downloadsFolder` of its settings.json.

use crate::HubSettings;
use crate::small_file::small_file;
use serde::Serialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Longer settings are none.
const MAX_SETTINGS_BYTES: u64 = 1 << 20;

/// A folder in which models are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibraryRoot {
    /// The folder; it need not exist.
    pub path: PathBuf,
    /// What a person calls it.
    pub label: String,
    /// Whose it is.
    pub kind: RootKind,
}

/// Whose folder it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum RootKind {
    /// Wick's own, or one that the environment names: people put files there.
    ModelsFolder,
    /// It came with the program; nothing of it is ever removed.
    CameWithWick,
    /// Hugging Face's cache.
    HuggingFace,
    /// LM Studio's.
    LmStudio,
    /// Ollama's.
    Ollama,
    /// A person added it.
    Added,
}

impl RootKind {
    /// What a person calls a folder of this kind; one that was added is better called by its path.
    pub fn label(self) -> &'static str {
        match self {
            Self::ModelsFolder => "models folder",
            Self::CameWithWick => "came with Wick",
            Self::HuggingFace => "Hugging Face cache",
            Self::LmStudio => "LM Studio",
            Self::Ollama => "Ollama",
            Self::Added => "added folder",
        }
    }
}

impl LibraryRoot {
    /// One with its kind's own label.
    pub fn new(path: impl Into<PathBuf>, kind: RootKind) -> Self {
        let (path, label) = (path.into(), kind.label().into());
        Self { path, label, kind }
    }

    /// One that a person added, called by its path.
    pub fn added(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            label: path.display().to_string(),
            path,
            kind: RootKind::Added,
        }
    }

    /// Whether another program keeps it: nobody is told to put a file there.
    pub fn is_cache(&self) -> bool {
        use RootKind as K;
        matches!(self.kind, K::HuggingFace | K::LmStudio | K::Ollama)
    }

    /// Where other tools keep their models on this machine, by the environment: Hugging Face's cache, whether it is there
    /// or not, and those of LM Studio and Ollama that are there.
    pub fn of_other_tools(env: &dyn Fn(&str) -> Option<OsString>) -> Vec<Self> {
        let cache = HubSettings::find(env).map(|settings| settings.cache_dir);
        let home = env("HOME").filter(|home| !home.is_empty());
        let home = home.map(PathBuf::from);
        let lm_studio = home.iter().flat_map(|home| lm_studio(home));
        let ollama = ollama(env, home.as_deref());
        let roots = cache
            .into_iter()
            .map(|path| Self::new(path, RootKind::HuggingFace));
        roots
            .chain(existing(lm_studio, RootKind::LmStudio))
            .chain(existing(ollama, RootKind::Ollama))
            .collect()
    }
}

fn existing(
    folders: impl IntoIterator<Item = PathBuf>,
    kind: RootKind,
) -> impl Iterator<Item = LibraryRoot> {
    let mut seen = Vec::new();
    folders.into_iter().filter_map(move |path| {
        let real = path.canonicalize().ok().filter(|path| path.is_dir())?;
        let is_new = !seen.contains(&real);
        seen.push(real);
        is_new.then(|| LibraryRoot::new(path, kind))
    })
}

/// The models folders of LM Studio's home, of the usual one and of the older one, each moved by its settings or not.
fn lm_studio(home: &Path) -> Vec<PathBuf> {
    let pointer = small_file(&home.join(".lmstudio-home-pointer"), MAX_SETTINGS_BYTES);
    let moved_home = pointer.and_then(|text| {
        let line = String::from_utf8(text)
            .ok()?
            .lines()
            .next()?
            .trim()
            .to_owned();
        Some(PathBuf::from(line)).filter(|path| path.is_absolute())
    });
    let usual = [home.join(".lmstudio"), home.join(".cache/lm-studio")];
    let homes = moved_home.into_iter().chain(usual);
    homes
        .flat_map(|home| [moved_to(&home), Some(home.join("models"))])
        .flatten()
        .collect()
}

/// Where its settings say that models go.
fn moved_to(home: &Path) -> Option<PathBuf> {
    let text = small_file(&home.join("settings.json"), MAX_SETTINGS_BYTES)?;
    let settings: serde_json::Value = serde_json::from_slice(&text).ok()?;
    let folder = PathBuf::from(settings.get("downloadsFolder")?.as_str()?);
    folder.is_absolute().then_some(folder)
}

/// The folder that `OLLAMA_MODELS` names and nothing else, or that of this person and that of Ollama's service.
fn ollama(env: &dyn Fn(&str) -> Option<OsString>, home: Option<&Path>) -> Vec<PathBuf> {
    if let Some(named) = env("OLLAMA_MODELS").filter(|named| !named.is_empty()) {
        return vec![named.into()];
    }
    let own = home.map(|home| home.join(".ollama/models"));
    let service = PathBuf::from("/usr/share/ollama/.ollama/models");
    own.into_iter().chain([service]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn found(env: &[(&str, &Path)]) -> Vec<LibraryRoot> {
        LibraryRoot::of_other_tools(&|name| {
            let found = env.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| value.as_os_str().to_owned())
        })
    }

    fn folders(env: &[(&str, &Path)], kind: RootKind) -> Vec<PathBuf> {
        let roots = found(env).into_iter().filter(|root| root.kind == kind);
        // The machine that the tests run on may have Ollama's service.
        let roots = roots.filter(|root| !root.path.starts_with("/usr/share"));
        roots.map(|root| root.path).collect()
    }

    #[test]
    fn the_folders_of_other_tools_are_found_where_they_are() {
        let temp = tempfile::tempdir().expect("a folder");
        let home = temp.path();
        let env = [("HOME", home)];
        assert!(folders(&env, RootKind::LmStudio).is_empty());
        assert!(folders(&env, RootKind::Ollama).is_empty());
        let cache = home.join(".cache/huggingface/hub");
        assert_eq!(folders(&env, RootKind::HuggingFace), [cache]);
        for folder in [
            ".lmstudio/models",
            ".cache/lm-studio/models",
            ".ollama/models",
        ] {
            fs::create_dir_all(home.join(folder)).expect("a folder");
        }
        let both = [".lmstudio/models", ".cache/lm-studio/models"].map(|path| home.join(path));
        assert_eq!(folders(&env, RootKind::LmStudio), both);
        let own = home.join(".ollama/models");
        assert_eq!(folders(&env, RootKind::Ollama), [own]);
        let other = home.join("other");
        let moved = [env[0], ("OLLAMA_MODELS", &*other)];
        assert!(folders(&moved, RootKind::Ollama).is_empty());
        fs::create_dir(&other).expect("a folder");
        assert_eq!(folders(&moved, RootKind::Ollama), [other]);
        assert!(found(&[]).iter().all(|root| root.kind == RootKind::Ollama));
    }

    #[test]
    fn lm_studio_s_own_settings_move_its_folders() {
        let temp = tempfile::tempdir().expect("a folder");
        let home = temp.path();
        let (elsewhere, big) = (home.join("elsewhere"), home.join("big"));
        for folder in [&elsewhere.join("models"), &big, &home.join(".lmstudio")] {
            fs::create_dir_all(folder).expect("a folder");
        }
        let check = |pointer: &str, settings: &str, expected: &[&Path]| {
            fs::write(home.join(".lmstudio-home-pointer"), pointer).expect("a file");
            fs::write(home.join(".lmstudio/settings.json"), settings).expect("a file");
            assert_eq!(folders(&[("HOME", home)], RootKind::LmStudio), expected);
        };
        let pointer = format!("{}\n", elsewhere.display());
        let settings = format!(r#"{{"downloadsFolder": "{}"}}"#, big.display());
        check(&pointer, &settings, &[&elsewhere.join("models"), &big]);
        check("", &settings, &[&big]);
        check("relative", "{}", &[]);
        let twice = format!(r#"{{"downloadsFolder": "{}/models"}}"#, elsewhere.display());
        check(&pointer, &twice, &[&elsewhere.join("models")]);
        check("", "not JSON", &[]);
        check("", r#"{"downloadsFolder": "models"}"#, &[]);
        check("", r#"{"downloadsFolder": 7}"#, &[]);
    }
}
