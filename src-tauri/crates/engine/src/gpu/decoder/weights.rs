//! Weights on their way to the device.

use super::Refused;
use super::mixture::Mixture;
use super::refusal::unknown;
use crate::cpu::AttentionSpec;
use crate::decoder::description::{Activation, AttentionDescription, QkNorm};
use crate::decoder::feed_forward::DenseWeights;
use crate::decoder::layer::{FeedForwardWeights, Layer as OnProcessor, Mixer};
use crate::decoder::mixers::attention::Attention as AttentionOnProcessor;
use crate::decoder::model::{Frame as FrameOnProcessor, Place};
use crate::decoder::norm::NormWeights;
use crate::decoder::rope::Rope;
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
    /// Which layer's pages it looks at, in the order of layers that have some.
    pub(super) pages: usize,
    /// Queries; where `own` says so, keys and values too.
    pub(super) query: Linear,
    pub(super) own: Own,
    pub(super) output: Linear,
    /// Over each head.
    pub(super) query_norm: Option<Buffer>,
    pub(super) key_norm: Option<Buffer>,
    /// Over all heads together.
    pub(super) whole_query_norm: Option<Norm>,
    pub(super) whole_key_norm: Option<Norm>,
    pub(super) sinks: Option<Buffer>,
}

/// What makes the keys and values that a layer keeps.
#[derive(Debug)]
pub(super) enum Own {
    /// The matrix of the queries: a row has its queries, its keys, its values.
    Together,
    /// The same without values, which often have more bits than the others.
    Values(Linear),
    /// Matrices of their own; values may be keys.
    Apart(Linear, Option<Linear>),
    /// None: another layer's are looked at.
    None,
}

/// A feed-forward part.
#[derive(Debug)]
pub(super) struct Dense {
    pub(super) size: usize,
    pub(super) activation: Activation,
    pub(super) gates: Gates,
    pub(super) up: Linear,
    pub(super) down: Linear,
}

/// Where the gates of a feed-forward part come from.
#[derive(Debug)]
pub(super) enum Gates {
    /// A matrix of their own.
    Apart(Linear),
    /// The first half of what `up` gives.
    Together,
    /// There are none.
    None,
}

/// A layer.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) attention: Option<Attention>,
    pub(super) feed_forward: FeedForward,
    pub(super) mixer_norm: Option<Norm>,
    pub(super) mixer_post_norm: Option<Norm>,
    pub(super) feed_forward_norm: Option<Norm>,
    pub(super) feed_forward_post_norm: Option<Norm>,
    pub(super) residual_scale: f32,
    pub(super) output_scale: f32,
}

/// The second part of a layer.
#[derive(Debug)]
pub(super) enum FeedForward {
    Dense(Box<Dense>),
    Mixture(Box<Mixture>),
    None,
}

/// What belongs to no layer.
pub(super) struct Frame {
    pub(super) embedding: DeviceMatrix,
    pub(super) ropes: Vec<Rope>,
    pub(super) output_norm: Norm,
    pub(super) output: Linear,
    pub(super) places: Vec<Place>,
}

impl Frame {
    pub(super) fn bring(device: &Device, frame: FrameOnProcessor) -> Result<Self, Refused> {
        Ok(Self {
            embedding: bring_matrix(device, &frame.embedding)?,
            output_norm: Norm::bring(device, &frame.output_norm)?,
            output: Linear::bring(device, &frame.output)?,
            ropes: frame.ropes,
            places: frame.places,
        })
    }
}

/// A matrix, or which type no kernel knows.
pub(super) fn bring_matrix(device: &Device, matrix: &Matrix) -> Result<DeviceMatrix, Refused> {
    bring_matrices(device, std::slice::from_ref(matrix))
}

/// Several of one type as one.
pub(super) fn bring_matrices(
    device: &Device,
    matrices: &[Matrix],
) -> Result<DeviceMatrix, Refused> {
    let there = DeviceMatrix::upload_together(device, matrices)?;
    there.ok_or_else(|| {
        let kind = matrices[0].tensor_type();
        unknown(&format!("the type {kind}"))
    })
}

pub(super) fn bring_floats(
    device: &Device,
    floats: Option<&Vec<f32>>,
) -> Result<Option<Buffer>, DeviceError> {
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

    /// Maps of the same rows as one, whose outputs follow one another, so that it takes one launch; `None` where their types,
    /// factors or biases are of different kinds.
    pub(super) fn bring_together(
        device: &Device,
        linears: &[&LinearOnProcessor],
    ) -> Result<Option<Self>, Refused> {
        let first = linears[0];
        let alike = |one: &&LinearOnProcessor| {
            one.matrix.tensor_type() == first.matrix.tensor_type()
                && one.scale.unwrap_or(1.0).to_bits() == first.scale.unwrap_or(1.0).to_bits()
                && one.bias.is_some() == first.bias.is_some()
        };
        if !linears.iter().all(alike) {
            return Ok(None);
        }
        let matrices: Vec<_> = linears.iter().map(|one| one.matrix.clone()).collect();
        let biases = linears.iter().filter_map(|one| one.bias.as_ref());
        let bias: Vec<f32> = biases.flatten().copied().collect();
        Ok(Some(Self {
            matrix: bring_matrices(device, &matrices)?,
            bias: bring_floats(device, Some(&bias).filter(|bias| !bias.is_empty()))?,
            factor: first.scale.unwrap_or(1.0),
        }))
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
            return Err(unknown("a norm with a bias"));
        }
        Ok(Self {
            weights: device.upload(&norm.weights)?,
            epsilon: norm.epsilon,
        })
    }

    pub(super) fn bring_optional(
        device: &Device,
        norm: Option<&NormWeights>,
    ) -> Result<Option<Self>, Refused> {
        norm.map(|norm| Self::bring(device, norm)).transpose()
    }

    /// How many numbers it norms together.
    pub(super) fn width(&self) -> usize {
        self.weights.bytes() / 4
    }

    pub(super) fn as_rows(&self) -> rows::Norm<'_> {
        rows::Norm {
            weights: &self.weights,
            epsilon: self.epsilon,
        }
    }
}

