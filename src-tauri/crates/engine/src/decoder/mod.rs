//! The decoder: one machine that a [`Description`] configures for every architecture.
//!
//! A step takes chunks of several sequences, writes their keys and values into their pages, and gives logits for the
//! positions that want them. It deliberately knows neither text nor who waits for what. Invariant: what a sequence gets
//! does not depend on what else is in the step, to the last bit.

use crate::kv::PageId;

/// Which positions of a chunk want a row of logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogitsWanted {
    /// None: the prompt goes on.
    None,
    /// The last one.
    Last,
    /// All of them, for comparisons and perplexity.
    All,
}

/// Tokens of one sequence to compute in a step.
#[derive(Debug)]
pub struct Chunk<'a> {
    /// The tokens, at least one.
    pub tokens: &'a [u32],
    /// Position of the first of them: how many the sequence holds before.
    pub start: usize,
    /// The sequence's pages, in order, with room for `start + tokens.len()` positions.
    pub pages: &'a [PageId],
    /// State of the layers that keep one instead of keys and values (convolutions, delta nets, state spaces); `None`
    /// for a model without such layers.
    pub state: Option<&'a mut RecurrentState>,
    /// Which logits are wanted.
    pub logits: LogitsWanted,
}

/// What recurrent layers remember of a sequence. A clone is a snapshot, the only way to go back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecurrentState {
    /// A buffer for each recurrent layer, laid out as its mixer likes.
    pub layers: Vec<Vec<f32>>,
}
