//! `wick top` on the whole screen of a terminal: draws what is seen, and leaves at a key.
//!
//! Looking is a thread's of its own, so that a key is heard while an app does not answer. Invariant: however it ends (a
//! key, a signal, an error, a panic), the terminal is as it was before.

use super::palette::Palette;
use super::rates::Rates;
use super::source::{PERIOD, Seen, Source};
use super::{shown, view};
use crate::stop::Stop;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// How soon what was seen is drawn, and a signal is heard.
const TICK: Duration = Duration::from_millis(50);

/// Shows what the source tells until the person leaves.
pub(super) fn show(mut source: Source) -> Result<(), Stop> {
    // Before the screen is taken: what can't be shown at all is told in a line.
    let first = shown(source.look())?;
    let (sender, looks) = sync_channel(1);
    thread::spawn(move || follow(source, &sender));
    let leaving = leaving().map_err(|error| no_screen(&error))?;
    let _restored = Restored;
    let terminal = ratatui::try_init().map_err(|error| no_screen(&error))?;
    Screen::new(first).run(terminal, &looks, &leaving)
}

fn no_screen(error: &io::Error) -> Stop {
    Stop::failed(
        format!("This terminal can't be drawn on: {error}."),
        "`wick top --json` and `wick top | cat` need no screen.",
    )
}

/// Looks until nobody takes what was seen.
fn follow(mut source: Source, sender: &SyncSender<Seen>) {
    loop {
        let began = Instant::now();
        if sender.send(source.look()).is_err() {
            return;
        }
        thread::sleep(PERIOD.saturating_sub(began.elapsed()));
    }
}

/// Becomes true when SIGTERM, SIGHUP or SIGINT comes. Signals are listened to when this returns.
fn leaving() -> io::Result<Arc<AtomicBool>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let listening = runtime.enter();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    drop(listening);
    let leaving = Arc::new(AtomicBool::new(false));
    let told = leaving.clone();
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
                _ = interrupt.recv() => {}
            }
        });
        told.store(true, Ordering::Relaxed);
    });
    Ok(leaving)
}

/// Gives the terminal back.
struct Restored;

impl Drop for Restored {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _ = ratatui::try_restore();
    }
}

/// What is on the screen.
struct Screen {
    seen: Seen,
    rates: Rates,
    palette: Palette,
    began: Instant,
}

impl Screen {
    fn new(first: Seen) -> Self {
        let mut screen = Self {
            seen: first.clone(),
            rates: Rates::default(),
            palette: Palette::from_environment(),
            began: Instant::now(),
        };
        screen.take(first);
        screen
    }

    fn take(&mut self, seen: Seen) {
        let throughput = seen.status.as_ref().map(|status| &status.throughput);
        let rate = throughput.and_then(|throughput| throughput.decode_tokens_per_second);
        self.rates.take(self.began.elapsed(), rate);
        self.seen = seen;
    }

    fn run(
        &mut self,
        mut terminal: DefaultTerminal,
        looks: &Receiver<Seen>,
        leaving: &AtomicBool,
    ) -> Result<(), Stop> {
        let mut stale = true;
        while !leaving.load(Ordering::Relaxed) {
            match looks.try_recv() {
                Ok(seen) => {
                    self.take(seen);
                    stale = true;
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return Err(broken()),
            }
            if std::mem::take(&mut stale) {
                let drawn =
                    terminal.draw(|frame| view::draw(frame, &self.seen, &self.rates, self.palette));
                drawn.map_err(|error| no_screen(&error))?;
            }
            match next_event().map_err(|error| no_screen(&error))? {
                Some(Event::Key(key)) if leaves(&key) => return Ok(()),
                Some(Event::Resize(..)) => stale = true,
                _ => {}
            }
        }
        Ok(())
    }
}

fn broken() -> Stop {
    Stop::failed(
        "The reader broke: there is nothing more to show.",
        "Start `wick top` again.",
    )
}

fn next_event() -> io::Result<Option<Event>> {
    if event::poll(TICK)? {
        return event::read().map(Some);
    }
    Ok(None)
}

/// Whether a key ends it.
fn leaves(key: &KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let ends = match key.code {
        KeyCode::Esc => true,
        KeyCode::Char('q' | 'Q') => !control,
        KeyCode::Char('c' | 'C') => control,
        _ => false,
    };
    ends && key.kind == KeyEventKind::Press
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_keys_leave() {
        let check = |code, modifiers, expected: bool| {
            let key = KeyEvent::new(code, modifiers);
            assert_eq!(leaves(&key), expected, "{key:?}");
        };
        check(KeyCode::Esc, KeyModifiers::NONE, true);
        check(KeyCode::Char('q'), KeyModifiers::NONE, true);
        check(KeyCode::Char('Q'), KeyModifiers::SHIFT, true);
        check(KeyCode::Char('c'), KeyModifiers::CONTROL, true);
        check(KeyCode::Char('c'), KeyModifiers::NONE, false);
        check(KeyCode::Enter, KeyModifiers::NONE, false);
    }
}
