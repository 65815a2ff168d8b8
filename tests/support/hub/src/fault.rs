//! Misbehaviour on order.
//!
//! Faults stand in a queue. A request takes the first one that fits it, and all fitting ones that are for always; a fault
//! that is about bodies waits for a request that has one. Invariant: a fault that was ordered `n` times happens `n` times.

use crate::log::{Host, locked};
use crate::server::Asked;
use axum::http::Method;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Mutex;
use std::time::Duration;

/// Something to go wrong: what, for whom, how often. Once for the first request that fits, if nothing else is said.
#[derive(Debug, Clone)]
pub struct Fault {
    harm: Harm,
    host: Option<Host>,
    method: Option<Method>,
    path: String,
    covers: Option<u64>,
    left: Option<u32>,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Harm {
    // Instead of an answer.
    Status(u16),
    RateLimited(Option<u64>),
    Silence,
    HangUp,
    Rubbish(String),
    Expired,
    // In what is said of a file.
    LinkUses(u32),
    ThroughHub,
    Loop,
    Etag(String),
    Size(u64),
    Commit(String),
    // In bytes of a file.
    Cut(u64),
    Stall(u64),
    Slow(u64, Duration),
    Flip(u64),
    Shorter(u64),
    Longer(u64),
    NoLength,
    IgnoreRange,
    RefuseRange,
    OtherRange(i64),
}

/// When a fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Arrival,
    Link,
    Body,
}

impl Harm {
    fn stage(&self) -> Stage {
        match self {
            Self::Status(_)
            | Self::RateLimited(_)
            | Self::Silence
            | Self::HangUp
            | Self::Rubbish(_)
            | Self::Expired => Stage::Arrival,
            Self::LinkUses(_)
            | Self::ThroughHub
            | Self::Loop
            | Self::Etag(_)
            | Self::Size(_)
            | Self::Commit(_) => Stage::Link,
            _ => Stage::Body,
        }
    }
}

impl Fault {
    fn new(harm: Harm) -> Self {
        Self {
            harm,
            host: None,
            method: None,
            path: String::new(),
            covers: None,
            left: Some(1),
        }
    }

    /// The connection ends after so many bytes of a body, all of which arrive.
    pub fn cut(after_bytes: u64) -> Self {
        Self::new(Harm::Cut(after_bytes))
    }

    /// Nothing comes after so many bytes of a body, until [`crate::FakeHub::release`].
    pub fn stall(after_bytes: u64) -> Self {
        Self::new(Harm::Stall(after_bytes))
    }

    /// So many bytes of a body, a pause, and so on.
    pub fn slow(bytes: u64, pause: Duration) -> Self {
        Self::new(Harm::Slow(bytes.max(1), pause))
    }

    /// The byte at this place of the file is another one, in a body that has it. For a body without it nothing happens, and
    /// the fault stays in the queue.
    pub fn flip(offset: u64) -> Self {
        let fault = Self::new(Harm::Flip(offset));
        fault.covering(offset)
    }

    /// `Content-Length` and body are so much too short.
    pub fn shorter(bytes: u64) -> Self {
        Self::new(Harm::Shorter(bytes))
    }

    /// `Content-Length` and body are so much too long.
    pub fn longer(bytes: u64) -> Self {
        Self::new(Harm::Longer(bytes))
    }

    /// No `Content-Length`; the body is chunked.
    pub fn no_length() -> Self {
        Self::new(Harm::NoLength)
    }

    /// Answers a Range with 200 and the whole file, though it says `Accept-Ranges: bytes`.
    pub fn ignore_range() -> Self {
        Self::new(Harm::IgnoreRange)
    }

    /// Says `Accept-Ranges: none` and always sends the whole file.
    pub fn no_ranges() -> Self {
        Self::new(Harm::RefuseRange)
    }

    /// Answers a Range with 206 and another one, so much later (or earlier), and says so in `Content-Range`.
    pub fn other_range(by_bytes: i64) -> Self {
        Self::new(Harm::OtherRange(by_bytes))
    }

    /// This status instead of an answer: 500, 502, 503, 504, whatever.
    pub fn status(status: u16) -> Self {
        Self::new(Harm::Status(status))
    }

