//! A new worker for the loaded model, for one that is stuck.

use crate::interruption;
use crate::slot::{Relief, SlotState};
use crate::{Error, ErrorCode, Studio};

impl Studio {
    /// Ends the worker of the loaded model, also one that hangs, and loads the model again. What it was writing is kept as
    /// interrupted, and can go on afterwards.
    ///
    /// # Errors
    /// [`ErrorCode::ModelNotLoaded`] when nothing is loaded; those of [`Studio::load_model`].
    pub async fn restart_model(&self) -> Result<(), Error> {
        let slot = self.inner.models.slot();
        let SlotState::Loaded(engine) = slot.state() else {
            return Err(Error::new(
                ErrorCode::ModelNotLoaded,
                "There is no loaded model to start anew.",
            ));
        };
        let (id, wish) = (engine.model.id.clone(), engine.wish);
        // Whether it is ended by this or was gone already, the model is wanted.
        slot.relieve(Relief::Worker(engine, interruption::RESTARTED))
            .await;
        self.load_model(id, wish).await
    }
}
