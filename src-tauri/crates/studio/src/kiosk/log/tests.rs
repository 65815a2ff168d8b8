use super::*;
use crate::SessionEnd;
use chrono::{FixedOffset, Offset};
use std::fs;

fn session(began_at_ms: i64) -> KioskSession {
    KioskSession {
        began_at_ms,
        duration_ms: 60_000,
        ended: SessionEnd::Closed,
        model: None,
        turns: 0,
        tokens: 0,
        decode_tokens_per_second: None,
        ttft_ms: None,
        faults: 0,
    }
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().join("wick.db")).expect("a store");
    (folder, store)
}

#[tokio::test]
async fn a_session_is_kept_turn_by_turn_and_listed_once() {
    let (folder, store) = store();
    store.note_kiosk_session(session(10));
    for turns in 1..=3 {
        store.note_kiosk_session(KioskSession {
            turns,
            ..session(20)
        });
    }
    // As if the app had been killed now.
    store.close().await;
    let store = Store::open(&folder.path().join("wick.db")).expect("a store");
    let open = log_since(&store, 0).await.expect("a log").sessions[0].clone();
    assert_eq!((open.turns, open.ended), (3, SessionEnd::Closed));
    let ended = KioskSession {
        turns: 4,
        tokens: 90,
        ended: SessionEnd::StartedOver,
        model: Some("alpha".into()),
        decode_tokens_per_second: Some(12.5),
        ttft_ms: Some(80.0),
        faults: 1,
        ..session(20)
    };
    store.note_kiosk_session(ended.clone());
    let log = log_since(&store, 0).await.expect("a log");
    assert_eq!(log.sessions, [ended, session(10)]);
    assert_eq!(log_since(&store, 11).await.expect("a log").count, 1);
}

#[test]
fn all_together_leave_out_what_was_not_measured() {
    let rated = |tokens, rate| KioskSession {
        tokens,
        decode_tokens_per_second: rate,
        duration_ms: u64::from(tokens) * 100,
        turns: 2,
        faults: 1,
        ..session(1)
    };
    let log = summary(vec![
        rated(300, Some(10.0)),
        rated(100, Some(50.0)),
        rated(50, None),
        rated(0, Some(9.0)),
    ]);
    assert_eq!(
        (log.count, log.turns, log.tokens, log.faults),
        (4, 8, 450, 4)
    );
    assert_eq!(log.decode_tokens_per_second, Some(20.0));
    assert_eq!(log.median_duration_ms, Some(5000.0));
    let none = summary(vec![]);
    assert_eq!(
        (
            none.count,
            none.median_duration_ms,
            none.decode_tokens_per_second
        ),
        (0, None, None)
    );
    let many = summary((0..600).map(session).collect());
    assert_eq!((many.count, many.sessions.len()), (600, LISTED));
}

#[tokio::test]
async fn all_sessions_are_exported_with_the_time_of_this_place() {
    let (folder, store) = store();
    let began = 1_790_000_000_123;
    store.note_kiosk_session(KioskSession {
        model: Some("=1+1, \"big\"".into()),
        ended: SessionEnd::Idle,
        turns: 2,
        tokens: 31,
        decode_tokens_per_second: Some(20.25),
        ttft_ms: Some(101.5),
        ..session(began)
    });
    let out = folder.path().join("out");
    let path = export(&store, out.clone()).await.expect("a file");
    assert!(
        path.starts_with(out.join("wick-kiosk-2").to_str().expect("UTF-8")),
        "{path}"
    );
    let text = fs::read_to_string(&path).expect("a file");
    let lines: Vec<_> = text.split("\r\n").collect();
    assert_eq!(
        lines[0],
        "began_local,duration_ms,ended,model,turns,generated_tokens,decode_tokens_per_second,ttft_median_ms,faults"
    );
    let (time, rest) = lines[1].split_once(',').expect("cells");
    assert_eq!(rest, "60000,idle,\"'=1+1, \"\"big\"\"\",2,31,20.25,101.5,0");
    let read = DateTime::parse_from_rfc3339(time).expect("a time");
    assert_eq!(read.timestamp_millis(), began);
    let here = DateTime::from_timestamp_millis(began)
        .expect("a time")
        .with_timezone(&Local);
    assert_eq!(read.offset(), &here.offset().fix());
    assert_eq!(lines[2..], [""]);
    assert_ne!(export(&store, out).await.expect("another file"), path);
}

#[test]
fn a_time_is_written_with_the_offset_of_its_place() {
    let check = |hours: i32, expected: &str| {
        let place = FixedOffset::east_opt(hours * 3600).expect("an offset");
        assert_eq!(written(1_790_000_000_123, &place), expected);
    };
    check(-5, "2026-09-21T09:13:20.123-05:00");
    check(2, "2026-09-21T16:13:20.123+02:00");
}
