//! What is kept of the speed of an answer: energy, share of the limit, and the way into a file.

use super::fake::FakeWorker;
use super::{Asked, Desk, Place, last, soon};
use crate::{ErrorCode, ExportFormat, FinishReason, Measured, Message, Span, Timings};
use engine_api::wire::Report;
use engine_api::{GenerationEvent, GenerationId, LoadedModel};
use std::time::{Duration, Instant};

/// A machine whose GPU draws so many watts, or tells no power.
fn draw(place: &Place, watts: Option<u32>) {
    let power = watts.map_or("null".into(), |watts| format!("{}", watts * 1000));
    let text = format!(r#"{{"devices": [{{"name": "A GPU", "power_usage": {power}}}]}}"#);
    let machine = place.path("machine");
    std::fs::create_dir_all(&machine).expect("a folder");
    // In one step: a reading must never find half of it.
    std::fs::write(machine.join("next"), text).expect("a file");
    std::fs::rename(machine.join("next"), machine.join("nvml.json")).expect("a name");
}

/// Loads a model of which each token reads so many bytes.
async fn load(worker: &mut FakeWorker, active_bytes: u64) {
    worker.told_to_load().await;
    let model = LoadedModel {
        architecture: "llama".into(),
        context_tokens: 2048,
        active_bytes,
        ..LoadedModel::default()
    };
    worker.report(&Report::Loaded(model)).await;
}

async fn token(worker: &mut FakeWorker, id: GenerationId, generated_tokens: u32) {
    let event = GenerationEvent::Token {
        text: "x".into(),
        generated_tokens,
        logprobs: Vec::new(),
    };
    worker.step(id, event).await;
}

/// Until so many readings of the power were taken from now on.
async fn readings(desk: &Desk, number: usize) {
    let taken = || {
        let timeline = desk.studio.timeline(Span::FiveMinutes, 0);
        timeline.expect("a timeline").at_ms.len()
    };
    let before = taken();
    let mut status = desk.studio.subscribe_status();
    while taken() < before + number {
        let _ = tokio::time::timeout(Duration::from_millis(50), status.changed()).await;
    }
}

/// Writes an answer of eleven tokens while the power is read a few times.
async fn write(desk: &Desk, worker: &mut FakeWorker, asked: &mut Asked) -> Duration {
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    token(worker, id, 1).await;
    asked.token("x").await;
    let first = Instant::now();
    soon(readings(desk, 3)).await;
    token(worker, id, 11).await;
    asked.token("x").await;
    let took = first.elapsed();
    let timings = Timings {
        prompt_tokens: 90,
        generated_tokens: 11,
        decode_tokens_per_second: Some(20.0),
        ..Timings::default()
    };
    let reason = FinishReason::EndOfTurn;
    worker
        .step(id, GenerationEvent::Finished { reason, timings })
        .await;
    took
}

/// The answer to a question, and the seconds in which it was written.
async fn answered(desk: &mut Desk, active_bytes: u64) -> (Message, f64) {
    let mut asked = desk.send(None, "one");
    let mut worker = desk.worker().await;
    load(&mut worker, active_bytes).await;
    let took = write(desk, &mut worker, &mut asked).await;
    let finished = asked.finished().await;
    drop(worker);
    (last(&finished).clone(), took.as_secs_f64())
}

fn energy(message: &Message) -> Option<f64> {
    message.measured?.energy_joules_per_token
}

#[tokio::test]
async fn energy_is_power_by_time_and_is_there_after_a_restart() {
    let place = Place::new();
    draw(&place, Some(60));
    let mut desk = place.desk().await;
    let (message, seconds) = answered(&mut desk, 0).await;
    let found = energy(&message).expect("it was measured");
    let expected = 60.0 * seconds / 10.0;
    assert!(
        (found / expected - 1.0).abs() < 0.2,
        "{found} J, not {expected} J"
    );
    assert_eq!(desk.studio.monitor_now().last_measured, message.measured);
    let list = desk.studio.conversations().await.expect("a list");
    desk.close().await;

    let desk = place.desk().await;
    let kept = desk.conversation(list[0].id).await;
    assert_eq!(last(&kept), &message);
}

#[tokio::test]
async fn power_that_nobody_tells_is_absent_and_not_zero() {
    let place = Place::new();
    draw(&place, None);
    let mut desk = place.desk().await;
    let (message, _) = answered(&mut desk, 0).await;
    assert_eq!(message.measured, None);
    assert!(message.timings.is_some());
}

#[tokio::test]
async fn power_that_is_lost_on_the_way_is_absent() {
    let place = Place::new();
    draw(&place, Some(60));
    let mut desk = place.desk().await;
    let mut asked = desk.send(None, "one");
    let mut worker = desk.worker().await;
    load(&mut worker, 0).await;
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    token(&mut worker, id, 1).await;
    asked.token("x").await;
    soon(readings(&desk, 2)).await;
    draw(&place, None);
    soon(readings(&desk, 2)).await;
    draw(&place, Some(60));
    soon(readings(&desk, 2)).await;
    worker.finish(id, FinishReason::EndOfTurn).await;
    assert_eq!(last(&asked.finished().await).measured, None);
}

#[tokio::test]
async fn the_share_of_the_limit_is_told_against_the_bandwidth_of_this_machine() {
    let place = Place::new();
    let mut desk = place.desk().await;
    assert_eq!(desk.studio.monitor_now().limit, None);
    let active_bytes = 1 << 30;
    let (message, _) = answered(&mut desk, active_bytes).await;
    let limit = desk.studio.monitor_now().limit.expect("a limit");
    assert_eq!(limit.bytes_per_token, active_bytes);
    let expected = Measured {
        energy_joules_per_token: None,
        limit_share: Some(20.0 / limit.tokens_per_second),
    };
    assert_eq!(message.measured, Some(expected));
    let bandwidth = limit.bandwidth_bytes_per_second;
    desk.close().await;

    // Measured once: the next start knows it.
    let desk = place.desk().await;
    let kept = desk.studio.inner.bandwidth.kept().await.expect("kept");
    assert!((kept - bandwidth).abs() < 1.0, "{kept} for {bandwidth}");
}

#[tokio::test]
async fn the_bandwidth_is_measured_again_when_nothing_runs() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let first = desk.studio.measure_bandwidth().await.expect("measured");
    assert!(first.bytes_per_second > 1e6, "{first:?}");
    let mut asked = desk.send(None, "one");
    let mut worker = desk.loaded().await;
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    asked.prefill().await;
    let refused = desk.studio.measure_bandwidth().await.expect_err("busy");
    assert_eq!(refused.code, ErrorCode::Busy);
    assert!(refused.hint.is_some());
    worker.finish(id, FinishReason::EndOfTurn).await;
    asked.finished().await;
    let kept = desk.studio.inner.bandwidth.kept().await;
    assert_eq!(kept, Some(first.bytes_per_second));
    desk.studio.measure_bandwidth().await.expect("measured");
}

