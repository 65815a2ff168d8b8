//! What a visitor does: comes, touches, says, stops, chooses.

use super::Kiosk;
use super::answer::Speaker;
use super::config::Config;
use super::ready::{Ready, Wanted};
use super::view::{KioskAnswer, KioskModelId, KioskPhase, VisitId};
use super::visit::Visit;
use crate::running::Wish;
use crate::store::now_ms;
use crate::{Error, ErrorCode};
use std::sync::Arc;
use tokio::sync::watch;

/// Who wants to see an answer being written.
pub(super) type Sink = Box<dyn Fn(KioskAnswer) + Send + Sync>;

/// What becomes of a message.
enum Said {
    /// It is to be answered.
    Asked(Arc<Config>, watch::Receiver<Wish>),
    /// A rule stands against it.
    Blocked(KioskAnswer),
}

impl Kiosk {
    /// A visitor is there; the one who is there already if so. A live scene ends.
    ///
    /// # Errors
    /// [`ErrorCode::Cancelled`] while the kiosk is off.
    pub async fn begin(&self) -> Result<VisitId, Error> {
        let _turn = self.inner.turn.lock().await;
        self.inner.folder()?;
        self.inner.end_scene();
        let id = {
            let mut state = self.inner.state();
            if state.visit.is_none() {
                state.last_visit += 1;
                state.last_began_at_ms = now_ms().max(state.last_began_at_ms + 1);
                let id = VisitId(state.last_visit);
                state.visit = Some(Visit::new(id, state.last_began_at_ms));
            }
            let visit = state.visit.as_mut();
            visit.map_or(VisitId(0), |visit| {
                visit.touch();
                visit.id
            })
        };
        self.stirred();
        Ok(id)
    }

