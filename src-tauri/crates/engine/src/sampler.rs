//! Choosing the next token from a row of logits.
//!
//! The filters run in the order in which [`Sampling`] lists them. Buffers are reused: nothing is allocated for a token.

use engine_api::Sampling;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A candidate: token id and logit, later probability.
type Candidate = (u32, f32);

/// The state of one generation's sampling.
#[derive(Debug)]
pub(crate) struct Sampler {
    settings: Sampling,
    rng: StdRng,
    candidates: Vec<Candidate>,
}

impl Sampler {
    pub(crate) fn new(settings: Sampling) -> Self {
        let rng = match settings.seed {
            Some(seed) => StdRng::seed_from_u64(seed),
            None => StdRng::from_os_rng(),
        };
        Self {
            settings,
            rng,
            candidates: Vec::new(),
        }
    }

    /// The next token. `logits` is one row over the vocabulary, `seen` the tokens so far.
    pub(crate) fn sample(&mut self, logits: &mut [f32], seen: &[u32]) -> u32 {
        self.penalise(logits, seen);
        if self.settings.temperature == 0.0 {
            return most_likely(logits);
        }
        self.candidates.clear();
        self.candidates.extend(
            (0..)
                .zip(logits.iter().copied())
                .filter(|(_, logit)| !logit.is_nan()),
        );
        self.keep_top_k();
        to_probabilities(&mut self.candidates, 1.0);
        self.keep_top_p();
        self.keep_min_p();
        self.draw()
    }

    fn penalise(&self, logits: &mut [f32], seen: &[u32]) {
        let penalty = self.settings.repeat_penalty;
        if (penalty - 1.0).abs() < f32::EPSILON {
            return;
        }
        let window = self.settings.repeat_last_tokens as usize;
        let mut recent = seen[seen.len().saturating_sub(window)..].to_vec();
        recent.sort_unstable();
        recent.dedup();
        for id in recent {
            if let Some(logit) = logits.get_mut(id as usize) {
                *logit = if *logit > 0.0 {
                    *logit / penalty
                } else {
                    *logit * penalty
                };
            }
        }
    }

    /// Leaves the candidates sorted, most likely first.
    fn keep_top_k(&mut self) {
        let k = self.settings.top_k as usize;
        let by_logit = |a: &Candidate, b: &Candidate| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if k > 0 && k < self.candidates.len() {
            self.candidates.select_nth_unstable_by(k - 1, by_logit);
            self.candidates.truncate(k);
        }
        self.candidates.sort_unstable_by(by_logit);
    }

    fn keep_top_p(&mut self) {
        let mut sum = 0.0;
        let enough = self.candidates.iter().position(|(_, probability)| {
            sum += probability;
            sum >= self.settings.top_p
        });
        if let Some(last) = enough {
            self.candidates.truncate(last + 1);
        }
    }

    fn keep_min_p(&mut self) {
        let least = self.candidates.first().map_or(0.0, |best| best.1) * self.settings.min_p;
        let keep = self
            .candidates
            .partition_point(|(_, probability)| *probability >= least);
        self.candidates.truncate(keep.max(1));
    }

    /// Probabilities to the power of 1/temperature are the softmax of the logits over the temperature.
    fn draw(&mut self) -> u32 {
        let exponent = 1.0 / self.settings.temperature;
        let best = self.candidates.first().map_or(1.0, |best| best.1);
        for (_, weight) in &mut self.candidates {
            *weight = (*weight / best).powf(exponent);
        }
        let sum: f32 = self.candidates.iter().map(|(_, weight)| weight).sum();
        let mut left = self.rng.random::<f32>() * sum;
        for (id, weight) in &self.candidates {
            left -= weight;
            if left < 0.0 {
                return *id;
            }
        }
        self.candidates.first().map_or(0, |best| best.0)
    }
}

fn to_probabilities(candidates: &mut [Candidate], temperature: f32) {
    let best = candidates.first().map_or(0.0, |best| best.1);
    let mut sum = 0.0;
    for (_, value) in candidates.iter_mut() {
        *value = ((*value - best) / temperature).exp();
        sum += *value;
    }
    for (_, value) in candidates.iter_mut() {
        *value /= sum;
    }
}

