//! How many tokens a step may take, so that it does not take long.
//!
//! A cancellation waits for the end of a step, and so does each answer that is being written while a prompt is read.

use crate::model::MOST_STEP_TOKENS;
use std::time::Duration;

/// A step while answers are written: their text must not stutter.
const WRITING: Duration = Duration::from_millis(100);
/// A step while prompts alone are read: longer ones are a little faster.
const READING: Duration = Duration::from_millis(250);
/// Steps of fewer tokens say little of how fast prompts are read.
const TELLING_TOKENS: usize = 16;
const LEAST_STEP_TOKENS: usize = 16;
const FIRST_STEP_TOKENS: usize = 64;

/// What was measured.
#[derive(Debug, Default)]
pub(super) struct Pace {
    tokens_per_second: Option<f64>,
}

impl Pace {
    /// Tokens for the next step.
    pub(super) fn step_tokens(&self, somebody_writes: bool) -> usize {
        let Some(rate) = self.tokens_per_second else {
            return FIRST_STEP_TOKENS;
        };
        let time = if somebody_writes { WRITING } else { READING };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped after it"
        )]
        let tokens = (rate * time.as_secs_f64()) as usize;
        tokens.clamp(LEAST_STEP_TOKENS, MOST_STEP_TOKENS)
    }

    /// Follows what a step took; half of it at a time, since one alone may have been disturbed.
    pub(super) fn measured(&mut self, tokens: usize, time: Duration) {
        if tokens < TELLING_TOKENS || time.is_zero() {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "steps are small")]
        let now = tokens as f64 / time.as_secs_f64();
        self.tokens_per_second = Some(
            self.tokens_per_second
                .map_or(now, |rate| f64::midpoint(rate, now)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_as_long_as_they_may_be() {
        let check = |tokens: usize, ms: u64, writing: usize, reading: usize| {
            let mut pace = Pace::default();
            assert_eq!(pace.step_tokens(true), FIRST_STEP_TOKENS);
            pace.measured(tokens, Duration::from_millis(ms));
            assert_eq!(
                (pace.step_tokens(true), pace.step_tokens(false)),
                (writing, reading)
            );
        };
        check(64, 100, 64, 160);
        check(64, 1000, 16, 16);
        check(256, 1, MOST_STEP_TOKENS, MOST_STEP_TOKENS);
        check(3, 100, FIRST_STEP_TOKENS, FIRST_STEP_TOKENS);
    }

    #[test]
    fn one_slow_step_is_not_believed_at_once() {
        let mut pace = Pace::default();
        pace.measured(100, Duration::from_millis(100));
        pace.measured(100, Duration::from_secs(100));
        assert_eq!(pace.step_tokens(true), 50);
    }
}
