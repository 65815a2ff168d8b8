//! The library: what a person does with models that are there.

use super::downloads::{REPO, gguf, hub, is_complete};
use super::{Desk, Place};
use crate::{DownloadState, ErrorCode, ModelId};
use fake_hub::FakeHub;
use hub::FileState;
use std::fs;
use std::path::Path;

/// A desk with a model that came from the hub.
async fn with_model(place: &Place, hub: &FakeHub) -> (Desk, ModelId) {
    let desk = place.desk_at(hub).await;
    let id = desk.bring("m-Q4_0.gguf").await;
    let model = desk.download(id, is_complete).await.model_id;
    (desk, model.expect("a model"))
}

async fn states(desk: &Desk, model: &ModelId) -> Vec<FileState> {
    let checked = desk
        .studio
        .verify_model(model.clone(), |_| ())
        .await
        .expect("it can be read");
    checked.into_iter().map(|file| file.state).collect()
}

#[tokio::test]
async fn a_damaged_file_is_found_and_brought_again() {
    let (place, hub) = (Place::new(), hub().await);
    let (desk, model) = with_model(&place, &hub).await;
    assert_eq!(states(&desk, &model).await, [FileState::Whole]);
    let mut bytes = fs::read(&model.0).expect("a file");
    bytes[1 << 20] ^= 1;
    fs::write(&model.0, &bytes).expect("a file");
    assert!(matches!(
        states(&desk, &model).await[..],
        [FileState::Damaged { .. }]
    ));
    let id = desk
        .studio
        .repair_model(model.clone())
        .await
        .expect("a repair");
    desk.download(id, is_complete).await;
    assert_eq!(states(&desk, &model).await, [FileState::Whole]);
    let aside = Path::new(&model.0).with_extension("damaged");
    // What lay aside goes once the whole one is there, shortly after that was told.
    let gone = async {
        while aside.exists() {
            tokio::task::yield_now().await;
        }
    };
    super::soon(gone).await;
}

#[tokio::test]
async fn a_repair_that_is_cancelled_leaves_what_was_there() {
    let (place, hub) = (Place::new(), hub().await);
    let (desk, model) = with_model(&place, &hub).await;
    let mut bytes = fs::read(&model.0).expect("a file");
    bytes[1 << 20] ^= 1;
    fs::write(&model.0, &bytes).expect("a file");
    hub.fault(fake_hub::Fault::stall(1 << 20).path("m-Q4_0").always());
    let id = desk
        .studio
        .repair_model(model.clone())
        .await
        .expect("a repair");
    desk.download(id, |download| download.state == DownloadState::Fetching)
        .await;
    super::soon(desk.studio.cancel_download(id))
        .await
        .expect("cancelled");
    assert_eq!(fs::read(&model.0).expect("it is still there"), bytes);
}

#[tokio::test]
async fn a_newer_commit_is_told_and_brings_only_what_changed() {
    let (place, hub) = (Place::new(), hub().await);
    let (desk, model) = with_model(&place, &hub).await;
    desk.studio.check_for_updates().await.expect("an answer");
    assert!(
        desk.studio
            .library()
            .await
            .expect("a library")
            .newer
            .is_empty()
    );
    let newest = hub.commit(
        REPO,
        "main",
        &[("m-Q4_0.gguf", gguf(1)), ("m-Q8_0.gguf", gguf(7))],
    );
    desk.studio.check_for_updates().await.expect("an answer");
    let newer = desk.studio.library().await.expect("a library").newer;
    assert_eq!(
        newer.get(&model.0).map(hub::Commit::as_str),
        Some(newest.as_str())
    );
    // The file itself is the same: the new commit gets its name without a byte.
    hub.forget();
    let id = desk
        .studio
        .update_model(model.clone())
        .await
        .expect("an update");
    let download = desk.download(id, is_complete).await;
    assert_eq!(download.commit.as_str(), newest);
    assert!(
        hub.requests()
            .iter()
            .all(|seen| !seen.path.contains("m-Q4_0")),
        "{:?}",
        hub.requests()
    );
}

#[tokio::test]
async fn deleting_says_what_it_frees_and_frees_that() {
    let (place, hub) = (Place::new(), hub().await);
    let (desk, model) = with_model(&place, &hub).await;
    let removal = desk.studio.removal(model.clone()).await.expect("a removal");
    // The weights, and the ref, which is a commit of 40 letters: nothing of the repository is left.
    assert_eq!(removal.freed_bytes, (3 << 20) + 40);
    let freed = desk
        .studio
        .remove_model(model.clone())
        .await
        .expect("removed");
    assert_eq!(freed.freed_bytes, removal.freed_bytes);
    assert!(!Path::new(&model.0).exists());
    let gone = desk.studio.removal(model).await.expect_err("it is gone");
    assert_eq!(gone.code, ErrorCode::NotFound);
}

#[tokio::test]
async fn folders_and_files_that_are_added_stay_added() {
    let place = Place::new();
    let desk = place.desk().await;
    let folder = place.path("elsewhere");
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("gamma.gguf"), "GGUF").expect("a file");
    fs::write(folder.join("broken.gguf"), "PK").expect("a file");
    let single = place.path("delta.gguf");
    fs::write(&single, "GGUF").expect("a file");
    desk.studio
        .add_folder(folder.display().to_string())
        .await
        .expect("added");
    desk.studio
        .add_folder(folder.display().to_string())
        .await
        .expect("added already");
    desk.studio
        .add_model(single.display().to_string())
        .await
        .expect("added");
    let nothing = desk
        .studio
        .add_folder(place.path("nothing").display().to_string())
        .await;
    assert_eq!(
        nothing.expect_err("no folder").code,
        ErrorCode::InvalidRequest
    );
    desk.close().await;

    let desk = place.desk().await;
    let library = desk.studio.library().await.expect("a library");
    let names: Vec<_> = library
        .models
        .iter()
        .map(|model| model.name.as_str())
        .collect();
    assert_eq!(names, ["alpha", "beta", "gamma", "delta"]);
    assert_eq!(library.folders.len(), 1);
    let left_out: Vec<_> = library
        .left_out
        .iter()
        .map(|left| left.path.as_str())
        .collect();
    assert_eq!(left_out, [folder.join("broken.gguf").display().to_string()]);
    desk.studio
        .remove_folder(&library.folders[0])
        .expect("taken away");
    let library = desk.studio.library().await.expect("a library");
    assert!(library.models.iter().all(|model| model.name != "gamma"));
    assert!(
        folder.join("gamma.gguf").exists(),
        "nothing in it is touched"
    );
}
