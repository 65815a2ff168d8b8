//! What decoding a token reads of keys, values and states, by how far each layer looks back.

use super::description::{Description, MixerDescription};
use super::plan::state_bytes;
use crate::kv::{KvType, LayerKv};
use engine_api::{KvRead, KvReads};
use std::collections::BTreeMap;

/// Of all layers, if keys and values are kept like this. Layers that read another's are counted as often as they read.
pub fn kv_reads(description: &Description, kv_type: KvType) -> KvReads {
    let mut by_window = BTreeMap::<Option<u32>, u64>::new();
    for layer in &description.layers {
        if let Some((window, kv)) = looked_at(&layer.mixer) {
            let window = window.and_then(|window| u32::try_from(window).ok());
            *by_window.entry(window).or_default() += position_bytes(kv, kv_type);
        }
    }
    let read = |(window_tokens, bytes_per_token)| KvRead {
        window_tokens,
        bytes_per_token,
    };
    KvReads {
        layers: by_window.into_iter().map(read).collect(),
        state_bytes: state_bytes(description),
    }
}

/// How far a layer looks back, and what it sees of each position.
fn looked_at(mixer: &MixerDescription) -> Option<(Option<usize>, LayerKv)> {
    match mixer {
        MixerDescription::Attention(spec) => Some((
            spec.window,
            LayerKv {
                kv_heads: spec.kv_heads,
                key_dim: spec.key_dim,
                value_dim: spec.value_dim,
            },
        )),
        MixerDescription::Mla(spec) => Some((None, spec.layer_kv())),
        _ => None,
    }
}

/// Bytes of one position's keys and values in one layer.
pub fn position_bytes(layer: LayerKv, kv_type: KvType) -> u64 {
    let vectors = kv_type.bytes(layer.key_dim) + kv_type.bytes(layer.value_dim);
    (layer.kv_heads * vectors) as u64
}
