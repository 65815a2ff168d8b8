//! The operator, who has the PIN: lets in, and what Settings shows and changes.

use super::Kiosk;
use super::folder::Folder;
use super::log;
use super::shared::blocking;
use super::view::{KioskLog, KioskSetup, PinAnswer};
use crate::Error;
use crate::store::{Store, now_ms};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

#[cfg(doc)]
use crate::ErrorCode;

/// How long the operator is in without doing anything.
const UNLOCKED: Duration = Duration::from_secs(120);
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Kiosk {
    /// Looks at a PIN; after the right one the operator is in for two minutes, and longer with each use of it.
    ///
    /// # Errors
    /// Those of the disk.
    pub async fn try_pin(&self, pin: String) -> Result<PinAnswer, Error> {
        let answer = self.inner.pin.try_pin(pin).await?;
        if answer == PinAnswer::Right {
            self.inner.state().unlocked_until = Some(Instant::now() + UNLOCKED);
        }
        Ok(answer)
    }

    /// Whether the operator is in; each call that needs it asks.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`] if not.
    pub fn check_unlocked(&self) -> Result<(), Error> {
        let now = Instant::now();
        let mut state = self.inner.state();
        if state.unlocked_until.is_none_or(|until| until < now) {
            state.unlocked_until = None;
            return Err(Error::invalid("Enter the PIN first."));
        }
        state.unlocked_until = Some(now + UNLOCKED);
        Ok(())
    }

    /// The operator is out again.
    pub fn lock(&self) {
        self.inner.state().unlocked_until = None;
    }

    /// What Settings shows.
    ///
    /// # Errors
    /// Those of the disk.
    pub async fn setup(&self) -> Result<KioskSetup, Error> {
        let folder = self.folder_or_open().await?;
        let looking = folder.clone();
        let in_force = blocking(move || looking.look_now()).await?;
        let allowed = self.inner.allowed(&in_force.config).await?;
        let names = allowed.found.iter().map(|wanted| wanted.model.name.clone());
        Ok(KioskSetup {
            folder: self.path().to_string_lossy().into_owned(),
            has_folder: in_force.has_folder,
            problem: in_force.problem.clone(),
            scenes: u32::try_from(in_force.config.scenes.len()).unwrap_or(u32::MAX),
            models: names.collect(),
            missing_models: allowed.missing,
            has_pin: self.inner.pin.has_pin(),
            display: self.inner.parts.settings.get().kiosk.display,
        })
    }

    /// Sets the PIN: 4 to 12 digits.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`] with the reason.
    pub async fn set_pin(&self, pin: String) -> Result<(), Error> {
        self.inner.pin.set(pin).await
    }

    /// Chooses the output.
    ///
    /// # Errors
    /// Those of the settings' file.
    pub fn set_display(&self, display: Option<String>) -> Result<(), Error> {
        let settings = &self.inner.parts.settings;
        settings.change(|settings| settings.kiosk.display = display)?;
        Ok(())
    }

    /// Writes the scenes that come with Wick into the folder, to be edited. What is there is left alone.
    ///
    /// # Errors
    /// Those of the disk.
    pub async fn make_folder(&self) -> Result<KioskSetup, Error> {
        let folder = self.folder_or_open().await?;
        blocking(move || folder.make()).await??;
        self.setup().await
    }

    /// The sessions of the last days.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn log(&self, days: u32) -> Result<KioskLog, Error> {
        log::log_since(self.store()?, now_ms() - i64::from(days) * DAY_MS).await
    }

    /// Writes all sessions into a new CSV file in this folder; its path.
    ///
    /// # Errors
    /// Those of the database and the disk.
    pub async fn export_log(&self, folder: PathBuf) -> Result<String, Error> {
        log::export(self.store()?, folder).await
    }

    fn store(&self) -> Result<&Store, Error> {
        self.inner.store().ok_or_else(Error::not_open)
    }

    fn path(&self) -> PathBuf {
        self.inner.parts.data_dir.join("kiosk")
    }

    async fn folder_or_open(&self) -> Result<Folder, Error> {
        match self.inner.folder() {
            Ok(folder) => Ok(folder),
            Err(_) => self.inner.look_at_folder().await,
        }
    }
}
