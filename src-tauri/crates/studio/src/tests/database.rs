//! Databases of other versions, broken ones, and those that a crash leaves.

use super::{Desk, Place, last, last_state, lines, listing, soon};
use crate::{ErrorCode, KioskSession, MessageState, SessionEnd, Startup};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Everything in a folder that a careless visitor could change.
fn look(folder: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let entry = |name: String| {
        let path = folder.join(&name);
        let changed = path.metadata().and_then(|m| m.modified()).expect("a time");
        (name, (std::fs::read(path).unwrap_or_default(), changed))
    };
    listing(folder).into_iter().map(entry).collect()
}

/// A place with a database in it that has one conversation.
async fn used_place() -> Place {
    let place = Place::new();
    let mut desk = place.desk().await;
    let asked = desk.send(None, "one");
    let mut worker = desk.loaded().await;
    worker.answer("ONE").await;
    asked.finished().await;
    desk.close().await;
    place
}

/// Starting is refused, and nothing in the folder is another than before.
async fn check_refused(place: &Place) -> Startup {
    let before = look(&place.data());
    let desk = place.closed_desk("data");
    let startup = desk.studio.startup().await;
    assert_ne!(startup, Startup::Ready);
    assert_eq!(desk.studio.startup().await, startup);
    let error = desk.studio.conversations().await.expect_err("not open");
    assert_eq!(error.code, ErrorCode::Internal);
    assert!(error.hint.is_some());
    assert_eq!(
        desk.send(None, "hi").refused().await.code,
        ErrorCode::Internal
    );
    desk.close().await;
    assert_eq!(look(&place.data()), before);
    startup
}

fn check_unreadable(startup: &Startup, place: &Place, word: &str) {
    let Startup::DatabaseUnreadable { path, reason } = startup else {
        panic!("{startup:?}");
    };
    assert_eq!(PathBuf::from(path), place.path("data/wick.db"));
    assert!(reason.contains(word), "{reason:?} does not say {word:?}");
}

fn set_version(path: &Path, version: u32) {
    let database = Connection::open(path).expect("a database");
    database
        .pragma_update(None, "user_version", version)
        .expect("a version");
}

#[tokio::test]
async fn a_database_of_the_first_version_is_brought_up_to_date() {
    let place = used_place().await;
    let path = place.path("data/wick.db");
    let database = Connection::open(&path).expect("a database");
    database
        .execute_batch(
            "DROP TABLE downloads; DROP TABLE model_uses; DROP TABLE minutes; DROP TABLE events; DROP TABLE kiosk_sessions;
            ALTER TABLE messages DROP COLUMN reasoning; ALTER TABLE messages DROP COLUMN measured; PRAGMA user_version = 1",
        )
        .expect("the first version");
    drop(database);
    let desk = place.desk().await;
    let list = desk.studio.conversations().await.expect("a list");
    let conversation = desk.conversation(list[0].id).await;
    assert_eq!(lines(&conversation), ["user: one", "assistant: ONE"]);
    assert_eq!(last(&conversation).reasoning, "");
}

#[tokio::test]
async fn a_database_from_before_the_kiosk_gets_its_table_and_keeps_the_rest() {
    let place = used_place().await;
    let path = place.path("data/wick.db");
    let database = Connection::open(&path).expect("a database");
    let before = "DROP TABLE kiosk_sessions; PRAGMA user_version = 5";
    database.execute_batch(before).expect("the version before");
    drop(database);
    let desk = place.desk().await;
    let store = desk.studio.store().expect("a store");
    let session = KioskSession {
        began_at_ms: 1,
        duration_ms: 2,
        ended: SessionEnd::Idle,
        model: Some("alpha".into()),
        turns: 3,
        tokens: 4,
        decode_tokens_per_second: Some(5.0),
        ttft_ms: None,
        faults: 6,
    };
    store.note_kiosk_session(session.clone());
    assert_eq!(store.kiosk_sessions(0).await.expect("read"), [session]);
    assert_eq!(desk.studio.conversations().await.expect("a list").len(), 1);
}

#[tokio::test]
async fn a_newer_database_is_left_alone() {
    let place = used_place().await;
    set_version(&place.path("data/wick.db"), 7);
    assert_eq!(listing(&place.data()), ["wick.db"]);
    let expected = Startup::DatabaseNewer {
        path: place.path("data/wick.db").to_string_lossy().into_owned(),
        found_version: 7,
        known_version: crate::store::KNOWN_VERSION,
    };
    assert_eq!(check_refused(&place).await, expected);
}

