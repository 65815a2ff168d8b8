//! A disk that is full when an answer ends: its text stays, what happened is told, and it is stored when there is room.

use super::fake::FakeWorker;
use super::{Asked, Desk, Place, last, last_state, soon};
use crate::{ChatEvent, Conversation, Error, ErrorCode, FinishReason, MessageState};
use rusqlite::Connection;

/// More than fits into the pages that a new database has.
fn long() -> String {
    "word ".repeat(20_000)
}

/// A desk at which an answer of this text is over but finds no room.
async fn unkept(place: &Place, text: &str) -> (Desk, FakeWorker, Asked, Conversation) {
    let mut desk = place.desk().await;
    let mut asked = desk.send(None, "one");
    let started = asked.started().await;
    let mut worker = desk.loaded().await;
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    fill_disk(&desk, true).await;
    worker.token(id, text).await;
    worker.finish(id, FinishReason::EndOfTurn).await;
    let error = asked.unkept().await;
    assert_eq!(error.code, ErrorCode::DiskFull);
    assert!(error.message.contains("not be kept yet"), "{error}");
    assert!(
        error
            .hint
            .as_deref()
            .is_some_and(|hint| hint.contains("Make room")),
        "{error:?}"
    );
    (desk, worker, asked, started)
}

async fn fill_disk(desk: &Desk, full: bool) {
    let store = desk.studio.store().expect("the store is open");
    soon(store.fill_disk(full)).await;
}

/// Makes the database refuse to delete a conversation.
fn forbid_deleting(place: &Place) {
    let database = Connection::open(place.path("data/wick.db")).expect("a database");
    let trigger =
        "CREATE TRIGGER kept BEFORE DELETE ON conversations BEGIN SELECT RAISE(ABORT, 'kept'); END";
    database.execute_batch(trigger).expect("a trigger");
}

impl Asked {
    async fn unkept(&mut self) -> Error {
        loop {
            if let ChatEvent::Unkept { error } = self.event().await {
                return error;
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_found_no_room_is_kept_when_there_is_some() {
    let place = Place::new();
    let text = long();
    let (desk, mut worker, asked, started) = unkept(&place, &text).await;
    let busy = desk.send(Some(started.id), "two").refused().await;
    assert_eq!(busy.code, ErrorCode::Busy, "the answer still has its place");
    fill_disk(&desk, false).await;
    let finished = asked.finished().await;
    assert_eq!(last_state(&finished), (MessageState::Complete, None));
    assert_eq!(last(&finished).text, text);
    assert_eq!(desk.conversation(started.id).await, finished);
    let next = desk.turn(&mut worker, Some(started.id), "two", "TWO").await;
    assert_eq!(last(&next).text, "TWO");
}

#[tokio::test]
async fn an_app_that_closes_on_a_full_disk_leaves_an_interrupted_answer() {
    let place = Place::new();
    let (desk, _worker, asked, started) = unkept(&place, &long()).await;
    soon(desk.studio.shutdown()).await;
    assert_eq!(asked.refused().await.code, ErrorCode::DiskFull);
    let desk = place.desk().await;
    let kept = desk.conversation(started.id).await;
    assert_eq!(last(&kept).state, MessageState::Interrupted);
}

#[tokio::test]
async fn a_conversation_that_can_not_be_deleted_is_not_being_written() {
    let place = Place::new();
    let (desk, mut worker, asked, started) = unkept(&place, &long()).await;
    forbid_deleting(&place);
    let kept = desk.studio.delete_conversation(started.id).await;
    assert_eq!(kept.expect_err("no").code, ErrorCode::Internal);
    assert_eq!(asked.refused().await.code, ErrorCode::DiskFull);
    let shown = desk.conversation(started.id).await;
    let why = "Its end could not be written to the disk.";
    assert_eq!(last_state(&shown), (MessageState::Interrupted, Some(why)));
    assert_eq!(
        desk.studio
            .select_message(last(&shown).id)
            .await
            .expect("it is there"),
        shown
    );
    // And it can be gone on with, once there is room.
    fill_disk(&desk, false).await;
    let asked = desk.go_on(last(&shown));
    worker.answer("more").await;
    let whole = asked.finished().await;
    assert_eq!(last_state(&whole), (MessageState::Complete, None));
    assert_eq!(last(&whole).text, "more");
}
