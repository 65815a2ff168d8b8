//! What a person has set: one typed value, and the file `settings.json` in the data folder that holds only what differs
//! from the defaults.
//!
//! It deliberately has no place for what Wick finds out by itself; that is the database's. Invariants: the file is whole at
//! any moment (written beside, synced, renamed); what it holds that this Wick does not know stays in it; a file that can't
//! be read is never written over.

use crate::{DownloadSettings, Error, ErrorCode, GuardSettings, ModelsSettings};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What a person has set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// How models are brought.
    pub downloads: DownloadSettings,
    /// Where else models lie.
    pub library: LibrarySettings,
    /// What stays free.
    pub guard: GuardSettings,
    /// What becomes of loaded models.
    pub models: ModelsSettings,
    /// Where the kiosk is shown. What it shows stands in its own folder.
    pub kiosk: KioskSettings,
}

/// Where the kiosk is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KioskSettings {
    /// The name of the output (`HDMI-1`); `None` is the one that the window is on.
    pub display: Option<String>,
}

/// Where else models lie.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibrarySettings {
    /// Folders that were added, as absolute paths.
    pub folders: Vec<String>,
    /// Single files that were added.
    pub files: Vec<String>,
}

/// The settings and their file. Clones are the same.
#[derive(Debug, Clone)]
pub struct SettingsFile {
    path: PathBuf,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    now: Settings,
    /// All that the file holds.
    raw: Map<String, Value>,
    /// Why the file must not be written.
    refusal: Option<String>,
}

impl SettingsFile {
    /// Reads `settings.json` in a folder; none is as one without a difference.
    pub fn open(data_dir: &Path) -> Self {
        let path = data_dir.join("settings.json");
        let state = read(&path).unwrap_or_else(|reason| {
            tracing::warn!(path = %path.display(), reason, "the settings are left alone and the defaults hold");
            State {
                refusal: Some(reason),
                ..State::default()
            }
        });
        Self {
            path,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// What holds now.
    pub fn get(&self) -> Settings {
        self.lock().now.clone()
    }

    /// Why the file does not hold what is shown, if it can't be read.
    pub fn refusal(&self) -> Option<String> {
        self.lock().refusal.clone()
    }

    /// Changes something and keeps it. What can't be kept does not hold either.
    ///
    /// # Errors
    /// [`ErrorCode::DiskFull`], [`ErrorCode::Internal`] when the file can't be read or written; then nothing has changed.
    pub fn change(&self, change: impl FnOnce(&mut Settings)) -> Result<Settings, Error> {
        let mut state = self.lock();
        if let Some(reason) = &state.refusal {
            return Err(unwritable(&self.path, reason)
                .hint("Mend the file or remove it, then start Wick again."));
        }
        let mut next = state.now.clone();
        change(&mut next);
        let mut raw = state.raw.clone();
        keep_differences(&mut raw, as_map(&next), &as_map(&Settings::default()));
        write(&self.path, &raw)?;
        state.now = next.clone();
        state.raw = raw;
        Ok(next)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> Result<State, String> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(State::default()),
        Err(error) => return Err(error.to_string()),
    };
    let raw: Map<String, Value> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let mut all = as_map(&Settings::default());
    lay_over(&mut all, &raw);
    let now: Settings =
        serde_json::from_value(Value::Object(all)).map_err(|error| error.to_string())?;
    let valid = now.downloads.validate();
    let valid = valid.and_then(|()| now.models.validate());
    valid.map_err(|error| error.message)?;
    Ok(State {
        now,
        raw,
        refusal: None,
    })
}

fn as_map(settings: &Settings) -> Map<String, Value> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(), // a struct without foreign keys is always an object
    }
}

/// Takes from `raw` what the defaults have too.
fn lay_over(all: &mut Map<String, Value>, raw: &Map<String, Value>) {
    for (key, value) in all {
        match (value, raw.get(key)) {
            (Value::Object(all), Some(Value::Object(raw))) => lay_over(all, raw),
            (value, Some(raw)) => *value = raw.clone(),
            (_, None) => {}
        }
    }
}

