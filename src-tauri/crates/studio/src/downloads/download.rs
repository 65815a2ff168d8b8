//! A download as a person sees it.

use crate::Error;
use hub::{Commit, ModelId, RepoId};
use serde::{Deserialize, Serialize};

/// Names a download.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, specta::Type,
)]
#[serde(transparent)]
pub struct DownloadId(pub u32);

/// A download: one variant of a repository at one commit.
#[derive(Debug, Clone, PartialEq, Serialize, specta::Type)]
pub struct Download {
    /// Which.
    pub id: DownloadId,
    /// From where.
    pub repo: RepoId,
    /// The revision that was asked for.
    pub revision: String,
    /// The commit that it was then, and stays.
    pub commit: Commit,
    /// What a person calls the variant: its quantization, mostly.
    pub label: String,
    /// How many files it has.
    pub file_count: u32,
    /// Bytes on the disk.
    #[specta(type = u32)]
    pub done_bytes: u64,
    /// Bytes of all files.
    #[specta(type = u32)]
    pub total_bytes: u64,
    /// What is with it.
    pub state: DownloadState,
    /// How fast bytes come, over the last seconds; `None` while none are fetched.
    #[specta(type = Option<u32>)]
    pub rate_bytes_per_second: Option<u64>,
    /// How long it will take at that rate.
    #[specta(type = Option<u32>)]
    pub remaining_ms: Option<u64>,
    /// Bytes of each of the last seconds, at most 60.
    #[specta(type = Vec<u32>)]
    pub rates: Vec<u64>,
    /// What a person should know, such as that the server made it start over.
    pub note: Option<String>,
    /// When it was asked for, in milliseconds since 1970.
    #[specta(type = f64)]
    pub started_at_ms: i64,
    /// The model that it has become.
    pub model_id: Option<ModelId>,
}

/// What is with a download.
#[derive(Debug, Clone, PartialEq, Serialize, specta::Type)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum DownloadState {
    /// It waits for its turn.
    Queued,
    /// It waits for the hours in which anything is brought.
    OutsideHours {
        /// When they begin, in minutes after midnight.
        from_minute: u16,
    },
    /// It looks at the disk and asks the hub.
    Starting,
    /// Bytes come.
    Fetching,
    /// Nothing comes; it tries again by itself.
    Waiting {
        /// Why, in words.
        reason: String,
        /// How long until the next try.
        #[specta(type = u32)]
        retry_in_ms: u64,
    },
    /// What came is being checked.
    Verifying,
    /// It waits for the person.
    Paused {
        /// Why, if the person did not want it so.
        error: Option<Error>,
    },
    /// It can't go on. What was fetched is kept.
    Failed {
        /// Why.
        error: Error,
    },
    /// It is in the library.
    Complete,
}

/// What changed since the last time.
#[derive(Debug, Clone, PartialEq, Serialize, specta::Type)]
pub struct DownloadList {
    /// Those that are new or otherwise than before.
    pub changed: Vec<Download>,
    /// All there are, in their order; one that is missing is gone.
    pub order: Vec<DownloadId>,
}

impl DownloadList {
    /// What is new in the second list.
    pub fn between(before: &[Download], now: &[Download]) -> Self {
        let is_new = |download: &&Download| !before.contains(download);
        Self {
            changed: now.iter().filter(is_new).cloned().collect(),
            order: now.iter().map(|download| download.id).collect(),
        }
    }
}
