//! What goes wrong on the disk, and what lies there already.

use super::desk::{Desk, NAME, noise};
use crate::{Error, RepoFile};
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

#[tokio::test]
async fn a_disk_that_gets_full_keeps_what_came() {
    let mut desk = Desk::open().await;
    let left = Arc::new(AtomicU64::new(9_000));
    desk.tuning.disk_bytes = Some(left.clone());
    let told = desk.fetch().await;
    let Err(Error::DiskFull { missing_bytes, .. }) = told else {
        panic!("{told:?}");
    };
    let kept = 9_000 - left.load(Relaxed);
    assert_eq!(missing_bytes, 20_000 - kept);
    assert!(!desk.has_blobs());
    left.store(u64::MAX, Relaxed);
    desk.site.forget();
    desk.fetches().await;
    assert!(
        desk.sent_bytes() <= 20_000 - kept,
        "nothing that was kept came twice"
    );
}

#[tokio::test]
async fn the_reserve_is_not_touched() {
    let mut desk = Desk::open().await;
    desk.options.reserve_bytes = u64::MAX / 2;
    let told = desk.fetch().await;
    assert!(matches!(told, Err(Error::DiskFull { .. })), "{told:?}");
    assert_eq!(desk.site.requests(), [], "it is known before");
}

#[tokio::test]
async fn names_that_lead_elsewhere_are_refused_before_anything_is_asked() {
    for path in ["../escape", "/etc/escape", "a/../../b", "a\\b", "a//b", "."] {
        let mut desk = Desk::with(&[(NAME, noise(1, 2_000)), ("b", "b".into())]).await;
        desk.wanted.files[1].path = path.into();
        let told = desk.fetch().await;
        assert!(matches!(told, Err(Error::UnsafePath { .. })), "{told:?}");
        assert_eq!(desk.site.requests(), []);
        assert!(!desk.cache().exists());
    }
}

#[tokio::test]
async fn links_out_of_the_cache_are_refused() {
    let check = async |inside: &str| {
        let desk = Desk::with(&[("a/b.gguf", noise(1, 20_000))]).await;
        let link = desk
            .cache()
            .join(inside.replace("COMMIT", desk.wanted.commit.as_str()));
        std::fs::create_dir_all(link.parent().expect("a folder")).expect("made");
        std::fs::create_dir(desk.outside()).expect("made");
        symlink(desk.outside(), &link).expect("linked");
        let told = desk.fetch().await;
        assert!(matches!(told, Err(Error::Io { .. })), "{inside}: {told:?}");
        let written = std::fs::read_dir(desk.outside()).expect("there").count();
        assert_eq!(written, 0, "{inside}");
    };
    check(".locks").await;
    check("models--org--model").await;
    check("models--org--model/blobs").await;
    check("models--org--model/snapshots").await;
    check("models--org--model/snapshots/COMMIT").await;
    check("models--org--model/snapshots/COMMIT/a").await;
    check("models--org--model/refs").await;
}

#[tokio::test]
async fn what_can_t_be_written_to_is_an_error_that_names_it() {
    let check = async |inside: &str| {
        let desk = Desk::open().await;
        let place = desk.cache().join(inside);
        std::fs::create_dir_all(place.parent().expect("a folder")).expect("made");
        std::fs::write(&place, "a file, and no folder").expect("written");
        let told = desk.fetch().await;
        let Err(Error::Io { path, .. }) = told else {
            panic!("{inside}: {told:?}");
        };
        assert!(path.starts_with(&place), "{path:?}");
        let kept = std::fs::read_to_string(&place).expect("there");
        assert_eq!(kept, "a file, and no folder");
    };
    check("models--org--model").await;
    check("models--org--model/blobs").await;
    check("models--org--model/snapshots").await;
    check("models--org--model/refs").await;
}

#[tokio::test]
async fn unfinished_files_that_are_links_are_not_followed() {
    let desk = Desk::open().await;
    std::fs::create_dir_all(desk.repo().join("blobs")).expect("made");
    std::fs::write(desk.outside(), "mine").expect("written");
    symlink(desk.outside(), desk.blob(".wick.incomplete")).expect("linked");
    let told = desk.fetch().await;
    assert!(matches!(told, Err(Error::Io { .. })), "{told:?}");
    assert_eq!(std::fs::read(desk.outside()).expect("there"), b"mine");
}

#[tokio::test]
async fn a_blob_that_is_a_link_is_never_written_through() {
    let desk = Desk::open().await;
    std::fs::create_dir_all(desk.repo().join("blobs")).expect("made");
    std::fs::write(desk.outside(), "shared").expect("written");
    symlink(desk.outside(), desk.blob("")).expect("linked");
    desk.fetches().await;
    assert_eq!(std::fs::read(desk.outside()).expect("there"), b"shared");
}

#[tokio::test]
async fn what_an_older_python_client_left_is_gone_on_with() {
    let check = async |left: &dyn Fn(&[u8]) -> Vec<u8>, sent_bytes: u64| {
        let desk = Desk::open().await;
        std::fs::create_dir_all(desk.repo().join("blobs")).expect("made");
        std::fs::write(desk.blob(".incomplete"), left(desk.content())).expect("written");
        desk.site.fault(fake_hub::Fault::flip(19_999));
        desk.fetches().await;
        assert_eq!(desk.sent_bytes(), sent_bytes);
    };
    // The damage that the hub does costs once the whole, what was left damaged once more.
    check(&|content| content[..5_000].to_vec(), 15_000 + 20_000).await;
    check(
        &|content| content[..5_000].iter().map(|byte| !byte).collect(),
        15_000 + 20_000,
    )
    .await;
    check(&|content| content.to_vec(), 0).await;
}

#[tokio::test]
async fn a_file_that_is_removed_while_it_comes_is_begun_again() {
    let mut desk = Desk::open().await;
    desk.be_patient();
    desk.site.fault(fake_hub::Fault::stall(500).times(3));
    let fetched = tokio::spawn(desk.fetch());
    desk.until(|progress| progress.done_bytes == 1500).await;
    std::fs::remove_file(desk.blob(".wick.incomplete")).expect("removed");
    desk.has_come(fetched.await.expect("no panic"));
}

#[tokio::test]
async fn a_ref_that_says_another_commit_is_replaced() {
    let desk = Desk::with(&[("a.txt", "a".into())]).await;
    std::fs::create_dir_all(desk.repo().join("refs")).expect("made");
    std::fs::write(desk.repo().join("refs/main"), "0".repeat(40)).expect("written");
    desk.fetches().await;
    let mut desk = Desk::with(&[("a.txt", "a".into())]).await;
    desk.wanted.revision = desk.wanted.commit.as_str().into();
    desk.fetch().await.expect("fetched");
    assert!(!desk.repo().join("refs").exists(), "a commit needs none");
    desk.wanted.revision = "refs/pr/1".into();
    desk.fetch().await.expect("fetched");
    assert!(desk.repo().join("refs/refs/pr/1").is_file());
}

#[tokio::test]
async fn what_is_whole_is_used_offline_and_nothing_is_asked() {
    let mut desk = Desk::with(&[("a.txt", "a".into())]).await;
    desk.fetches().await;
    desk.site.forget();
    desk.settings.offline = true;
    desk.give_token(None);
    desk.fetches().await;
    desk.wanted.files.push(RepoFile {
        path: "b.txt".into(),
        size_bytes: 7,
        ..desk.wanted.files[0].clone()
    });
    let told = desk.fetch().await;
    assert!(matches!(told, Err(Error::Offline { .. })), "{told:?}");
    assert_eq!(desk.site.requests(), []);
}
