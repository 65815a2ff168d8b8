//! The maintenance hour: once a day, when nobody is there, everything may restart.
//!
//! It restarts nothing itself. Invariant: the hour is due when the clock passes it, so an app that was started within that
//! minute is not restarted again.

use super::Kiosk;
use chrono::{Local, NaiveTime};
use std::time::Duration;

/// How often the clock is looked at: a sleep of hours would miss a clock that is set, and a machine that slept.
const LOOK_EVERY: Duration = Duration::from_secs(10);

impl Kiosk {
    /// Returns when the time at which everything restarts has come, and nobody is visiting. Never without such a time.
    pub async fn upkeep_due(&self) {
        self.upkeep_due_by(|| Local::now().time()).await;
    }

    /// The same by this clock.
    pub(crate) async fn upkeep_due_by(&self, clock: impl Fn() -> NaiveTime) {
        let mut before = clock();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = clock();
            let at = self.inner.state().config().and_then(|c| c.restart_at);
            let at = at.and_then(|(h, m)| NaiveTime::from_hms_opt(h.into(), m.into(), 0));
            if at.is_some_and(|at| is_passed(at, before, now)) {
                break;
            }
            before = now;
        }
        self.nobody().await;
    }
}

/// Whether `at` lies after `before` and not after `now`, of which a midnight may lie in between.
fn is_passed(at: NaiveTime, before: NaiveTime, now: NaiveTime) -> bool {
    if before <= now {
        before < at && at <= now
    } else {
        before < at || at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hour_is_passed_once() {
        let check = |at: &str, before: &str, now: &str, expected| {
            let time = |text: &str| text.parse::<NaiveTime>().expect("a time");
            let found = is_passed(time(at), time(before), time(now));
            assert_eq!(found, expected, "{at} in {before} to {now}");
        };
        check("04:30:00", "04:29:55", "04:30:05", true);
        check("04:30:00", "04:29:55", "04:30:00", true);
        check("04:30:00", "04:30:00", "04:30:10", false);
        check("04:30:00", "04:29:40", "04:29:50", false);
        check("00:00:00", "23:59:55", "00:00:05", true);
        check("23:59:00", "23:59:55", "00:00:05", false);
        check("12:00:00", "23:59:55", "00:00:05", false);
    }
}
