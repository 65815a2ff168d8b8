//! What would help a load that does not fit: each way planned by the engine before it is offered.
//!
//! Invariant: every offer but the last fits into the room; the last is to load it anyway.

use super::admission::{LoadPlan, LoadWish, Offer, OfferedChange};
use super::planner::Planner;
use engine_api::{KvType, Quantize};

/// Context windows that are offered, in tokens. Less than the smallest would be no conversation.
const CONTEXT_STEPS: [u32; 8] = [131_072, 65_536, 32_768, 16_384, 8192, 4096, 2048, 1024];

/// All that helps, when the wish takes `plan` and there is so much room.
pub(super) async fn offers(
    planner: &Planner,
    wish: LoadWish,
    plan: LoadPlan,
    room_bytes: u64,
) -> Vec<Offer> {
    let search = Search {
        planner,
        wish,
        room_bytes,
    };
    let mut found = Vec::new();
    let smaller_context = search.smaller_context(wish, plan, OfferedChange::Context);
    found.extend(smaller_context.await);
    found.extend(search.smaller_cache().await);
    found.extend(search.smaller_weights().await);
    if found.is_empty() {
        found.extend(search.all_together().await);
    }
    found.push(Offer {
        change: OfferedChange::Anyway,
        wish: LoadWish {
            anyway: true,
            ..wish
        },
        plan,
    });
    found
}

struct Search<'a> {
    planner: &'a Planner,
    wish: LoadWish,
    room_bytes: u64,
}

impl Search<'_> {
    /// The largest of the smaller context windows that fits.
    async fn smaller_context(
        &self,
        wish: LoadWish,
        plan: LoadPlan,
        change: OfferedChange,
    ) -> Option<Offer> {
        if plan.weights_bytes + plan.scratch_bytes > self.room_bytes {
            return None; // no context window is small enough
        }
        let smaller = CONTEXT_STEPS
            .into_iter()
            .filter(|tokens| *tokens < plan.context_tokens);
        for context_tokens in smaller {
            let wish = LoadWish {
                context_tokens: Some(context_tokens),
                ..wish
            };
            if let Some(offer) = self.try_out(change, wish).await {
                return Some(offer);
            }
        }
        None
    }

    async fn smaller_cache(&self) -> Option<Offer> {
        if self.wish.kv_type == Some(KvType::Q8_0) {
            return None;
        }
        let wish = LoadWish {
            kv_type: Some(KvType::Q8_0),
            ..self.wish
        };
        self.try_out(OfferedChange::KvType, wish).await
    }

    /// The more exact of the quantizations that fit.
    async fn smaller_weights(&self) -> Option<Offer> {
        for quantize in self.smaller_quantizations() {
            let wish = LoadWish {
                quantize: Some(*quantize),
                ..self.wish
            };
            if let Some(offer) = self.try_out(OfferedChange::Quantize, wish).await {
                return Some(offer);
            }
        }
        None
    }

    /// Everything at once, the weights no smaller than need be.
    async fn all_together(&self) -> Option<Offer> {
        let as_it_is = [self.wish.quantize];
        let smaller = self.smaller_quantizations().iter().copied().map(Some);
        for quantize in as_it_is.into_iter().chain(smaller) {
            let wish = LoadWish {
                kv_type: Some(KvType::Q8_0),
                quantize,
                ..self.wish
            };
            // A model whose keys can't be kept so has no plan.
            let Ok(plan) = self.planner.plan(wish).await else {
                continue;
            };
            if plan.total_bytes <= self.room_bytes {
                return Some(offer(OfferedChange::Several, wish, plan));
            }
            let found = self
                .smaller_context(wish, plan, OfferedChange::Several)
                .await;
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn smaller_quantizations(&self) -> &'static [Quantize] {
        match self.wish.quantize {
            None => &[Quantize::Q8_0, Quantize::Q4K],
            Some(Quantize::Q8_0) => &[Quantize::Q4K],
            Some(Quantize::Q4K) => &[],
        }
    }

    /// The offer, if it can be planned and fits.
    async fn try_out(&self, change: OfferedChange, wish: LoadWish) -> Option<Offer> {
        let plan = self.planner.plan(wish).await.ok()?;
        (plan.total_bytes <= self.room_bytes).then(|| offer(change, wish, plan))
    }
}

fn offer(change: OfferedChange, wish: LoadWish, plan: LoadPlan) -> Offer {
    Offer { change, wish, plan }
}