impl Attention {
    fn bring(
        device: &Device,
        attention: &AttentionOnProcessor,
        pages: usize,
    ) -> Result<Self, Refused> {
        let is_whole = attention.description.qk_norm == QkNorm::Whole;
        let head = |norm: &Option<NormWeights>| {
            let norm = norm.as_ref().filter(|_| !is_whole);
            bring_floats(device, norm.map(|norm| &norm.weights))
        };
        let whole = |norm: &Option<NormWeights>| {
            Norm::bring_optional(device, norm.as_ref().filter(|_| is_whole))
        };
        let (query, own) = Own::bring(device, attention)?;
        Ok(Self {
            pages,
            query,
            own,
            output: Linear::bring(device, &attention.output)?,
            query_norm: head(&attention.query_norm)?,
            key_norm: head(&attention.key_norm)?,
            whole_query_norm: whole(&attention.query_norm)?,
            whole_key_norm: whole(&attention.key_norm)?,
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

impl Own {
    /// Queries with it.
    fn bring(device: &Device, attention: &AttentionOnProcessor) -> Result<(Linear, Self), Refused> {
        let (query, value) = (&attention.query, attention.value.as_ref());
        let Some(key) = &attention.key else {
            return Ok((Linear::bring(device, query)?, Self::None));
        };
        // Norms over all heads want the queries of all rows one behind the other.
        let is_whole = attention.description.qk_norm == QkNorm::Whole;
        if let Some(value) = value.filter(|_| !is_whole)
            && let Some(all) = Linear::bring_together(device, &[query, key, value])?
        {
            return Ok((all, Self::Together));
        }
        if let Some(value) = value.filter(|_| !is_whole)
            && let Some(both) = Linear::bring_together(device, &[query, key])?
        {
            return Ok((both, Self::Values(Linear::bring(device, value)?)));
        }
        let value = value.map(|value| Linear::bring(device, value));
        let own = Self::Apart(Linear::bring(device, key)?, value.transpose()?);
        Ok((Linear::bring(device, query)?, own))
    }
}

impl Dense {
    pub(super) fn bring(device: &Device, dense: &DenseWeights) -> Result<Self, Refused> {
        let gate = dense.gate.as_ref();
        let together = gate.map(|gate| Linear::bring_together(device, &[gate, &dense.up]));
        let (gates, up) = match (gate, together.transpose()?.flatten()) {
            (_, Some(both)) => (Gates::Together, both),
            (Some(gate), None) => {
                let gate = Linear::bring(device, gate)?;
                (Gates::Apart(gate), Linear::bring(device, &dense.up)?)
            }
            (None, None) => (Gates::None, Linear::bring(device, &dense.up)?),
        };
        Ok(Self {
            size: dense.size,
            activation: dense.activation,
            gates,
            up,
            down: Linear::bring(device, &dense.down)?,
        })
    }
}

impl Layer {
    pub(super) fn bring(
        device: &Device,
        layer: &OnProcessor,
        place: Place,
    ) -> Result<Self, Refused> {
        let attention = match (&layer.mixer, place) {
            (Mixer::Attention(attention), Place::Pages(pages)) => {
                Some(Attention::bring(device, attention, pages)?)
            }
            (Mixer::None, _) => None,
            _ => return Err(unknown("such layers")),
        };
        let norm = |norm: &Option<NormWeights>| Norm::bring_optional(device, norm.as_ref());
        Ok(Self {
            attention,
            feed_forward: FeedForward::bring(device, &layer.feed_forward)?,
            mixer_norm: norm(&layer.mixer_norm)?,
            mixer_post_norm: norm(&layer.mixer_post_norm)?,
            feed_forward_norm: norm(&layer.feed_forward_norm)?,
            feed_forward_post_norm: norm(&layer.feed_forward_post_norm)?,
            residual_scale: layer.residual_scale,
            output_scale: layer.output_scale,
        })
    }
}

impl FeedForward {
    fn bring(device: &Device, weights: &FeedForwardWeights) -> Result<Self, Refused> {
        Ok(match weights {
            FeedForwardWeights::Dense(dense) => Self::Dense(Box::new(Dense::bring(device, dense)?)),
            FeedForwardWeights::Mixture(mixture) => {
                if let Some(what) = super::mixture::refusal_of_weights(mixture) {
                    return Err(unknown(what));
                }
                Self::Mixture(Box::new(Mixture::bring(device, mixture)?))
            }
            FeedForwardWeights::None => Self::None,
        })
    }
}
