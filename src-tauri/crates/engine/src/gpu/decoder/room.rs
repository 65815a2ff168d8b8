//! The buffers of a step, used again from step to step, and the launches that were recorded over them.

use super::Decoder;
use super::places::{Key, Places};
use super::sizes::{ExpertSizes, Sizes};
use crate::decoder::{Description, Reserve};
use crate::gpu::attention::Found;
use crate::gpu::device::{Buffer, Device, DeviceError};
use crate::gpu::matrix::Sorted;
use crate::gpu::recording::Recording;
use crate::gpu::rows::{Prepared, Quants};
use crate::gpu::shortlist;

/// Steps of up to so many rows are recorded: those that write, not those that read a prompt.
const MOST_RECORDED_ROWS: usize = 16;
/// Plans that are kept for steps of another shape.
const MOST_PLANS: usize = 16;

/// Rows that matrices read: as floats, and as quants where a whole number of groups fills a row.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) floats: Buffer,
    pub(super) quants: Option<Quants>,
}

impl Stream {
    fn room(device: &Device, rows: usize, columns: usize) -> Result<Self, DeviceError> {
        let fits = columns.is_multiple_of(32);
        let quants = fits.then(|| Quants::room(device, rows, columns));
        Ok(Self {
            floats: device.zeroed(rows * columns * 4)?,
            quants: quants.transpose()?,
        })
    }

    pub(super) fn prepared(&self, [count, columns]: [usize; 2]) -> Prepared<'_> {
        Prepared {
            floats: Some(&self.floats),
            quants: self.quants.as_ref(),
            count,
            columns,
        }
    }
}

/// Room for steps of up to so many rows.
#[derive(Debug)]
pub(super) struct Room {
    rows: usize,
    wanted: usize,
    /// `[rows, embedding]`, as what a part gives, and that through a norm.
    pub(super) residual: Buffer,
    pub(super) given: Buffer,
    pub(super) given_normed: Buffer,
    /// The residual stream through a norm, and through another where a mixture reads it so.
    pub(super) normed: Stream,
    pub(super) second: Option<Stream>,
    pub(super) queries: Buffer,
    pub(super) keys: Buffer,
    pub(super) values: Buffer,
    pub(super) results: Buffer,
    pub(super) gate: Buffer,
    pub(super) up: Buffer,
    /// What a part has inside, as quants, of whatever width.
    pub(super) inner: Quants,
    /// What blocks of attention find before it is joined.
    pub(super) found: Found,
    /// `[wanted, vocabulary]`, and the likeliest of each row.
    pub(super) logits: Buffer,
    pub(super) lists: Buffer,
    pub(super) mixture: Option<MixtureRoom>,
    plans: Vec<Plan>,
}

/// What a mixture needs beside: see `gpu/mixture.rs`.
#[derive(Debug)]
pub(super) struct MixtureRoom {
    pub(super) outputs: Buffer,
    pub(super) chosen: Buffer,
    pub(super) weights: Buffer,
    pub(super) given: Buffer,
    pub(super) shared: Buffer,
    pub(super) gates: Buffer,
    offsets: Buffer,
    order: Buffer,
    tiles: Buffer,
}

/// What steps of one shape have: where their rows stand, and their launches.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) places: Places,
    pub(super) recording: Option<Recording>,
    /// Whether it has computed a step: what comes once is not recorded.
    pub(super) is_known: bool,
    pub(super) can_be_recorded: bool,
}

impl Plan {
    pub(super) fn new(decoder: &Decoder, key: Key) -> Result<Self, DeviceError> {
        Ok(Self {
            places: Places::room(decoder, key)?,
            recording: None,
            is_known: false,
            can_be_recorded: true,
        })
    }

    /// Whether its launches are worth recording.
    pub(super) fn is_to_be_recorded(&self) -> bool {
        self.is_known && self.can_be_recorded && self.places.key().rows <= MOST_RECORDED_ROWS
    }
}

impl Room {
    /// For steps of up to so many tokens and logits, over sequences of up to so many pages.
    pub(super) fn new(
        device: &Device,
        description: &Description,
        reserve: &Reserve,
    ) -> Result<Self, DeviceError> {
        let (rows, wanted) = (reserve.step_tokens, reserve.step_logits);
        let sizes = Sizes::of(description);
        let floats = |columns: usize| device.zeroed(rows * columns * 4);
        let embedding = description.embedding;
        let second = sizes.second.then(|| Stream::room(device, rows, embedding));
        let mixture = sizes
            .experts
            .map(|sizes| MixtureRoom::room(device, &sizes, embedding, rows));
        Ok(Self {
            rows,
            wanted,
            residual: floats(embedding)?,
            given: floats(embedding)?,
            given_normed: floats(embedding)?,
            normed: Stream::room(device, rows, embedding)?,
            second: second.transpose()?,
            queries: floats(sizes.queries)?,
            keys: floats(sizes.keys)?,
            values: floats(sizes.values)?,
            results: floats(sizes.results)?,
            gate: floats(sizes.gate)?,
            up: floats(sizes.up)?,
            inner: Quants::room(device, rows, sizes.inner.next_multiple_of(32))?,
            found: Found::room(device, [sizes.heads, sizes.results], Sizes::places(reserve))?,
            logits: device.zeroed(wanted * description.vocabulary * 4)?,
            lists: shortlist::room(device, wanted)?,
            mixture: mixture.transpose()?,
            plans: Vec::new(),
        })
    }

