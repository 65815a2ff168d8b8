//! What config.json says of rotary embeddings: in `rope_parameters` (transformers 5), or spread over `rope_theta`,
//! `rope_scaling` and neighbours (before it).

use super::config::{Config, number};
use serde_json::{Map, Value};

/// Settings of the rotation of layers that attend to everything, and the base of those with a window.
#[derive(Debug)]
pub(super) struct Rotation {
    full: Map<String, Value>,
    pub(super) sliding_theta: Option<f64>,
}

impl Rotation {
    pub(super) fn of(config: &Config) -> Self {
        let own = config.object(&["rope_parameters", "rope_scaling"]);
        let own = own.cloned().unwrap_or_default();
        if let Some(Value::Object(full)) = own.get("full_attention") {
            let sliding = own.get("sliding_attention");
            return Self {
                full: full.clone(),
                sliding_theta: sliding.and_then(|sliding| sliding["rope_theta"].as_f64()),
            };
        }
        let local = ["rope_local_base_freq", "local_rope_theta", "swa_rope_theta"];
        Self {
            full: gathered(own, config),
            sliding_theta: config.float(&local),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.full.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn float(&self, name: &str) -> Option<f64> {
        self.get(name)?.as_f64()
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        number(self.get(name)?)
    }

    /// Its kind, such as `yarn`.
    pub(super) fn kind(&self) -> &str {
        self.get("rope_type")
            .and_then(Value::as_str)
            .unwrap_or("default")
    }

    /// Factors, such as those of `longrope`.
    pub(super) fn floats(&self, name: &str) -> Option<Vec<f64>> {
        let values = self.get(name)?.as_array()?;
        values.iter().map(Value::as_f64).collect()
    }
}

/// The older names, where the newer ones are not there.
fn gathered(mut own: Map<String, Value>, config: &Config) -> Map<String, Value> {
    const ORIGINAL: &str = "original_max_position_embeddings";
    let older: [(&str, &[&str]); 3] = [
        (
            "rope_theta",
            &["global_rope_theta", "rope_theta", "rotary_emb_base"],
        ),
        (
            "partial_rotary_factor",
            &["partial_rotary_factor", "rope_pct"],
        ),
        (ORIGINAL, &[ORIGINAL]),
    ];
    if let (None, Some(kind)) = (own.get("rope_type"), own.get("type").cloned()) {
        own.insert("rope_type".into(), kind);
    }
    for (name, names) in older {
        if let (None, Some(value)) = (own.get(name), config.get(names)) {
            own.insert(name.into(), value.clone());
        }
    }
    own
}
