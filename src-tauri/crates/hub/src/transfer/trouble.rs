//! What goes wrong between the hub and the disk, by what helps.

use super::Tuning;
use crate::Error;
use std::hash::BuildHasher;
use std::time::Duration;

/// What goes wrong, by what helps.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Waiting does, however long it takes; not less than so long, if the server says so.
    Wait {
        /// What is wrong, in words.
        reason: String,
        /// What the server wants.
        at_least: Duration,
    },
    /// Asking the hub for another link does, at once.
    Expired,
    /// Asking again may, but not for ever: what came makes no sense.
    Nonsense(String),
    /// Asking for the whole file does: the server knows no parts.
    NoParts,
    /// Nothing does.
    Over(Error),
}

impl Trouble {
    pub(super) fn wait(reason: impl Into<String>) -> Self {
        Self::Wait {
            reason: reason.into(),
            at_least: Duration::ZERO,
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Over(error)
    }
}

/// Failures in a row, and what follows from them.
#[derive(Debug, Default)]
pub(super) struct Patience {
    failures: u32,
    nonsense: u32,
}

/// What to do next.
#[derive(Debug)]
pub(super) enum Next {
    /// Try again after a while.
    Wait {
        /// Why, in words.
        reason: String,
        /// How long.
        wait: Duration,
    },
    /// Try again at once.
    Again,
    /// Ask for the whole file.
    Whole,
}

impl Patience {
    /// What to do about a trouble.
    ///
    /// # Errors
    /// The trouble's own, or [`Error::Server`] when patience is at its end.
    pub(super) fn next(&mut self, trouble: Trouble, tuning: &Tuning) -> Result<Next, Error> {
        let (reason, at_least) = match trouble {
            Trouble::Over(error) => return Err(error),
            Trouble::NoParts => return Ok(Next::Whole),
            Trouble::Wait { reason, at_least } => (reason, at_least),
            Trouble::Expired => return Ok(Next::Again),
            Trouble::Nonsense(reason) => {
                self.nonsense += 1;
                if self.nonsense > tuning.patience {
                    return Err(Error::server(reason));
                }
                (reason, Duration::ZERO)
            }
        };
        self.failures = self.failures.saturating_add(1);
        let wait = self.back_off(tuning).max(at_least);
        Ok(Next::Wait { reason, wait })
    }

    /// Twice as long each time, and up to half of it by chance, so that not all come back at once.
    fn back_off(&self, tuning: &Tuning) -> Duration {
        let doublings = (self.failures - 1).min(30);
        let wait = tuning.wait.start().saturating_mul(1 << doublings);
        let wait = wait.min(*tuning.wait.end());
        let chance = std::hash::RandomState::new().hash_one(0) % 512;
        wait.mul_f64(1.0 - f64::from(u16::try_from(chance).unwrap_or(0)) / 1024.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waited(patience: &mut Patience, trouble: Trouble) -> Option<Duration> {
        match patience.next(trouble, &Tuning::default()) {
            Ok(Next::Wait { wait, .. }) => Some(wait),
            _ => None,
        }
    }

    #[test]
    fn waits_grow_from_one_second_to_a_minute_for_ever() {
        let mut patience = Patience::default();
        for longest in [1, 2, 4, 8, 16, 32, 60, 60, 60].map(Duration::from_secs) {
            let wait = waited(&mut patience, Trouble::wait("no network")).expect("a wait");
            assert!((longest / 2..=longest).contains(&wait), "{wait:?}");
        }
        patience.failures = u32::MAX;
        assert!(waited(&mut patience, Trouble::wait("no network")).is_some());
    }

    #[test]
    fn a_server_is_waited_for_as_long_as_it_says() {
        let (reason, at_least) = ("429".into(), Duration::from_secs(99));
        let trouble = Trouble::Wait { reason, at_least };
        assert_eq!(waited(&mut Patience::default(), trouble), Some(at_least));
    }

    #[test]
    fn nonsense_is_not_listened_to_for_ever() {
        let mut patience = Patience::default();
        let mut next = || patience.next(Trouble::Nonsense("it says so".into()), &Tuning::default());
        let waits = std::iter::from_fn(|| next().ok());
        assert_eq!(waits.count(), 5);
    }
}