    /// 429, with `Retry-After` in seconds or without.
    pub fn rate_limited(retry_after_s: Option<u64>) -> Self {
        Self::new(Harm::RateLimited(retry_after_s))
    }

    /// No answer, until [`crate::FakeHub::release`].
    pub fn silence() -> Self {
        Self::new(Harm::Silence)
    }

    /// The connection ends without an answer.
    pub fn hang_up() -> Self {
        Self::new(Harm::HangUp)
    }

    /// This text instead of the JSON, with 200.
    pub fn rubbish(text: &str) -> Self {
        Self::new(Harm::Rubbish(text.to_owned()))
    }

    /// The CDN says that its link has expired.
    pub fn expired() -> Self {
        Self::new(Harm::Expired).on(Host::Cdn)
    }

    /// The link to the CDN expires after so many requests with it; 0 is before the first.
    pub fn link_uses(uses: u32) -> Self {
        Self::new(Harm::LinkUses(uses))
    }

    /// Sends to another path of the hub itself, with a `Location` without a host.
    pub fn relative_redirect() -> Self {
        Self::new(Harm::ThroughHub)
    }

    /// Redirects to itself.
    pub fn redirect_loop() -> Self {
        Self::new(Harm::Loop)
    }

    /// This instead of the hash in `X-Linked-Etag`, or of a small file's in `ETag`; without quotes.
    pub fn etag(hash: &str) -> Self {
        Self::new(Harm::Etag(hash.to_owned()))
    }

    /// This instead of the length in `X-Linked-Size`.
    pub fn size(bytes: u64) -> Self {
        Self::new(Harm::Size(bytes))
    }

    /// This instead of the commit in `X-Repo-Commit`.
    pub fn commit(commit: &str) -> Self {
        Self::new(Harm::Commit(commit.to_owned()))
    }

    /// Only where this is a part of the path: of a file's path in its repository, on both hosts.
    #[must_use]
    pub fn path(mut self, part: &str) -> Self {
        part.clone_into(&mut self.path);
        self
    }

    /// Only there.
    #[must_use]
    pub fn on(mut self, host: Host) -> Self {
        self.host = Some(host);
        self
    }

    /// Only for this method.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// Only for bodies that have this byte of the file.
    #[must_use]
    pub fn covering(mut self, offset: u64) -> Self {
        self.covers = Some(offset);
        self
    }

    /// So often.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.left = Some(times);
        self
    }

    /// Until [`crate::FakeHub::behave`].
    #[must_use]
    pub fn always(mut self) -> Self {
        self.left = None;
        self
    }

    fn fits(&self, stage: Stage, asked: &Asked, body: Option<&Range<u64>>) -> bool {
        let covers = |offset| body.is_some_and(|range| range.contains(&offset));
        self.harm.stage() == stage
            && self.left != Some(0)
            && self.host.is_none_or(|host| host == asked.host)
            && self.method.as_ref().is_none_or(|m| *m == asked.method)
            && asked.path.contains(&self.path)
            && self.covers.is_none_or(covers)
    }
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<VecDeque<Fault>>);

impl Faults {
    pub(crate) fn order(&self, fault: Fault) {
        locked(&self.0).push_back(fault);
    }

    pub(crate) fn clear(&self) {
        locked(&self.0).clear();
    }

    pub(crate) fn left(&self) -> usize {
        let queue = locked(&self.0);
        queue.iter().filter(|fault| fault.left.is_some()).count()
    }

    /// What happens to a request now; for a body, these bytes of the file.
    pub(crate) fn take(&self, stage: Stage, asked: &Asked, body: Option<&Range<u64>>) -> Vec<Harm> {
        let mut queue = locked(&self.0);
        let mut taken = Vec::new();
        let mut counted = false;
        for fault in queue.iter_mut().filter(|f| f.fits(stage, asked, body)) {
            match &mut fault.left {
                None => {}
                Some(_) if counted => continue,
                Some(left) => {
                    counted = true;
                    *left -= 1;
                }
            }
            taken.push(fault.harm.clone());
        }
        queue.retain(|fault| fault.left != Some(0));
        taken
    }
}
