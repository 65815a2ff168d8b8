//! What a folder's model is called. Its config.json hardly ever says: `_name_or_path` is what the model was made from.

use super::config::Config;
use std::path::Path;

/// The repository, for a snapshot in Hugging Face's cache (`models--ORG--NAME/snapshots/COMMIT`); else the folder's name;
/// else, if that is a commit alone or nothing, what config.json says.
pub(super) fn of(folder: &Path, config: &Config) -> Option<String> {
    let folder = std::path::absolute(folder).ok()?;
    let own = folder.file_name().and_then(|name| name.to_str());
    repository(&folder)
        .or_else(|| own.filter(|own| !is_commit(own)).map(str::to_owned))
        .or_else(|| config.text(&["_name_or_path"]).map(str::to_owned))
        .filter(|name| !name.is_empty())
}

fn repository(folder: &Path) -> Option<String> {
    let snapshots = folder
        .parent()
        .filter(|folder| folder.ends_with("snapshots"))?;
    let repository = snapshots.parent()?.file_name()?.to_str()?;
    Some(repository.strip_prefix("models--")?.replace("--", "/"))
}

fn is_commit(name: &str) -> bool {
    name.len() == 40 && name.bytes().all(|digit| digit.is_ascii_hexdigit())
}
