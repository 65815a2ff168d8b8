//! The likeliest tokens of a row, found where the row was computed, and choosing among them, so that the row itself can stay
//! there.
//!
//! Invariants: every token that a list lacks is less likely than each that it has; what is chosen from a list is what would have
//! been chosen from the row.

use super::candidates::{Candidate, likelier};
use super::logprobs::LogprobState;
use super::{ById, Sampler, filters, is_allowed, penalties};
use engine_api::Sampling;

/// The likeliest tokens of a row of logits, and what is known of the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Shortlist {
    /// Likeliest first.
    pub(super) tokens: Vec<Candidate>,
    /// The largest logit of the row.
    pub(super) highest: f32,
    /// `Σ exp(logit − highest)` over the row.
    pub(super) sum: f64,
}

impl Shortlist {
    /// Of a row whose largest logit and sum of `exp(logit − highest)` these are. `tokens` with their logits come likeliest first,
    /// and every other is less likely.
    pub fn new(highest: f32, sum: f64, tokens: impl IntoIterator<Item = (u32, f32)>) -> Self {
        let tokens = tokens.into_iter();
        Self {
            tokens: tokens.map(|(id, logit)| Candidate { id, logit }).collect(),
            highest,
            sum,
        }
    }

    /// Overwrites what it tells.
    pub fn wipe(&mut self) {
        let nothing = Candidate { id: 0, logit: 0.0 };
        self.tokens.fill(nothing);
        (self.highest, self.sum) = (0.0, 0.0);
        std::hint::black_box(&*self);
    }
}

/// Logits of a list, by their ids.
struct Listed<'a> {
    tokens: &'a mut [Candidate],
    /// Whether one was asked for that it lacks.
    lacks: bool,
}

impl ById for Listed<'_> {
    fn logit(&mut self, id: u32) -> Option<&mut f32> {
        let found = self.tokens.iter_mut().find(|one| one.id == id);
        self.lacks |= found.is_none();
        found.map(|one| &mut one.logit)
    }
}

impl Sampler {
    /// As [`Sampler::sample_allowed`], of a row of which only the likeliest are known: the same token. `None` where they don't
    /// tell, and nothing has changed then; the whole row does.
    pub fn sample_listed(
        &mut self,
        list: &Shortlist,
        seen: &[u32],
        allowed: Option<&[u32]>,
    ) -> Option<u32> {
        let is_told = |logprobs: &LogprobState| logprobs.is_told_by(list);
        if !list.highest.is_finite() || !self.logprobs.as_ref().is_none_or(is_told) {
            return None;
        }
        let mut tokens = std::mem::take(&mut self.listed);
        let is_changed = self.changes_logits() || allowed.is_some();
        let token = if is_changed {
            self.changed(list, seen, allowed, &mut tokens)
                .and_then(|()| self.choose_listed(&tokens, None))
        } else {
            self.choose_listed(&list.tokens, Some(list.sum))
        };
        self.listed = tokens;
        if let (Some(token), Some(logprobs)) = (token, &mut self.logprobs) {
            logprobs.chose_from(list, token);
        }
        token
    }

    /// Fills `tokens` with those of the list whose place is known with biases, penalties and the mask; `None` where a token that
    /// the list lacks may have come before them.
    fn changed(
        &mut self,
        list: &Shortlist,
        seen: &[u32],
        allowed: Option<&[u32]>,
        tokens: &mut Vec<Candidate>,
    ) -> Option<()> {
        let enough = self.enough(seen, allowed).min(list.tokens.len());
        let known = &list.tokens[..enough];
        let least = known.last()?.logit;
        tokens.clear();
        tokens.extend_from_slice(known);
        let mut listed = Listed {
            tokens,
            lacks: false,
        };
        self.penalise(&mut listed, seen);
        if listed.lacks && may_raise(&self.settings) {
            return None;
        }
        let is_known = |one: &Candidate| {
            one.logit >= least && allowed.is_none_or(|allowed| is_allowed(allowed, one.id))
        };
        tokens.retain(is_known);
        tokens.sort_unstable_by(likelier);
        Some(())
    }

    /// How many of a list are looked at: those that may be chosen, and as many as may fall behind.
    fn enough(&self, seen: &[u32], allowed: Option<&[u32]>) -> usize {
        let may_be_chosen = match self.settings.top_k as usize {
            _ if self.settings.temperature == 0.0 => 1,
            0 => return usize::MAX,
            k => k,
        };
        if self.dry.is_some() || allowed.is_some() {
            return usize::MAX;
        }
        let window = seen.len().min(self.settings.repeat_last_tokens as usize);
        may_be_chosen + window + self.settings.logit_bias.len()
    }

