//! Looks at a file's metadata as families need them: under the architecture's prefix, typed, with bounds.
//!
//! Invariant: a number that comes out of here is positive where that is asked, and small enough that products of a few
//! of them fit into 64 bits.

use crate::files::{Checkpoint, Value};
use engine_api::EngineError;
use std::fmt::Display;

/// No size that a real model has comes near it.
const MAX_NUMBER: u64 = 1 << 28;

/// The metadata of one file under its architecture's prefix.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a> {
    /// The file.
    pub checkpoint: &'a Checkpoint,
    /// What keys begin with.
    pub architecture: &'a str,
}

impl<'a> Keys<'a> {
    /// The keys of this file.
    ///
    /// # Errors
    /// [`EngineError::InvalidModel`] if it names no architecture.
    pub fn new(checkpoint: &'a Checkpoint) -> Result<Self, EngineError> {
        let architecture = checkpoint.metadata.architecture();
        let architecture =
            architecture.ok_or_else(|| invalid(checkpoint, "it names no architecture"))?;
        Ok(Self {
            checkpoint,
            architecture,
        })
    }

    /// The whole key.
    pub fn name(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }

    fn value(&self, key: &str) -> Option<&'a Value> {
        self.checkpoint.metadata.get(&self.name(key))
    }

    /// That the file is damaged.
    pub fn invalid(&self, reason: impl Display) -> EngineError {
        invalid(self.checkpoint, reason)
    }

    /// That the file holds something that this engine has not learnt.
    pub fn unsupported(&self, reason: impl Display) -> EngineError {
        unsupported(self.checkpoint, reason)
    }

    /// A number of at least one.
    ///
    /// # Errors
    /// [`EngineError::InvalidModel`] naming the key that is missing or has no such number.
    pub fn number(&self, key: &str) -> Result<usize, EngineError> {
        match self.count(key)? {
            Some(0) => Err(self.invalid(format!("{} is 0", self.name(key)))),
            Some(number) => Ok(number),
            None => Err(self.invalid(format!("{} is missing", self.name(key)))),
        }
    }

    /// A number, zero or more, if it is there. An array whose values are all the same counts as that value.
    ///
    /// # Errors
    /// [`EngineError::InvalidModel`] naming the key whose value is no such number.
    pub fn count(&self, key: &str) -> Result<Option<usize>, EngineError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        match value {
            Value::Array(values) if !values.is_empty() => {
                let first = self.bounded(key, &values[0])?;
                let same = values.iter().all(|value| value == &values[0]);
                let differs =
                    || self.unsupported(format!("{} differs from layer to layer", self.name(key)));
                if same {
                    Ok(Some(first))
                } else {
                    Err(differs())
                }
            }
            value => self.bounded(key, value).map(Some),
        }
    }

    fn bounded(&self, key: &str, value: &Value) -> Result<usize, EngineError> {
        match value.as_unsigned() {
            Some(number) if number <= MAX_NUMBER => Ok(usize::try_from(number).unwrap_or(0)),
            _ => Err(self.invalid(format!("{} is {value:?}", self.name(key)))),
        }
    }

    /// A number, zero or more, for each of `layers` layers: one for all, or an array of at least so many.
    ///
    /// # Errors
    /// [`EngineError::InvalidModel`] naming the key that is missing or has no such numbers.
    pub fn per_layer(&self, key: &str, layers: usize) -> Result<Vec<usize>, EngineError> {
        match self.value(key) {
            None => Err(self.invalid(format!("{} is missing", self.name(key)))),
            Some(Value::Array(values)) if values.len() >= layers => {
                let of = |value| self.bounded(key, value);
                values[..layers].iter().map(of).collect()
            }
            Some(Value::Array(values)) => {
                let (name, length) = (self.name(key), values.len());
                Err(self.invalid(format!("{name} has {length} values for {layers} layers")))
            }
            Some(value) => Ok(vec![self.bounded(key, value)?; layers]),
        }
    }

    /// A truth for each of `layers` layers, if the key is an array of truths or numbers.
    ///
    /// # Errors
    /// [`EngineError::InvalidModel`] naming the key if its array is too short.
    pub fn pattern(&self, key: &str, layers: usize) -> Result<Option<Vec<bool>>, EngineError> {
        let Some(Value::Array(values)) = self.value(key) else {
            return Ok(None);
        };
        if values.len() < layers {
            let (name, length) = (self.name(key), values.len());
            return Err(self.invalid(format!("{name} has {length} values for {layers} layers")));
        }
        let truth = |value: &Value| match value {
            Value::Bool(truth) => *truth,
            other => other.as_unsigned().is_some_and(|number| number != 0),
        };
        Ok(Some(values[..layers].iter().map(truth).collect()))
    }

    /// A finite number, whole or not, if it is there.
    ///
    /// # Errors
    /// [`EngineError::InvalidModel`] naming the key whose number is not finite.
    pub fn float(&self, key: &str) -> Result<Option<f64>, EngineError> {
        let name = self.name(key);
        match self.checkpoint.metadata.float(&name) {
            Some(number) if !number.is_finite() => Err(self.invalid(format!("{name} is {number}"))),
            number => Ok(number),
        }
    }

    /// A finite number that must be greater than zero, or `otherwise` where the key is missing.
    ///
    /// # Errors
    /// [`EngineError::InvalidModel`] naming the key.
    pub fn positive(&self, key: &str, otherwise: f64) -> Result<f64, EngineError> {
        match self.float(key)? {
            Some(number) if number <= 0.0 => {
                Err(self.invalid(format!("{} is {number}", self.name(key))))
            }
            number => Ok(number.unwrap_or(otherwise)),
        }
    }

    /// The ε of RMS norms; some files have only the one of other norms.
    ///
    /// # Errors
    /// [`EngineError::InvalidModel`] if it is missing or not positive.
    pub fn rms_epsilon(&self) -> Result<f32, EngineError> {
        let key = "attention.layer_norm_rms_epsilon";
        let found = match self.float(key)? {
            None => self.float("attention.layer_norm_epsilon")?,
            found => found,
        };
        match found {
            Some(number) if number > 0.0 => Ok(narrow(number)),
            _ => Err(self.invalid(format!("{} is missing or not positive", self.name(key)))),
        }
    }

    /// A truth, if it is there.
    pub fn truth(&self, key: &str) -> Option<bool> {
        self.checkpoint.metadata.truth(&self.name(key))
    }

    /// A text, if it is there.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.checkpoint.metadata.text(&self.name(key))
    }

    /// Whether the file has this tensor.
    pub fn has(&self, tensor: &str) -> bool {
        self.checkpoint.tensor(tensor).is_some()
    }

    /// Rows of the token embedding.
    ///
    /// # Errors
    /// [`EngineError::InvalidModel`] if there is no such matrix.
    pub fn vocabulary(&self) -> Result<usize, EngineError> {
        let shape = self.checkpoint.tensor("token_embd.weight");
        match shape.map(|tensor| tensor.shape.as_slice()) {
            Some([rows, _]) if *rows > 0 && *rows as u64 <= MAX_NUMBER => Ok(*rows),
            Some(_) => Err(self.invalid("tensor token_embd.weight is no matrix")),
            None => Err(self.invalid("tensor token_embd.weight is missing")),
        }
    }
}

/// That a file is damaged.
pub fn invalid(checkpoint: &Checkpoint, reason: impl Display) -> EngineError {
    EngineError::InvalidModel {
        file: checkpoint.path.display().to_string(),
        reason: reason.to_string(),
    }
}

/// That a file holds something that this engine has not learnt.
pub fn unsupported(checkpoint: &Checkpoint, reason: impl Display) -> EngineError {
    EngineError::UnsupportedModel {
        file: checkpoint.path.display().to_string(),
        reason: reason.to_string(),
    }
}

/// A setting as the 32-bit number that it was in the file.
#[expect(
    clippy::cast_possible_truncation,
    reason = "settings are F32 in the file"
)]
pub(super) fn narrow(number: f64) -> f32 {
    number as f32
}
