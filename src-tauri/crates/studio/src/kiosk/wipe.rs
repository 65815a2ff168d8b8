//! How a visitor is wiped: the answer ends, what was said is overwritten here and in the workers, the figures go to the log.
//!
//! Invariant: the next visitor comes only when that is done; a worker that does not say that it has overwritten everything
//! is ended, and its memory with it.

use super::Kiosk;
use super::view::{KioskSession, SessionEnd, VisitId};
use super::visit::Visit;
use crate::Error;
use crate::running::Wish;
use crate::slot::LoadedEngine;
use std::sync::Arc;
use std::time::Duration;

/// How long a worker may take to overwrite what it holds.
const WIPE_TIMEOUT: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 5 });

impl Kiosk {
    /// Wipes the visitor and goes back to the loop. Returns when nothing is left. That the visitor is gone is fine.
    ///
    /// # Errors
    /// None so far.
    pub async fn start_over(&self, visit: VisitId) -> Result<(), Error> {
        let _turn = self.inner.turn.lock().await;
        if self.inner.state().visit(visit).is_some() {
            self.wipe_now(SessionEnd::StartedOver).await;
        }
        Ok(())
    }

    /// Wipes a visitor who was away, unless somebody has come back meanwhile.
    pub(super) async fn wipe_if_away(&self, visit: VisitId) {
        let _turn = self.inner.turn.lock().await;
        if self.is_away(visit) {
            self.wipe_now(SessionEnd::Idle).await;
        }
    }

    /// Wipes whoever is there. Only for the one whose turn it is.
    pub(super) async fn wipe_now(&self, ended: SessionEnd) {
        let Some(answer) = self.begin_leaving() else {
            return;
        };
        if let Some(answer) = answer {
            answer.send_replace(Wish::StopAtOnce);
            answer.closed().await;
        }
        let engines = self.forget_said();
        for engine in engines {
            self.wipe_worker(engine).await;
        }
        // Only now somebody else may come.
        let visit = self.inner.state().visit.take();
        let Some(session) = visit.map(|visit| visit.session(ended)) else {
            return;
        };
        self.note(&session);
        self.inner
            .chosen
            .send_if_modified(|chosen| chosen.take().is_some());
        tracing::info!(?ended, turns = session.turns, "a visitor was wiped");
        self.stirred();
    }

    /// From now on nothing of this visitor's begins; the answer that is being written.
    #[expect(clippy::option_option, reason = "a visitor, perhaps with an answer")]
    fn begin_leaving(&self) -> Option<Option<tokio::sync::watch::Sender<Wish>>> {
        let mut state = self.inner.state();
        let visit = state.visit.as_mut()?;
        visit.leaving = true;
        Some(visit.answer.clone())
    }

    /// Overwrites what was said here; all that computed for it.
    fn forget_said(&self) -> Vec<Arc<LoadedEngine>> {
        let mut state = self.inner.state();
        let visit = state.visit.as_mut();
        visit.map(Visit::forget).unwrap_or_default()
    }

    async fn wipe_worker(&self, engine: Arc<LoadedEngine>) {
        let wiping = engine.worker.engine().wipe_cache();
        if tokio::time::timeout(WIPE_TIMEOUT, wiping).await.is_err() {
            tracing::warn!(model = %engine.model.id, "a worker did not wipe its cache: it is ended");
            self.inner.parts.models.discard(engine);
        }
    }

    /// Keeps how a session stands.
    pub(super) fn note(&self, session: &KioskSession) {
        if let Some(store) = self.inner.store() {
            super::log::note(store, session.clone());
        }
    }
}