#[tokio::test]
async fn a_bandwidth_that_was_measured_while_something_ran_is_used_and_not_kept() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let mut asked = desk.send(None, "one");
    let mut worker = desk.loaded().await;
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    asked.prefill().await;
    assert!(desk.studio.inner.bandwidth.get().await.is_some());
    assert_eq!(desk.studio.inner.bandwidth.kept().await, None);
    worker.finish(id, FinishReason::EndOfTurn).await;
    asked.finished().await;
    let first = desk.studio.inner.bandwidth.get().await;
    assert_eq!(desk.studio.inner.bandwidth.kept().await, first);
}

#[tokio::test]
async fn going_on_measures_anew_and_a_refusal_gives_back_what_there_was() {
    let place = Place::new();
    draw(&place, Some(60));
    let mut desk = place.desk().await;
    let mut asked = desk.send(None, "one");
    let mut worker = desk.worker().await;
    load(&mut worker, 0).await;
    let (id, _) = worker.request().await;
    worker.prefill(id).await;
    token(&mut worker, id, 1).await;
    asked.token("x").await;
    soon(readings(&desk, 2)).await;
    let timings = Timings {
        generated_tokens: 2,
        ..Timings::default()
    };
    let reason = FinishReason::Cancelled;
    let end = GenerationEvent::Finished { reason, timings };
    worker.step(id, end).await;
    let stopped = last(&asked.finished().await).clone();
    assert!(energy(&stopped).is_some());

    let mut asked = desk.go_on(&stopped);
    assert_eq!(last(&asked.started().await).measured, None);
    let (id, _) = worker.request().await;
    let refusal = engine_api::EngineError::ContextExceeded {
        prompt_tokens: 9,
        limit_tokens: 8,
    };
    worker.fail(id, refusal).await;
    asked.refused().await;
    let list = desk.studio.conversations().await.expect("a list");
    assert_eq!(last(&desk.conversation(list[0].id).await), &stopped);
}

#[tokio::test]
async fn all_answers_are_exported_and_told_by_model() {
    let place = Place::new();
    let mut desk = place.desk().await;
    let asked = desk.send(None, "=one, \"two\"");
    let mut worker = desk.loaded().await;
    worker.answer("ONE").await;
    let conversation = asked.finished().await;
    let asked = desk.regenerate(last(&conversation));
    worker.answer("TWO").await;
    asked.finished().await;

    let models = desk.studio.throughput_by_model().await.expect("models");
    assert_eq!((models.len(), models[0].answers), (1, 2));
    assert_eq!(models[0].model, "alpha");
    assert_eq!(models[0].ttft_ms, Some(12.5));
    assert_eq!(models[0].decode_tokens_per_second, None);

    let export = async |format| {
        let folder = place.path("downloads");
        let path = desk.studio.export_throughput(format, folder).await;
        std::fs::read_to_string(path.expect("a path")).expect("a file")
    };
    let csv = export(ExportFormat::Csv).await;
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(csv.contains("\"'=one, \"\"two\"\"\""), "{csv}");
    assert!(!csv.contains("ONE"), "{csv}");
    let json: serde_json::Value =
        serde_json::from_str(&export(ExportFormat::Json).await).expect("JSON");
    assert_eq!(json[1]["title"], "=one, \"two\"");
    assert_eq!(json[1]["timings"]["ttft_ms"], 12.5);

    let nowhere = place.path("models/alpha.Q4_1.gguf");
    let failed = desk
        .studio
        .export_throughput(ExportFormat::Csv, nowhere)
        .await;
    assert_eq!(failed.expect_err("no folder").code, ErrorCode::Internal);
}
