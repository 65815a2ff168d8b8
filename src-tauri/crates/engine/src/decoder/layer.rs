//! A layer: its mixer and its feed-forward part around the residual stream.

use super::description::{Description, FeedForward, LayerDescription, MixerDescription};
use super::feed_forward::{DenseWeights, PLAIN};
use super::mixers::attention::Attention;
use super::mixers::{DeltaNet, Mamba2, Mla, ShortConv};
use super::mixture::MixtureWeights;
use super::norm::NormWeights;
use super::per_layer::PerLayer;
use super::source::{LayerSource, Source};
use engine_api::EngineError;

/// A layer's weights.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) mixer: Mixer,
    pub(crate) feed_forward: FeedForwardWeights,
    pub(crate) mixer_norm: Option<NormWeights>,
    pub(crate) mixer_post_norm: Option<NormWeights>,
    pub(crate) feed_forward_norm: Option<NormWeights>,
    pub(crate) feed_forward_post_norm: Option<NormWeights>,
    pub(crate) residual_scale: f32,
    pub(super) second: Option<PerLayer>,
    pub(crate) output_scale: f32,
}

/// A mixer's weights.
#[derive(Debug, Clone)]
pub(crate) enum Mixer {
    Attention(Box<Attention>),
    Mla(Box<Mla>),
    ShortConv(Box<ShortConv>),
    DeltaNet(Box<DeltaNet>),
    Mamba2(Box<Mamba2>),
    None,
}

/// A feed-forward part's weights.
#[derive(Debug, Clone)]
pub(crate) enum FeedForwardWeights {
    Dense(Box<DenseWeights>),
    Mixture(Box<MixtureWeights>),
    None,
}

impl Layer {
    pub(super) fn build(
        description: &Description,
        at: usize,
        source: &mut Source,
    ) -> Result<Self, EngineError> {
        let layer = &description.layers[at];
        let embedding = description.embedding;
        let source = &mut source.layer(at);
        let mut norm = |norm| NormWeights::optional(norm, embedding, source);
        let mixer_norm = norm(&layer.mixer_norm)?;
        let mixer_post_norm = norm(&layer.mixer_post_norm)?;
        let feed_forward_norm = norm(&layer.feed_forward_norm)?;
        let feed_forward_post_norm = norm(&layer.feed_forward_post_norm)?;
        let per_layer = description.per_layer_embedding;
        let per_layer = per_layer.map(|width| PerLayer::build(description, width, source));
        Ok(Self {
            mixer: Mixer::build(&layer.mixer, embedding, source)?,
            feed_forward: FeedForwardWeights::build(&layer.feed_forward, embedding, source)?,
            mixer_norm,
            mixer_post_norm,
            feed_forward_norm,
            feed_forward_post_norm,
            residual_scale: layer.residual_scale,
            second: per_layer.transpose()?,
            output_scale: output_scale(layer, source)?,
        })
    }
}

fn output_scale(layer: &LayerDescription, source: &mut LayerSource) -> Result<f32, EngineError> {
    if !layer.output_scale {
        return Ok(1.0);
    }
    let scale = source.floats("layer_output_scale.weight", &[1])?;
    Ok(scale.first().copied().unwrap_or(1.0))
}

impl Mixer {
    fn build(
        mixer: &MixerDescription,
        embedding: usize,
        source: &mut LayerSource,
    ) -> Result<Self, EngineError> {
        Ok(match mixer {
            MixerDescription::Attention(spec) => {
                Self::Attention(Box::new(Attention::build(spec, embedding, source)?))
            }
            MixerDescription::Mla(spec) => {
                Self::Mla(Box::new(Mla::build(spec, embedding, source)?))
            }
            MixerDescription::ShortConv(spec) => {
                Self::ShortConv(Box::new(ShortConv::build(spec, embedding, source)?))
            }
            MixerDescription::DeltaNet(spec) => {
                Self::DeltaNet(Box::new(DeltaNet::build(spec, embedding, source)?))
            }
            MixerDescription::Mamba2(spec) => {
                Self::Mamba2(Box::new(Mamba2::build(spec, embedding, source)?))
            }
            MixerDescription::None => Self::None,
        })
    }
}

impl FeedForwardWeights {
    fn build(
        feed_forward: &FeedForward,
        embedding: usize,
        source: &mut LayerSource,
    ) -> Result<Self, EngineError> {
        Ok(match feed_forward {
            FeedForward::Dense(dense) => Self::Dense(Box::new(DenseWeights::build(
                dense, PLAIN, embedding, source,
            )?)),
            FeedForward::Mixture(mixture) => {
                Self::Mixture(Box::new(MixtureWeights::build(mixture, embedding, source)?))
            }
            FeedForward::None => Self::None,
        })
    }
}
