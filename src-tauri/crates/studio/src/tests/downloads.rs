//! The queue, against a hub that speaks the real protocol.

use super::{Desk, PATIENCE, Place, soon};
use crate::{Download, DownloadId, DownloadState, ErrorCode, Hours};
use fake_hub::{Content, FakeHub, Fault, Gated, Repo};
use hub::{HubSettings, RepoId};
use std::sync::Arc;

pub(super) const REPO: &str = "org/model-GGUF";

/// A hub with one repository of two variants, of some megabytes.
pub(super) async fn hub() -> FakeHub {
    let hub = FakeHub::start().await;
    hub.add_repo(Repo::new(REPO).licence("apache-2.0"));
    hub.commit(
        REPO,
        "main",
        &[("m-Q4_0.gguf", gguf(1)), ("m-Q8_0.gguf", gguf(2))],
    );
    hub
}

/// What begins as a GGUF file does.
pub(super) fn gguf(seed: u8) -> Content {
    let mut bytes = vec![seed; 3 << 20];
    bytes[..4].copy_from_slice(b"GGUF");
    Content::Bytes(bytes.into())
}

impl Place {
    fn hub_settings(&self, hub: &FakeHub) -> HubSettings {
        HubSettings {
            endpoint: hub.endpoint(),
            cache_dir: self.path("hub"),
            token_file: self.path("token"),
            token: None,
            offline: false,
        }
    }

    pub(super) async fn desk_at(&self, hub: &FakeHub) -> Desk {
        let desk = self.closed_desk_with("data", Some(self.hub_settings(hub)));
        assert_eq!(desk.studio.startup().await, crate::Startup::Ready);
        let mut settings = desk.studio.download_settings();
        settings.reserve_bytes = 0;
        desk.studio
            .set_download_settings(settings)
            .expect("settings");
        desk
    }
}

impl Desk {
    /// Looks at the repository and starts the variant whose file is called so.
    pub(super) async fn bring(&self, key: &str) -> DownloadId {
        let repo: RepoId = REPO.parse().expect("a repository");
        let repo = self
            .studio
            .repository(&repo, None)
            .await
            .expect("a repository");
        let started = self
            .studio
            .start_download(repo.id, repo.commit, key.into(), false);
        started.await.expect("a download")
    }

    /// Waits until one is as expected.
    pub(super) async fn download(
        &self,
        id: DownloadId,
        expected: impl Fn(&Download) -> bool,
    ) -> Download {
        let mut downloads = self.studio.subscribe_downloads();
        let is = |list: &Arc<Vec<Download>>| {
            list.iter()
                .find(|download| download.id == id && expected(download))
                .cloned()
        };
        let seen = self.studio.subscribe_downloads();
        let came =
            tokio::time::timeout(PATIENCE, downloads.wait_for(|list| is(list).is_some())).await;
        let list = came.unwrap_or_else(|_| panic!("it never came, but {:?}", seen.borrow()));
        is(&list.expect("a list")).expect("a download")
    }

    fn order(&self) -> Vec<DownloadId> {
        let list = self.studio.subscribe_downloads().borrow().clone();
        list.iter().map(|download| download.id).collect()
    }
}

pub(super) fn is_complete(download: &Download) -> bool {
    download.state == DownloadState::Complete
}

#[tokio::test]
async fn a_click_becomes_a_model() {
    let (place, hub) = (Place::new(), hub().await);
    let desk = place.desk_at(&hub).await;
    let id = desk.bring("m-Q8_0.gguf").await;
    let download = desk.download(id, is_complete).await;
    assert_eq!(
        (download.label.as_str(), download.done_bytes),
        ("Q8_0", 3 << 20)
    );
    let model = download.model_id.expect("a model");
    assert!(
        std::fs::read(&model.0)
            .expect("a file")
            .starts_with(b"GGUF\x02")
    );
    // Asked for once more, it is there at once and nothing is fetched.
    hub.forget();
    let again = desk.bring("m-Q8_0.gguf").await;
    desk.download(again, is_complete).await;
    assert!(
        hub.requests()
            .iter()
            .all(|seen| !seen.path.contains("m-Q8_0")),
        "{:?}",
        hub.requests()
    );
}

#[tokio::test]
async fn what_was_on_its_way_goes_on_after_a_restart() {
    let (place, hub) = (Place::new(), hub().await);
    hub.fault(Fault::stall(1 << 20).path("m-Q4_0").always());
    let desk = place.desk_at(&hub).await;
    let id = desk.bring("m-Q4_0.gguf").await;
    desk.download(id, |download| download.done_bytes > 0).await;
    desk.close().await;
    hub.behave();
    hub.release();
    let desk = place.desk_at(&hub).await;
    assert_eq!(desk.download(id, is_complete).await.done_bytes, 3 << 20);
}

#[tokio::test]
async fn a_download_is_paused_resumed_and_cancelled() {
    let (place, hub) = (Place::new(), hub().await);
    hub.fault(Fault::stall(1 << 20).path("m-Q4_0").always());
    let desk = place.desk_at(&hub).await;
    let id = desk.bring("m-Q4_0.gguf").await;
    desk.download(id, |download| download.done_bytes > 0).await;
    desk.studio.pause_download(id).await.expect("paused");
    desk.download(id, |download| {
        download.state == DownloadState::Paused { error: None }
    })
    .await;
    // Paused stays paused over a restart.
    desk.close().await;
    let desk = place.desk_at(&hub).await;
    desk.download(id, |download| {
        download.state == DownloadState::Paused { error: None }
    })
    .await;
    desk.studio.resume_download(id).await.expect("resumed");
    desk.download(id, |download| download.state == DownloadState::Fetching)
        .await;
    soon(desk.studio.cancel_download(id))
        .await
        .expect("cancelled");
    let mut list = desk.studio.subscribe_downloads();
    soon(list.wait_for(|list| list.is_empty()))
        .await
        .expect("a list");
    let blobs = place.path("hub/models--org--model-GGUF/blobs");
    let left = std::fs::read_dir(blobs).map_or(0, Iterator::count);
    assert_eq!(left, 0, "unfinished files were left");
    let error = desk
        .studio
        .pause_download(id)
        .await
        .expect_err("it is gone");
    assert_eq!(error.code, ErrorCode::NotFound);
}

