//! A database that the app must not touch: it says so, leaves it as it is, and offers to start beside it.

use std::collections::BTreeMap;
use std::path::Path;
use studio::{Machine, Paths, Startup, Studio};
use wick_tests::window::{Desk, End, Home};

const VERSION_AT: usize = 60; // https://www.sqlite.org/fileformat.html 1.3

/// A database that this Wick wrote, with another version in its header.
async fn newer_database(home: &Home) {
    let paths = Paths {
        data_dir: home.data(),
        library_roots: vec![],
        engine_program: home.path("none"),
        hub: None,
    };
    let studio = Studio::open(paths, Machine::local());
    assert_eq!(studio.startup().await, Startup::Ready);
    studio.shutdown().await;
    let file = home.data().join("wick.db");
    let mut bytes = std::fs::read(&file).expect("a database");
    bytes[VERSION_AT..VERSION_AT + 4].copy_from_slice(&9999_u32.to_be_bytes());
    std::fs::write(&file, bytes).expect("a file");
}

/// All files that belong to the database.
fn database_files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    entries
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .filter(|(name, _)| name.starts_with("wick.db"))
        .map(|(name, path)| (name, std::fs::read(path).expect("a file")))
        .collect()
}

async fn check_start_beside(mut desk: Desk, before: &BTreeMap<String, Vec<u8>>, title: &str) {
    let notice = desk.see("@startup-notice").await;
    let path = desk.home().data().join("wick.db");
    assert!(notice.contains(&*path.to_string_lossy()), "{notice}");
    assert_eq!(database_files(&desk.home().data()), *before);

    desk.click("@start-beside").await;
    desk.see("@suggestion").await;
    assert_eq!(desk.ask(title).await.text, title);
    desk.see_conversations(&[title]).await;
    desk.end(End::Terminated).await;
    assert_eq!(database_files(&desk.home().data()), *before);

    // The next start asks again, and finds the same database beside.
    desk.start().await;
    desk.click("@start-beside").await;
    desk.see_conversations(&[title]).await;
    assert_eq!(database_files(&desk.home().data()), *before);
}

#[tokio::test]
async fn a_newer_database_is_left_alone() {
    let home = Home::with_parrot();
    newer_database(&home).await;
    let before = database_files(&home.data());
    let desk = Desk::open("newer-database", home).await;
    desk.see_words("@startup-notice[data-type=database_newer]", "9999")
        .await;
    desk.picture("startup-newer").await;
    check_start_beside(desk, &before, "beside the newer").await;
}

#[tokio::test]
async fn an_unreadable_database_is_left_alone() {
    let home = Home::with_parrot();
    std::fs::create_dir(home.data()).expect("a folder");
    std::fs::write(home.data().join("wick.db"), "no database ".repeat(1000)).expect("a file");
    let before = database_files(&home.data());
    let desk = Desk::open("unreadable-database", home).await;
    desk.see_words(
        "@startup-notice[data-type=database_unreadable]",
        "not an SQLite database",
    )
    .await;
    desk.picture("startup-unreadable").await;
    check_start_beside(desk, &before, "beside the broken").await;
}

#[tokio::test]
async fn a_missing_temporary_folder_makes_no_database_unreadable() {
    let home = Home::with_parrot().without_temporary_folder();
    let mut desk = Desk::open("no-temporary-folder", home).await;
    desk.ask("one").await;
    desk.end(End::Killed).await;
    let log = desk.home().data().join("wick.db-wal");
    assert!(
        log.metadata().is_ok_and(|log| log.len() > 0),
        "a log to look at"
    );
    desk.start().await;
    desk.see_conversations(&["one"]).await;
}
