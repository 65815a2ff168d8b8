//! `OLMo` 2 and 3: norms behind attention and feed-forward; the third has windows.

use super::{Family, PLAIN, layers_of};
use crate::files::huggingface::keys::Keys;
use crate::files::huggingface::{Config, Refusal, common};

pub(super) const OLMO2: Family = Family {
    architecture: "olmo2",
    names: &[
        ("post_attention_layernorm", "post_attention_norm"),
        ("post_feedforward_layernorm", "post_ffw_norm"),
    ],
    keys,
    ..PLAIN
};

fn keys(config: &Config, keys: &mut Keys) -> Result<(), Refusal> {
    common::all(config, keys)?;
    if config.number(&["sliding_window"]).is_none() {
        return Ok(());
    }
    keys.needed(config, "sliding_window", "attention.sliding_window")?;
    // All but every fourth, unless it says so.
    let usual = (0..config.layers()?).map(|layer| !(layer + 1).is_multiple_of(4));
    let windows = layers_of(config, &["sliding_attention"]);
    let windows = windows.unwrap_or_else(|| usual.collect());
    keys.truths("attention.sliding_window_pattern", windows);
    Ok(())
}
