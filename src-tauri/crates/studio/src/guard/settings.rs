//! What a person has set about memory, in the file and as the window shows it.
//!
//! The file holds only what was set; the window also wants to know what holds where nothing is.

use super::usual_reserve_bytes;
use crate::{Error, Studio};
use serde::{Deserialize, Serialize};

/// A week: more minutes than anybody means.
const MOST_IDLE_MINUTES: u32 = 7 * 24 * 60;

/// What stays free.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardSettings {
    /// Bytes that no model may take; `None` is the larger of 8 GiB and 8 % of the machine, at most a quarter of it.
    pub reserve_bytes: Option<u64>,
}

/// What becomes of loaded models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelsSettings {
    /// A model that nobody uses for so many minutes is unloaded; 0 is never.
    pub idle_minutes: u32,
}

impl Default for ModelsSettings {
    fn default() -> Self {
        Self { idle_minutes: 30 }
    }
}

impl ModelsSettings {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        if self.idle_minutes <= MOST_IDLE_MINUTES {
            return Ok(());
        }
        let message = format!(
            "A model can be kept idle for at most {MOST_IDLE_MINUTES} minutes. Nothing was changed."
        );
        Err(Error::invalid(message).hint("Choose fewer, or 0 for never unloading."))
    }
}

/// What can be set about memory, as the window sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct MemoryChoice {
    /// A model that nobody uses for so many minutes is unloaded; 0 is never.
    pub idle_minutes: u32,
    /// Bytes kept free for the desktop; `None` is what is usual.
    #[specta(type = Option<u32>)]
    pub reserve_bytes: Option<u64>,
}

/// What is set about memory, as the window shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, specta::Type)]
pub struct MemorySettings {
    /// What holds.
    pub choice: MemoryChoice,
    /// Bytes kept free where nothing is set.
    #[specta(type = u32)]
    pub usual_reserve_bytes: u64,
}

impl Studio {
    /// What is set about memory.
    pub fn memory_settings(&self) -> MemorySettings {
        let settings = self.inner.settings.get();
        let memory = self.inner.models.guard().memory();
        let total_bytes = memory.map_or(0, |memory| memory.total_bytes);
        MemorySettings {
            choice: MemoryChoice {
                idle_minutes: settings.models.idle_minutes,
                reserve_bytes: settings.guard.reserve_bytes,
            },
            usual_reserve_bytes: usual_reserve_bytes(total_bytes),
        }
    }

    /// Sets for how long an idle model stays loaded, and what is kept free for the desktop. It holds from now on.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`](crate::ErrorCode::InvalidRequest) for more than a week; as for
    /// [`SettingsFile::change`](crate::SettingsFile::change). Nothing has changed then.
    pub fn set_memory_settings(&self, choice: MemoryChoice) -> Result<(), Error> {
        let models = ModelsSettings {
            idle_minutes: choice.idle_minutes,
        };
        models.validate()?;
        self.inner.settings.change(|all| {
            all.models = models;
            all.guard.reserve_bytes = choice.reserve_bytes;
        })?;
        Ok(())
    }
}
