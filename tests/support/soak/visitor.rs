//! One visitor, whose fingers and eyes are those of a person: real touches and keys, and the colours of the screen.
//!
//! What came of it is in the app's own log of sessions. The driver has no part in it, since it loses its page with the
//! first web process that is killed. Invariant: a step returns when what it is for has come true.

use super::RARE;
use super::ledger::{Ledger, Session};
use super::places::{Places, corner, press};
use crate::window::{Desk, PATIENCE, Process};
use std::time::{Duration, Instant};

/// By then a worker is in the middle of an answer, in hundredths of a second of the processor.
const WRITING: u64 = 4;
const GLANCE: Duration = Duration::from_millis(100);
const PAGE_IS_THERE: &str = "the kiosk's page is there";

/// What befalls a visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fate {
    /// Which visitor, from 1.
    pub(super) number: u32,
    pub(super) turns: u32,
    /// The visitor just goes; otherwise "Start over" is pressed.
    pub(super) walks_away: bool,
    /// In the middle of the second answer the worker is killed.
    pub(super) loses_worker: bool,
    /// After the first answer the web process is killed.
    pub(super) loses_page: bool,
}

impl Fate {
    /// How the app calls the end of it.
    pub(super) fn ends(&self) -> &'static str {
        if self.walks_away {
            "idle"
        } else {
            "started_over"
        }
    }

    /// Whether the app has noted this visitor so, after the end.
    pub(super) fn is_served(&self, noted: &Session) -> bool {
        // Another fault than a lost worker is an answer that could not be given.
        noted.turns == self.turns
            && noted.ended == self.ends()
            && noted.faults <= u32::from(self.loses_worker)
    }
}

/// What a visitor has before them.
pub(super) struct Stand<'a> {
    pub(super) desk: &'a Desk,
    pub(super) ledger: &'a Ledger,
    pub(super) places: &'a Places,
}

impl Stand<'_> {
    /// From the loop to the loop.
    pub(super) async fn visit(&self, fate: Fate) {
        self.shows(&self.places.in_loop).await;
        press(self.desk, self.places.middle);
        self.shows(&self.places.in_visit).await;
        let mut tokens = 0;
        for turn in 0..fate.turns {
            let worker = only(self.desk.engines());
            let computed = computed(&worker);
            self.say(fate, turn);
            if turn == 1 && fate.loses_worker {
                let is_said = || self.ledger.has(fate.number + 1, turn + 1);
                lose(&worker, computed + WRITING, is_said).await;
            }
            tokens = self.answered(fate, turn + 1, tokens).await;
            if turn == 0 && fate.loses_page {
                self.lose_page().await;
            }
        }
        self.leave(fate).await;
    }

    /// Presses a card, or types a message and sends it.
    fn say(&self, fate: Fate, turn: u32) {
        if turn == 0 && fate.number.is_multiple_of(2) {
            return press(self.desk, self.places.card);
        }
        let text = format!("tell me of {RARE}{}x{turn}", fate.number);
        press(self.desk, self.places.field);
        let screen = self.desk.screen();
        screen.point(&["type", "--delay", "1", &text]);
        self.send();
    }

    fn send(&self) {
        self.desk.screen().point(&["key", "Return"]);
    }

    /// Waits until this turn's answer is whole and not empty. Returns the tokens of the visit.
    async fn answered(&self, fate: Fate, turns: u32, before: u32) -> u32 {
        let is_so = |now: &Session| {
            // The first one only looked.
            now.count == fate.number + 1 && now.turns == turns && now.tokens > before
        };
        let what = format!("visitor {} has {turns} answers", fate.number);
        let now = self.ledger.until(&what, is_so, || self.send()).await;
        assert!(
            now.faults <= u32::from(fate.loses_worker),
            "{what}: {now:?}"
        );
        now.tokens
    }

    async fn leave(&self, fate: Fate) {
        if !fate.walks_away {
            press(self.desk, self.places.start_over);
        }
        let is_over = |now: &Session| now.count == fate.number + 1 && fate.is_served(now);
        let what = format!("visitor {} is gone", fate.number);
        self.ledger.until(&what, is_over, || {}).await;
    }

    /// Waits until the corner of the screen has this colour.
    pub(super) async fn shows(&self, colour: &str) {
        let begun = Instant::now();
        // A picture costs the machine as much as a frame of the page: not too many.
        while self.desk.screen().colour(corner(self.desk)) != colour {
            assert!(begun.elapsed() < PATIENCE, "the corner is not {colour}");
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Kills the web process, and waits until another one shows the visit.
    async fn lose_page(&self) {
        let before = self.desk.said(PAGE_IS_THERE);
        let page = only(self.desk.home().processes("WebKitWebProcess"));
        page.kill();
        page.ended().await;
        let is_back = || self.desk.said(PAGE_IS_THERE) > before;
        self.desk.until_true("the page is back", is_back).await;
        self.shows(&self.places.in_visit).await;
    }
}

fn only(mut processes: Vec<Process>) -> Process {
    assert_eq!(processes.len(), 1, "{processes:?}");
    processes.remove(0)
}

/// Kills a worker as soon as it has computed so much, or has said all that it had to say.
async fn lose(worker: &Process, hundredths: u64, is_said: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while computed(worker) < hundredths && !is_said() {
        assert!(Instant::now() < deadline, "{worker:?} does not compute");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    worker.kill();
    worker.ended().await;
}

/// What a process has computed so far, in hundredths of a second: `utime` and `stime` of proc(5).
fn computed(process: &Process) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id()));
    let stat = stat.unwrap_or_default();
    let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
    let times = after.split(' ').skip(11).take(2);
    times.filter_map(|time| time.parse::<u64>().ok()).sum()
}
