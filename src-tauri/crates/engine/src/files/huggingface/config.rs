//! config.json: typed looks at it. A model of several kinds of input has its text model's settings under `text_config`;
//! they count as if they stood at the top.

use super::Refusal;
use engine_api::EngineError;
use serde_json::{Map, Value};
use std::io::Read;
use std::path::Path;

/// Lists of modules that are not quantized make some files long.
const MAX_BYTES: u64 = 32 << 20;

/// The settings of a model.
#[derive(Debug, Clone)]
pub(super) struct Config(Map<String, Value>);

impl Config {
    /// Reads the file at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, EngineError> {
        let read = read_json(path).map_err(|reason| EngineError::InvalidModel {
            file: path.display().to_string(),
            reason,
        })?;
        Ok(Self::of(read))
    }

    pub(super) fn of(mut own: Map<String, Value>) -> Self {
        let names = ["text_config", "llm_config", "language_config"];
        let inner = names.iter().find_map(|name| own.remove(*name));
        if let Some(Value::Object(inner)) = inner {
            own.extend(inner);
        }
        Self(own)
    }

    /// What stands under the first of these names that has anything but null.
    pub(super) fn get(&self, names: &[&str]) -> Option<&Value> {
        let mut values = names.iter().filter_map(|name| self.0.get(*name));
        values.find(|value| !value.is_null())
    }

    pub(super) fn number(&self, names: &[&str]) -> Option<u64> {
        number(self.get(names)?)
    }

    pub(super) fn float(&self, names: &[&str]) -> Option<f64> {
        self.get(names)?.as_f64()
    }

    pub(super) fn truth(&self, name: &str) -> Option<bool> {
        self.get(&[name])?.as_bool()
    }

    pub(super) fn text(&self, names: &[&str]) -> Option<&str> {
        self.get(names)?.as_str()
    }

    pub(super) fn texts(&self, name: &str) -> Option<Vec<&str>> {
        let values = self.get(&[name])?.as_array()?;
        values.iter().map(Value::as_str).collect()
    }

    pub(super) fn object(&self, names: &[&str]) -> Option<&Map<String, Value>> {
        self.get(names)?.as_object()
    }

    /// A number that the family can't do without.
    pub(super) fn needed(&self, names: &[&str]) -> Result<u64, Refusal> {
        let missing = || Refusal::Damaged(format!("its config.json has no {}", names[0]));
        self.number(names).ok_or_else(missing)
    }

    /// The same as an index; bounded, so that products of three fit.
    pub(super) fn size(&self, names: &[&str]) -> Result<usize, Refusal> {
        let number = self.needed(names)?;
        let size = usize::try_from(number).ok();
        size.filter(|size| (1..1 << 20).contains(size))
            .ok_or_else(|| Refusal::Damaged(format!("its config.json says {} {number}", names[0])))
    }

    /// Layers of the model.
    pub(super) fn layers(&self) -> Result<usize, Refusal> {
        if let Some(kinds) = self.texts("layers_block_type") {
            return Ok(kinds.len());
        }
        let layers = self.size(&["num_hidden_layers", "n_layers", "n_layer", "num_layers"])?;
        if layers > 1 << 16 {
            let reason = format!("its config.json says {layers} layers");
            return Err(Refusal::Damaged(reason));
        }
        Ok(layers)
    }

    /// Size of a head: as it says, or the embedding's share.
    pub(super) fn head_dim(&self) -> Result<usize, Refusal> {
        if self.get(&["head_dim"]).is_some() {
            return self.size(&["head_dim"]);
        }
        Ok(self.size(&["hidden_size"])? / self.size(&["num_attention_heads"])?)
    }
}

pub(super) fn number(value: &Value) -> Option<u64> {
    // Some files write whole numbers as 4096.0.
    let whole = |float: &f64| *float >= 0.0 && float.fract() == 0.0 && *float < 9e15;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole and small"
    )]
    let rounded = || value.as_f64().filter(whole).map(|float| float as u64);
    value.as_u64().or_else(rounded)
}

/// A JSON object of a size that such files have.
///
/// # Errors
/// Why it can't be read, as the end of a sentence about the file.
pub fn read_json(path: &Path) -> Result<Map<String, Value>, String> {
    let text = read_text(path, MAX_BYTES)?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("it is damaged: it is no JSON object".into()),
        Err(error) => Err(format!("it is damaged: {error}")),
    }
}

/// A text file, if it is not longer than this. A pipe or a device is none: one hangs, another never ends.
///
/// # Errors
/// As for [`read_json`].
pub fn read_text(path: &Path, most_bytes: u64) -> Result<String, String> {
    let words = |error: std::io::Error| format!("it can't be read: {error}");
    // Before it is opened: to open a pipe that nobody writes into hangs already.
    if !std::fs::metadata(path).map_err(words)?.is_file() {
        return Err("it is no regular file".into());
    }
    let file = std::fs::File::open(path).map_err(words)?;
    let mut text = String::new();
    file.take(most_bytes + 1)
        .read_to_string(&mut text)
        .map_err(words)?;
    if text.len() as u64 > most_bytes {
        return Err(format!("it has more than {most_bytes} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_a_bounded_size_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo starts").success());
        for path in [&pipe, Path::new("/dev/zero"), folder.path()] {
            let read = read_text(path, 9);
            assert_eq!(read, Err("it is no regular file".into()), "{path:?}");
        }
        let file = folder.path().join("file");
        std::fs::write(&file, "{\"a\": 1}").expect("a file");
        assert!(read_text(&file, 7).is_err(), "eight bytes");
        assert_eq!(read_json(&file).map(|object| object.len()), Ok(1));
    }
}