/// Puts into `raw` what differs, takes out what does not, and leaves what neither knows.
fn keep_differences(
    raw: &mut Map<String, Value>,
    next: Map<String, Value>,
    default: &Map<String, Value>,
) {
    for (key, value) in next {
        let usual = default.get(&key);
        if usual == Some(&value) && !raw.get(&key).is_some_and(Value::is_object) {
            raw.remove(&key);
            continue;
        }
        match (value, usual) {
            (Value::Object(next), Some(Value::Object(usual))) => {
                let kept = raw
                    .entry(key.clone())
                    .or_insert_with(|| Value::Object(Map::new()));
                if !kept.is_object() {
                    *kept = Value::Object(Map::new());
                }
                if let Value::Object(kept) = kept {
                    keep_differences(kept, next, usual);
                    if kept.is_empty() {
                        raw.remove(&key);
                    }
                }
            }
            (value, _) => drop(raw.insert(key, value)),
        }
    }
}

fn write(path: &Path, raw: &Map<String, Value>) -> Result<(), Error> {
    let written = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(path);
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut file, raw)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    };
    written().map_err(|error| match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::new(
            ErrorCode::DiskFull,
            "The disk is full: the setting could not be kept, and nothing was changed.",
        )
        .hint("Make room on the disk, then try again."),
        _ => unwritable(path, &error.to_string())
            .hint("Look at the folder's permissions, then try again."),
    })
}

fn unwritable(path: &Path, reason: &str) -> Error {
    Error::internal(format!(
        "The settings in {} could not be kept: {reason}. Nothing was changed.",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    fn text(folder: &tempfile::TempDir) -> String {
        fs::read_to_string(folder.path().join("settings.json")).expect("a file")
    }

    #[test]
    fn only_what_differs_is_in_the_file_and_what_is_foreign_stays() {
        let folder = folder();
        let file = folder.path().join("settings.json");
        fs::write(
            &file,
            r#"{"kiosk": {"pin": 1}, "downloads": {"colour": "red", "parallel": 7}}"#,
        )
        .expect("a file");
        let settings = SettingsFile::open(folder.path());
        assert_eq!(settings.get().downloads.parallel, 7);
        let usual = DownloadSettings::default().parallel;
        settings
            .change(|settings| settings.downloads.parallel = usual)
            .expect("kept");
        settings
            .change(|settings| settings.library.folders.push("/m".into()))
            .expect("kept");
        for display in [Some("HDMI-1".to_owned()), None] {
            let chosen = display.clone();
            settings
                .change(|settings| settings.kiosk.display = chosen)
                .expect("kept");
            assert_eq!(
                SettingsFile::open(folder.path()).get().kiosk.display,
                display
            );
        }
        let found: Value = serde_json::from_str(&text(&folder)).expect("JSON");
        let expected = r#"{"kiosk": {"pin": 1}, "downloads": {"colour": "red"}, "library": {"folders": ["/m"]}}"#;
        assert_eq!(
            found,
            serde_json::from_str::<Value>(expected).expect("JSON")
        );
        assert_eq!(SettingsFile::open(folder.path()).get(), settings.get());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_never_written_over() {
        for broken in [
            "{",
            "[]",
            r#"{"downloads": {"parallel": "many"}}"#,
            r#"{"downloads": {"parallel": 0}}"#,
            r#"{"models": {"idle_minutes": 1000000}}"#,
            r#"{"guard": {"reserve_bytes": "much"}}"#,
            r#"{"kiosk": {"display": 1}}"#,
        ] {
            let folder = folder();
            fs::write(folder.path().join("settings.json"), broken).expect("a file");
            let settings = SettingsFile::open(folder.path());
            assert_eq!(settings.get(), Settings::default(), "{broken}");
            assert!(settings.refusal().is_some(), "{broken}");
            let error = settings
                .change(|settings| settings.downloads.parallel = 2)
                .expect_err(broken);
            assert!(error.message.contains("Nothing was changed"), "{error}");
            assert_eq!(text(&folder), broken);
        }
    }
}
