//! Choosing the next token from a row of logits.
//!
//! The steps run in the order in which [`Sampling`] lists them. It deliberately knows no text but that of DRY's sequence
//! breakers. Invariants: buffers are reused, nothing is allocated for a token once they have grown; whatever the logits
//! are (none, NaN, infinite), a token comes out; a masked token never does while another is left.

mod candidates;
mod dry;
mod filters;
mod logprobs;
mod penalties;
mod shortlist;
#[cfg(test)]
mod tests;

pub use logprobs::{Ranked, RawLogprobs};
pub use shortlist::Shortlist;

use crate::vocabulary::Vocabulary;
use candidates::{Candidate, most_likely, sum_of_weights};
use dry::DryState;
use engine_api::Sampling;
use logprobs::LogprobState;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Tokens that are weighed together where nothing is filtered.
const BLOCK: usize = 4096;

/// Logits that are changed by the ids of their tokens: those of a row, or of a list.
trait ById {
    fn logit(&mut self, id: u32) -> Option<&mut f32>;
}

impl ById for [f32] {
    fn logit(&mut self, id: u32) -> Option<&mut f32> {
        self.get_mut(id as usize)
    }
}

/// The state of one generation's sampling.
#[derive(Debug)]
pub struct Sampler {
    settings: Sampling,
    rng: StdRng,
    candidates: Vec<Candidate>,
    blocks: Vec<f64>,
    recent: Vec<u32>,
    listed: Vec<Candidate>,
    dry: Option<DryState>,
    logprobs: Option<LogprobState>,
}

impl Sampler {
    /// With these settings, which are validated. DRY's sequence breakers need [`Sampler::with_vocabulary`].
    pub fn new(settings: Sampling) -> Self {
        Self::with_vocabulary(settings, &Vocabulary::default())
    }

    /// As [`Sampler::new`], with the text of the tokens.
    pub fn with_vocabulary(settings: Sampling, vocabulary: &Vocabulary) -> Self {
        let rng = match settings.seed {
            Some(seed) => StdRng::seed_from_u64(seed),
            None => StdRng::from_os_rng(),
        };
        let dry = settings.dry.as_ref().filter(|dry| dry.multiplier > 0.0);
        Self {
            dry: dry.map(|dry| DryState::new(dry.clone(), vocabulary)),
            logprobs: settings.logprobs.map(LogprobState::new),
            settings,
            rng,
            candidates: Vec::new(),
            blocks: Vec::new(),
            recent: Vec::new(),
            listed: Vec::new(),
        }
    }

    /// The next token. `logits` is one row over the vocabulary, changed on the way; `seen` the tokens so far.
    pub fn sample(&mut self, logits: &mut [f32], seen: &[u32]) -> u32 {
        self.sample_allowed(logits, seen, None)
    }

    /// As [`Sampler::sample`], among the tokens whose bit is set in `allowed`: bit `id % 32` of word `id / 32`.
    pub fn sample_allowed(
        &mut self,
        logits: &mut [f32],
        seen: &[u32],
        allowed: Option<&[u32]>,
    ) -> u32 {
        if let Some(logprobs) = &mut self.logprobs {
            logprobs.note(logits);
        }
        self.penalise(logits, seen);
        if let Some(allowed) = allowed {
            mask(logits, allowed);
        }
        let token = self.choose(logits);
        if let Some(logprobs) = &mut self.logprobs {
            logprobs.chose(token);
        }
        token
    }

    /// Of the token that came out last; `None` if the settings don't ask for them.
    pub fn logprobs(&self) -> Option<&RawLogprobs> {
        self.logprobs.as_ref().map(LogprobState::latest)
    }

    fn penalise(&mut self, logits: &mut (impl ById + ?Sized), seen: &[u32]) {
        penalties::bias(logits, &self.settings.logit_bias);
        penalties::repetition(logits, seen, &self.settings, &mut self.recent);
        if let Some(dry) = &mut self.dry {
            dry.penalise(logits, seen);
        }
    }

    fn choose(&mut self, logits: &[f32]) -> u32 {
        let best = most_likely(logits);
        let highest = logits.get(best as usize).copied().unwrap_or(f32::NAN);
        if self.settings.temperature == 0.0 || !highest.is_finite() {
            return best;
        }
        if self.is_open() {
            return self.draw_from_all(logits, highest);
        }
        filters::filter(&self.settings, logits, highest, &mut self.candidates);
        self.draw(highest).unwrap_or(best)
    }

    /// Whether nothing is filtered.
    fn is_open(&self) -> bool {
        let Sampling {
            top_k,
            top_p,
            typical_p,
            min_p,
            ..
        } = self.settings;
        top_k == 0 && top_p >= 1.0 && typical_p >= 1.0 && min_p <= 0.0
    }

    /// Blocks first, then within the block: the row is weighed once and a bit.
    fn draw_from_all(&mut self, logits: &[f32], highest: f32) -> u32 {
        let sharpness = 1.0 / self.settings.temperature;
        self.blocks.clear();
        let blocks = logits.chunks(BLOCK);
        self.blocks
            .extend(blocks.map(|block| sum_of_weights(block, highest, sharpness)));
        let mut left = self.rng.random::<f64>() * self.blocks.iter().sum::<f64>();
        let mut block = 0;
        while block + 1 < self.blocks.len() && left >= self.blocks[block] {
            left -= self.blocks[block];
            block += 1;
        }
        let first = block * BLOCK;
        let mut chosen = None;
        for (at, logit) in logits.iter().enumerate().skip(first).take(BLOCK) {
            let weight = f64::from(candidates::weight((logit - highest) * sharpness));
            if weight > 0.0 {
                chosen = Some(at);
                left -= weight;
                if left < 0.0 {
                    break;
                }
            }
        }
        let best = || most_likely(logits);
        chosen.map_or_else(best, |at| u32::try_from(at).unwrap_or(0))
    }

    fn draw(&mut self, highest: f32) -> Option<u32> {
        let temperature = self.settings.temperature;
        let weight = |logit: f32| f64::from(candidates::weight((logit - highest) / temperature));
        let total: f64 = self.candidates.iter().map(|one| weight(one.logit)).sum();
        let mut left = self.rng.random::<f64>() * total;
        for one in &self.candidates {
            left -= weight(one.logit);
            if left < 0.0 {
                return Some(one.id);
            }
        }
        self.candidates.last().map(|one| one.id)
    }
}

fn mask(logits: &mut [f32], allowed: &[u32]) {
    let mut words = allowed.iter();
    for logits in logits.chunks_mut(32) {
        let word = words.next().copied().unwrap_or(0);
        if word == u32::MAX {
            continue;
        }
        for (bit, logit) in logits.iter_mut().enumerate() {
            if word >> bit & 1 == 0 {
                *logit = f32::NEG_INFINITY;
            }
        }
    }
}

fn is_allowed(allowed: &[u32], id: u32) -> bool {
    let word = allowed.get(id as usize / 32).copied().unwrap_or(0);
    word >> (id % 32) & 1 == 1
}
