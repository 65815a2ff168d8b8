//! What is kept of the machine: through a restart, and what is marked on it.

use super::{Place, soon};
use crate::{EventKind, MonitorEvent, Span, Studio};
use std::time::Duration;

/// The events of the last five minutes once there are so many.
async fn events(studio: &Studio, number: usize) -> Vec<(EventKind, String)> {
    let mut status = studio.subscribe_status();
    loop {
        let timeline = studio.timeline(Span::Week, 0).expect("a timeline");
        if timeline.events.len() >= number {
            let pair = |event: MonitorEvent| (event.kind, event.subject);
            return timeline.events.into_iter().map(pair).collect();
        }
        let _ = tokio::time::timeout(Duration::from_millis(50), status.changed()).await;
    }
}

#[tokio::test]
async fn what_was_read_and_what_happened_is_there_after_a_restart() {
    let place = Place::new();
    place.remember(1 << 20, 500 << 10);
    let mut desk = place.desk().await;
    let asked = desk.send(None, "one");
    let mut worker = desk.loaded().await;
    worker.answer("ONE").await;
    asked.finished().await;
    desk.studio.unload_model().await.expect("unloaded");
    let happened = soon(events(&desk.studio, 2)).await;
    let names: Vec<_> = happened.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(names, [EventKind::Loaded, EventKind::Unloaded]);
    let first_ms = desk
        .studio
        .timeline(Span::FiveMinutes, 0)
        .expect("a timeline")
        .at_ms[0];
    desk.close().await;

    let desk = place.desk().await;
    assert_eq!(soon(events(&desk.studio, 2)).await, happened);
    let week = desk.studio.timeline(Span::Week, 0).expect("a timeline");
    // The mean of a stretch stands at its middle.
    assert!((week.at_ms[0] - first_ms).abs() <= 7 * 60_000, "{week:?}");
    assert!(
        week.other_bytes[0].is_some_and(|bytes| bytes > 0.0),
        "{week:?}"
    );
    assert_eq!(week.power_watts[0], None, "never zero");
}

#[tokio::test]
async fn readings_come_more_often_while_somebody_looks() {
    let place = Place::new();
    place.remember(1 << 20, 500 << 10);
    let desk = place.desk().await;
    let period = || desk.studio.inner.sampler.period();
    assert_eq!(period(), Duration::from_secs(1));
    desk.studio
        .timeline(Span::FiveMinutes, 0)
        .expect("a timeline");
    assert_eq!(period(), Duration::from_millis(250));
}
