//! The thread that reads commands. It computes nothing and never waits for those who do.

use super::outbox::Outbox;
use super::running::{Name, Running};
use super::{Arrived, Asked, Work};
use crate::wipe::wipe;
use engine_api::wire::{Command, MAX_LINE_BYTES, Report};
use engine_api::{GenerateRequest, GenerationEvent, GenerationId};
use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc;
use std::time::Instant;

pub(super) struct Reading {
    pub(super) work: mpsc::Sender<Work>,
    pub(super) outbox: Outbox,
    pub(super) running: Running,
}

impl Reading {
    /// Returns when the input ends, or holds what is no command.
    pub(super) fn run(self, input: impl Read) {
        let mut input = BufReader::new(input);
        let mut line = Vec::new();
        loop {
            // What somebody wrote does not stay here until the next one does.
            wipe(&mut line);
            line.clear();
            let limited = (&mut input)
                .take(MAX_LINE_BYTES as u64)
                .read_until(b'\n', &mut line);
            if !matches!(limited, Ok(1..)) {
                break;
            }
            match serde_json::from_slice(&line) {
                Ok(command) => self.obey(command),
                Err(error) => {
                    tracing::error!(%error, "a command is no message");
                    break;
                }
            }
        }
        self.running.cancel_all();
        self.send(Work::InputEnded);
    }

    fn obey(&self, command: Command) {
        self.send(match command {
            Command::Cancel { id } => self.cancel(Name::Generation(id)),
            Command::Withdraw { id } => self.cancel(Name::Question(id)),
            Command::Load { path, options } => Work::Load { path, options },
            Command::Generate { id, request } => self.generate(id, *request),
            Command::ForgetCache => Work::ForgetCache,
            Command::Ask { id, question } => Work::Ask(Box::new(Asked {
                id,
                question: *question,
                withdrawn: self.running.start(Name::Question(id)),
            })),
        });
    }

    fn cancel(&self, name: Name) -> Work {
        self.running.cancel(name);
        Work::Look
    }

    fn generate(&self, id: GenerationId, request: GenerateRequest) -> Work {
        let cancelled = self.running.start(Name::Generation(id));
        self.outbox.send(&Report::Generation {
            id,
            event: GenerationEvent::Queued,
        });
        Work::Generate(Box::new(Arrived {
            id,
            request,
            arrival: Instant::now(),
            cancelled,
        }))
    }

    fn send(&self, work: Work) {
        // The computing thread ends only after this one.
        let _ = self.work.send(work);
    }
}