#[tokio::test]
async fn a_newer_version_that_stands_only_in_the_log_is_left_alone() {
    let place = used_place().await;
    let other = Place::new();
    // A newer Wick that was killed: its log was never brought into the file.
    let path = place.path("data/wick.db");
    let database = Connection::open(&path).expect("a database");
    database
        .pragma_update(None, "user_version", 8)
        .expect("a version");
    std::fs::create_dir(other.data()).expect("a folder");
    for name in ["wick.db", "wick.db-wal"] {
        std::fs::copy(place.data().join(name), other.data().join(name)).expect("a copy");
    }
    let startup = check_refused(&other).await;
    assert!(
        matches!(
            startup,
            Startup::DatabaseNewer {
                found_version: 8,
                ..
            }
        ),
        "{startup:?}"
    );
}

#[tokio::test]
async fn what_is_no_database_is_left_alone() {
    let check = async |content: &[u8], word: &str| {
        let place = Place::new();
        std::fs::create_dir(place.data()).expect("a folder");
        std::fs::write(place.path("data/wick.db"), content).expect("a file");
        check_unreadable(&check_refused(&place).await, &place, word);
    };
    check(b"not a database", "not an SQLite database").await;
    check(&[0; 4096], "not an SQLite database").await;
    check(b"SQLite format 3\0", "not an SQLite database").await;
}

/// Where the pages of a table or an index begin in the file.
fn root_page_at(path: &Path, name: &str) -> usize {
    let database = Connection::open(path).expect("a database");
    let sql = "SELECT (rootpage - 1) * (SELECT page_size FROM pragma_page_size) FROM sqlite_master WHERE name = ?1";
    let at: u32 = database
        .query_row(sql, [name], |row| row.get(0))
        .expect("a page");
    at as usize
}

#[tokio::test]
async fn a_damaged_database_is_left_alone() {
    let place = used_place().await;
    let path = place.path("data/wick.db");
    let whole = std::fs::read(&path).expect("a file");
    // Opening a database reads next to nothing of it; what is damaged shows much later.
    for table in ["messages", "meta", "messages_by_parent"] {
        let at = root_page_at(&path, table);
        let mut bytes = whole.clone();
        bytes[at..at + 4096].fill(0x55);
        std::fs::write(&path, &bytes).expect("a file");
        check_unreadable(&check_refused(&place).await, &place, "damaged");
        std::fs::write(&path, &whole).expect("a file");
    }
    std::fs::write(&path, &whole[..5000]).expect("a file");
    check_unreadable(&check_refused(&place).await, &place, "malformed");
    std::fs::write(&path, &whole).expect("a file");
    assert_eq!(
        place
            .desk()
            .await
            .studio
            .conversations()
            .await
            .expect("a list")
            .len(),
        1
    );
}

#[tokio::test]
async fn a_damaged_database_with_a_log_is_left_alone() {
    let place = used_place().await;
    let path = place.path("data/wick.db");
    std::fs::write(place.path("data/wick.db-wal"), b"some log").expect("a file");
    let mut bytes = std::fs::read(&path).expect("a file");
    bytes.truncate(5000);
    std::fs::write(&path, &bytes).expect("a file");
    check_unreadable(&check_refused(&place).await, &place, "");
}

#[tokio::test]
async fn the_database_of_another_program_is_left_alone() {
    let place = Place::new();
    std::fs::create_dir(place.data()).expect("a folder");
    let database = Connection::open(place.path("data/wick.db")).expect("a database");
    database
        .execute_batch("CREATE TABLE bookmarks (url TEXT)")
        .expect("a table");
    drop(database);
    check_unreadable(&check_refused(&place).await, &place, "another program");
}

#[tokio::test]
async fn a_folder_in_the_place_of_the_database_is_left_alone() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("data/wick.db")).expect("a folder");
    check_unreadable(&check_refused(&place).await, &place, "directory");
}

#[tokio::test]
async fn a_database_that_another_wick_has_open_is_left_alone() {
    let place = Place::new();
    let first = place.desk().await;
    let second = place.closed_desk("data");
    check_unreadable(
        &second.studio.startup().await,
        &place,
        "another running Wick",
    );
    assert_eq!(second.studio.start_beside().await, Startup::Ready);
    assert_eq!(first.studio.conversations().await, Ok(vec![]));
}

