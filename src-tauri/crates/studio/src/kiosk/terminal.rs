//! What an operator does from a terminal, where there is no [`crate::Studio`]: look into a folder, set a PIN.

use super::config::{Config, read_folder};
use super::pin::PinKeeper;
use super::view::{ConfigProblem, Scene};
use crate::Error;
use std::path::Path;

/// What would hold in a kiosk with this folder.
#[derive(Debug, Clone, PartialEq)]
pub struct KioskFolder {
    /// Whether it has a `kiosk.toml`; otherwise what comes with Wick holds.
    pub has_file: bool,
    /// The attract loop.
    pub scenes: Vec<Scene>,
    /// The models that may answer, as they are named there; none is the one used last.
    pub models: Vec<String>,
}

/// Reads a folder of the kiosk as the kiosk itself does. Blocks.
///
/// # Errors
/// The first mistake. Its file is named as seen from the folder.
pub fn look_into_kiosk_folder(folder: &Path) -> Result<KioskFolder, ConfigProblem> {
    let found = read_folder(folder)?;
    let has_file = found.is_some();
    let Config {
        scenes, visitor, ..
    } = found.unwrap_or_default();
    Ok(KioskFolder {
        has_file,
        scenes,
        models: visitor.models,
    })
}

/// Sets the PIN of a data folder: 4 to 12 digits. A running kiosk takes it at once, and wrong tries are forgotten. Blocks.
///
/// # Errors
/// [`crate::ErrorCode::InvalidRequest`] with the reason; [`crate::ErrorCode::DiskFull`], [`crate::ErrorCode::Internal`]
/// when it can't be kept. Then the one before still holds.
pub fn set_kiosk_pin(data_dir: &Path, pin: &str) -> Result<(), Error> {
    PinKeeper::new(data_dir).set_now(pin)
}

/// Whether a PIN is set in a data folder. Blocks.
pub fn has_kiosk_pin(data_dir: &Path) -> bool {
    PinKeeper::new(data_dir).has_pin()
}
