//! `fetch CACHE ORG/NAME REVISION [SEGMENTS]`: all that can be chosen of a repository, for `tests/reference/hub.py` and
//! `hub_speed.py`. It deliberately is no tool for a person: that is `wick pull`.
//!
//! The hub and the token are where the environment says. Prints a line of JSON: the snapshot, its files, the seconds of the
//! transfer alone, and the most memory that the process ever had.

use hub::{Hub, HubSettings, Progress, SpeedLimit, Stop, TransferOptions, Wanted};
use std::error::Error;
use std::io::Write;
use std::time::Instant;
use tokio::sync::watch;

const USUAL_SEGMENTS: u8 = 4;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [cache, repo, revision, rest @ ..] = &arguments[..] else {
        return Err("fetch CACHE ORG/NAME REVISION [SEGMENTS]".into());
    };
    let settings = HubSettings::find(&|name| std::env::var_os(name)).ok_or("there is no HOME")?;
    let hub = Hub::new(HubSettings {
        cache_dir: cache.into(),
        ..settings
    })?;
    let repo = hub.repo(&repo.parse()?, revision).await?;
    let variants = repo.variants.into_iter().flat_map(|variant| variant.files);
    let mut wanted = Wanted {
        repo: repo.id,
        revision: revision.clone(),
        commit: repo.commit,
        files: variants.chain(repo.projectors).collect(),
    };
    // Two variants may share a file.
    wanted.files.sort_by(|one, other| one.path.cmp(&other.path));
    wanted.files.dedup();
    let options = TransferOptions {
        segments: rest.first().map_or(Ok(USUAL_SEGMENTS), |n| n.parse())?,
        speed: SpeedLimit::default(),
        reserve_bytes: 0,
    };
    report(&hub, &wanted, &options).await
}

async fn report(
    hub: &Hub,
    wanted: &Wanted,
    options: &TransferOptions,
) -> Result<(), Box<dyn Error>> {
    let (progress, _told) = watch::channel(Progress {
        done_bytes: 0,
        total_bytes: wanted.total_bytes(),
        phase: hub::Phase::Starting,
        note: None,
    });
    let (_never, stop) = watch::channel(false);
    let started = Instant::now();
    let snapshot = hub.fetch(wanted, options, &progress, Stop(stop)).await?;
    let files: Vec<_> = wanted.files.iter().map(|file| &file.path).collect();
    let line = serde_json::json!({
        "snapshot": snapshot,
        "files": files,
        "seconds": started.elapsed().as_secs_f64(),
        "peak_bytes": peak_bytes()?,
    });
    writeln!(std::io::stdout().lock(), "{line}")?;
    Ok(())
}

/// The most memory that this process ever had. Source: proc(5), `VmHWM` of `/proc/PID/status`, in KiB.
fn peak_bytes() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB"));
    let kib: u64 = kib
        .ok_or("the kernel does not say how much memory")?
        .trim()
        .parse()?;
    Ok(kib * 1024)
}