    /// `sum`, over the whole row, if it is known.
    fn choose_listed(&mut self, tokens: &[Candidate], sum: Option<f64>) -> Option<u32> {
        let best = *tokens.first()?;
        if self.settings.temperature == 0.0 {
            return Some(best.id);
        }
        filters::filter_listed(&self.settings, tokens, sum, &mut self.candidates)
            .then(|| self.draw(best.logit).unwrap_or(best.id))
    }

    /// Whether logits are changed before anything is filtered.
    fn changes_logits(&self) -> bool {
        !self.settings.logit_bias.is_empty()
            || !penalties::is_off(&self.settings)
            || self.dry.is_some()
    }
}

/// Whether a bias or a penalty can make a token likelier.
fn may_raise(settings: &Sampling) -> bool {
    settings.repeat_penalty < 1.0
        || settings.frequency_penalty < 0.0
        || settings.presence_penalty < 0.0
        || settings.logit_bias.iter().any(|(_, bias)| *bias > 0.0)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::candidates::{most_likely, sum_of_weights, top};
    use super::*;
    use crate::vocabulary::Vocabulary;
    use engine_api::Dry;
    use proptest::prelude::*;

    impl Shortlist {
        /// What a list of at most `room` tokens tells of this row.
        pub(crate) fn of(row: &[f32], room: usize) -> Self {
            let highest = row.get(most_likely(row) as usize).copied();
            let highest = highest.unwrap_or(f32::NAN);
            let mut tokens = Vec::new();
            top(row, room + 1, &mut tokens);
            // Those that are as likely as the first without room are not in it.
            if let Some(out) = tokens.get(room).copied() {
                tokens.retain(|one| one.logit > out.logit);
            }
            Self {
                tokens,
                highest,
                sum: sum_of_weights(row, highest, 1.0),
            }
        }

        /// Its tokens with their logits, likeliest first.
        pub(crate) fn tokens(&self) -> impl Iterator<Item = (u32, f32)> {
            self.tokens.iter().map(|one| (one.id, one.logit))
        }

        /// The largest logit, and the sum.
        pub(crate) fn whole(&self) -> (f32, f64) {
            (self.highest, self.sum)
        }
    }

    /// What is chosen from a list of `room` tokens and from the row, with the logarithms that are told.
    fn both(
        settings: &Sampling,
        row: &[f32],
        room: usize,
        (seen, allowed): (&[u32], Option<&[u32]>),
    ) -> (Option<u32>, u32) {
        let sampler = || {
            Sampler::with_vocabulary(
                Sampling {
                    seed: Some(3),
                    ..settings.clone()
                },
                &Vocabulary::default(),
            )
        };
        let (mut of_list, mut of_row) = (sampler(), sampler());
        let list = Shortlist::of(row, room);
        let (mut listed, mut whole) = (None, 0);
        // More than one draw: what is not told must not move the dice.
        for _ in 0..3 {
            whole = of_row.sample_allowed(&mut row.to_vec(), seen, allowed);
            listed = of_list.sample_listed(&list, seen, allowed);
            let token =
                listed.unwrap_or_else(|| of_list.sample_allowed(&mut row.to_vec(), seen, allowed));
            assert_eq!(token, whole);
            assert_eq!(of_list.logprobs(), of_row.logprobs());
        }
        (listed, whole)
    }

    /// A row as models give them: few likely ones, many that are not.
    fn row(seed: u32) -> Vec<f32> {
        let number = |id: u32| {
            let mixed = (id + 1).wrapping_mul(seed.wrapping_mul(2_654_435_761) | 1);
            f32::from(u16::try_from(mixed >> 16).unwrap_or(0)) / 65536.0
        };
        (0..3000).map(|id| 20.0 * number(id).powi(6)).collect()
    }

    fn settings(change: fn(&mut Sampling)) -> Sampling {
        let mut settings = Sampling {
            repeat_penalty: 1.0,
            ..Sampling::default()
        };
        change(&mut settings);
        settings
    }

    #[test]
    fn lists_tell_for_the_settings_of_every_day() {
        let seen: Vec<u32> = (0..100).map(|at| at * 29 % 3000).collect();
        let every_day = [
            Sampling::default(),
            Sampling::greedy(),
            settings(|_| ()),
            settings(|s| s.typical_p = 0.9),
            settings(|s| s.logprobs = Some(20)),
            settings(|s| s.frequency_penalty = 0.3),
            settings(|s| s.logit_bias = vec![(7, -100.0), (3, -1.0)]),
            settings(|s| s.dry = Some(Dry::default())),
            settings(|s| (s.top_k, s.top_p) = (0, 1.0)),
        ];
        let all = vec![u32::MAX; 94];
        let half = vec![0xffff_0000; 94];
        for settings in every_day {
            for seed in [7, 1234, 99_991] {
                for allowed in [None, Some(&all[..]), Some(&half[..])] {
                    let (listed, _) = both(&settings, &row(seed), 1024, (&seen, allowed));
                    assert!(listed.is_some(), "{settings:?} {}", allowed.is_some());
                }
            }
        }
        let of_a_share = settings(|s| s.top_k = 0);
        let (listed, _) = both(&of_a_share, &row(7), 1024, (&seen, None));
        assert!(listed.is_some());
    }

    #[test]
    fn a_list_does_not_tell_what_it_can_not_know() {
        let untold = [
            // A token that it lacks may be the likeliest.
            Sampling {
                logit_bias: vec![(0, 50.0)],
                ..Sampling::greedy()
            },
            // Everything may be drawn.
            settings(|s| (s.top_k, s.top_p, s.min_p) = (0, 1.0, 0.0)),
            // More than it has.
            settings(|s| s.top_k = 21),
            settings(|s| s.logprobs = Some(21)),
            // How much the whole is with a token less, nobody knows.
            settings(|s| (s.top_k, s.presence_penalty) = (0, 0.5)),
        ];
        let mut row = row(7);
        row[0] = -5.0;
        for settings in untold {
            let (listed, _) = both(&settings, &row, 20, (&[1], None));
            assert_eq!(listed, None, "{settings:?}");
        }
        let damaged = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY].map(|one| vec![one; 50]);
        for row in damaged {
            assert_eq!(both(&Sampling::greedy(), &row, 20, (&[], None)).0, None);
        }
    }

    #[test]
    fn what_falls_behind_is_known_as_long_as_nothing_unlisted_may_be_before_it() {
        let row = [10.0, 9.0, 8.5, 8.0];
        let check = |biases: &[(u32, f32)], expected: Option<u32>| {
            let settings = Sampling {
                logit_bias: biases.to_vec(),
                ..Sampling::greedy()
            };
            assert_eq!(both(&settings, &row, 2, (&[], None)).0, expected);
        };
        check(&[(0, -0.5)], Some(0));
        check(&[(0, -5.0)], Some(1));
        check(&[(0, -5.0), (1, -0.1)], None);
        check(&[(0, -1.25), (1, 2.0)], Some(1));
        let both_forbidden = Some(&[0b1100][..]);
        assert_eq!(
            both(&Sampling::greedy(), &row, 2, (&[], both_forbidden)).0,
            None
        );
    }

    proptest! {
        #[test]
        fn any_list_tells_what_the_row_does(
            row in prop::collection::vec(prop_oneof![
                (-40_i16..40).prop_map(|n| f32::from(n) / 4.0),
                Just(f32::NEG_INFINITY),
                Just(f32::NAN),
            ], 1..200),
            room in 0_usize..220,
            seen in prop::collection::vec(0_u32..220, 0..40),
            allowed in prop::option::of(prop::collection::vec(any::<u32>(), 7)),
            (top_k, top_p, min_p, typical_p) in (0_u32..30, 0.1_f32..1.2, -0.2_f32..0.5, 0.1_f32..2.0),
            (repeat_penalty, presence_penalty) in (0.5_f32..2.0, -1.0_f32..1.0),
            (bias, is_greedy, logprobs) in (
                prop::collection::vec((0_u32..220, -9.0_f32..3.0), 0..3),
                any::<bool>(),
                prop::option::of(0_u8..20),
            ),
        ) {
            let settings = Sampling {
                logit_bias: bias,
                repeat_penalty,
                presence_penalty,
                top_k,
                top_p: top_p.min(1.0),
                min_p: min_p.max(0.0),
                typical_p: typical_p.min(1.0),
                temperature: if is_greedy { 0.0 } else { 0.8 },
                logprobs,
                ..Sampling::default()
            };
            // It asserts.
            both(&settings, &row, room, (&seen, allowed.as_deref()));
        }
    }
}
