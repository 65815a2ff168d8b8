//! What sequences of a model with recurrent layers leave behind.
//!
//! Such a layer's state holds all that came before in one buffer and can't be cut back, so a later sequence can only go
//! on from a position at which a copy was taken. Invariant: neither more snapshots nor more bytes of state than the limits;
//! the one that was not used for the longest time goes first.

use super::pager::Pager;
use super::prefix::common;
use crate::decoder::RecurrentState;
use crate::kv::PageId;
use crate::wipe::wipe;
use std::collections::HashMap;

/// A position to come back to.
#[derive(Debug)]
pub struct Snapshot {
    tokens: Box<[u32]>,
    /// Pages of these tokens; the last may be partly filled, and is copied before anybody goes on in it.
    pub pages: Vec<PageId>,
    /// The recurrent layers after these tokens.
    pub state: RecurrentState,
    used: u64,
}

impl Snapshot {
    /// How many tokens it spares.
    pub fn length(&self) -> usize {
        self.tokens.len()
    }
}

/// All of them.
#[derive(Debug)]
pub struct Snapshots {
    list: Vec<Snapshot>,
    most: usize,
    most_bytes: u64,
    clock: u64,
}

impl Snapshots {
    /// At most so many, with at most so many bytes of state. One is always kept, so that a conversation can go on.
    pub fn new(most: usize, most_bytes: u64) -> Self {
        Self {
            list: Vec::new(),
            most,
            most_bytes,
            clock: 0,
        }
    }

    /// The longest one that is a beginning of `tokens`.
    pub fn find(&mut self, tokens: &[u32]) -> Option<&Snapshot> {
        let usable = self
            .list
            .iter_mut()
            .filter(|snapshot| tokens.starts_with(&snapshot.tokens));
        let found = usable.max_by_key(|snapshot| snapshot.tokens.len())?;
        self.clock += 1;
        found.used = self.clock;
        Some(found)
    }

    /// How far `tokens` go along with the tokens of any snapshot. Who comes a second time this way may come a third
    /// time, so a snapshot there pays.
    pub fn fork(&self, tokens: &[u32]) -> usize {
        let shared = self
            .list
            .iter()
            .map(|snapshot| common(&snapshot.tokens, tokens));
        shared.max().unwrap_or(0)
    }

    /// Takes a copy of this state after these tokens, which lie in these pages.
    pub fn keep(
        &mut self,
        tokens: &[u32],
        held: &[PageId],
        state: &RecurrentState,
        pager: &mut Pager,
    ) {
        self.clock += 1;
        if let Some(known) = self
            .list
            .iter_mut()
            .find(|snapshot| *snapshot.tokens == *tokens)
        {
            known.used = self.clock;
            return;
        }
        for page in held {
            pager.hold(*page);
        }
        self.list.push(Snapshot {
            tokens: tokens.into(),
            pages: held.to_vec(),
            state: state.clone(),
            used: self.clock,
        });
        while self.list.len() > self.most || (self.list.len() > 1 && self.bytes() > self.most_bytes)
        {
            self.evict(pager);
        }
    }

    /// Gives up the oldest.
    pub fn evict(&mut self, pager: &mut Pager) -> bool {
        let ages = self.list.iter().enumerate();
        let Some((oldest, _)) = ages.min_by_key(|(_, snapshot)| snapshot.used) else {
            return false;
        };
        release(&self.list.swap_remove(oldest), pager);
        true
    }

    /// Gives up everything, and overwrites it.
    pub fn clear(&mut self, pager: &mut Pager) {
        for mut snapshot in self.list.drain(..) {
            wipe(&mut snapshot.tokens);
            wipe_state(&mut snapshot.state);
            release(&snapshot, pager);
        }
    }

    /// Bytes of all states.
    pub fn bytes(&self) -> u64 {
        self.list
            .iter()
            .map(|snapshot| state_bytes(&snapshot.state))
            .sum()
    }

    /// How many pages would be free without them.
    pub fn evictable(&self, pager: &Pager) -> usize {
        let mut held = HashMap::<PageId, u32>::new();
        for page in self.list.iter().flat_map(|snapshot| &snapshot.pages) {
            *held.entry(*page).or_default() += 1;
        }
        let only_here = held
            .iter()
            .filter(|(page, count)| pager.holders(**page) == **count);
        only_here.count()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Tokens of all of them.
    #[cfg(test)]
    pub(super) fn tokens(&self) -> usize {
        self.list.iter().map(Snapshot::length).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// Bytes of all buffers of a state.
pub fn state_bytes(state: &RecurrentState) -> u64 {
    let elements: usize = state.layers.iter().map(Vec::len).sum();
    (elements * size_of::<f32>()) as u64
}

/// Overwrites all buffers of a state.
pub(super) fn wipe_state(state: &mut RecurrentState) {
    for layer in &mut state.layers {
        wipe(layer);
    }
}

fn release(snapshot: &Snapshot, pager: &mut Pager) {
    for page in &snapshot.pages {
        pager.release(*page);
    }
}
