//! What sequences leave behind: a tree of pages keyed by the tokens that they stand for.
//!
//! A node is a page; its path from the root is the run of tokens whose keys and values it continues. Inner nodes are full
//! pages, a leaf may be partly filled. The tree holds each of its pages once; a sequence that uses one holds it too. It
//! deliberately knows no recurrent layers: those can only go back to [`super::snapshots`]. Invariant: whoever holds a
//! node's page also holds its ancestors', so what only the tree holds can always be given up from the leaves.

use super::pager::Pager;
use crate::kv::{PAGE_TOKENS, PageId};
use crate::wipe::wipe;
use std::collections::HashMap;

/// Names a node; never used again for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId(u64);

#[derive(Debug)]
struct Node {
    parent: Option<NodeId>,
    children: Vec<NodeId>,
    tokens: Box<[u32]>,
    page: PageId,
    used: u64,
}

/// The tree.
#[derive(Debug, Default)]
pub struct PrefixTree {
    nodes: HashMap<NodeId, Node>,
    /// Children of no node: first pages.
    roots: Vec<NodeId>,
    /// Grows with each use; also the next node's name.
    clock: u64,
}

/// What a lookup found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Full pages, from the beginning.
    pub path: Vec<NodeId>,
    /// A page whose first positions continue them, and how many.
    pub partial: Option<(NodeId, usize)>,
}

impl PrefixTree {
    /// The longest beginning of `tokens` that is there.
    pub fn find(&mut self, tokens: &[u32]) -> Found {
        let mut found = Found::default();
        let mut rest = tokens;
        while let Some(node) = self.next(found.path.last().copied(), rest) {
            found.path.push(node);
            rest = &rest[PAGE_TOKENS..];
        }
        found.partial = self.best_partial(found.path.last().copied(), rest);
        let partial = found.partial.map(|(node, _)| node);
        for node in found.path.iter().copied().chain(partial) {
            self.touch(node);
        }
        found
    }

    /// The full page after `node` (`None`: at the beginning) that holds the first [`PAGE_TOKENS`] of `rest`.
    pub fn next(&self, node: Option<NodeId>, rest: &[u32]) -> Option<NodeId> {
        let wanted = rest.get(..PAGE_TOKENS)?;
        let mut children = self.children(node).iter().copied();
        children.find(|child| *self.nodes[child].tokens == *wanted)
    }

    fn best_partial(&self, node: Option<NodeId>, rest: &[u32]) -> Option<(NodeId, usize)> {
        let children = self.children(node).iter();
        let shared = children.map(|child| (*child, common(&self.nodes[child].tokens, rest)));
        shared
            .filter(|(_, length)| *length > 0)
            .max_by_key(|(_, length)| *length)
    }

    /// The page of a node.
    pub fn page(&self, node: NodeId) -> PageId {
        self.nodes[&node].page
    }

    /// Puts a page that holds `tokens` after `parent`. Where the tree already has these tokens, its own page stays and
    /// is the one to go on with.
    pub fn insert(
        &mut self,
        parent: Option<NodeId>,
        tokens: &[u32],
        page: PageId,
        pager: &mut Pager,
    ) -> NodeId {
        if let Some(node) = self.with_beginning(parent, tokens) {
            self.touch(node);
            return node;
        }
        self.remove_beginnings(parent, tokens, pager);
        pager.hold(page);
        let node = Node {
            parent,
            children: Vec::new(),
            tokens: tokens.into(),
            page,
            used: self.tick(),
        };
        let id = NodeId(node.used);
        self.nodes.insert(id, node);
        self.children_mut(parent).push(id);
        id
    }

    /// A child that holds these tokens, perhaps with more after them.
    fn with_beginning(&self, parent: Option<NodeId>, tokens: &[u32]) -> Option<NodeId> {
        let mut children = self.children(parent).iter().copied();
        children.find(|child| self.nodes[child].tokens.starts_with(tokens))
    }

    /// Partly filled leaves that hold less of the same are of no use any more.
    fn remove_beginnings(&mut self, parent: Option<NodeId>, tokens: &[u32], pager: &mut Pager) {
        let children = self.children(parent).iter().copied();
        let covered: Vec<_> = children
            .filter(|child| tokens.starts_with(&self.nodes[child].tokens))
            .collect();
        for node in covered {
            self.remove(node, pager);
        }
    }

    /// Gives up the leaf that was not used for the longest time, of those that only the tree holds.
    pub fn evict(&mut self, pager: &mut Pager) -> bool {
        let leaves = self
            .nodes
            .iter()
            .filter(|(_, node)| node.children.is_empty() && pager.holders(node.page) == 1);
        let oldest = leaves.min_by_key(|(_, node)| node.used);
        let Some(oldest) = oldest.map(|(id, _)| *id) else {
            return false;
        };
        self.remove(oldest, pager);
        true
    }

    /// How many pages [`Self::evict`] could free, one after the other.
    pub fn evictable(&self, pager: &Pager) -> usize {
        let nodes = self.nodes.values();
        nodes.filter(|node| pager.holders(node.page) == 1).count()
    }

    /// Pages held.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Gives up everything, and overwrites which tokens it was.
    pub fn clear(&mut self, pager: &mut Pager) {
        for (_, mut node) in self.nodes.drain() {
            wipe(&mut node.tokens);
            pager.release(node.page);
        }
        self.roots.clear();
    }

    fn remove(&mut self, id: NodeId, pager: &mut Pager) {
        if let Some(node) = self.nodes.remove(&id) {
            pager.release(node.page);
            self.children_mut(node.parent).retain(|child| *child != id);
        }
    }

    fn children(&self, node: Option<NodeId>) -> &[NodeId] {
        match node {
            Some(node) => self.nodes.get(&node).map_or(&[], |node| &node.children),
            None => &self.roots,
        }
    }

    fn children_mut(&mut self, node: Option<NodeId>) -> &mut Vec<NodeId> {
        let node = node.and_then(|node| self.nodes.get_mut(&node));
        node.map_or(&mut self.roots, |node| &mut node.children)
    }

    fn touch(&mut self, id: NodeId) {
        let now = self.tick();
        if let Some(node) = self.nodes.get_mut(&id) {
            node.used = now;
        }
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}

/// How many tokens the two begin with alike.
pub(super) fn common(one: &[u32], other: &[u32]) -> usize {
    one.iter()
        .zip(other)
        .take_while(|(one, other)| one == other)
        .count()
}
