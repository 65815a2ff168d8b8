//! What no kernel knows yet, and what has no room: told before anything is read.

use super::Refused;
use super::sizes::scratch_bytes;
use crate::decoder::Reserve;
use crate::decoder::description::{
    Description, FeedForward, LayerDescription, MixerDescription, NormKind,
};
use crate::decoder::parts::Parts;
use crate::gpu::attention;
use crate::gpu::device::{Device, DeviceError};
use crate::gpu::matrix::{SPREAD_BYTES, device_bytes};

/// Whether all of it is known and has room, as far as can be told before it is read.
pub(super) fn check(device: &Device, parts: &Parts, reserve: &Reserve) -> Result<(), Refused> {
    let description = parts.description();
    if let Some(reason) = refusal(description) {
        return Err(Refused::Unsupported(reason));
    }
    if let Some(what) = refusal_of_tensors(|end| parts.has_named(end)) {
        return Err(unknown(what));
    }
    let page_bytes = description.page_shape(reserve.kv_type).page_bytes();
    let pages = page_bytes as u64 * reserve.pages as u64;
    let mut bytes = pages + scratch_bytes(description, reserve) + SPREAD_BYTES as u64;
    for (tensor_type, rows, columns) in parts.matrices() {
        let there = device_bytes(tensor_type, rows, columns);
        bytes += there.ok_or_else(|| unknown(&format!("the type {tensor_type}")))? as u64;
    }
    match device.free_bytes()? {
        Some(free) if free < bytes => Err(DeviceError::NoRoom { bytes, free }.into()),
        _ => Ok(()),
    }
}

/// What of a model no kernel knows yet, in words.
fn refusal(description: &Description) -> Option<String> {
    let reason = description.layers.iter().find_map(refusal_of_layer);
    let others = [
        (
            description.per_layer_embedding.is_some(),
            "a second embedding",
        ),
        (
            description.output_norm.kind != NormKind::Rms,
            "a layer norm",
        ),
    ];
    let reason = reason.or(first(&others));
    reason.map(|what| unknown(what).to_string())
}

/// What only the tensors show.
fn refusal_of_tensors(has: impl Fn(&str) -> bool) -> Option<&'static str> {
    let scaled = has("up_exps.scale") || has("gate_exps.scale");
    let biased = has("down_exps.scale") && has("down_exps.bias");
    first(&[
        (has("norm.bias"), "a norm with a bias"),
        (scaled || biased, "scaled experts of this kind"),
    ])
}

fn first(reasons: &[(bool, &'static str)]) -> Option<&'static str> {
    reasons
        .iter()
        .find(|(is_so, _)| *is_so)
        .map(|(_, what)| *what)
}

fn refusal_of_layer(layer: &LayerDescription) -> Option<&'static str> {
    let norms = [
        &layer.mixer_norm,
        &layer.feed_forward_norm,
        &layer.mixer_post_norm,
        &layer.feed_forward_post_norm,
    ];
    let mut norms = norms.iter().copied().flatten();
    let (other, gated, odd) = match &layer.mixer {
        MixerDescription::Attention(attention) => {
            let is_known = attention::is_known(attention.key_dim, attention.value_dim);
            (false, attention.output_gate, !is_known)
        }
        MixerDescription::None => (false, false, false),
        _ => (true, false, false),
    };
    let mixture = match &layer.feed_forward {
        FeedForward::Mixture(mixture) => super::mixture::refusal(mixture),
        _ => None,
    };
    let reason = first(&[
        (other, "layers other than attention"),
        (norms.any(|norm| norm.kind != NormKind::Rms), "a layer norm"),
        (gated, "gated attention"),
        (odd, "heads of this width"),
    ]);
    reason.or(mixture)
}

/// In words.
pub(super) fn unknown(what: &str) -> Refused {
    Refused::Unsupported(format!("the GPU's kernels don't know {what} yet"))
}
