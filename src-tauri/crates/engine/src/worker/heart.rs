//! The thread that says how far the others are, while they are at something.
//!
//! It deliberately computes nothing and waits for none of them: what hangs elsewhere shows as a count that stands still.
//! Invariant: it says nothing and wakes for nothing while nothing runs.

use super::outbox::Outbox;
use super::running::Running;
use crate::pulse::Pulse;
use engine_api::wire::Report;
use std::time::Duration;

/// Between two reports.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

pub(super) struct Heart {
    pub(super) running: Running,
    pub(super) pulse: Pulse,
    pub(super) outbox: Outbox,
}

impl Heart {
    /// Returns when `running` is closed.
    pub(super) fn run(&self, pause: Duration) {
        while let Some(is_busy) = self.running.next_beat(pause) {
            if is_busy {
                let steps = self.pulse.count();
                self.outbox.send(&Report::Progress { steps });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::running::Name;
    use super::*;
    use engine_api::GenerationId;
    use std::io::{self, Write};
    use std::sync::mpsc::{self, Receiver, Sender};

    const SOON: Duration = Duration::from_millis(1);

    /// A pipe whose lines the test takes.
    struct Lines(Sender<Report>);

    impl Write for Lines {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let report = serde_json::from_slice(line).map_err(io::Error::other)?;
            // The test is over.
            let _ = self.0.send(report);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn heart() -> (Heart, Receiver<Report>) {
        let (lines, reports) = mpsc::channel();
        let heart = Heart {
            running: Running::default(),
            pulse: Pulse::default(),
            outbox: Outbox::new(Lines(lines)),
        };
        (heart, reports)
    }

    fn steps(reports: &Receiver<Report>) -> u64 {
        match reports.recv() {
            Ok(Report::Progress { steps }) => steps,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_thread_that_hangs_shows_as_a_count_that_stands_still() {
        let (heart, reports) = heart();
        let (running, pulse) = (heart.running.clone(), heart.pulse.clone());
        let name = Name::Generation(GenerationId(1));
        std::thread::scope(|scope| {
            scope.spawn(|| heart.run(SOON));
            running.start(name);
            assert_eq!([steps(&reports), steps(&reports)], [0, 0]);
            pulse.beat();
            while steps(&reports) == 0 {}
            assert_eq!([steps(&reports), steps(&reports)], [1, 1]);
            running.close();
        });
    }

    #[test]
    fn who_is_idle_says_nothing() {
        let (heart, reports) = heart();
        let running = heart.running.clone();
        let name = Name::Generation(GenerationId(1));
        std::thread::scope(|scope| {
            scope.spawn(|| heart.run(SOON));
            running.start(name);
            steps(&reports);
            running.end(name);
            // One may have been on its way; the next pause is endless.
            while reports.recv_timeout(Duration::from_millis(50)).is_ok() {}
            running.start(name);
            steps(&reports);
            running.close();
        });
    }
}
