//! Which experts a token takes and with what weight: from a router's outputs, one token at a time.
//!
//! Sources: llama.cpp's `build_moe_ffn`, transformers' routers (ties go to the lower expert in both). It computes no
//! matrix.

use super::description::{Groups, Routing, Score};

/// Room that is used again for each token.
#[derive(Debug, Default)]
pub struct Router {
    scores: Vec<f32>,
    choice: Vec<f32>,
    order: Vec<u32>,
    sorted: Vec<f32>,
    worths: Vec<(usize, f32)>,
}

impl Router {
    /// Room for this many experts.
    pub fn new(experts: usize) -> Self {
        Self {
            scores: Vec::with_capacity(experts),
            choice: Vec::with_capacity(experts),
            order: Vec::with_capacity(experts),
            ..Self::default()
        }
    }

    /// The `chosen.len()` experts for a token whose router gives `outputs`, best first, with their weights.
    /// `correction` is added to the scores for the choice alone.
    pub fn route(
        &mut self,
        routing: &Routing,
        outputs: &[f32],
        correction: Option<&[f32]>,
        chosen: &mut [(u32, f32)],
    ) {
        self.score(routing.score, outputs);
        self.choice.clear();
        self.choice.extend_from_slice(&self.scores);
        if let Some(correction) = correction {
            self.choice
                .iter_mut()
                .zip(correction)
                .for_each(|(score, more)| *score += more);
        }
        if let Some(groups) = routing.groups {
            self.keep_best_groups(groups);
        }
        self.take_best(chosen);
        weigh(routing, chosen);
    }

    fn score(&mut self, score: Score, outputs: &[f32]) {
        self.scores.clear();
        match score {
            Score::Softmax => {
                self.scores.extend_from_slice(outputs);
                softmax(&mut self.scores, |score| score);
            }
            Score::Sigmoid => self
                .scores
                .extend(outputs.iter().map(|x| 1.0 / (1.0 + (-x).exp()))),
            Score::SoftmaxOfChosen => self.scores.extend_from_slice(outputs),
        }
    }

    /// Experts outside of the best groups can't be chosen.
    fn keep_best_groups(&mut self, groups: Groups) {
        let size = (self.choice.len() / groups.count).max(1);
        self.worths.clear();
        for (at, group) in self.choice.chunks(size).enumerate() {
            self.sorted.clear();
            self.sorted.extend_from_slice(group);
            self.sorted.sort_unstable_by(|a, b| b.total_cmp(a));
            self.worths
                .push((at, self.sorted.iter().take(groups.best).sum()));
        }
        self.worths
            .sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        for (group, _) in self.worths.iter().skip(groups.used) {
            self.choice[group * size..(group + 1) * size].fill(f32::NEG_INFINITY);
        }
    }

    fn take_best(&mut self, chosen: &mut [(u32, f32)]) {
        let Self {
            scores,
            choice,
            order,
            ..
        } = self;
        order.clear();
        order.extend((0u32..).take(choice.len()));
        let better = |a: &u32, b: &u32| {
            let by_score = choice[*b as usize].total_cmp(&choice[*a as usize]);
            by_score.then(a.cmp(b))
        };
        if chosen.len() < order.len() {
            order.select_nth_unstable_by(chosen.len(), better);
        }
        order.truncate(chosen.len());
        order.sort_unstable_by(better);
        for (slot, expert) in chosen.iter_mut().zip(order) {
            *slot = (*expert, scores[*expert as usize]);
        }
    }
}

fn weigh(routing: &Routing, chosen: &mut [(u32, f32)]) {
    if routing.score == Score::SoftmaxOfChosen {
        softmax(chosen, |(_, weight)| weight);
    }
    if routing.normalize {
        let sum: f32 = chosen.iter().map(|(_, weight)| *weight).sum();
        for (_, weight) in &mut *chosen {
            *weight /= sum.max(1e-20);
        }
    }
    for (_, weight) in chosen {
        *weight *= routing.scale;
    }
}

fn softmax<T>(items: &mut [T], value: impl Fn(&mut T) -> &mut f32) {
    let mut max = f32::NEG_INFINITY;
    for item in &mut *items {
        max = max.max(*value(item));
    }
    let mut sum = 0.0;
    for item in &mut *items {
        let value = value(item);
        *value = (*value - max).exp();
        sum += *value;
    }
    for item in items {
        *value(item) /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routing(score: Score, groups: Option<Groups>) -> Routing {
        Routing {
            score,
            correction: false,
            groups,
            normalize: false,
            scale: 1.0,
        }
    }

    fn route(
        routing: &Routing,
        outputs: &[f32],
        correction: Option<&[f32]>,
        used: usize,
    ) -> Vec<(u32, f32)> {
        let mut chosen = vec![(0, 0.0); used];
        Router::new(outputs.len()).route(routing, outputs, correction, &mut chosen);
        chosen
    }

    #[test]
    fn the_best_experts_are_taken_best_first_and_ties_go_to_the_lower() {
        let check = |score, outputs: &[f32], correction: Option<&[f32]>, expected: &[u32]| {
            let chosen = route(&routing(score, None), outputs, correction, expected.len());
            let experts: Vec<u32> = chosen.iter().map(|(expert, _)| *expert).collect();
            assert_eq!(experts, expected);
        };
        check(Score::Softmax, &[0.0, 3.0, 1.0, 2.0], None, &[1, 3]);
        check(Score::Sigmoid, &[1.0, 1.0, 0.0, 1.0], None, &[0, 1]);
        check(
            Score::Sigmoid,
            &[0.0, 3.0, 1.0, 2.0],
            Some(&[9.0, 0.0, 0.0, 0.0]),
            &[0, 1],
        );
        check(Score::Softmax, &[0.0, 1.0], None, &[1, 0]);
    }

    #[test]
    fn weights_are_of_all_or_of_the_chosen_and_may_be_normalized() {
        let outputs = [2f32.ln(), 0.0, 0.0];
        let check = |routing: Routing, expected: [f32; 2]| {
            let chosen = route(&routing, &outputs, None, 2);
            for ((_, weight), expected) in chosen.iter().zip(expected) {
                assert!((weight - expected).abs() < 1e-6, "{chosen:?}");
            }
        };
        check(routing(Score::Softmax, None), [0.5, 0.25]);
        check(
            routing(Score::SoftmaxOfChosen, None),
            [2.0 / 3.0, 1.0 / 3.0],
        );
        let normalized = Routing {
            normalize: true,
            scale: 3.0,
            ..routing(Score::Softmax, None)
        };
        check(normalized, [2.0, 1.0]);
        check(routing(Score::Sigmoid, None), [2.0 / 3.0, 0.5]);
    }

    #[test]
    fn a_correction_changes_the_choice_and_not_the_weight() {
        let chosen = route(
            &routing(Score::Sigmoid, None),
            &[0.0, 5.0],
            Some(&[9.0, 0.0]),
            1,
        );
        assert_eq!(chosen, [(0, 0.5)]);
    }

    #[test]
    fn experts_outside_of_the_best_groups_are_not_taken() {
        let groups = Groups {
            count: 2,
            used: 1,
            best: 2,
        };
        let outputs = [3.0, -9.0, 1.0, 1.0];
        let chosen = route(&routing(Score::Sigmoid, Some(groups)), &outputs, None, 2);
        assert_eq!((chosen[0].0, chosen[1].0), (2, 3));
    }
}
