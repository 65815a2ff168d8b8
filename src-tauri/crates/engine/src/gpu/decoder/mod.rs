//! The decoder on the device: what [`crate::decoder`] computes, by the kernels of this folder.
//!
//! It is made of the same weights and the same description, and refuses in words what no kernel knows yet, so that the
//! processor can take it. `refusal.rs` says what is not known, `weights.rs` brings weights there, `room.rs` is the buffers of a step, `step.rs` the step.
//! Invariant: what a sequence gets does not depend on what else is in the step, but a little on how many rows there are
//! (`gpu/mod.rs`).

mod mixture;
mod places;
mod refusal;
mod room;
mod sizes;
mod step;
mod weights;

use super::attention::LayerPages;
use super::device::{Device, DeviceError};
use super::matrix::DeviceMatrix;
use crate::decoder::description::Temperature;
use crate::decoder::model::Place;
use crate::decoder::parts::{Part, Parts};
use crate::decoder::rope::Rope;
use crate::decoder::{Description, Reserve};
use crate::kv::Change;
use engine_api::{EngineError, LoadProgress};
use room::Room;
#[cfg(feature = "cuda")]
pub(crate) use sizes::scratch_bytes;
use weights::{Layer, Linear, Norm};

/// Why a model is not computed on the device.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refused {
    /// No kernel knows something of it.
    #[error("{0}")]
    Unsupported(String),
    /// The device said no.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Its file can't be read, or it was cancelled: the processor would not fare better.
    #[error("its file was not read: {0}")]
    Load(#[from] EngineError),
}

/// A model on the device.
#[derive(Debug)]
pub struct Decoder {
    device: Device,
    description: Description,
    embedding: DeviceMatrix,
    layers: Vec<Layer>,
    ropes: Vec<Rope>,
    output_norm: Norm,
    output: Linear,
    /// One for each layer: what it keeps of all pages.
    pages: Vec<LayerPages>,
    reserve: Reserve,
    room: Option<Room>,
}

impl Decoder {
    /// Brings a model there part by part, after room for its keys and values and for its largest step has been taken: what it
    /// does later does not fail for want of it.
    ///
    /// # Errors
    /// [`Refused`], before anything is read where that can be told; whatever was brought is given back.
    pub(crate) fn bring(
        device: &Device,
        parts: &Parts,
        reserve: Reserve,
        on_progress: &mut dyn FnMut(LoadProgress),
    ) -> Result<Self, Refused> {
        refusal::check(device, parts, &reserve)?;
        let description = parts.description();
        let (kind, page_count) = (reserve.kv_type, reserve.pages);
        let shape = description.page_shape(kind);
        let pages = shape.layers.iter();
        let pages = pages.map(|sizes| LayerPages::room(device, *sizes, kind, page_count));
        let pages = pages.collect::<Result<_, _>>()?;
        let room = Room::new(device, description, &reserve)?;
        let (mut frame, mut layers) = (None, Vec::new());
        parts.bring::<Refused>(on_progress, |part| {
            match part {
                Part::Frame(part) => frame = Some(weights::Frame::bring(device, *part)?),
                Part::Layer(layer) => {
                    let place = frame
                        .as_ref()
                        .and_then(|frame| frame.places.get(layers.len()));
                    let place = *place.unwrap_or(&Place::None);
                    layers.push(Layer::bring(device, &layer, place)?);
                }
            }
            // So that no more than one part is still on its way.
            Ok(device.wait()?)
        })?;
        // What weights came through on their way.
        device.give_back_unused()?;
        let frame = frame.ok_or_else(|| EngineError::internal("a model without a frame"))?;
        Ok(Self {
            embedding: frame.embedding,
            layers,
            ropes: frame.ropes,
            output_norm: frame.output_norm,
            output: frame.output,
            pages,
            reserve,
            room: Some(room),
            device: device.clone(),
            description: description.clone(),
        })
    }

    /// Does what the pages' keeper wants done, and waits until it is.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn change(&self, changes: &[Change]) -> Result<(), DeviceError> {
        self.queue(changes)?;
        self.device.wait()
    }

    fn queue(&self, changes: &[Change]) -> Result<(), DeviceError> {
        for change in changes {
            for pages in &self.pages {
                pages.change(&self.device, *change)?;
            }
        }
        Ok(())
    }

    /// Bytes of the buffers that its largest step so far has left.
    pub fn scratch_bytes(&self) -> u64 {
        self.room.as_ref().map_or(0, |room| room.bytes() as u64)
    }

    /// Overwrites what the last step left in its buffers.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn wipe_scratch(&mut self) -> Result<(), DeviceError> {
        let Some(room) = &mut self.room else {
            return Ok(());
        };
        room.wipe_host();
        for buffer in room.buffers() {
            self.device.clear(buffer, 0, buffer.bytes())?;
        }
        self.device.wait()
    }

    /// Whether the latest step was launched as one recording.
    #[cfg(test)]
    pub(crate) fn has_recorded(&self) -> bool {
        self.room.as_ref().is_some_and(Room::has_recorded)
    }

    /// Whether all pages and buffers hold zeros.
    #[cfg(test)]
    pub(crate) fn holds_nothing(&self) -> Result<bool, DeviceError> {
        let room = self.room.iter().flat_map(Room::buffers);
        let pages = self.pages.iter().flat_map(LayerPages::buffers);
        for buffer in room.chain(pages) {
            let mut bytes = vec![1; buffer.bytes()];
            self.device.read(buffer, 0, &mut bytes)?;
            if bytes.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The ways in which queries grow with their position.
    fn temperatures(&self) -> Vec<Temperature> {
        let attentions = self
            .layers
            .iter()
            .filter_map(|layer| layer.attention.as_ref());
        let mut all: Vec<Temperature> = Vec::new();
        for temperature in attentions.filter_map(|one| one.description.temperature) {
            if !all.contains(&temperature) {
                all.push(temperature);
            }
        }
        all
    }

    /// What it computes.
    pub fn description(&self) -> &Description {
        &self.description
    }
}
