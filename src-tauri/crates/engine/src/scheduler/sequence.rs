//! One sequence: its tokens, and how many of them are computed into which pages.
//!
//! It deliberately knows no text and no sampling. Invariant: its pages have room for all of its computed positions, and
//! it alone writes into those after the ones that it shares.

use super::held::{Start, pages_for};
use super::prefix::NodeId;
use super::snapshots::wipe_state;
use crate::decoder::{Chunk, LogitsWanted, RecurrentState};
use crate::kv::{PAGE_TOKENS, PageId};
use crate::wipe::wipe;

/// Names a sequence; a later one has a greater name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SequenceId(pub u64);

#[derive(Debug)]
pub(super) struct Sequence {
    pub(super) id: SequenceId,
    /// Prompt and what was written: more than are computed.
    pub(super) tokens: Vec<u32>,
    pub(super) prompt_tokens: usize,
    pub(super) computed: usize,
    pub(super) pages: Vec<PageId>,
    pub(super) state: Option<RecurrentState>,
    /// Pages that the tree has too, and its node of the last of them.
    pub(super) shared: usize,
    pub(super) node: Option<NodeId>,
    /// Positions at which a chunk ends, because a snapshot is taken there.
    pub(super) stops: Vec<usize>,
    /// Positions of the prompt that were not computed for it.
    pub(super) reused: usize,
    /// The cache was to be forgotten while it ran: it leaves nothing behind.
    pub(super) leaves_nothing: bool,
}

impl Sequence {
    pub(super) fn new(id: SequenceId, tokens: Vec<u32>) -> Self {
        Self {
            id,
            prompt_tokens: tokens.len(),
            tokens,
            computed: 0,
            pages: Vec::new(),
            state: None,
            shared: 0,
            node: None,
            stops: Vec::new(),
            reused: 0,
            leaves_nothing: false,
        }
    }

    /// Begins, for the first time or again.
    pub(super) fn begin(&mut self, start: Start, fork: usize) {
        self.computed = start.positions;
        if self.tokens.len() == self.prompt_tokens {
            self.reused = start.positions;
        }
        self.shared = if start.node.is_some() {
            start.positions / PAGE_TOKENS
        } else {
            0
        };
        self.node = start.node;
        self.pages = start.pages;
        self.state = start.state;
        self.stops = vec![fork, self.tokens.len() - 1];
    }

    /// Waits, with nothing computed.
    pub(super) fn rest(&mut self) {
        self.computed = 0;
        self.shared = 0;
        self.node = None;
        if let Some(mut state) = self.state.take() {
            wipe_state(&mut state);
        }
    }

    /// Overwrites which tokens it was.
    pub(super) fn wipe_tokens(&mut self) {
        wipe(&mut self.tokens);
    }

    /// Tokens that are not computed yet: one while it writes, more while it reads.
    pub(super) fn pending(&self) -> usize {
        self.tokens.len() - self.computed
    }

    pub(super) fn lacks_a_page(&self) -> bool {
        self.pages.len() < pages_for(self.tokens.len())
    }

    /// Where its chunk ends if it writes; nowhere if it reads.
    pub(super) fn end_of_writing(&self) -> usize {
        self.computed + usize::from(self.pending() == 1)
    }

    /// The piece that ends before position `end`.
    pub(super) fn chunk(&mut self, end: usize) -> Chunk<'_> {
        let is_last = end == self.tokens.len();
        Chunk {
            tokens: &self.tokens[self.computed..end],
            start: self.computed,
            pages: &self.pages[..pages_for(end)],
            state: self.state.as_mut(),
            logits: if is_last {
                LogitsWanted::Last
            } else {
                LogitsWanted::None
            },
        }
    }

    /// Where a chunk of at most `share` tokens ends: at a border of pages if that is not nothing, so that others find
    /// whole pages soon.
    pub(super) fn chunk_end(&self, share: usize) -> usize {
        let end = self.tokens.len().min(self.computed + share);
        let border = end / PAGE_TOKENS * PAGE_TOKENS;
        let end = if end < self.tokens.len() && border > self.computed {
            border
        } else {
            end
        };
        self.stop_before(end)
    }

    fn stop_before(&self, end: usize) -> usize {
        if self.state.is_none() {
            return end;
        }
        let inside = self
            .stops
            .iter()
            .copied()
            .filter(|stop| *stop > self.computed && *stop < end);
        inside.min().unwrap_or(end)
    }

    pub(super) fn is_at_a_stop(&self) -> bool {
        self.stops.contains(&self.computed)
    }

    /// Whether `other`, which is about to compute, will soon leave the page that this one needs next.
    pub(super) fn awaits(&self, other: &Self) -> bool {
        let border = (self.computed / PAGE_TOKENS + 1) * PAGE_TOKENS;
        let useful = border < self.tokens.len() && !self.leaves_nothing && !other.leaves_nothing;
        let ahead = (self.computed..border).contains(&other.computed);
        useful
            && ahead
            && self.state.is_none()
            && other.tokens.len() > border
            && self.tokens[..border] == other.tokens[..border]
    }
}
