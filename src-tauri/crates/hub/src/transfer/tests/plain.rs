//! When nothing goes wrong.

use super::desk::{Desk, NAME, noise};
use fake_hub::Host;
use std::path::Path;

#[tokio::test]
async fn files_of_all_kinds_come_and_lie_where_the_python_client_looks() {
    let desk = Desk::with(&[
        (NAME, noise(1, 20_000)),
        ("config.json", "{}".into()),
        ("empty.txt", "".into()),
        ("parts/a/tiny.bin", noise(2, 10)),
        ("again.gguf", noise(1, 20_000)),
        ("edge.gguf", noise(3, 1001)),
    ])
    .await;
    desk.fetches().await;
    let link = |path: &str| desk.snapshot().join(path).read_link().expect("a link");
    let target = |up: &str, file: usize| format!("{up}blobs/{}", desk.wanted.files[file].hash);
    assert_eq!(link(NAME), Path::new(&target("../../", 0)));
    assert_eq!(
        link("parts/a/tiny.bin"),
        Path::new(&target("../../../../", 3))
    );
    assert!(
        desk.sent_bytes() < 20_000 + 1001 + 100,
        "one content comes once"
    );
    desk.site.forget();
    desk.fetches().await;
    assert_eq!(desk.site.requests(), [], "all is there");
}

#[tokio::test]
async fn a_large_file_comes_in_parts_and_the_hub_is_asked_once() {
    let desk = Desk::open().await;
    desk.fetches().await;
    assert_eq!(desk.asked(Host::Hub), 1);
    assert!(desk.asked(Host::Cdn) >= 10, "units of at most 2,000 bytes");
    assert_eq!(desk.sent_bytes(), 20_000);
}

#[tokio::test]
async fn a_content_that_lost_its_name_is_linked_again() {
    let desk = Desk::open().await;
    desk.fetches().await;
    desk.site.forget();
    std::fs::remove_file(desk.snapshot().join(NAME)).expect("removed");
    desk.fetches().await;
    std::fs::remove_file(desk.snapshot().join(NAME)).expect("removed");
    std::fs::write(desk.snapshot().join(NAME), "something else").expect("written");
    desk.fetches().await;
    assert_eq!(desk.site.requests(), []);
}

#[tokio::test]
async fn a_blob_of_another_length_is_fetched_again() {
    let desk = Desk::open().await;
    desk.fetches().await;
    std::fs::write(desk.blob(""), "short").expect("written");
    desk.fetches().await;
}
