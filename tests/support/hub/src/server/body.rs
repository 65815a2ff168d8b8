//! Bodies: a file's bytes as planned.

use super::plan::Plan;
use super::site::Call;
use crate::content::PIECE;
use crate::fault::Stage;
use crate::repo::StoredFile;
use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use std::io;
use std::sync::Arc;

/// The file, or the part of it that was asked for.
pub(crate) fn content(call: &Call, file: &Arc<StoredFile>) -> Response {
    let len = file.len();
    let Ok(plan) = Plan::honest(&call.asked, len, file.etag()) else {
        let said = [(header::CONTENT_RANGE, format!("bytes */{len}"))];
        return (StatusCode::RANGE_NOT_SATISFIABLE, said).into_response();
    };
    if plan.status == 206 {
        call.entry.asked_range(plan.range.clone());
    }
    if !call.asked.is_get() {
        return response(&plan, Body::empty());
    }
    let harms = call
        .site
        .faults
        .take(Stage::Body, &call.asked, Some(&plan.range));
    let plan = plan.harmed(&harms, len);
    let sending = Sending {
        call: call.clone(),
        file: Arc::clone(file),
        plan: plan.clone(),
        sent: 0,
    };
    response(
        &plan,
        Body::from_stream(stream::unfold(Some(sending), next)),
    )
}

fn response(plan: &Plan, body: Body) -> Response {
    let status = StatusCode::from_u16(plan.status).unwrap_or_default();
    let ranges = if plan.accepts_ranges { "bytes" } else { "none" };
    let kind = "application/octet-stream";
    let said = [
        (header::ACCEPT_RANGES, ranges),
        (header::CONTENT_TYPE, kind),
    ];
    let mut response = (status, said, body).into_response();
    let length = plan.said_length.map(|length| length.to_string());
    let more = [
        (header::CONTENT_LENGTH, length),
        (header::CONTENT_RANGE, plan.said_range.clone()),
    ];
    for (name, value) in more {
        if let Some(Ok(value)) = value.map(TryInto::try_into) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// A body on its way.
struct Sending {
    call: Call,
    file: Arc<StoredFile>,
    plan: Plan,
    /// Bytes until now.
    sent: u64,
}

/// What comes next in a body; `None` at its end.
async fn next(sending: Option<Sending>) -> Option<(io::Result<Bytes>, Option<Sending>)> {
    let mut sending = sending?;
    if sending.plan.cut == Some(sending.sent) {
        sending.call.wire.flushed().await;
        return Some((Err(io::ErrorKind::ConnectionAborted.into()), None));
    }
    if sending.plan.stall == Some(sending.sent) {
        sending.call.stalled().await;
        sending.plan.stall = None;
    }
    if let Some((_, pause)) = sending.plan.pace {
        tokio::time::sleep(pause).await;
    }
    match sending.piece() {
        Ok(piece) if piece.is_empty() => None,
        Ok(piece) => {
            let bytes = piece.len() as u64;
            sending.sent += bytes;
            sending.call.entry.sent(bytes);
            Some((Ok(piece), Some(sending)))
        }
        Err(error) => Some((Err(error), None)),
    }
}

impl Sending {
    fn piece(&self) -> io::Result<Bytes> {
        let start = self.plan.range.start + self.sent;
        let most = self.most();
        let rest = self.plan.range.end.saturating_sub(start);
        if rest == 0 {
            let extra = most.min(self.plan.length() - self.sent);
            return Ok(vec![b'x'; usize::try_from(extra).unwrap_or(0)].into());
        }
        // A disk that is slow would hold up a test's runtime; a page cache is not.
        let piece = self.file.source.piece(start, most.min(rest))?;
        Ok(self.flipped(start, piece))
    }

    /// How many bytes at most until something is to happen.
    fn most(&self) -> u64 {
        let until = |place: Option<u64>| {
            let rest = place.and_then(|place| place.checked_sub(self.sent));
            rest.filter(|rest| *rest > 0).unwrap_or(PIECE)
        };
        let pace = self.plan.pace.map_or(PIECE, |(bytes, _)| bytes);
        let ends = until(self.plan.cut).min(until(self.plan.stall));
        ends.min(pace).min(PIECE)
    }

    fn flipped(&self, start: u64, piece: Bytes) -> Bytes {
        let here = |place: &u64| place.checked_sub(start);
        let places = self.plan.flips.iter().filter_map(here);
        let places: Vec<_> = places.filter(|place| *place < piece.len() as u64).collect();
        if places.is_empty() {
            return piece;
        }
        let mut bytes = piece.to_vec();
        for place in places {
            let byte = usize::try_from(place)
                .ok()
                .and_then(|place| bytes.get_mut(place));
            if let Some(byte) = byte {
                *byte ^= 0x55;
            }
        }
        bytes.into()
    }
}
