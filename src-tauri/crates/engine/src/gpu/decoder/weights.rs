//! Weights on their way to the device, and what no kernel knows yet.

use super::Refused;
use crate::cpu::AttentionSpec;
use crate::decoder::description::{
    Activation, AttentionDescription, Description, FeedForward, KvSource, LayerDescription,
    MixerDescription, NormKind, QkNorm,
};
use crate::decoder::feed_forward::DenseWeights;
use crate::decoder::layer::{FeedForwardWeights, Layer as OnProcessor, Mixer};
use crate::decoder::mixers::attention::Attention as AttentionOnProcessor;
use crate::decoder::norm::NormWeights;
use crate::decoder::source::Linear as LinearOnProcessor;
use crate::gpu::device::{Buffer, Device, DeviceError};
use crate::gpu::matrix::DeviceMatrix;
use crate::gpu::rows::{self, Prepared};
use crate::weights::Matrix;

/// A matrix with its bias and factor.
#[derive(Debug)]
pub(super) struct Linear {
    pub(super) matrix: DeviceMatrix,
    bias: Option<Buffer>,
    factor: f32,
}

/// An RMS norm.
#[derive(Debug)]
pub(super) struct Norm {
    weights: Buffer,
    epsilon: f32,
}

/// Attention.
#[derive(Debug)]
pub(super) struct Attention {
    pub(super) description: AttentionDescription,
    pub(super) query: Linear,
    pub(super) key: Linear,
    pub(super) value: Linear,
    pub(super) output: Linear,
    pub(super) query_norm: Option<Buffer>,
    pub(super) key_norm: Option<Buffer>,
    pub(super) sinks: Option<Buffer>,
}

/// A feed-forward part.
#[derive(Debug)]
pub(super) struct Dense {
    pub(super) size: usize,
    pub(super) activation: Activation,
    pub(super) gate: Option<Linear>,
    pub(super) up: Linear,
    pub(super) down: Linear,
}

/// A layer.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) attention: Attention,
    pub(super) dense: Dense,
    pub(super) mixer_norm: Norm,
    pub(super) mixer_post_norm: Option<Norm>,
    pub(super) feed_forward_norm: Norm,
    pub(super) feed_forward_post_norm: Option<Norm>,
    pub(super) residual_scale: f32,
}

/// What of a model no kernel knows yet, in words.
pub(super) fn refusal(description: &Description) -> Option<String> {
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
    reason.map(|what| format!("the GPU's kernels don't know {what} yet"))
}

