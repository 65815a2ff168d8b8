//! Readings over the socket: who asks is answered, and nobody can hold anything up.

use super::{Desk, PATIENCE, Place, soon};
use crate::tell::Limits;
use crate::{Snapshot, readings_socket};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

const PATIENT: Limits = Limits {
    clients: 2,
    patience: PATIENCE,
};

/// Begins to tell, and returns when one can ask.
async fn tell(desk: &Desk, limits: Limits) -> JoinHandle<()> {
    let task = tokio::spawn(desk.studio.tell_within(limits));
    soon(desk.studio.inner.telling.begun()).await;
    task
}

struct Client(BufReader<UnixStream>);

impl Client {
    async fn connect(place: &Place) -> Self {
        let stream = UnixStream::connect(readings_socket(&place.data())).await;
        Self(BufReader::new(stream.expect("it listens")))
    }

    async fn send(&mut self, text: &str) {
        // Who has hung up reads no more; the answer tells.
        let _ = soon(self.0.write_all(text.as_bytes())).await;
    }

    /// The next answer; `None` if it has hung up.
    async fn answer(&mut self) -> Option<Snapshot> {
        let mut line = String::new();
        match soon(self.0.read_line(&mut line)).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(serde_json::from_str(&line).expect("a snapshot")),
        }
    }

    async fn ask(&mut self) -> Option<Snapshot> {
        self.send("\n").await;
        self.answer().await
    }
}

#[tokio::test]
async fn two_ask_and_each_line_is_answered_with_what_the_window_shows() {
    let place = Place::new();
    place.remember(1 << 20, 500 << 10);
    let desk = place.desk().await;
    let mut status = desk.studio.subscribe_status();
    let known = status.wait_for(|status| status.memory.total_bytes > 0);
    drop(soon(known).await.expect("a status"));
    tell(&desk, PATIENT).await;
    let (mut one, mut other) = (Client::connect(&place).await, Client::connect(&place).await);
    one.send("a\nb\n").await;
    for _ in 0..2 {
        let told = one.answer().await.expect("an answer");
        assert_eq!(told.status, desk.studio.status());
        assert_eq!(told.status.memory.total_bytes, 1 << 30);
    }
    let told = other.ask().await.expect("an answer");
    assert_eq!(told, desk.studio.snapshot());
}

#[tokio::test]
async fn who_asks_looks() {
    let place = Place::new();
    let desk = place.desk().await;
    tell(&desk, PATIENT).await;
    let period = || desk.studio.inner.sampler.period();
    assert_eq!(period(), Duration::from_secs(1));
    Client::connect(&place)
        .await
        .ask()
        .await
        .expect("an answer");
    assert_eq!(period(), Duration::from_millis(250));
}

#[tokio::test]
async fn the_rude_are_hung_up_on_and_the_rest_is_served() {
    let place = Place::new();
    let desk = place.desk().await;
    tell(&desk, PATIENT).await;
    let mut good = Client::connect(&place).await;
    assert!(good.ask().await.is_some());
    let mut rude = Client::connect(&place).await;
    rude.send(&"x".repeat(1 << 20)).await;
    assert_eq!(rude.answer().await, None, "a line without an end");
    assert!(good.ask().await.is_some());

    // The place of one that is gone is free again; one more than there are places is turned away.
    let mut second = loop {
        let mut second = Client::connect(&place).await;
        if second.ask().await.is_some() {
            break second;
        }
    };
    assert_eq!(Client::connect(&place).await.ask().await, None, "a third");
    assert!(good.ask().await.is_some() && second.ask().await.is_some());
}

#[tokio::test]
async fn who_says_nothing_or_takes_nothing_is_hung_up_on() {
    let place = Place::new();
    let desk = place.desk().await;
    let limits = Limits {
        clients: 2,
        patience: Duration::from_millis(50),
    };
    tell(&desk, limits).await;
    let mut silent = Client::connect(&place).await;
    assert_eq!(silent.answer().await, None);

    // It asks without end and reads no answer, until it is no longer let.
    let mut deaf = Client::connect(&place).await;
    let asking = async { while deaf.0.write_all(b"\n\n\n\n").await.is_ok() {} };
    soon(asking).await;
    let mut rest = Vec::new();
    let _ = soon(deaf.0.read_to_end(&mut rest)).await;
    // Nor does either hold a place.
    while Client::connect(&place).await.ask().await.is_none() {}
}

#[tokio::test]
async fn what_a_killed_one_left_is_replaced_and_what_answers_is_not() {
    let place = Place::new();
    let desk = place.desk().await;
    let path = readings_socket(&place.data());
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
    assert!(path.exists(), "nothing was left");
    let telling = tell(&desk, PATIENT).await;
    let mode = std::fs::metadata(&path).expect("a socket").permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    assert!(Client::connect(&place).await.ask().await.is_some());

    let second = place.closed_desk("data");
    soon(second.studio.tell_within(PATIENT)).await;
    assert!(Client::connect(&place).await.ask().await.is_some());

    desk.close().await;
    soon(telling).await.expect("it ends");
    assert!(!path.exists(), "it goes with the application");
}

#[tokio::test]
async fn a_file_of_that_name_stays_as_it_is() {
    let place = Place::new();
    let desk = place.desk().await;
    let path = readings_socket(&place.data());
    std::fs::write(&path, "mine").expect("a file");
    soon(desk.studio.tell_within(PATIENT)).await;
    assert_eq!(std::fs::read(&path).expect("a file"), b"mine");
}
