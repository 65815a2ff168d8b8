//! The access token: of the environment, or of the file where Hugging Face's other tools look.
//!
//! Invariants: it is shown in no trace and in no error; what is written was accepted by the hub, and its file is the
//! person's alone (0600), as `huggingface_hub` has it (`utils/_auth.py`).

use super::HubSettings;
use super::settings::Secret;
use crate::Error;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Longer ones are none: the hub's have 37 letters, signed ones some hundreds.
const MAX_BYTES: u64 = 16 << 10;

/// Where the access token is. Looked at anew for each request, so that one that comes is used at once.
#[derive(Debug)]
pub(crate) struct AccessToken {
    from_environment: Option<Secret>,
    file: PathBuf,
}

/// Where the access token comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum TokenState {
    /// There is none.
    None,
    /// From `HF_TOKEN`, which goes before the file and which Wick can't change.
    FromEnvironment,
    /// From the file that all of Hugging Face's tools read.
    FromFile,
}

impl AccessToken {
    pub(crate) fn new(settings: &HubSettings) -> Self {
        let usable = |token: &Secret| is_token(&token.0);
        Self {
            from_environment: settings.token.clone().filter(usable),
            file: settings.token_file.clone(),
        }
    }

    /// The token now. A file of a few bytes is read for it: what a disk takes for that, a request to the hub takes many times.
    pub(crate) fn get(&self) -> Option<Secret> {
        let file = || read(&self.file).filter(|token| is_token(token)).map(Secret);
        self.from_environment.clone().or_else(file)
    }

    /// Where it comes from now.
    pub(crate) fn state(&self) -> TokenState {
        match (&self.from_environment, self.get()) {
            (Some(_), _) => TokenState::FromEnvironment,
            (None, Some(_)) => TokenState::FromFile,
            (None, None) => TokenState::None,
        }
    }

    /// Writes it for all of Hugging Face's tools. What was there before stays until this one is whole.
    pub(crate) fn write(&self, token: &Secret) -> Result<(), Error> {
        write(&self.file, token).map_err(Error::io(&self.file))
    }

    /// Removes the file. One that is not there is removed.
    pub(crate) fn remove(&self) -> Result<(), Error> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io(&self.file)(error))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a text can be one: it goes into a header, and is one word.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.len() as u64 <= MAX_BYTES
        && text.bytes().all(|letter| letter.is_ascii_graphic())
}

/// The file's text, less the space around it. A pipe or a device is no such file: one hangs, another never ends.
fn read(path: &Path) -> Option<String> {
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    let file = File::open(path).ok()?;
    file.take(MAX_BYTES + 1).read_to_string(&mut text).ok()?;
    Some(text.trim().to_owned())
}

fn write(path: &Path, token: &Secret) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    // One that a crash left may be open to others.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(token.0.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_visible_word() {
        let check = |text: &str, expected: bool| assert_eq!(is_token(text), expected, "{text:?}");
        check("hf_abcDEF0123", true);
        check("ey.J-_+/=", true);
        check("", false);
        check("hf_a b", false);
        check("hf_a\r\nHost: x", false);
        check("hf_ä", false);
        check(&"a".repeat(20_000), false);
    }
}
