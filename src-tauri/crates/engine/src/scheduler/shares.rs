//! How the tokens of a step are shared between prompts that are being read.

/// The smallest piece of a prompt that is worth a step.
const LEAST: usize = 16;

/// Tokens for each of those that have `pending` tokens left, `budget` in all (but at least one piece). A step that is too
/// short for all of them begins at `turn`, and the next one with the next; what short ones leave goes to the first that
/// can take it.
pub(super) fn shares(pending: &[usize], budget: usize, turn: usize) -> Vec<usize> {
    let count = pending.len();
    let mut shares = vec![0; count];
    let mut left = budget.max(LEAST);
    let fair = (left / count.max(1)).max(LEAST);
    for most in [fair, usize::MAX] {
        for at in (0..count).map(|at| (at + turn) % count) {
            let more = (pending[at] - shares[at]).min(left).min(most);
            shares[at] += more;
            left -= more;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn short_prompts_are_read_beside_long_ones() {
        let check = |pending: &[usize], budget, turn, expected: &[usize]| {
            assert_eq!(
                shares(pending, budget, turn),
                expected,
                "{pending:?}, {budget}, {turn}"
            );
        };
        check(&[], 128, 3, &[]);
        check(&[10_000], 128, 0, &[128]);
        check(&[10_000, 5], 128, 0, &[123, 5]);
        check(&[10_000, 500], 128, 1, &[64, 64]);
        check(&[10_000, 500, 500], 32, 0, &[16, 16, 0]);
        check(&[10_000, 500, 500], 32, 1, &[0, 16, 16]);
        check(&[10_000, 500], 0, 1, &[0, 16]);
    }

    proptest! {
        #[test]
        fn any_step_is_used_up_and_not_exceeded(
            pending in prop::collection::vec(1_usize..300, 1..6), budget in 0_usize..300, turn in 0_usize..9,
        ) {
            let shares = shares(&pending, budget, turn);
            prop_assert!(shares.iter().zip(&pending).all(|(share, pending)| share <= pending));
            let sum: usize = shares.iter().sum();
            prop_assert_eq!(sum, budget.max(LEAST).min(pending.iter().sum()));
        }
    }
}
