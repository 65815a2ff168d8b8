//! A scheduler with a decoder that computes logits from a hash of the tokens that it reads *through the pages*: a page
//! that is not a sequence's own, or was given away too early, changes its text.

use super::super::{Held, Limits, Pager, Scheduler, SequenceId, Snapshots, Stepped};
use crate::decoder::{Chunk, LogitsWanted, RecurrentState};
use crate::kv::{KvType, LayerKv, PAGE_TOKENS, PageShape, PageStore};
use engine_api::EngineError;
use std::collections::BTreeMap;

const VOCABULARY: u64 = 13;

/// A sequence that is asked for.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) prompt: Vec<u32>,
    pub(super) length: usize,
    /// The step before which it comes.
    pub(super) arrival: usize,
    /// Steps after which it is cancelled.
    pub(super) patience: Option<usize>,
}

/// What became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) text: Vec<u32>,
    pub(super) is_cancelled: bool,
    pub(super) reused: usize,
    pub(super) first_step: Option<usize>,
}

pub(super) struct Desk {
    pub(super) scheduler: Scheduler,
    pub(super) computed: usize,
    pub(super) steps: usize,
    pub(super) pauses: usize,
    pub(super) open: BTreeMap<SequenceId, (usize, Wish)>,
    pub(super) outcomes: Vec<Outcome>,
}

fn mixed(hash: u64, token: u32) -> u64 {
    (hash ^ u64::from(token + 1))
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .rotate_left(29)
}

fn next_of(hash: u64) -> u32 {
    u32::try_from((hash >> 20) % VOCABULARY).expect("small")
}

/// The text that a sequence gets alone.
pub(super) fn alone(prompt: &[u32], length: usize) -> Vec<u32> {
    let mut hash = prompt.iter().fold(0, |hash, token| mixed(hash, *token));
    let mut text = Vec::new();
    for _ in 0..length {
        text.push(next_of(hash));
        hash = mixed(hash, next_of(hash));
    }
    text
}

fn compute(store: &mut PageStore, chunks: &mut [Chunk<'_>], logits: &mut Vec<f32>) {
    for chunk in chunks {
        for (at, token) in (chunk.start..).zip(chunk.tokens) {
            let (keys, _) = store.layer_mut(chunk.pages[at / PAGE_TOKENS], 0);
            let place = at % PAGE_TOKENS * 4;
            keys[place..place + 4].copy_from_slice(&token.to_le_bytes());
        }
        let end = chunk.start + chunk.tokens.len();
        let read = |at: usize| {
            let keys = store.keys(chunk.pages[at / PAGE_TOKENS], 0);
            let place = at % PAGE_TOKENS * 4;
            u32::from_le_bytes(keys[place..place + 4].try_into().expect("four bytes"))
        };
        let mut hash = (0..end).fold(0, |hash, at| mixed(hash, read(at)));
        if let Some(state) = &mut chunk.state {
            // What a recurrent layer knows of the tokens, it knows from its state alone.
            let known = &mut state.layers[0];
            known.extend(chunk.tokens.iter().map(|token| f32::from_bits(*token)));
            let own = known
                .iter()
                .fold(0, |hash, token| mixed(hash, token.to_bits()));
            hash = if own == hash { hash } else { own ^ 1 };
        }
        if chunk.logits == LogitsWanted::Last {
            logits.extend((0..VOCABULARY).map(|id| {
                if id == u64::from(next_of(hash)) {
                    1.0
                } else {
                    0.0
                }
            }));
        }
    }
}

pub(super) fn shape() -> PageShape {
    let layer = LayerKv {
        kv_heads: 1,
        key_dim: 1,
        value_dim: 0,
    };
    PageShape {
        kv_type: KvType::F32,
        layers: vec![layer],
    }
}

impl Desk {
    pub(super) fn new(parallel: usize, budget: usize, recurrent: bool) -> Self {
        let limits = Limits {
            parallel,
            context_tokens: usize::MAX,
        };
        let pager = Pager::new(PageStore::new(shape()), budget);
        let held = Held::new(pager, Snapshots::new(4, 1 << 20));
        let state = recurrent.then(|| RecurrentState {
            layers: vec![Vec::new()],
        });
        Self {
            scheduler: Scheduler::new(limits, held, state),
            computed: 0,
            steps: 0,
            pauses: 0,
            open: BTreeMap::new(),
            outcomes: Vec::new(),
        }
    }

    /// Its place among the outcomes.
    pub(super) fn ask(&mut self, wish: Wish) -> Result<usize, EngineError> {
        let id = self.scheduler.add(wish.prompt.clone())?;
        self.outcomes.push(Outcome::default());
        self.open.insert(id, (self.outcomes.len() - 1, wish));
        Ok(self.outcomes.len() - 1)
    }

    pub(super) fn step(&mut self, budget: usize) -> Stepped {
        self.steps += 1;
        let before = self.scheduler.running.len();
        let mut logits = Vec::new();
        let stepped = self.scheduler.step(budget, |store, chunks| {
            compute(store, chunks, &mut logits);
            Ok(())
        });
        let stepped = stepped.expect("it computes");
        self.computed += stepped.computed_tokens;
        self.pauses += (before + stepped.begun.len()).saturating_sub(self.scheduler.running.len());
        let rows = logits.chunks_exact(VOCABULARY.try_into().expect("small"));
        for (id, row) in stepped.rows.iter().zip(rows) {
            self.write(*id, row);
        }
        stepped
    }

    fn write(&mut self, id: SequenceId, row: &[f32]) {
        let tokens = self.scheduler.tokens(id);
        let (_, wish) = &self.open[&id];
        assert!(tokens.starts_with(&wish.prompt));
        let token = row
            .iter()
            .position(|logit| *logit > 0.5)
            .expect("one is likely");
        let token = u32::try_from(token).expect("small");
        let reused = self.scheduler.progress(id).expect("it runs").reused_tokens;
        let (place, wish) = &self.open[&id];
        let outcome = &mut self.outcomes[*place];
        outcome.text.push(token);
        outcome.reused = reused;
        outcome.first_step.get_or_insert(self.steps);
        let enough = outcome.text.len() >= wish.length;
        if self.scheduler.push(id, token) || enough {
            self.end(id);
        }
    }

    pub(super) fn end(&mut self, id: SequenceId) {
        self.scheduler.remove(id);
        self.open.remove(&id);
    }

    pub(super) fn cancel_the_impatient(&mut self) {
        let now = self.steps;
        let impatient = |wish: &Wish| {
            wish.patience
                .is_some_and(|steps| now >= wish.arrival + steps)
        };
        let ids: Vec<_> = self
            .open
            .iter()
            .filter(|(_, (_, wish))| impatient(wish))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.outcomes[self.open[&id].0].is_cancelled = true;
            self.end(id);
        }
    }

    /// Runs until nothing is left to do.
    pub(super) fn finish(&mut self, budget: usize) {
        while !self.scheduler.is_idle() {
            self.step(budget);
            assert!(self.steps < 50_000, "it does not end");
        }
    }

    /// Asks, and runs until it is answered.
    pub(super) fn answer(&mut self, prompt: &[u32], length: usize) -> Outcome {
        let wish = Wish {
            prompt: prompt.to_vec(),
            length,
            arrival: self.steps,
            patience: None,
        };
        let place = self.ask(wish).expect("it is taken");
        self.finish(64);
        self.outcomes[place].clone()
    }
}