    /// The visitor is still there. Of one who is gone it is nothing.
    ///
    /// # Errors
    /// None so far.
    #[expect(
        clippy::unused_async,
        reason = "as all that a visitor does: who calls it awaits"
    )]
    pub async fn touched(&self, visit: VisitId) -> Result<(), Error> {
        let is_there = self.inner.state().visit(visit).map(Visit::touch).is_some();
        if is_there {
            self.stirred();
        }
        Ok(())
    }

    /// The visitor says something. Returns when the answer is over; it is written whether or not this future is still
    /// awaited.
    ///
    /// # Errors
    /// [`ErrorCode::Cancelled`] for a visitor who is gone, [`ErrorCode::Busy`] while another answer is written,
    /// [`ErrorCode::InvalidRequest`] for blanks, a text that is too long and one message too many; then nothing was said.
    pub async fn say(
        &self,
        visit: VisitId,
        text: String,
        sink: impl Fn(KioskAnswer) + Send + Sync + 'static,
    ) -> Result<(), Error> {
        let sink: Sink = Box::new(sink);
        let said = self.take_message(visit, text)?;
        self.stirred();
        let (config, wish) = match said {
            Said::Blocked(answer) => {
                sink(answer);
                return Ok(());
            }
            Said::Asked(config, wish) => (config, wish),
        };
        let speaker = Speaker::new(self.clone(), config, wish, sink);
        let answering = tokio::spawn(speaker.answer_visitor(visit));
        answering.await.map_err(|_| {
            // A panic of ours: its text is no visitor's business either.
            Error::internal("The answer ended unexpectedly.")
        })
    }

    /// Stops the answer. What is written stays.
    ///
    /// # Errors
    /// None so far.
    #[expect(
        clippy::unused_async,
        reason = "as all that a visitor does: who calls it awaits"
    )]
    pub async fn stop(&self, visit: VisitId) -> Result<(), Error> {
        if let Some(visit) = self.inner.state().visit(visit) {
            visit.touch();
            if let Some(answer) = &visit.answer {
                answer.send_replace(Wish::Stop);
            }
        }
        self.stirred();
        Ok(())
    }

    /// Another of the allowed models; the conversation stays. Returns when it is ready.
    ///
    /// # Errors
    /// [`ErrorCode::Cancelled`] for a visitor who is gone, [`ErrorCode::Busy`] while an answer is written,
    /// [`ErrorCode::InvalidRequest`] for a model that is not allowed, [`ErrorCode::ModelNotLoaded`] when it can't be had
    /// now; then another one answers.
    pub async fn choose_model(&self, visit: VisitId, model: KioskModelId) -> Result<(), Error> {
        let config = self.inner.in_force()?.config.clone();
        let allowed = self.inner.allowed(&config).await?.found;
        let is_it = |wanted: &Wanted| KioskModelId::of(&wanted.model.id) == model;
        let Some(wanted) = allowed.into_iter().find(is_it) else {
            return Err(Error::invalid("This model is not offered here."));
        };
        let model = wanted.model.id;
        {
            let mut state = self.inner.state();
            let visit = state.visit(visit).ok_or_else(gone)?;
            visit.touch();
            if visit.is_answering() {
                return Err(Error::busy());
            }
            self.inner.chosen.send_replace(Some(model.clone()));
        }
        self.stirred();
        let mut chosen = self.inner.chosen.subscribe();
        let mut ready = self.inner.ready.subscribe();
        let is_settled = |ready: &Ready| ready.is_settled_for(Some(&model));
        let is_it = tokio::select! {
            ready = ready.wait_for(is_settled) => {
                ready.is_ok_and(|ready| ready.engine().is_some_and(|one| one.model.id == model))
            }
            // The visitor is gone, or has chosen another one.
            _ = chosen.wait_for(|chosen| chosen.as_ref() != Some(&model)) => return Err(gone()),
        };
        let pausing = || Error::new(ErrorCode::ModelNotLoaded, "This model takes a short break.");
        is_it.then_some(()).ok_or_else(pausing)
    }

    /// Takes a message, or says why not.
    fn take_message(&self, visit: VisitId, text: String) -> Result<Said, Error> {
        let mut state = self.inner.state();
        let config = state.config().ok_or_else(gone)?;
        let visit = state.visit(visit).ok_or_else(gone)?;
        visit.touch();
        if visit.is_answering() {
            return Err(Error::busy());
        }
        check(&text, visit, &config)?;
        let is_blocked = config.rules.blocks(&text);
        visit.say(text);
        if is_blocked {
            let own = &config.rules.blocked_answer;
            visit.end_answer(Some(own));
            return Ok(Said::Blocked(KioskAnswer::Finished {
                text: own.clone(),
                turns_left: visit.turns_left(config.visitor.max_turns),
            }));
        }
        let (answer, wish) = watch::channel(Wish::GoOn);
        visit.answer = Some(answer);
        Ok(Said::Asked(config, wish))
    }

    /// Something has changed that the page or the clock looks at.
    pub(super) fn stirred(&self) {
        self.inner.publish();
        self.inner.stir.notify_one();
    }

    /// Returns when nobody is visiting.
    pub(super) async fn nobody(&self) {
        let mut now = self.inner.now.subscribe();
        let _ = now.wait_for(|now| now.phase == KioskPhase::Attract).await;
    }
}

fn gone() -> Error {
    Error::cancelled("This visit is over.")
}

/// What can be said against a message before anybody reads it.
fn check(text: &str, visit: &Visit, config: &Config) -> Result<(), Error> {
    let limits = &config.visitor;
    if text.trim().is_empty() {
        return Err(Error::invalid("There is nothing to send."));
    }
    if text.chars().count() > limits.max_message_characters as usize {
        let most = limits.max_message_characters;
        return Err(Error::invalid(format!(
            "At most {most} characters fit into a message."
        )));
    }
    if visit.turns_left(limits.max_turns) == 0 {
        return Err(Error::invalid("That was the last message. Start over."));
    }
    Ok(())
}
