//! Logits and perplexity: what is computed beside the generations, a slice between two of their steps.
//!
//! It has pages of its own, within the same budget, and leaves nothing behind.

use super::Model;
use crate::decoder::{Chunk, LogitsWanted, RecurrentState};
use crate::kv::PageId;
use crate::scheduler::pages_for;
use engine_api::{Answer, EngineError, Perplexity, Row};

/// Tokens of a slice: so many rows of logits are in memory at once.
const SLICE_TOKENS: usize = 32;

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Rows of logits: of all tokens, or of the last one.
    Logits { all: bool },
    /// How likely the second half of each window is. Source: `perplexity` in llama.cpp's tools/perplexity.
    Perplexity { window: usize, begin: Option<u32> },
}

/// An evaluation that is under way. To be ended with [`Evaluation::end`], however it goes.
#[derive(Debug)]
pub(crate) struct Evaluation {
    kind: Kind,
    tokens: Vec<u32>,
    /// Tokens that are computed together, from an empty context.
    window: usize,
    windows: usize,
    /// Windows that are over.
    done: usize,
    /// Tokens of the current one that are computed.
    at: usize,
    pages: Vec<PageId>,
    state: Option<RecurrentState>,
    surprise: Surprise,
}

/// Negative log-likelihoods, added up.
#[derive(Debug, Default, Clone, Copy)]
struct Surprise {
    count: u64,
    sum: f64,
    sum_of_squares: f64,
}

impl Evaluation {
    /// # Errors
    /// [`EngineError::InvalidRequest`] for too few tokens, [`EngineError::ContextExceeded`] for a window that is too
    /// long, [`EngineError::OutOfMemory`] while running generations hold the pages.
    pub(crate) fn new(
        model: &mut Model,
        tokens: Vec<u32>,
        kind: Kind,
    ) -> Result<Self, EngineError> {
        let window = match kind {
            Kind::Logits { .. } => tokens.len(),
            Kind::Perplexity { window, .. } => window,
        };
        check(&tokens, window, kind, model.info.context_tokens)?;
        let count = pages_for(window);
        let pages = model.scheduler.take_pages(count);
        let pages = pages.ok_or_else(|| EngineError::OutOfMemory {
            reason: format!(
                "{count} pages of keys and values are not to be had while answers are written"
            ),
        })?;
        Ok(Self {
            kind,
            windows: tokens.len() / window,
            window,
            tokens,
            done: 0,
            at: 0,
            pages,
            state: None,
            surprise: Surprise::default(),
        })
    }

    pub(crate) fn is_over(&self) -> bool {
        self.done == self.windows
    }

    /// Gives its pages back.
    pub(crate) fn end(self, model: &mut Model) {
        model.scheduler.give_back(&self.pages);
    }

    /// Computes the next slice.
    ///
    /// # Errors
    /// As for [`crate::decoder::Decoder::step`].
    pub(crate) fn step(
        &mut self,
        model: &mut Model,
        tell: &mut impl FnMut(Answer),
    ) -> Result<(), EngineError> {
        if self.at == 0 {
            self.state = model.scheduler.empty_state().cloned();
        }
        let end = self.window.min(self.at + SLICE_TOKENS);
        let wanted = self.wanted(end);
        let tokens = self.slice(end);
        let mut chunk = [Chunk {
            tokens: &tokens,
            start: self.at,
            pages: &self.pages,
            state: self.state.as_mut(),
            logits: wanted,
        }];
        model.computes.step(model.scheduler.store(), &mut chunk)?;
        let positions = match wanted {
            LogitsWanted::None => end..end,
            LogitsWanted::Last => end - 1..end,
            LogitsWanted::All => self.at..end,
        };
        for (at, position) in positions.enumerate() {
            self.take(position, model.computes.logits(at).whole()?, tell);
        }
        self.at = end;
        if self.at == self.window {
            self.finish_window(tell);
        }
        Ok(())
    }

    /// The tokens of the current window up to `end`; each window begins like a text.
    fn slice(&self, end: usize) -> Vec<u32> {
        let from = self.done * self.window;
        let mut tokens = self.tokens[from + self.at..from + end].to_vec();
        if let (
            Kind::Perplexity {
                begin: Some(begin), ..
            },
            0,
        ) = (self.kind, self.at)
        {
            tokens[0] = begin;
        }
        tokens
    }