#[tokio::test]
async fn beside_a_refused_database_there_is_another_one_that_stays() {
    let place = used_place().await;
    let path = place.path("data/wick.db");
    set_version(&path, 7);
    let before = std::fs::read(&path).expect("a file");
    let beside = async || {
        let mut desk = place.closed_desk("data");
        desk.studio.startup().await;
        assert_eq!(desk.studio.start_beside().await, Startup::Ready);
        assert_eq!(desk.studio.startup().await, Startup::Ready);
        let known = desk.studio.conversations().await.expect("a list").len();
        let asked = desk.send(None, "beside");
        let mut worker = desk.loaded().await;
        worker.answer("yes").await;
        asked.finished().await;
        desk.close().await;
        known
    };
    assert_eq!(beside().await, 0);
    assert_eq!(beside().await, 1, "the same one again");
    std::fs::write(place.path("data/wick-beside.db"), "broken too").expect("a file");
    assert_eq!(beside().await, 0, "the next number");
    assert_eq!(beside().await, 1);
    assert_eq!(std::fs::read(&path).expect("a file"), before);
    let expected = ["wick-beside-2.db", "wick-beside.db", "wick.db"];
    assert_eq!(listing(&place.data()), expected);
}

/// What a killed app leaves is opened again, its log with it.
#[tokio::test]
async fn what_was_being_written_when_the_app_was_killed_is_interrupted() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let mut asked = desk.send(None, "typed");
    let id = asked.started().await.id;
    let mut worker = desk.loaded().await;
    let (generation, _) = worker.request().await;
    worker.prefill(generation).await;
    worker.token(generation, "half").await;
    asked.token("half").await;
    let saved = async || last(&desk.conversation(id).await).text == "half";
    // Text is kept each second.
    let kept = async {
        while !saved().await {
            tokio::task::yield_now().await;
        }
    };
    soon(kept).await;
    place.snapshot("killed");

    let after = place.desk_in("killed").await;
    let found = after.conversation(id).await;
    assert_eq!(lines(&found), ["user: typed", "assistant: half"]);
    let why = "Wick was closed while this was being written.";
    assert_eq!(last_state(&found), (MessageState::Interrupted, Some(why)));
    assert_eq!(last(&found).model.as_deref(), Some("alpha"));
}

#[tokio::test]
async fn a_database_killed_at_its_birth_is_opened() {
    let place = Place::new();
    let desk = place.desk().await;
    // Here the tables stand only in the log.
    place.snapshot("killed");
    assert!(listing(&place.path("killed")).contains(&"wick.db-wal".to_owned()));
    place.desk_in("killed").await;
    std::fs::create_dir(place.path("empty")).expect("a folder");
    std::fs::write(place.path("empty/wick.db"), "").expect("a file");
    place.desk_in("empty").await;
    drop(desk);
}

#[tokio::test]
async fn a_path_with_odd_letters_is_opened_again() {
    let place = Place::new();
    let folder = "a b%20?mode=memory#é";
    for _ in 0..2 {
        place.desk_in(folder).await.close().await;
    }
    assert_eq!(listing(&place.path(folder)), ["wick.db"]);
}

#[tokio::test]
async fn the_folder_and_the_file_are_the_persons_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let Desk { studio, .. } = place.desk_in("deep/er").await;
    let mode = |name| {
        place
            .path(name)
            .metadata()
            .expect("metadata")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode("deep/er"), 0o700);
    assert_eq!(mode("deep/er/wick.db"), 0o600);
    drop(studio);
}

#[tokio::test]
async fn a_long_conversation_is_read_and_deleted() {
    let place = Place::new();
    let desk = place.desk().await;
    let store = desk.studio.store().expect("a store");
    let mut id = None;
    for _ in 0..1500 {
        let turn = store
            .begin_send(id, "x".into(), None)
            .await
            .expect("a turn");
        id = Some(turn.conversation);
    }
    let id = id.expect("a conversation");
    assert_eq!(desk.conversation(id).await.messages.len(), 3000);
    desk.studio.delete_conversation(id).await.expect("deleted");
    assert_eq!(desk.studio.conversations().await, Ok(vec![]));
}
