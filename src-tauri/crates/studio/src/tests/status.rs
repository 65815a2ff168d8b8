//! The status while things happen.

use super::fake::timings;
use super::{Place, soon};
use crate::{MemoryPool, Status};
use engine_api::wire::Report;
use engine_api::{GenerationEvent, MemoryUse};

/// Memory of a machine with 1,000 kB.
const MEMINFO: &str =
    "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 300 kB\nBuffers: 0 kB\nCached: 200 kB\n";

#[tokio::test]
async fn the_memory_is_divided_with_what_the_worker_says() {
    let place = Place::new();
    let proc = place.path("machine/proc");
    let own = proc.join(std::process::id().to_string());
    std::fs::create_dir_all(&own).expect("a folder");
    std::fs::write(proc.join("meminfo"), MEMINFO).expect("a file");
    std::fs::write(own.join("stat"), "1 (wick) S 0 0 0").expect("a file");
    std::fs::write(
        own.join("smaps_rollup"),
        "Pss_Anon: 300 kB\nPss_Shmem: 0 kB\n",
    )
    .expect("a file");
    let mut desk = place.desk().await;
    let mut status = desk.studio.subscribe_status();
    let asked = desk.send(None, "one");
    let mut worker = desk.loaded().await;
    let held = MemoryUse {
        weights_bytes: 150 << 10,
        kv_cache_bytes: 50 << 10,
        context_used_tokens: 77,
        scratch_bytes: 0,
    };
    worker.report(&Report::Memory(held)).await;
    let is_there = |status: &Status| {
        status.throughput.context_used_tokens == Some(77) && status.memory.weights_bytes > 0
    };
    let found = soon(status.wait_for(is_there))
        .await
        .expect("a status")
        .clone();
    let expected = MemoryPool {
        total_bytes: 1000 << 10,
        weights_bytes: 150 << 10,
        kv_cache_bytes: 50 << 10,
        app_bytes: 100 << 10,
        other_bytes: 400 << 10,
        page_cache_bytes: 200 << 10,
        free_bytes: 100 << 10,
    };
    assert_eq!(found.memory, expected);
    worker.answer("ONE").await;
    asked.finished().await;
    assert_eq!(desk.studio.status().memory, expected);
}

#[tokio::test]
async fn the_speed_shows_while_tokens_come_and_the_timings_after() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let mut status = desk.studio.subscribe_status();
    assert!(!desk.studio.status().throughput.running);
    let mut asked = desk.send(None, "one");
    let mut worker = desk.loaded().await;
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    asked.prefill().await;
    assert!(desk.studio.status().throughput.running);
    let mut generated_tokens = 0;
    loop {
        generated_tokens += 1;
        let text = "x".into();
        worker
            .step(
                id,
                GenerationEvent::Token {
                    text,
                    generated_tokens,
                    logprobs: Vec::new(),
                },
            )
            .await;
        asked.token("x").await;
        let rate = status
            .borrow_and_update()
            .throughput
            .decode_tokens_per_second;
        if rate.is_some_and(|rate| rate > 1.0) {
            break;
        }
        soon(status.changed()).await.expect("a status");
    }
    let reason = crate::FinishReason::EndOfTurn;
    worker.finish(id, reason).await;
    asked.finished().await;
    let throughput = desk.studio.status().throughput;
    assert!(!throughput.running);
    assert_eq!(throughput.decode_tokens_per_second, None);
    assert_eq!(throughput.last, Some(timings()));
}
