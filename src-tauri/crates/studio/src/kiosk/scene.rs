//! A live scene of the attract loop: its prompt is answered by the model that is there, until a visitor comes.
//!
//! Nothing of it is in any log or database, and nothing of it stays.

use super::Kiosk;
use super::answer::Speaker;
use super::config::Config;
use super::view::{KioskAnswer, Scene};
use super::visitor::Sink;
use crate::running::Wish;
use crate::{Error, ErrorCode};
use std::sync::Arc;
use tokio::sync::watch;

impl Kiosk {
    /// The answer to a live scene's prompt. It ends when a visitor comes, or another scene: then without
    /// [`KioskAnswer::Finished`]. Returns when it is over.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`] for what is no live scene, [`ErrorCode::ModelNotLoaded`] when no model can answer,
    /// [`ErrorCode::Cancelled`] while the kiosk is off or a visitor is there.
    pub async fn play(
        &self,
        scene: u32,
        sink: impl Fn(KioskAnswer) + Send + Sync + 'static,
    ) -> Result<(), Error> {
        let sink: Sink = Box::new(sink);
        let (config, prompt, wish) = self.begin_scene(scene)?;
        let speaker = Speaker::new(self.clone(), config, wish, sink);
        let kiosk = self.clone();
        let playing = tokio::spawn(async move {
            let was_answered = speaker.answer_scene(prompt).await;
            kiosk.forget_scene();
            was_answered
        });
        match playing.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::new(
                ErrorCode::ModelNotLoaded,
                "No model can answer now.",
            )),
            Err(_) => Err(Error::internal("The scene ended unexpectedly.")),
        }
    }

    fn begin_scene(
        &self,
        scene: u32,
    ) -> Result<(Arc<Config>, String, watch::Receiver<Wish>), Error> {
        let closed = || Error::cancelled("The kiosk is closed.");
        self.inner.end_scene();
        let mut state = self.inner.state();
        let config = state.config().ok_or_else(closed)?;
        if state.visit.is_some() {
            return Err(Error::cancelled("Somebody is visiting."));
        }
        let Some(Scene::Live { prompt, .. }) = config.scenes.get(scene as usize) else {
            return Err(Error::invalid("This is no live scene."));
        };
        let prompt = prompt.clone();
        let (sender, wish) = watch::channel(Wish::GoOn);
        state.scene = Some(sender);
        Ok((config, prompt, wish))
    }

    /// A scene is over: the worker holds nothing of it.
    fn forget_scene(&self) {
        if let Some(engine) = self.inner.ready.borrow().engine() {
            engine.worker.engine().forget_cache();
        }
    }
}
