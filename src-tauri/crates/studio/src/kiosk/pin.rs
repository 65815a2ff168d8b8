//! The operator's PIN: kept as a hash, tried by strangers, slower after each wrong one.

use super::view::PinAnswer;
use crate::Error;
use std::path::PathBuf;

/// Keeps the PIN. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct PinKeeper {
    file: PathBuf,
}

impl PinKeeper {
    /// The PIN of this data folder (`kiosk.pin`). Nothing is read yet.
    pub(crate) fn new(data_dir: &std::path::Path) -> Self {
        Self {
            file: data_dir.join("kiosk.pin"),
        }
    }

    /// Whether one is set.
    pub(crate) fn has_pin(&self) -> bool {
        self.file.is_file()
    }

    /// Sets it: 4 to 12 digits, no trivial ones. Wrong tries are forgotten.
    ///
    /// # Errors
    /// [`crate::ErrorCode::InvalidRequest`] with the reason.
    pub(crate) async fn set(&self, _pin: String) -> Result<(), Error> {
        Err(Error::internal("not yet"))
    }

    /// Looks at one.
    pub(crate) async fn try_pin(&self, _pin: String) -> Result<PinAnswer, Error> {
        Err(Error::internal("not yet"))
    }
}
