//! Whose turn it is, by the clock: a visitor who touches nothing is asked, and then wiped.
//!
//! It runs here and not in the page, so that a page that is frozen is wiped all the same. Invariant: while an answer is
//! written its reader is there.

use super::Kiosk;
use super::config::Visitor;
use super::shared::State;
use super::view::{KioskPhase, VisitId};
use super::visit::Visit;
use std::time::Duration;
use tokio::time::Instant;

/// What comes next, if nobody touches anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The countdown begins.
    Count(Instant),
    /// The visitor is wiped.
    Wipe(VisitId, Instant),
}

impl Visit {
    /// What comes next; nothing while an answer is written.
    pub(super) fn next(&self, limits: &Visitor) -> Option<Next> {
        if self.is_answering() || self.leaving {
            return None;
        }
        let idle = self.touched + limits.idle;
        Some(match self.counting {
            Some(since) => Next::Wipe(self.id, since + limits.countdown),
            None if limits.countdown.is_zero() => Next::Wipe(self.id, idle),
            None => Next::Count(idle),
        })
    }

    /// The phase that the page is shown.
    pub(super) fn phase(&self, limits: &Visitor) -> KioskPhase {
        let visit = self.id;
        match self.counting {
            None => KioskPhase::Visit { visit },
            Some(since) => KioskPhase::Countdown {
                visit,
                wipes_in_ms: ms(limits.countdown.saturating_sub(since.elapsed())),
            },
        }
    }
}

fn ms(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros().div_ceil(1000)).unwrap_or(u32::MAX)
}

impl Kiosk {
    fn next(&self) -> Option<Next> {
        let state = self.inner.state();
        let config = state.config()?;
        state.visit.as_ref()?.next(&config.visitor)
    }

    /// Begins the countdown, unless the visitor has come back meanwhile.
    fn count_down(&self) {
        if let Some(visit) = self.inner.state().due() {
            visit.counting = Some(Instant::now());
        }
        self.inner.publish();
    }

    /// Whether the time of this visitor is over.
    pub(super) fn is_away(&self, id: VisitId) -> bool {
        let next = self.next();
        next.is_some_and(|next| {
            matches!(next, Next::Wipe(visit, _) if visit == id) && next.is_due()
        })
    }

    /// Keeps the time until the kiosk closes.
    pub(super) async fn keep_time(self) {
        loop {
            let stirred = self.inner.stir.notified();
            let next = self.next();
            tokio::select! {
                () = stirred => {}
                () = reached(next) => match next {
                    Some(Next::Count(_)) => self.count_down(),
                    Some(Next::Wipe(visit, _)) => self.wipe_if_away(visit).await,
                    None => {}
                },
            }
        }
    }
}

impl State {
    /// The visitor, if it is time to count down.
    fn due(&mut self) -> Option<&mut Visit> {
        let config = self.config()?;
        let visit = self.visit.as_mut()?;
        let next = visit.next(&config.visitor)?;
        (matches!(next, Next::Count(_)) && next.is_due()).then_some(visit)
    }
}

impl Next {
    fn is_due(self) -> bool {
        let (Self::Count(at) | Self::Wipe(_, at)) = self;
        at <= Instant::now()
    }
}

async fn reached(next: Option<Next>) {
    match next {
        Some(Next::Count(at) | Next::Wipe(_, at)) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
