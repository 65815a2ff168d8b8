//! Why an answer ended early, in the words that stand below it.

use engine_api::EngineError;

/// The app went away, in order or not.
pub(crate) const CLOSED: &str = "Wick was closed while this was being written.";
/// The person unloaded the model.
pub(crate) const UNLOADED: &str = "The model was unloaded while this was being written.";
/// The person loaded another model.
pub(crate) const REPLACED: &str = "Another model was loaded while this was being written.";
/// The person started the worker anew.
pub(crate) const RESTARTED: &str = "The engine was started anew while this was being written.";
/// The guard ended the worker, for otherwise the machine would have come to a stop.
pub(crate) const OUT_OF_MEMORY: &str = "The memory of this computer was nearly used up, so Wick ended the model before the desktop stood still.";

/// The disk was full when it ended, and the app could not wait for room.
pub(crate) const UNKEPT: &str = "Its end could not be written to the disk.";

/// The worker ended by itself; `exit` is how.
pub(crate) fn engine_stopped(exit: &str) -> String {
    format!("The engine stopped: {exit}.")
}

/// The computation failed.
pub(crate) fn engine_failed(error: &EngineError) -> String {
    crate::error::sentence(error)
}