    /// The plan for steps of this shape, which is to be given back.
    pub(super) fn take_plan(&mut self, decoder: &Decoder, key: Key) -> Result<Plan, DeviceError> {
        if let Some(at) = self.plans.iter().position(|plan| plan.places.key() == key) {
            return Ok(self.plans.remove(at));
        }
        // Large ones are rarely of the same shape twice; the small one that was used longest ago goes too.
        self.plans
            .retain(|plan| plan.places.key().rows <= MOST_RECORDED_ROWS);
        if self.plans.len() >= MOST_PLANS {
            self.plans.remove(0);
        }
        Plan::new(decoder, key)
    }

    pub(super) fn give_back(&mut self, plan: Plan) {
        self.plans.push(plan);
    }

    /// Whether a step of this shape has room.
    pub(super) fn holds(&self, key: &Key) -> bool {
        self.rows >= key.rows && self.wanted >= key.wanted
    }

    /// How many rows of logits the latest step had.
    pub(super) fn latest_wanted(&self) -> usize {
        let latest = self.plans.last();
        latest.map_or(0, |plan| plan.places.key().wanted)
    }

    /// Whether the latest step was launched as one recording.
    #[cfg(test)]
    pub(super) fn has_recorded(&self) -> bool {
        self.plans
            .last()
            .is_some_and(|plan| plan.recording.is_some())
    }

    /// Forgets what the host side of plans remembers.
    pub(super) fn wipe_host(&mut self) {
        self.plans
            .iter_mut()
            .for_each(|plan| plan.places.wipe_host());
    }

    /// All of them.
    pub(super) fn buffers(&self) -> impl Iterator<Item = &Buffer> {
        let floats = [
            &self.residual,
            &self.given,
            &self.given_normed,
            &self.normed.floats,
            &self.queries,
            &self.keys,
            &self.values,
            &self.results,
            &self.gate,
            &self.up,
            &self.logits,
            &self.lists,
        ];
        let second = self.second.iter().map(|second| &second.floats);
        let streams = self.second.iter().chain([&self.normed]);
        let quants = streams
            .filter_map(|stream| stream.quants.as_ref())
            .chain([&self.inner]);
        let mixture = self.mixture.iter().flat_map(MixtureRoom::buffers);
        floats
            .into_iter()
            .chain(second)
            .chain(quants.flat_map(Quants::buffers))
            .chain(mixture)
            .chain(self.found.buffers())
            .chain(self.plans.iter().map(|plan| plan.places.buffer()))
    }

    pub(super) fn bytes(&self) -> usize {
        self.buffers().map(Buffer::bytes).sum()
    }
}

impl MixtureRoom {
    fn room(
        device: &Device,
        sizes: &ExpertSizes,
        embedding: usize,
        rows: usize,
    ) -> Result<Self, DeviceError> {
        let numbers = |columns: usize| device.zeroed(rows * columns * 4);
        Ok(Self {
            outputs: numbers(sizes.experts)?,
            chosen: numbers(sizes.used)?,
            weights: numbers(sizes.used)?,
            given: numbers(sizes.used * embedding)?,
            shared: numbers(embedding)?,
            gates: numbers(1)?,
            offsets: device.zeroed((sizes.experts + 1) * 4)?,
            order: numbers(sizes.used)?,
            tiles: device.zeroed(Sorted::most_tiles(rows * sizes.used, sizes.experts) * 8)?,
        })
    }

    /// Where choices are sorted.
    pub(super) fn sorted(&self) -> Sorted<'_> {
        Sorted {
            offsets: &self.offsets,
            order: &self.order,
            tiles: &self.tiles,
        }
    }

    fn buffers(&self) -> [&Buffer; 9] {
        let Self {
            outputs,
            chosen,
            weights,
            given,
            shared,
            gates,
            offsets,
            order,
            tiles,
        } = self;
        [
            outputs, chosen, weights, given, shared, gates, offsets, order, tiles,
        ]
    }
}
