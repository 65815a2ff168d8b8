//! How models are brought: how many, how fast, when, and how much of the disk they may take.

use crate::Error;
use serde::{Deserialize, Serialize};

/// How models are brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct DownloadSettings {
    /// Downloads that run side by side, 1 to 16.
    pub parallel: u8,
    /// Requests that run side by side for one large file, 1 to 16.
    pub segments: u8,
    /// The most bytes a second, all downloads together; `None` is as fast as it goes.
    #[specta(type = Option<u32>)]
    pub speed_limit_bytes: Option<u64>,
    /// The hours in which anything is brought; `None` is all day.
    pub hours: Option<Hours>,
    /// The most bytes that Hugging Face's cache may take; `None` is as much as the disk has.
    #[specta(type = Option<u32>)]
    pub budget_bytes: Option<u64>,
    /// Bytes of the disk that are never touched.
    #[specta(type = u32)]
    pub reserve_bytes: u64,
}

impl Default for DownloadSettings {
    fn default() -> Self {
        Self {
            parallel: 2,
            segments: 4,
            speed_limit_bytes: None,
            hours: None,
            budget_bytes: None,
            reserve_bytes: 2 << 30,
        }
    }
}

/// From one minute of the day until another, which may be on the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct Hours {
    /// Minutes after midnight, on this computer's clock.
    pub from_minute: u16,
    /// The first minute that is no longer among them.
    pub until_minute: u16,
}

const DAY: u16 = 24 * 60;

impl Hours {
    /// Whether a minute of the day is among them. From and until the same minute is all day.
    pub(crate) fn contain(self, minute: u16) -> bool {
        let after = |start: u16| (minute + DAY - start) % DAY;
        let length = (self.until_minute + DAY - self.from_minute) % DAY;
        length == 0 || after(self.from_minute) < length
    }
}

impl DownloadSettings {
    /// Checks each field.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let hours = self
            .hours
            .is_none_or(|hours| hours.from_minute < DAY && hours.until_minute < DAY);
        let rules = [
            (
                (1..=16).contains(&self.parallel),
                "Downloads side by side must be from 1 to 16.",
            ),
            (
                (1..=16).contains(&self.segments),
                "Requests side by side must be from 1 to 16.",
            ),
            (
                self.speed_limit_bytes != Some(0),
                "A speed limit of nothing would bring nothing: pause instead.",
            ),
            (hours, "The hours must be times of a day."),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, reason)) => Err(Error::invalid(format!("{reason} Nothing was changed."))
                .hint("Choose another value.")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_may_pass_midnight() {
        let check = |from: u16, until: u16, minute: u16, expected: bool| {
            let hours = Hours {
                from_minute: from * 60,
                until_minute: until * 60,
            };
            assert_eq!(
                hours.contain(minute),
                expected,
                "{from}-{until} at {minute}"
            );
        };
        check(22, 7, 23 * 60, true);
        check(22, 7, 22 * 60, true);
        check(22, 7, 0, true);
        check(22, 7, 7 * 60 - 1, true);
        check(22, 7, 7 * 60, false);
        check(22, 7, 12 * 60, false);
        check(9, 17, 12 * 60, true);
        check(9, 17, 8 * 60, false);
        check(9, 17, 17 * 60, false);
        check(5, 5, 12 * 60, true);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let check = |change: fn(&mut DownloadSettings), valid: bool| {
            let mut settings = DownloadSettings::default();
            change(&mut settings);
            assert_eq!(settings.validate().is_ok(), valid, "{settings:?}");
        };
        check(|_| (), true);
        check(|settings| settings.parallel = 0, false);
        check(|settings| settings.segments = 17, false);
        check(|settings| settings.speed_limit_bytes = Some(0), false);
        check(
            |settings| {
                settings.hours = Some(Hours {
                    from_minute: 1440,
                    until_minute: 0,
                });
            },
            false,
        );
    }
}
