//! Log-probabilities of the model's own distribution: before any bias, penalty, mask, filter or temperature.
//!
//! It deliberately knows ids alone; their texts are added where events are made. Invariant: no value is below [`LEAST`], so
//! that all have a JSON form.

use super::candidates::{Candidate, most_likely, sum_of_weights, top};
use super::shortlist::Shortlist;

/// The log-probability of what has none.
const LEAST: f32 = -9999.0;

/// A token and the natural logarithm of its probability.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Ranked {
    /// The token.
    pub id: u32,
    /// Natural logarithm of its probability.
    pub logprob: f32,
}

/// Of one token that was chosen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RawLogprobs {
    /// The one that was taken.
    pub token: Ranked,
    /// As many as asked for, likeliest first.
    pub top: Vec<Ranked>,
}

/// Room for one row and what is known of it.
#[derive(Debug)]
pub(super) struct LogprobState {
    count: usize,
    row: Vec<f32>,
    log_of_sum: f64,
    best: Vec<Candidate>,
    latest: RawLogprobs,
}

impl LogprobState {
    pub(super) fn new(count: u8) -> Self {
        Self {
            count: count.into(),
            row: Vec::new(),
            log_of_sum: 0.0,
            best: Vec::new(),
            latest: RawLogprobs::default(),
        }
    }

    /// Keeps the row as the model gave it.
    pub(super) fn note(&mut self, logits: &[f32]) {
        self.row.clear();
        self.row.extend_from_slice(logits);
        let highest = logits.get(most_likely(logits) as usize).copied();
        let highest = highest.filter(|logit| logit.is_finite()).unwrap_or(0.0);
        let sum = sum_of_weights(logits, highest, 1.0);
        self.log_of_sum = f64::from(highest) + sum.ln();
    }

    /// This one was taken, of the row that was noted.
    pub(super) fn chose(&mut self, token: u32) {
        let logit = self.row.get(token as usize).copied();
        top(&self.row, self.count, &mut self.best);
        self.tell(token, logit.unwrap_or(f32::NAN));
    }

    /// Whether a list has all that is to be told.
    pub(super) fn is_told_by(&self, list: &Shortlist) -> bool {
        self.count <= list.tokens.len()
    }

    /// This one was taken, of a list.
    pub(super) fn chose_from(&mut self, list: &Shortlist, token: u32) {
        self.log_of_sum = f64::from(list.highest) + list.sum.ln();
        self.best.clear();
        self.best.extend(list.tokens.iter().take(self.count));
        let mut tokens = list.tokens.iter();
        let chosen = tokens.find(|one| one.id == token);
        self.tell(token, chosen.map_or(f32::NAN, |one| one.logit));
    }

    fn tell(&mut self, token: u32, logit: f32) {
        let log_of_sum = self.log_of_sum;
        self.latest.token = ranked(token, logit, log_of_sum);
        self.latest.top.clear();
        let best = self.best.iter();
        let best = best.map(|one| ranked(one.id, one.logit, log_of_sum));
        self.latest.top.extend(best);
    }

    pub(super) fn latest(&self) -> &RawLogprobs {
        &self.latest
    }
}

fn ranked(id: u32, logit: f32, log_of_sum: f64) -> Ranked {
    #[expect(clippy::cast_possible_truncation, reason = "a float of less precision")]
    let logprob = (f64::from(logit) - log_of_sum) as f32;
    Ranked {
        id,
        logprob: if logprob.is_nan() {
            LEAST
        } else {
            logprob.clamp(LEAST, 0.0)
        },
    }
}
