//! What the studio measures of an answer beside the engine's own timings.

use engine_api::Timings;
use serde::{Deserialize, Serialize};

/// What was measured of one generation. What is not known is absent, never zero.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, specta::Type)]
pub struct Measured {
    /// Energy for each token after the first, in joules: the power that the machine reports, over the time from the first
    /// token to the last, in equal shares with the generations that worked beside it. On a machine with GPUs it is theirs,
    /// else the processor packages'. Absent where no power is reported at some moment of it, and for answers too short for
    /// a reading.
    pub energy_joules_per_token: Option<f64>,
    /// Decode rate over the most that the memory allows: bandwidth over the bytes that a token reads at the mean length of
    /// its context. Absent unless it decoded alone: sequences that run together read the weights once for all, so that no
    /// share of one memory belongs to one of them.
    pub limit_share: Option<f64>,
}

impl Measured {
    /// Of a generation that drew `joules` while it decoded, alone, where `limit` tokens a second were possible. `None` when
    /// nothing of it could be measured.
    pub(super) fn of(timings: &Timings, joules: Option<f64>, limit: Option<f64>) -> Option<Self> {
        let steps = timings.generated_tokens.checked_sub(1).filter(|n| *n > 0)?;
        let rate = timings.decode_tokens_per_second;
        let measured = Self {
            energy_joules_per_token: joules.map(|joules| joules / f64::from(steps)),
            limit_share: rate.zip(limit).map(|(rate, limit)| rate / limit),
        };
        (measured != Self::default()).then_some(measured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_stands_alone_and_a_single_token_has_none() {
        let check = |generated_tokens, rate, joules, limit, expected: Option<[Option<f64>; 2]>| {
            let timings = Timings {
                generated_tokens,
                decode_tokens_per_second: rate,
                ..Timings::default()
            };
            let expected = expected.map(|[energy_joules_per_token, limit_share]| Measured {
                energy_joules_per_token,
                limit_share,
            });
            assert_eq!(Measured::of(&timings, joules, limit), expected);
        };
        let both = Some([Some(2.0), Some(0.5)]);
        check(11, Some(40.0), Some(20.0), Some(80.0), both);
        check(11, Some(40.0), None, Some(80.0), Some([None, Some(0.5)]));
        check(11, Some(40.0), Some(20.0), None, Some([Some(2.0), None]));
        check(11, None, Some(20.0), Some(80.0), Some([Some(2.0), None]));
        check(11, Some(40.0), None, None, None);
        check(1, None, Some(20.0), Some(80.0), None);
        check(0, None, Some(20.0), Some(80.0), None);
    }

    #[test]
    fn what_another_version_kept_is_read() {
        let check = |text: &str, limit_share| {
            let read: Measured = serde_json::from_str(text).expect("readable");
            let expected = Measured {
                limit_share,
                ..Measured::default()
            };
            assert_eq!(read, expected);
        };
        check("{}", None);
        check(r#"{"limit_share":0.5,"of a later day":1}"#, Some(0.5));
    }
}