fn first(reasons: &[(bool, &'static str)]) -> Option<&'static str> {
    reasons
        .iter()
        .find(|(is_so, _)| *is_so)
        .map(|(_, what)| *what)
}

fn refusal_of_layer(layer: &LayerDescription) -> Option<&'static str> {
    let MixerDescription::Attention(attention) = &layer.mixer else {
        return Some("layers other than attention");
    };
    let norms = [&layer.mixer_norm, &layer.feed_forward_norm];
    let post = [&layer.mixer_post_norm, &layer.feed_forward_post_norm];
    let mut all = norms.iter().chain(&post).copied().flatten();
    first(&[
        (
            !matches!(layer.feed_forward, FeedForward::Dense(_)),
            "mixtures of experts",
        ),
        (
            norms.iter().any(|norm| norm.is_none()),
            "layers without a norm before their parts",
        ),
        (all.any(|norm| norm.kind != NormKind::Rms), "a layer norm"),
        (layer.output_scale, "scaled layers"),
        (attention.kv != KvSource::Own, "shared keys and values"),
        (
            attention.qk_norm == QkNorm::Whole,
            "norms over all heads together",
        ),
        (attention.value_norm, "normed values"),
        (
            attention.temperature.is_some(),
            "queries that grow with their position",
        ),
        (attention.output_gate, "gated attention"),
    ])
}

/// A matrix, or which type no kernel knows.
pub(super) fn bring_matrix(device: &Device, matrix: &Matrix) -> Result<DeviceMatrix, Refused> {
    let there = DeviceMatrix::upload(device, matrix)?;
    there.ok_or_else(|| {
        let kind = matrix.tensor_type();
        Refused::Unsupported(format!("the GPU's kernels don't know the type {kind} yet"))
    })
}

fn bring_floats(device: &Device, floats: Option<&Vec<f32>>) -> Result<Option<Buffer>, DeviceError> {
    floats.map(|floats| device.upload(floats)).transpose()
}

impl Linear {
    pub(super) fn bring(device: &Device, linear: &LinearOnProcessor) -> Result<Self, Refused> {
        Ok(Self {
            matrix: bring_matrix(device, &linear.matrix)?,
            bias: bring_floats(device, linear.bias.as_ref())?,
            factor: linear.scale.unwrap_or(1.0),
        })
    }

    /// `out`, `[rows, outputs]`.
    pub(super) fn multiply(
        &self,
        device: &Device,
        input: Prepared,
        out: &Buffer,
    ) -> Result<(), DeviceError> {
        let bias = self.bias.as_ref();
        self.matrix.multiply(device, input, self.factor, bias, out)
    }
}

impl Norm {
    pub(super) fn bring(device: &Device, norm: &NormWeights) -> Result<Self, Refused> {
        if norm.bias.is_some() {
            let what = "the GPU's kernels don't know a norm with a bias yet";
            return Err(Refused::Unsupported(what.into()));
        }
        Ok(Self {
            weights: device.upload(&norm.weights)?,
            epsilon: norm.epsilon,
        })
    }

    fn bring_optional(
        device: &Device,
        norm: Option<&NormWeights>,
    ) -> Result<Option<Self>, Refused> {
        norm.map(|norm| Self::bring(device, norm)).transpose()
    }

    fn bring_expected(device: &Device, norm: Option<&NormWeights>) -> Result<Self, Refused> {
        let missing = || Refused::Unsupported("a layer has no norm before its parts".into());
        Self::bring(device, norm.ok_or_else(missing)?)
    }

    pub(super) fn as_rows(&self) -> rows::Norm<'_> {
        rows::Norm {
            weights: &self.weights,
            epsilon: self.epsilon,
        }
    }
}

impl Attention {
    fn bring(device: &Device, attention: &AttentionOnProcessor) -> Result<Self, Refused> {
        let missing = || Refused::Unsupported("a layer has no keys of its own".into());
        let linear = |linear: &Option<LinearOnProcessor>| {
            Linear::bring(device, linear.as_ref().ok_or_else(missing)?)
        };
        let norm = |norm: &Option<NormWeights>| {
            bring_floats(device, norm.as_ref().map(|norm| &norm.weights))
        };
        Ok(Self {
            query: Linear::bring(device, &attention.query)?,
            key: linear(&attention.key)?,
            value: linear(&attention.value)?,
            output: Linear::bring(device, &attention.output)?,
            query_norm: norm(&attention.query_norm)?,
            key_norm: norm(&attention.key_norm)?,
            sinks: bring_floats(device, attention.sinks.as_ref())?,
            description: attention.description.clone(),
        })
    }

    pub(super) fn spec(&self) -> AttentionSpec<'static> {
        let description = &self.description;
        AttentionSpec {
            heads: description.heads,
            kv_heads: description.kv_heads,
            key_dim: description.key_dim,
            value_dim: description.value_dim,
            scale: description.scale,
            softcap: description.softcap,
            window: description.window,
            sinks: None,
            values_in_keys: false,
        }
    }
}

impl Dense {
    fn bring(device: &Device, dense: &DenseWeights) -> Result<Self, Refused> {
        let gate = dense.gate.as_ref();
        let gate = gate.map(|gate| Linear::bring(device, gate)).transpose()?;
        Ok(Self {
            size: dense.size,
            activation: dense.activation,
            gate,
            up: Linear::bring(device, &dense.up)?,
            down: Linear::bring(device, &dense.down)?,
        })
    }
}

impl Layer {
    pub(super) fn bring(device: &Device, layer: &OnProcessor) -> Result<Self, Refused> {
        let (Mixer::Attention(attention), FeedForwardWeights::Dense(dense)) =
            (&layer.mixer, &layer.feed_forward)
        else {
            let what = "the GPU's kernels don't know such layers yet";
            return Err(Refused::Unsupported(what.into()));
        };
        let post = |norm: &Option<NormWeights>| Norm::bring_optional(device, norm.as_ref());
        Ok(Self {
            attention: Attention::bring(device, attention)?,
            dense: Dense::bring(device, dense)?,
            mixer_norm: Norm::bring_expected(device, layer.mixer_norm.as_ref())?,
            mixer_post_norm: post(&layer.mixer_post_norm)?,
            feed_forward_norm: Norm::bring_expected(device, layer.feed_forward_norm.as_ref())?,
            feed_forward_post_norm: post(&layer.feed_forward_post_norm)?,
            residual_scale: layer.residual_scale,
        })
    }
}
