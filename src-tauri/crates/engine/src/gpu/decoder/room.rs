//! The buffers of a step, used again from step to step.

use crate::decoder::Description;
use crate::decoder::description::{FeedForward, MixerDescription};
use crate::gpu::device::{Buffer, Device, DeviceError};
use crate::gpu::rows::Quants;

/// Room for steps of up to so many rows.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) rows: usize,
    /// The residual stream, the stream through a norm, what a part gives, and that through a norm: `[rows, embedding]`.
    pub(super) residual: Buffer,
    pub(super) normed: Buffer,
    pub(super) given: Buffer,
    pub(super) given_normed: Buffer,
    pub(super) queries: Buffer,
    pub(super) keys: Buffer,
    pub(super) values: Buffer,
    pub(super) results: Buffer,
    pub(super) gate: Buffer,
    pub(super) up: Buffer,
    /// `[rows, embedding]`; `None` where no whole number of groups fills a row.
    pub(super) quants: Option<Quants>,
    pub(super) logits: Buffer,
}

impl Room {
    /// All of them.
    pub(super) fn buffers(&self) -> impl Iterator<Item = &Buffer> {
        let floats = [
            &self.residual,
            &self.normed,
            &self.given,
            &self.given_normed,
            &self.queries,
            &self.keys,
            &self.values,
            &self.results,
            &self.gate,
            &self.up,
            &self.logits,
        ];
        floats
            .into_iter()
            .chain(self.quants.iter().flat_map(Quants::buffers))
    }

    pub(super) fn bytes(&self) -> usize {
        self.buffers().map(Buffer::bytes).sum()
    }

    pub(super) fn new(
        device: &Device,
        description: &Description,
        rows: usize,
    ) -> Result<Self, DeviceError> {
        let floats = |columns: usize| device.zeroed(rows * columns * 4);
        let embedding = description.embedding;
        let attention = |width: fn(&crate::decoder::description::AttentionDescription) -> usize| {
            let widths = description.layers.iter().map(|layer| match &layer.mixer {
                MixerDescription::Attention(attention) => width(attention),
                _ => 0,
            });
            widths.max().unwrap_or(0)
        };
        let inner = description
            .layers
            .iter()
            .map(|layer| match &layer.feed_forward {
                FeedForward::Dense(dense) => dense.size,
                _ => 0,
            });
        let inner = inner.max().unwrap_or(0);
        Ok(Self {
            rows,
            residual: floats(embedding)?,
            normed: floats(embedding)?,
            given: floats(embedding)?,
            given_normed: floats(embedding)?,
            queries: floats(attention(|it| it.heads * it.key_dim))?,
            keys: floats(attention(|it| it.kv_heads * it.key_dim))?,
            values: floats(attention(|it| it.kv_heads * it.value_dim))?,
            results: floats(attention(|it| it.heads * it.value_dim))?,
            gate: floats(inner)?,
            up: floats(inner)?,
            quants: room_for_quants(device, rows, embedding)?,
            logits: floats(description.vocabulary)?,
        })
    }
}

/// Room for rows of this width as quants, if they can be.
pub(super) fn room_for_quants(
    device: &Device,
    rows: usize,
    columns: usize,
) -> Result<Option<Quants>, DeviceError> {
    let fits = columns.is_multiple_of(32);
    fits.then(|| Quants::room(device, rows, columns))
        .transpose()
}
