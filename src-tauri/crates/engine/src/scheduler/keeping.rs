//! What a sequence shares with others while it runs, and what it leaves behind.

use super::held::{Held, pages_for};
use super::sequence::Sequence;
use crate::kv::PAGE_TOKENS;

impl Held {
    /// Shares what was computed: full pages, or the recurrent state where a snapshot is wanted.
    pub(super) fn keep(&mut self, sequence: &mut Sequence) {
        if sequence.leaves_nothing {
            return;
        }
        match sequence.state {
            None => self.keep_pages(sequence),
            Some(_) if sequence.is_at_a_stop() => self.keep_snapshot(sequence),
            Some(_) => {}
        }
    }

    fn keep_pages(&mut self, sequence: &mut Sequence) {
        for at in sequence.shared..sequence.computed / PAGE_TOKENS {
            let tokens = &sequence.tokens[at * PAGE_TOKENS..(at + 1) * PAGE_TOKENS];
            let own = sequence.pages[at];
            let node = self
                .tree
                .insert(sequence.node, tokens, own, &mut self.pager);
            self.go_on_with(sequence, at, node);
        }
    }

    /// The tree's page takes the place of the sequence's own at `at`: they hold the same.
    fn go_on_with(&mut self, sequence: &mut Sequence, at: usize, node: super::prefix::NodeId) {
        let page = self.tree.page(node);
        self.pager.hold(page);
        self.pager.release(sequence.pages[at]);
        sequence.pages[at] = page;
        sequence.node = Some(node);
        sequence.shared = at + 1;
    }

    fn keep_snapshot(&mut self, sequence: &Sequence) {
        if let Some(state) = &sequence.state
            && sequence.computed > 0
        {
            let tokens = &sequence.tokens[..sequence.computed];
            let pages = &sequence.pages[..pages_for(sequence.computed)];
            self.snapshots.keep(tokens, pages, state, &mut self.pager);
        }
    }

    /// Takes pages that others have computed in the meantime, as far as they go on with this sequence's tokens.
    pub(super) fn adopt(&mut self, sequence: &mut Sequence) {
        if sequence.leaves_nothing || sequence.state.is_some() {
            return;
        }
        loop {
            let at = sequence.computed / PAGE_TOKENS;
            let end = (at + 1) * PAGE_TOKENS;
            if at != sequence.shared || end >= sequence.tokens.len() {
                return;
            }
            let rest = &sequence.tokens[at * PAGE_TOKENS..];
            let Some(node) = self.tree.next(sequence.node, rest) else {
                return;
            };
            self.go_on_with(sequence, at, node);
            if sequence.tokens.len() == sequence.prompt_tokens {
                sequence.reused += end - sequence.computed;
            }
            sequence.computed = end;
        }
    }

    /// Keeps all that an ending or pausing sequence computed, until somebody needs the room.
    pub(super) fn leave_behind(&mut self, sequence: &mut Sequence) {
        if sequence.leaves_nothing || sequence.computed == 0 {
            return;
        }
        if sequence.state.is_some() {
            return self.keep_snapshot(sequence);
        }
        self.keep_pages(sequence);
        let full = sequence.shared * PAGE_TOKENS;
        if full < sequence.computed {
            let (tokens, page) = (
                &sequence.tokens[full..sequence.computed],
                sequence.pages[sequence.shared],
            );
            self.tree
                .insert(sequence.node, tokens, page, &mut self.pager);
        }
    }
}
