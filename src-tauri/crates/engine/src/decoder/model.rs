//! All weights of a model, built by one walk over its description.

use super::description::{Description, KvSource, MixerDescription};
use super::layer::Layer;
use super::norm::NormWeights;
use super::per_layer::PerLayerEmbedding;
use super::rope::Rope;
use super::source::{Linear, Source};
use crate::kv::{KvType, LayerKv, PageShape};
use crate::weights::Matrix;
use engine_api::EngineError;

/// A model's weights.
#[derive(Debug, Clone)]
pub(crate) struct ModelWeights {
    pub(crate) embedding: Matrix,
    pub(crate) layers: Vec<Layer>,
    pub(crate) ropes: Vec<Rope>,
    pub(crate) output_norm: NormWeights,
    pub(crate) output: Linear,
    pub(super) per_layer: Option<PerLayerEmbedding>,
    pub(crate) places: Vec<Place>,
}

/// Where a layer's memory of a sequence is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// This layer of a page.
    Pages(usize),
    /// This buffer of the state.
    State(usize),
    /// Nowhere.
    None,
}

/// What belongs to no layer.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) embedding: Matrix,
    pub(crate) ropes: Vec<Rope>,
    pub(crate) output_norm: NormWeights,
    pub(crate) output: Linear,
    per_layer: Option<PerLayerEmbedding>,
    pub(crate) places: Vec<Place>,
}

impl Frame {
    /// The walk over what belongs to no layer.
    pub(super) fn build(
        description: &Description,
        context: usize,
        source: &mut Source,
    ) -> Result<Self, EngineError> {
        let (vocabulary, embedding) = (description.vocabulary, description.embedding);
        let tokens = source.matrix("token_embd.weight", vocabulary, embedding)?;
        // A file without an output matrix uses the embedding's.
        let name = if source.has("output.weight") {
            "output"
        } else {
            "token_embd"
        };
        let output = source.linear(name, vocabulary, embedding)?;
        let ropes = description
            .ropes
            .iter()
            .map(|rope| Rope::build(rope, context, source));
        let ropes = ropes.collect::<Result<_, _>>()?;
        let per_layer = description.per_layer_embedding;
        let per_layer = per_layer.map(|width| PerLayerEmbedding::build(description, width, source));
        Ok(Self {
            embedding: tokens,
            ropes,
            output_norm: NormWeights::of_model(&description.output_norm, embedding, source)?,
            output,
            per_layer: per_layer.transpose()?,
            places: places(description),
        })
    }
}

impl ModelWeights {
    /// The walk: proves every tensor, or takes it. `context` is how many positions a sequence may have.
    pub(super) fn build(
        description: &Description,
        context: usize,
        source: &mut Source,
    ) -> Result<Self, EngineError> {
        let frame = Frame::build(description, context, source)?;
        let layers = (0..description.layers.len()).map(|at| Layer::build(description, at, source));
        Ok(Self {
            layers: layers.collect::<Result<_, _>>()?,
            embedding: frame.embedding,
            ropes: frame.ropes,
            output_norm: frame.output_norm,
            output: frame.output,
            per_layer: frame.per_layer,
            places: frame.places,
        })
    }
}

fn places(description: &Description) -> Vec<Place> {
    let (mut pages, mut states) = (0, 0);
    let mut places: Vec<Place> = Vec::new();
    for layer in &description.layers {
        let place = match &layer.mixer {
            MixerDescription::Attention(spec) => match spec.kv {
                KvSource::Layer(from) => places[from],
                _ => next(&mut pages, Place::Pages),
            },
            MixerDescription::Mla(_) => next(&mut pages, Place::Pages),
            MixerDescription::None => Place::None,
            _ => next(&mut states, Place::State),
        };
        places.push(place);
    }
    places
}

fn next(counter: &mut usize, place: impl Fn(usize) -> Place) -> Place {
    *counter += 1;
    place(*counter - 1)
}

impl Description {
    /// What a page of its keys and values looks like.
    pub fn page_shape(&self, kv_type: KvType) -> PageShape {
        PageShape {
            kv_type,
            layers: self
                .layers
                .iter()
                .filter_map(|layer| layer_kv(&layer.mixer))
                .collect(),
        }
    }

    /// Whether its keys and values can be kept in this type: blocks must fill them.
    pub fn can_keep(&self, kv_type: KvType) -> bool {
        let fits = |layer: &LayerKv| {
            [layer.key_dim, layer.value_dim]
                .iter()
                .all(|dim| dim.is_multiple_of(32))
        };
        kv_type != KvType::Q8_0 || self.page_shape(kv_type).layers.iter().all(fits)
    }

    /// Numbers in each buffer of a sequence's state, one for each recurrent layer.
    pub fn state_elements(&self) -> Vec<usize> {
        let mixers = self.layers.iter().map(|layer| &layer.mixer);
        mixers.filter_map(state_elements).collect()
    }
}

fn layer_kv(mixer: &MixerDescription) -> Option<LayerKv> {
    match mixer {
        MixerDescription::Attention(spec) => spec.layer_kv(),
        MixerDescription::Mla(spec) => Some(spec.layer_kv()),
        _ => None,
    }
}

fn state_elements(mixer: &MixerDescription) -> Option<usize> {
    match mixer {
        MixerDescription::ShortConv(spec) => Some(spec.state_elements()),
        MixerDescription::DeltaNet(spec) => Some(spec.state_elements()),
        MixerDescription::Mamba2(spec) => Some(spec.state_elements()),
        _ => None,
    }
}
