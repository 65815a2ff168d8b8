//! Metadata under construction: values under GGUF's keys. What is put later wins.

use super::Refusal;
use super::config::Config;
use crate::files::{Metadata, Value};
use std::collections::HashMap;

/// Metadata of one architecture.
#[derive(Debug)]
pub(super) struct Keys {
    architecture: &'static str,
    values: HashMap<String, Value>,
}

impl Keys {
    pub(super) fn new(architecture: &'static str) -> Self {
        let mut keys = Self {
            architecture,
            values: HashMap::new(),
        };
        keys.general("architecture", Value::Text(architecture.into()));
        keys
    }

    /// A value under `general.`.
    pub(super) fn general(&mut self, key: &str, value: Value) {
        self.values.insert(format!("general.{key}"), value);
    }

    /// A value under its whole key.
    pub(super) fn whole(&mut self, key: &str, value: Value) {
        self.values.insert(key.into(), value);
    }

    /// A value under the architecture's prefix.
    pub(super) fn put(&mut self, key: &str, value: Value) {
        let key = format!("{}.{key}", self.architecture);
        self.values.insert(key, value);
    }

    pub(super) fn number(&mut self, key: &str, number: u64) {
        self.put(key, Value::Unsigned(number));
    }

    pub(super) fn size(&mut self, key: &str, size: usize) {
        self.number(key, size as u64);
    }

    /// A number as GGUF keeps it: with the precision of an `f32`.
    #[expect(clippy::cast_possible_truncation, reason = "GGUF's floats are F32")]
    pub(super) fn float(&mut self, key: &str, number: f64) {
        self.put(key, Value::Float((number as f32).into()));
    }

    pub(super) fn truth(&mut self, key: &str, truth: bool) {
        self.put(key, Value::Bool(truth));
    }

    pub(super) fn text(&mut self, key: &str, text: &str) {
        self.put(key, Value::Text(text.into()));
    }

    pub(super) fn numbers(&mut self, key: &str, numbers: impl IntoIterator<Item = u64>) {
        let values = numbers.into_iter().map(Value::Unsigned).collect();
        self.put(key, Value::Array(values));
    }

    pub(super) fn truths(&mut self, key: &str, truths: impl IntoIterator<Item = bool>) {
        let values = truths.into_iter().map(Value::Bool).collect();
        self.put(key, Value::Array(values));
    }

    /// The number that config.json has under one of these names, if it has one.
    pub(super) fn number_of(&mut self, config: &Config, names: &[&str], key: &str) {
        if let Some(number) = config.number(names) {
            self.number(key, number);
        }
    }

    /// The same for what need not be whole.
    pub(super) fn float_of(&mut self, config: &Config, names: &[&str], key: &str) {
        if let Some(number) = config.float(names) {
            self.float(key, number);
        }
    }

    /// A number that must be there.
    pub(super) fn needed(&mut self, config: &Config, name: &str, key: &str) -> Result<(), Refusal> {
        let number = config.needed(&[name])?;
        self.number(key, number);
        Ok(())
    }

    pub(super) fn into_metadata(self) -> Metadata {
        Metadata(self.values)
    }
}
