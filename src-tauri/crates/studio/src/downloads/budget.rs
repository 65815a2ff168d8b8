//! How much of the disk downloads may take.

use crate::Error;
use hub::{Hub, Wanted};

/// Refuses what would take more of the disk than the person gives; no budget is as much as there is.
///
/// # Errors
/// [`ErrorCode::DiskFull`](crate::ErrorCode::DiskFull) with how much more it would be.
pub async fn within_budget(
    hub: &Hub,
    wanted: &Wanted,
    budget_bytes: Option<u64>,
) -> Result<(), Error> {
    let Some(budget_bytes) = budget_bytes else {
        return Ok(());
    };
    let (hub, wanted) = (hub.clone(), wanted.clone());
    let room =
        tokio::task::spawn_blocking(move || hub.cache_bytes() + hub.missing_bytes(&wanted)).await;
    let needed = room
        .map_err(|error| Error::internal(format!("The cache could not be measured: {error}.")))?;
    match needed.saturating_sub(budget_bytes) {
        0 => Ok(()),
        over_bytes => Err(Error::over_budget(over_bytes)),
    }
}
