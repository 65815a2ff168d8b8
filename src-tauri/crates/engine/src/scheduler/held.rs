//! Pages together with those who hold some only in case they are wanted again.
//!
//! What running sequences hold is never given up here. Invariant: a page that can be had is had, and what was not used
//! for the longest time makes room for it.

use super::pager::Pager;
use super::prefix::{NodeId, PrefixTree};
use super::snapshots::Snapshots;
use crate::decoder::RecurrentState;
use crate::kv::{PAGE_TOKENS, PageId};

/// The pages of a model, the prefix tree and the snapshots.
#[derive(Debug)]
pub struct Held {
    pub(super) pager: Pager,
    pub(super) tree: PrefixTree,
    pub(super) snapshots: Snapshots,
}

/// What a sequence begins with instead of computing it. Its pages are held for it.
#[derive(Debug, Default)]
pub(super) struct Start {
    /// Full pages, and perhaps a copy of a partly filled one.
    pub(super) pages: Vec<PageId>,
    /// The tree's node of the last full page.
    pub(super) node: Option<NodeId>,
    /// Positions that it spares.
    pub(super) positions: usize,
    /// The recurrent layers after these positions.
    pub(super) state: Option<RecurrentState>,
    /// A page whose first positions are wanted, until it is copied.
    partial: Option<(PageId, usize)>,
}

impl Start {
    fn empty(state: Option<&RecurrentState>) -> Self {
        Self {
            state: state.cloned(),
            ..Self::default()
        }
    }
}

impl Held {
    /// Nothing held; at most `pager.budget()` pages, and so many snapshots of so many bytes in all.
    pub fn new(pager: Pager, snapshots: Snapshots) -> Self {
        Self {
            pager,
            tree: PrefixTree::default(),
            snapshots,
        }
    }

    /// A page, from whoever needs it least.
    pub(super) fn take(&mut self) -> Option<PageId> {
        loop {
            if let Some(page) = self.pager.take() {
                return Some(page);
            }
            let evicted = self.tree.evict(&mut self.pager) || self.snapshots.evict(&mut self.pager);
            if !evicted {
                return None;
            }
        }
    }

    /// How many times [`Self::take`] would succeed.
    pub(super) fn available(&self) -> usize {
        let tree = self.tree.evictable(&self.pager);
        self.pager.available() + tree + self.snapshots.evictable(&self.pager)
    }

    /// Bytes of keys, values and snapshots in memory.
    pub(super) fn bytes(&self) -> u64 {
        self.pager.allocated_bytes() + self.snapshots.bytes()
    }

    /// Finds what is held of the beginning of `tokens` and takes the pages that it still lacks, so that all of `tokens`
    /// has room. `None` when there are not so many pages and `spare` more; nothing is then held.
    pub(super) fn start(
        &mut self,
        tokens: &[u32],
        empty: Option<&RecurrentState>,
        spare: usize,
    ) -> Option<Start> {
        let mut start = match empty {
            Some(empty) => self.start_at_snapshot(tokens, empty),
            None => self.start_in_tree(tokens),
        };
        if !self.has_room(&start, tokens.len(), spare) {
            self.drop_partial(&mut start, empty);
        }
        if !self.has_room(&start, tokens.len(), spare) {
            self.release_all(&start.pages);
            return None;
        }
        self.copy_partial(&mut start, empty);
        while start.pages.len() < pages_for(tokens.len()) {
            let Some(page) = self.take() else {
                self.release_all(&start.pages);
                return None;
            };
            start.pages.push(page);
        }
        Some(start)
    }

    /// At least one token is always left to compute: its logits are wanted.
    fn start_in_tree(&mut self, tokens: &[u32]) -> Start {
        let found = self.tree.find(&tokens[..tokens.len().saturating_sub(1)]);
        let pages: Vec<_> = found
            .path
            .iter()
            .map(|node| self.tree.page(*node))
            .collect();
        let partial = found
            .partial
            .map(|(node, length)| (self.tree.page(node), length));
        self.hold(Start {
            positions: pages.len() * PAGE_TOKENS,
            node: found.path.last().copied(),
            pages,
            partial,
            state: None,
        })
    }

    fn start_at_snapshot(&mut self, tokens: &[u32], empty: &RecurrentState) -> Start {
        let Some(snapshot) = self
            .snapshots
            .find(&tokens[..tokens.len().saturating_sub(1)])
        else {
            return Start::empty(Some(empty));
        };
        let full = snapshot.length() / PAGE_TOKENS;
        let start = Start {
            pages: snapshot.pages[..full].to_vec(),
            node: None,
            positions: full * PAGE_TOKENS,
            state: Some(snapshot.state.clone()),
            partial: (snapshot.pages.get(full))
                .map(|page| (*page, snapshot.length() % PAGE_TOKENS)),
        };
        self.hold(start)
    }

    fn hold(&mut self, start: Start) -> Start {
        for page in start
            .pages
            .iter()
            .copied()
            .chain(start.partial.map(|(page, _)| page))
        {
            self.pager.hold(page);
        }
        start
    }

    fn has_room(&self, start: &Start, positions: usize, spare: usize) -> bool {
        let lacking = pages_for(positions) - start.pages.len();
        let most = self.pager.budget() - start.pages.len();
        self.available() >= (lacking + spare).min(most)
    }

    /// A page that somebody else may go on in is copied.
    fn copy_partial(&mut self, start: &mut Start, empty: Option<&RecurrentState>) {
        let Some((from, length)) = start.partial else {
            return;
        };
        let Some(copy) = self.take() else {
            return self.drop_partial(start, empty);
        };
        self.pager.store().copy_page(from, copy);
        self.pager.release(from);
        start.pages.push(copy);
        start.positions += length;
        start.partial = None;
    }

    /// Where there is no page for a copy, its positions are computed again: a page that is only held to be copied must
    /// not be in the way of the last page that a lone sequence needs. A recurrent state is then of no use either.
    fn drop_partial(&mut self, start: &mut Start, empty: Option<&RecurrentState>) {
        let Some((from, _)) = start.partial.take() else {
            return;
        };
        self.pager.release(from);
        if let Some(empty) = empty {
            self.release_all(&start.pages);
            *start = Start::empty(Some(empty));
        }
    }

    pub(super) fn release_all(&mut self, pages: &[PageId]) {
        for page in pages {
            self.pager.release(*page);
        }
    }

    /// Forgets everything that no running sequence holds, overwrites it and gives its memory back.
    pub(super) fn forget(&mut self) {
        self.tree.clear(&mut self.pager);
        self.snapshots.clear(&mut self.pager);
        self.pager.trim();
    }
}

/// Pages that so many positions take.
pub fn pages_for(positions: usize) -> usize {
    positions.div_ceil(PAGE_TOKENS)
}
