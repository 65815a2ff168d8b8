//! Fetches what is missing of one file, in parts side by side or in one stream.
//!
//! Invariant: when it is over, for whatever reason, nobody writes to the file any more, unless it was dropped.

use super::partial::Partial;
use super::report::Report;
use super::sink::Sink;
use super::source::{Opened, Source};
use super::trouble::{Next, Patience, Trouble};
use super::{Stop, TransferOptions, Tuning};
use crate::{Error, Hub, RepoFile};
use futures_util::future::join_all;
use futures_util::{Stream, StreamExt};
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

const ONE_STREAM: &str = "the server sends no parts of a file, so it comes in one stream";
const STARTS_OVER: &str = "the server cannot go on in the middle of a file, so it starts over";

/// What it takes to fetch one file.
#[derive(Debug)]
pub(super) struct Fill<'a> {
    pub(super) source: Source<'a>,
    pub(super) hub: &'a Hub,
    pub(super) file: &'a RepoFile,
    pub(super) partial: Arc<Partial>,
    pub(super) options: &'a TransferOptions,
    pub(super) report: &'a Report<'a>,
    pub(super) stop: Stop,
    pub(super) tuning: &'a Tuning,
}

/// Why somebody at work ended.
#[derive(Debug)]
enum End {
    /// There is nothing more to do.
    Done,
    /// Somebody else failed.
    Halted,
    /// The server knows no parts.
    NoParts,
}

impl Fill<'_> {
    /// Fetches what is missing. Network failures are waited out.
    pub(super) async fn run(&self) -> Result<(), Error> {
        if self.file.size_bytes > self.tuning.small_bytes && self.in_parts().await? {
            return Ok(());
        }
        self.report.at_work(1);
        let (_halt, halted) = watch::channel(false);
        let whole = 0..self.file.size_bytes;
        self.bring(&whole, true, &Stop(halted)).await.map(|_| ())
    }

    /// Several requests side by side; `false` if the server knows no parts.
    async fn in_parts(&self) -> Result<bool, Error> {
        let count = self.options.segments.clamp(1, 16);
        let (halt, halted) = watch::channel(false);
        let halted = Stop(halted);
        self.report.at_work(count.into());
        let workers = (0..count).map(|_| async {
            let end = self.work(count.into(), &halted).await;
            if !matches!(end, Ok(End::Done)) {
                halt.send_replace(true);
            }
            self.report.one_is_done();
            end
        });
        let ends = join_all(workers).await;
        let ends: Vec<End> = ends.into_iter().collect::<Result<_, _>>()?;
        let parts = !ends.iter().any(|end| matches!(end, End::NoParts));
        if !parts {
            self.report.note(ONE_STREAM.into());
        }
        Ok(parts)
    }

    async fn work(&self, segments: u64, halted: &Stop) -> Result<End, Error> {
        while let Some(unit) = self.partial.take(&self.tuning.unit_bytes, segments) {
            let end = self.bring(&unit, false, halted).await;
            self.partial.give_back(&unit);
            match end? {
                End::Done => {}
                end => return Ok(end),
            }
        }
        Ok(End::Done)
    }

    /// Fetches what is missing of a part, until it is there. With `any`, a server that knows no parts will do.
    async fn bring(&self, unit: &Range<u64>, any: bool, halted: &Stop) -> Result<End, Error> {
        let mut patience = Patience::default();
        let mut last = None;
        while let Some(gap) = self.partial.gap(unit.clone()) {
            if last.replace(gap.start) != Some(gap.start) {
                patience = Patience::default();
            }
            let trouble = match self.attempt(gap, any, halted).await {
                Ok(true) => continue,
                Ok(false) => return Ok(End::Halted),
                Err(trouble) => trouble,
            };
            match patience.next(trouble, self.tuning)? {
                Next::Again => {}
                Next::Whole => return Ok(End::NoParts),
                Next::Wait { reason, wait } => {
                    if !self.wait(&reason, wait, halted).await? {
                        return Ok(End::Halted);
                    }
                }
            }
        }
        Ok(End::Done)
    }

    /// `false` if somebody else failed meanwhile.
    async fn wait(&self, reason: &str, wait: Duration, halted: &Stop) -> Result<bool, Error> {
        tracing::debug!(reason, ?wait, "waiting");
        self.report.one_waits(reason, wait);
        let waited = halted.or(sleep(wait));
        let waited = self.stop.or(waited).await?;
        self.report.one_goes_on();
        Ok(waited.is_ok())
    }

    /// One request for a gap; `false` if somebody else failed meanwhile.
    async fn attempt(&self, gap: Range<u64>, any: bool, halted: &Stop) -> Result<bool, Trouble> {
        let opened = halted.or(self.source.open(&gap));
        let Ok(opened) = self.stop.or(opened).await? else {
            return Ok(false);
        };
        let Opened { body, at } = opened?;
        let whole = at != gap.start;
        if whole && !any {
            return Err(Trouble::NoParts);
        }
        if whole {
            self.report.note(STARTS_OVER.into());
        }
        let end = if whole { self.file.size_bytes } else { gap.end };
        let mut sink = Sink::new(&self.partial, self.tuning, at..end);
        let received = halted.or(self.receive(body.bytes_stream(), end - at, &mut sink));
        let received = self.stop.or(received).await;
        let finished = sink.finish().await;
        self.report.written(self.partial.written_bytes());
        finished?;
        match received? {
            Err(_) => Ok(false),
            Ok(received) => received.map(|()| true),
        }
    }

    /// Takes these many bytes of a body.
    async fn receive<B: AsRef<[u8]> + Send + 'static>(
        &self,
        body: impl Stream<Item = reqwest::Result<B>>,
        mut rest_bytes: u64,
        sink: &mut Sink<'_, B>,
    ) -> Result<(), Trouble> {
        let mut body = pin!(body);
        while rest_bytes > 0 {
            let soon = timeout(self.tuning.write_every, body.next()).await;
            let next = if let Ok(next) = soon {
                next
            } else {
                // What came is written, and told, though no more comes for a while.
                sink.finish().await?;
                self.report.written(self.partial.written_bytes());
                let later = timeout(self.tuning.silence, body.next()).await;
                later.map_err(|_| Trouble::wait("nothing comes any more"))?
            };
            let next = next.ok_or_else(|| Trouble::wait("the connection ended early"))?;
            let piece = next.map_err(|error| self.broken(&error))?;
            let length = piece.as_ref().len();
            self.options.speed.take(length).await;
            sink.take(piece).await?;
            self.report.written(self.partial.written_bytes());
            rest_bytes = rest_bytes.saturating_sub(length as u64);
        }
        Ok(())
    }

    fn broken(&self, error: &reqwest::Error) -> Trouble {
        match self.hub.http().broken(error) {
            Error::Offline { reason, .. } => Trouble::wait(reason),
            other => Trouble::Over(other),
        }
    }
}
