//! Metadata: typed looks at key-value pairs.

pub use super::gguf::Value;
use std::collections::HashMap;

/// The key-value pairs of a model, under GGUF's keys whatever the file's format.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata(pub HashMap<String, Value>);

impl Metadata {
    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The text under `key`.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_text()
    }

    /// The number under `key`, if it is whole and not negative.
    pub fn unsigned(&self, key: &str) -> Option<u64> {
        self.get(key)?.as_unsigned()
    }

    /// The number under `key`, whole or not.
    pub fn float(&self, key: &str) -> Option<f64> {
        match self.get(key)? {
            Value::Float(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "settings are small numbers")]
            Value::Unsigned(number) => Some(*number as f64),
            #[expect(clippy::cast_precision_loss, reason = "settings are small numbers")]
            Value::Signed(number) => Some(*number as f64),
            _ => None,
        }
    }

    /// The truth under `key`.
    pub fn truth(&self, key: &str) -> Option<bool> {
        self.get(key)?.as_bool()
    }

    /// The values under `key`, if it is an array.
    pub fn array(&self, key: &str) -> Option<&[Value]> {
        self.get(key)?.as_array()
    }

    /// `general.architecture`.
    pub fn architecture(&self) -> Option<&str> {
        self.text("general.architecture")
    }
}
