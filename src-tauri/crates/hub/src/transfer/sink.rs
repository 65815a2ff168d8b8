//! Gathers what comes and has it written, while more comes.
//!
//! Invariant: it holds a bounded amount, and after `finish` all that it was given is written or has failed.

use super::partial::Partial;
use super::{Tuning, blocking};
use crate::Error;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinHandle;

/// Gathers what comes and has it written. `B` is a piece of a body.
#[derive(Debug)]
pub(super) struct Sink<'a, B> {
    partial: &'a Arc<Partial>,
    tuning: &'a Tuning,
    rest: Range<u64>,
    pieces: Vec<B>,
    gathered_bytes: usize,
    since: Instant,
    writing: Option<JoinHandle<Result<(), Error>>>,
}

impl<'a, B: AsRef<[u8]> + Send + 'static> Sink<'a, B> {
    /// What comes belongs there; what comes after that is not written.
    pub(super) fn new(partial: &'a Arc<Partial>, tuning: &'a Tuning, rest: Range<u64>) -> Self {
        Self {
            partial,
            tuning,
            rest,
            pieces: Vec::new(),
            gathered_bytes: 0,
            since: Instant::now(),
            writing: None,
        }
    }

    /// Takes the next piece.
    pub(super) async fn take(&mut self, piece: B) -> Result<(), Error> {
        self.gathered_bytes += piece.as_ref().len();
        self.pieces.push(piece);
        let enough = self.gathered_bytes >= self.tuning.write_bytes;
        if enough || self.since.elapsed() >= self.tuning.write_every {
            self.write().await?;
        }
        Ok(())
    }

    /// Waits until all is written.
    pub(super) async fn finish(&mut self) -> Result<(), Error> {
        self.write().await?;
        self.settle().await
    }

    async fn write(&mut self) -> Result<(), Error> {
        self.settle().await?;
        let pieces = std::mem::take(&mut self.pieces);
        let (partial, rest) = (self.partial.clone(), self.rest.clone());
        self.rest.start = rest.end.min(rest.start + self.gathered_bytes as u64);
        self.gathered_bytes = 0;
        self.since = Instant::now();
        let write = move || write(&partial, rest, &pieces);
        self.writing = Some(tokio::task::spawn_blocking(write));
        Ok(())
    }

    /// Waits for what is being written. If that is given up on, it is waited for the next time.
    async fn settle(&mut self) -> Result<(), Error> {
        match &mut self.writing {
            Some(writing) => {
                let written = writing.await;
                self.writing = None;
                blocking::settled(written)
            }
            None => Ok(()),
        }
    }
}

fn write(
    partial: &Partial,
    mut rest: Range<u64>,
    pieces: &[impl AsRef<[u8]>],
) -> Result<(), Error> {
    for piece in pieces {
        let piece = piece.as_ref();
        let length = usize::try_from(rest.end - rest.start).unwrap_or(usize::MAX);
        let piece = &piece[..piece.len().min(length)];
        partial.write(rest.start, piece)?;
        rest.start += piece.len() as u64;
    }
    Ok(())
}