/// The first of the largest; 0 for an empty row.
fn most_likely(logits: &[f32]) -> u32 {
    let mut best = (0, f32::NEG_INFINITY);
    for (id, logit) in (0..).zip(logits) {
        if *logit > best.1 {
            best = (id, *logit);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The set of tokens that come up in many draws.
    fn drawn(settings: &Sampling, logits: &[f32], seen: &[u32]) -> Vec<u32> {
        let mut sampler = Sampler::new(Sampling {
            seed: Some(7),
            ..settings.clone()
        });
        let mut ids: Vec<u32> = (0..2000)
            .map(|_| sampler.sample(&mut logits.to_vec(), seen))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn open() -> Sampling {
        Sampling {
            repeat_penalty: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            temperature: 1.0,
            ..Sampling::default()
        }
    }

    #[test]
    fn each_filter_leaves_what_it_should() {
        // Probabilities 0.5, 0.25, 0.125, 0.125.
        let logits = [4.0_f32, 2.0, 1.0, 1.0].map(f32::ln);
        let check = |settings: Sampling, expected: &[u32]| {
            assert_eq!(drawn(&settings, &logits, &[]), expected, "{settings:?}");
        };
        check(open(), &[0, 1, 2, 3]);
        check(Sampling { top_k: 2, ..open() }, &[0, 1]);
        check(
            Sampling {
                top_p: 0.5,
                ..open()
            },
            &[0],
        );
        check(
            Sampling {
                top_p: 0.7,
                ..open()
            },
            &[0, 1],
        );
        check(
            Sampling {
                min_p: 0.3,
                ..open()
            },
            &[0, 1],
        );
        check(
            Sampling {
                temperature: 0.0,
                ..open()
            },
            &[0],
        );
        check(
            Sampling {
                temperature: 0.01,
                ..open()
            },
            &[0],
        );
    }

    #[test]
    fn temperature_gives_the_distribution_it_promises() {
        let mut sampler = Sampler::new(Sampling {
            seed: Some(1),
            temperature: 2.0,
            ..open()
        });
        let first = (0..20_000)
            .filter(|_| sampler.sample(&mut [4.0_f32.ln(), 0.0], &[]) == 0)
            .count();
        // exp(ln 4 / 2) : 1 = 2 : 1.
        assert!((13_000..13_700).contains(&first), "{first} of 20000");
    }

    #[test]
    fn the_repeat_penalty_reaches_both_signs_and_only_its_window() {
        let check = |logits: [f32; 2], seen: &[u32], expected: u32| {
            let mut sampler = Sampler::new(Sampling {
                repeat_penalty: 2.0,
                repeat_last_tokens: 2,
                ..Sampling::greedy()
            });
            assert_eq!(sampler.sample(&mut logits.to_vec(), seen), expected);
        };
        check([1.5, 1.0], &[0], 1);
        check([-1.0, -1.5], &[0], 1);
        check([1.5, 1.0], &[0, 5, 6], 0);
    }

    #[test]
    fn one_seed_is_one_sequence() {
        let sequence = |seed| {
            let mut sampler = Sampler::new(Sampling {
                seed: Some(seed),
                ..open()
            });
            (0..32)
                .map(|_| sampler.sample(&mut [0.0; 50], &[]))
                .collect::<Vec<_>>()
        };
        assert_eq!(sequence(3), sequence(3));
        assert_ne!(sequence(3), sequence(4));
    }

    #[test]
    fn broken_logits_never_panic() {
        for logits in [
            vec![],
            vec![f32::NAN; 3],
            vec![f32::NEG_INFINITY; 3],
            vec![f32::INFINITY; 3],
        ] {
            for settings in [open(), Sampling::greedy(), Sampling::default()] {
                Sampler::new(settings).sample(&mut logits.clone(), &[0, 9]);
            }
        }
    }
}
