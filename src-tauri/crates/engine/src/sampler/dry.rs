//! DRY: a token that would go on with what stood before is punished, the more the longer the repetition.
//!
//! Source: <https://github.com/oobabooga/text-generation-webui/pull/5677>. It deliberately takes sequence breakers token by
//! token: one whose text holds a breaker is a breaker. Invariant: linear in the window.

use super::ById;
use crate::vocabulary::Vocabulary;
use engine_api::Dry;
use std::collections::HashSet;

/// Beyond this the penalty would leave the range of f32; no logit needs more.
const MAX_EXPONENT: f32 = 60.0;

/// DRY of one generation.
#[derive(Debug)]
pub(super) struct DryState {
    settings: Dry,
    breakers: HashSet<u32>,
    /// For each way back into the window: how many tokens before it are those at its end.
    repeats: Vec<usize>,
    /// Tokens that would go on with a repetition of this length.
    found: Vec<(u32, usize)>,
}

impl DryState {
    pub(super) fn new(settings: Dry, vocabulary: &Vocabulary) -> Self {
        let breaks = |id: &u32| {
            let text = String::from_utf8_lossy(vocabulary.bytes(*id));
            vocabulary.is_control(*id)
                || settings
                    .sequence_breakers
                    .iter()
                    .any(|breaker| text.contains(breaker.as_str()))
        };
        let count = u32::try_from(vocabulary.len()).unwrap_or(u32::MAX);
        Self {
            breakers: (0..count).filter(breaks).collect(),
            settings,
            repeats: Vec::new(),
            found: Vec::new(),
        }
    }

    pub(super) fn penalise(&mut self, logits: &mut (impl ById + ?Sized), seen: &[u32]) {
        self.find(seen);
        self.found.sort_unstable();
        for same in self.found.chunk_by(|a, b| a.0 == b.0) {
            let Some((id, length)) = same.last().copied() else {
                continue;
            };
            if !self.breakers.contains(&id)
                && let Some(logit) = logits.logit(id)
            {
                *logit -= self.penalty(length);
            }
        }
    }

    fn penalty(&self, length: usize) -> f32 {
        let beyond = length.saturating_sub(self.settings.allowed_length as usize);
        let beyond = u16::try_from(beyond).map_or(f32::INFINITY, f32::from);
        let most = MAX_EXPONENT / self.settings.base.ln().max(f32::EPSILON);
        self.settings.multiplier * self.settings.base.powf(beyond.min(most))
    }

    /// All repetitions that a next token could go on with.
    fn find(&mut self, seen: &[u32]) {
        self.found.clear();
        let last_tokens = match self.settings.last_tokens as usize {
            0 => seen.len(),
            some => some,
        };
        let window = &seen[seen.len().saturating_sub(last_tokens)..];
        let unbroken = window
            .iter()
            .rev()
            .take_while(|id| !self.breakers.contains(id))
            .count();
        let least = (self.settings.allowed_length as usize).max(1);
        if unbroken < least {
            return;
        }
        self.measure(window);
        let next = window.iter().rev();
        for (length, next) in self.repeats[1..].iter().zip(next) {
            let length = (*length).min(unbroken);
            if length >= least {
                self.found.push((*next, length));
            }
        }
    }

    /// The Z-function of the window read backwards: entry `j` is how far the text before `j` repeats the text's end.
    fn measure(&mut self, window: &[u32]) {
        let count = window.len();
        let back = |at: usize| window[count - 1 - at];
        let z = &mut self.repeats;
        z.clear();
        z.resize(count, 0);
        let (mut left, mut right) = (0, 0);
        for at in 1..count {
            let mut length = if at < right {
                z[at - left].min(right - at)
            } else {
                0
            };
            while at + length < count && back(length) == back(at + length) {
                length += 1;
            }
            z[at] = length;
            if at + length > right {
                (left, right) = (at, at + length);
            }
        }
    }
}
