//! How large the buffers of a step are.
//!
//! They follow from the description and the reserve alone, so that a plan knows them.

use super::places::table_for;
use crate::decoder::description::{
    AttentionDescription, Dense, FeedForward, Gate, MixerDescription, Mixture,
};
use crate::decoder::{Description, Reserve};
use crate::gpu::attention::places;
use crate::gpu::matrix::Sorted;
use crate::gpu::rows::Quants;
use crate::gpu::shortlist;

/// Bytes of the buffers of a step on the device, for the largest step that is reserved.
pub(crate) fn scratch_bytes(description: &Description, reserve: &Reserve) -> u64 {
    Sizes::of(description).bytes(description, reserve) as u64
}

/// The most numbers of one row, of all layers.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    pub(super) heads: usize,
    pub(super) queries: usize,
    pub(super) keys: usize,
    pub(super) values: usize,
    pub(super) results: usize,
    pub(super) gate: usize,
    pub(super) up: usize,
    /// Of what goes into a part's last matrix.
    pub(super) inner: usize,
    pub(super) second: bool,
    pub(super) experts: Option<ExpertSizes>,
}

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct ExpertSizes {
    pub(super) experts: usize,
    pub(super) used: usize,
}

impl Sizes {
    /// What the layers of this model need.
    pub(super) fn of(description: &Description) -> Self {
        let mut sizes = Self {
            // Logits read rows of the embedding's width.
            inner: description.embedding,
            ..Self::default()
        };
        for layer in &description.layers {
            if let MixerDescription::Attention(attention) = &layer.mixer {
                sizes.attention(attention);
            }
            match &layer.feed_forward {
                FeedForward::Dense(dense) => sizes.dense(dense),
                FeedForward::Mixture(mixture) => sizes.mixture(mixture),
                FeedForward::None => {}
            }
        }
        sizes
    }

    /// What blocks of attention find at most at once.
    pub(super) fn places(reserve: &Reserve) -> usize {
        places(reserve.step_tokens, table_for(reserve.pages))
    }

    /// Bytes of the buffers of `room.rs` for these steps: a test compares the two.
    fn bytes(&self, description: &Description, reserve: &Reserve) -> usize {
        let (rows, wanted, embedding) = (
            reserve.step_tokens,
            reserve.step_logits,
            description.embedding,
        );
        let quants = |columns: usize| Quants::bytes(rows, columns);
        let fits = embedding.is_multiple_of(32);
        let streams = 1 + usize::from(self.second);
        let stream = rows * embedding * 4 + if fits { quants(embedding) } else { 0 };
        let parts = self.queries + self.keys + self.values + self.results + self.gate + self.up;
        let experts = self.experts.map_or(0, |sizes| {
            let of_row = sizes.experts + sizes.used * (3 + embedding) + embedding + 1;
            let tiles = Sorted::most_tiles(rows * sizes.used, sizes.experts);
            rows * of_row * 4 + (sizes.experts + 1) * 4 + tiles * 8
        });
        rows * (3 * embedding + parts) * 4
            + streams * stream
            + quants(self.inner.next_multiple_of(32))
            + Self::places(reserve) * (self.heads * 8 + self.results * 4)
            + wanted * (description.vocabulary * 4 + shortlist::LIST_BYTES)
            + experts
    }

    fn attention(&mut self, attention: &AttentionDescription) {
        let AttentionDescription {
            heads,
            kv_heads,
            key_dim,
            value_dim,
            ..
        } = attention;
        let results = heads * value_dim;
        // A row of one matrix may have all three.
        grow(
            &mut self.queries,
            heads * key_dim + kv_heads * (key_dim + value_dim),
        );
        grow(&mut self.heads, *heads);
        grow(&mut self.keys, kv_heads * key_dim);
        grow(&mut self.values, kv_heads * value_dim);
        grow(&mut self.results, results);
        grow(&mut self.inner, results);
    }

    fn dense(&mut self, dense: &Dense) {
        for size in [&mut self.gate, &mut self.inner] {
            grow(size, dense.size);
        }
        // Gates may come with it.
        grow(&mut self.up, 2 * dense.size);
    }

    fn mixture(&mut self, mixture: &Mixture) {
        let picks = mixture.used * mixture.size;
        let fused = mixture.gate == Gate::Fused;
        // Of a fused matrix both halves come into `up`, and what they give goes into `gate`.
        grow(&mut self.gate, picks);
        grow(&mut self.up, if fused { 2 * picks } else { picks });
        grow(&mut self.inner, picks);
        if let Some(shared) = &mixture.shared {
            self.dense(&shared.dense);
        }
        self.second |= mixture.router_norm.is_some() || mixture.input_norm.is_some();
        let experts = self.experts.get_or_insert_default();
        grow(&mut experts.experts, mixture.experts);
        grow(&mut experts.used, mixture.used);
    }
}

fn grow(size: &mut usize, to: usize) {
    *size = to.max(*size);
}

#[cfg(test)]
mod tests {
    use super::super::room::Room;
    use super::*;
    use crate::decoder::tests::conformance::fixtures;
    use crate::gpu::Device;
    use crate::kv::KvType;

    #[test]
    fn the_buffers_are_as_large_as_a_plan_says() {
        for fixture in fixtures() {
            let description = crate::decoder::families::describe(&fixture.checkpoint);
            let description = description.expect("described");
            for (step_tokens, step_logits, pages) in [(1, 1, 1), (70, 3, 90), (1100, 2, 5)] {
                let reserve = Reserve {
                    kv_type: KvType::F16,
                    pages,
                    step_tokens,
                    step_logits,
                };
                let room = Room::new(&Device::on_host(0), &description, &reserve).expect("room");
                let planned = scratch_bytes(&description, &reserve);
                assert_eq!(room.bytes() as u64, planned, "{}", fixture.name);
            }
        }
    }
}