#[tokio::test]
async fn they_run_in_order_and_so_many_at_a_time() {
    let (place, hub) = (Place::new(), hub().await);
    hub.fault(Fault::stall(1 << 20).always());
    let desk = place.desk_at(&hub).await;
    let mut settings = desk.studio.download_settings();
    settings.parallel = 1;
    desk.studio
        .set_download_settings(settings.clone())
        .expect("settings");
    let first = desk.bring("m-Q4_0.gguf").await;
    let second = desk.bring("m-Q8_0.gguf").await;
    desk.download(first, |download| download.done_bytes > 0)
        .await;
    desk.download(second, |download| download.state == DownloadState::Queued)
        .await;
    desk.studio
        .move_download(second, Some(first))
        .await
        .expect("moved");
    desk.download(second, |download| download.done_bytes > 0)
        .await;
    desk.download(first, |download| download.state == DownloadState::Queued)
        .await;
    assert_eq!(desk.order(), [second, first]);
    settings.parallel = 2;
    desk.studio
        .set_download_settings(settings)
        .expect("settings");
    desk.download(first, |download| download.state == DownloadState::Fetching)
        .await;
    // The order is kept.
    desk.close().await;
    let desk = place.desk_at(&hub).await;
    desk.download(first, |_| true).await;
    assert_eq!(desk.order(), [second, first]);
}

#[tokio::test]
async fn nothing_is_brought_outside_of_the_hours() {
    let (place, hub) = (Place::new(), hub().await);
    let desk = place.desk_at(&hub).await;
    let now = super::super::downloads::minute_of_the_day();
    let mut settings = desk.studio.download_settings();
    // Begins in two hours and lasts one.
    let hours = Hours {
        from_minute: (now + 120) % 1440,
        until_minute: (now + 180) % 1440,
    };
    settings.hours = Some(hours);
    desk.studio
        .set_download_settings(settings.clone())
        .expect("settings");
    let id = desk.bring("m-Q4_0.gguf").await;
    let waits = DownloadState::OutsideHours {
        from_minute: hours.from_minute,
    };
    desk.download(id, |download| download.state == waits).await;
    settings.hours = None;
    desk.studio
        .set_download_settings(settings)
        .expect("settings");
    desk.download(id, is_complete).await;
}

#[tokio::test]
async fn a_full_disk_and_a_full_budget_pause_it_and_say_what_is_missing() {
    let (place, hub) = (Place::new(), hub().await);
    let desk = place.desk_at(&hub).await;
    let paused = |words: &'static str| {
        move |download: &Download| {
            let DownloadState::Paused { error: Some(error) } = &download.state else {
                return false;
            };
            error.code == ErrorCode::DiskFull && error.message.contains(words)
        }
    };
    let mut settings = desk.studio.download_settings();
    settings.reserve_bytes = 1 << 50;
    desk.studio
        .set_download_settings(settings.clone())
        .expect("settings");
    let id = desk.bring("m-Q4_0.gguf").await;
    desk.download(id, paused("are missing")).await;
    settings.reserve_bytes = 0;
    settings.budget_bytes = Some(1 << 20);
    desk.studio
        .set_download_settings(settings.clone())
        .expect("settings");
    desk.studio.resume_download(id).await.expect("resumed");
    desk.download(id, paused("2.0 MiB more than the disk budget"))
        .await;
    settings.budget_bytes = Some(3 << 20);
    desk.studio
        .set_download_settings(settings)
        .expect("settings");
    desk.studio.resume_download(id).await.expect("resumed");
    desk.download(id, is_complete).await;
}

#[tokio::test]
async fn a_gate_is_told_with_its_page_and_opens_with_a_token() {
    let (place, hub) = (Place::new(), hub().await);
    hub.add_repo(Repo::new("org/gated").gated(Gated::Automatic));
    hub.commit("org/gated", "main", &[("m-Q4_0.gguf", gguf(3))]);
    let desk = place.desk_at(&hub).await;
    let repo: RepoId = "org/gated".parse().expect("a repository");
    let found = desk
        .studio
        .repository(&repo, None)
        .await
        .expect("its list is open");
    let key = "m-Q4_0.gguf".to_owned();
    let id = desk
        .studio
        .start_download(found.id, found.commit, key, false)
        .await
        .expect("a download");
    let failed = desk
        .download(id, |download| {
            matches!(download.state, DownloadState::Failed { .. })
        })
        .await;
    let DownloadState::Failed { error } = failed.state else {
        panic!("it failed");
    };
    assert_eq!(error.code, ErrorCode::AuthRequired);
    assert_eq!(error.link, Some(format!("{}/org/gated", hub.endpoint())));
    hub.accept_token("hf_visitor");
    hub.let_in("hf_visitor", "org/gated");
    desk.studio
        .set_access_token("hf_visitor")
        .await
        .expect("a name");
    desk.studio.resume_download(id).await.expect("resumed");
    desk.download(id, is_complete).await;
}