    fn wanted(&self, end: usize) -> LogitsWanted {
        match self.kind {
            Kind::Logits { all: true } => LogitsWanted::All,
            Kind::Logits { all: false } if end == self.window => LogitsWanted::Last,
            Kind::Perplexity { .. } if end > self.window / 2 => LogitsWanted::All,
            Kind::Logits { .. } | Kind::Perplexity { .. } => LogitsWanted::None,
        }
    }

    fn take(&mut self, position: usize, row: &[f32], tell: &mut impl FnMut(Answer)) {
        let is_last = position + 1 == self.window;
        match self.kind {
            Kind::Logits { .. } => tell(Answer::Row(Row {
                position: u32::try_from(position).unwrap_or(u32::MAX),
                is_last,
                logits: row.to_vec(),
            })),
            Kind::Perplexity { .. } if position >= self.window / 2 && !is_last => {
                let next = self.tokens[self.done * self.window + position + 1];
                self.surprise.add(surprise(row, next));
            }
            Kind::Perplexity { .. } => {}
        }
    }

    fn finish_window(&mut self, tell: &mut impl FnMut(Answer)) {
        self.done += 1;
        self.at = 0;
        if let Kind::Perplexity { .. } = self.kind {
            tell(Answer::Perplexity(
                self.surprise.perplexity(self.done, self.windows),
            ));
        }
    }
}

fn check(
    tokens: &[u32],
    window: usize,
    kind: Kind,
    context_tokens: u32,
) -> Result<(), EngineError> {
    if tokens.is_empty() {
        return Err(EngineError::invalid_request("there are no tokens"));
    }
    if let Kind::Perplexity { window: 0..4, .. } = kind {
        return Err(EngineError::invalid_request(
            "a window must have at least 4 tokens",
        ));
    }
    if window > context_tokens as usize {
        return Err(EngineError::ContextExceeded {
            prompt_tokens: u32::try_from(window).unwrap_or(u32::MAX),
            limit_tokens: context_tokens,
        });
    }
    if tokens.len() < window {
        return Err(EngineError::invalid_request(format!(
            "the text has {} tokens, a window {window}",
            tokens.len()
        )));
    }
    Ok(())
}

/// The negative logarithm of the probability that the logits give to `token`.
fn surprise(logits: &[f32], token: u32) -> f64 {
    let best = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits
        .iter()
        .map(|logit| f64::from(logit - best).exp())
        .sum();
    let own = logits
        .get(token as usize)
        .copied()
        .unwrap_or(f32::NEG_INFINITY);
    sum.ln() - f64::from(own - best)
}

impl Surprise {
    fn add(&mut self, surprise: f64) {
        self.count += 1;
        self.sum += surprise;
        self.sum_of_squares += surprise * surprise;
    }

    fn perplexity(&self, windows: usize, total_windows: usize) -> Perplexity {
        #[expect(
            clippy::cast_precision_loss,
            reason = "texts have fewer than 2⁵² tokens"
        )]
        let count = self.count as f64;
        let mean = self.sum / count;
        let variance = (self.sum_of_squares / count - mean * mean).max(0.0);
        let error = (variance / (count - 1.0).max(1.0)).sqrt();
        let to_u32 = |count| u32::try_from(count).unwrap_or(u32::MAX);
        Perplexity {
            windows: to_u32(windows),
            total_windows: to_u32(total_windows),
            tokens: self.count,
            perplexity: mean.exp(),
            error: error * mean.exp(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surprise_is_the_logarithm_of_a_share() {
        let logits = [1.0_f32, 2.0, 3.0].map(|weight| weight.ln() + 50.0);
        for (token, share) in [(0, 1.0 / 6.0), (1, 2.0 / 6.0), (2, 0.5_f64)] {
            assert!(
                (surprise(&logits, token) + share.ln()).abs() < 1e-5,
                "{token}"
            );
        }
        let mut sum = Surprise::default();
        for _ in 0..10 {
            sum.add(7.0_f64.ln());
        }
        let perplexity = sum.perplexity(1, 2);
        assert!((perplexity.perplexity - 7.0).abs() < 1e-9);
        assert!(perplexity.error.abs() < 1e-6);
    }
}
