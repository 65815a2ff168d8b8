//! How long the prompt and the answer are, and what the prompt consists of.

use crate::stop::Stop;

const DEFAULT_PROMPT_TOKENS: u32 = 512;
const DEFAULT_GENERATE_TOKENS: u32 = 128;

/// Lengths of one run. Together they fit into the context window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) prompt_tokens: u32,
    pub(crate) generate_tokens: u32,
}

impl Plan {
    /// What is asked for, and for the rest the defaults, cut to what the context window leaves.
    ///
    /// # Errors
    /// [`Stop::Usage`] when what is asked for does not fit.
    pub(crate) fn fitting(
        prompt: Option<u32>,
        generate: Option<u32>,
        context_tokens: u32,
    ) -> Result<Self, Stop> {
        // The prompt needs one token and a rate of decode two: more than that a default never takes from the other.
        let left_beside = |other: u32| context_tokens.saturating_sub(other);
        let generate_tokens = generate.unwrap_or_else(|| {
            DEFAULT_GENERATE_TOKENS
                .min(left_beside(prompt.unwrap_or(1)))
                .max(2)
        });
        let prompt_tokens = prompt.unwrap_or_else(|| {
            DEFAULT_PROMPT_TOKENS
                .min(left_beside(generate_tokens))
                .max(1)
        });
        if u64::from(prompt_tokens) + u64::from(generate_tokens) > u64::from(context_tokens) {
            return Err(Stop::Usage(format!(
                "{prompt_tokens} tokens of prompt and {generate_tokens} to write don't fit into the context window of \
                 {context_tokens}"
            )));
        }
        Ok(Self {
            prompt_tokens,
            generate_tokens,
        })
    }
}

/// Token ids that mean nothing, the same each time, all below `vocabulary_tokens`.
///
/// The generator is splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
pub(crate) fn prompt_ids(length: u32, vocabulary_tokens: u32) -> Vec<u32> {
    let mut state = 0x5769_636b_u64; // "Wick"
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    };
    let below = u64::from(vocabulary_tokens.max(1));
    (0..length)
        .map(|_| u32::try_from(next() % below).unwrap_or(0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn defaults_are_cut_to_the_context_and_wishes_are_not() {
        let check = |prompt: Option<u32>,
                     generate: Option<u32>,
                     context: u32,
                     expected: Option<(u32, u32)>| {
            let plan = Plan::fitting(prompt, generate, context);
            let found = plan
                .ok()
                .map(|plan| (plan.prompt_tokens, plan.generate_tokens));
            assert_eq!(found, expected, "{prompt:?} {generate:?} {context}");
        };
        check(None, None, 8192, Some((512, 128)));
        check(None, None, 640, Some((512, 128)));
        check(None, None, 300, Some((172, 128)));
        check(None, None, 100, Some((1, 99)));
        check(None, None, 3, Some((1, 2)));
        check(None, None, 2, None);
        check(Some(2000), None, 2048, Some((2000, 48)));
        check(None, Some(2000), 2048, Some((48, 2000)));
        check(Some(2000), Some(100), 2048, None);
        check(Some(2048), None, 2048, None);
        check(None, Some(u32::MAX), 2048, None);
        check(Some(u32::MAX), Some(u32::MAX), 2048, None);
    }

    #[test]
    fn the_prompt_is_noise_and_the_same_each_time() {
        let ids = prompt_ids(1000, 49_152);
        assert_eq!(ids, prompt_ids(1000, 49_152));
        assert_eq!(ids[..10], prompt_ids(10, 49_152));
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert!(distinct.len() > 950, "{} of 1000", distinct.len());
    }

    proptest! {
        #[test]
        fn any_prompt_stays_inside_the_vocabulary(length in 0_u32..200, vocabulary in 1_u32..50) {
            let ids = prompt_ids(length, vocabulary);
            prop_assert_eq!(ids.len(), length as usize);
            prop_assert!(ids.iter().all(|id| *id < vocabulary));
        }

        #[test]
        fn any_plan_fits(prompt in prop::option::of(1_u32..), generate in prop::option::of(2_u32..), context: u32) {
            if let Ok(plan) = Plan::fitting(prompt, generate, context) {
                prop_assert!(plan.prompt_tokens >= 1 && plan.generate_tokens >= 2);
                let sum = u64::from(plan.prompt_tokens) + u64::from(plan.generate_tokens);
                prop_assert!(sum <= u64::from(context));
            }
        }
    }
}
