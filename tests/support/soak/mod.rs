//! Many visitors at a kiosk, one after the other, while workers and web processes are killed: all are served, nothing of
//! them is left, and nothing grows.
//!
//! `visitor.rs` is one of them, `figures.rs` what is measured. Used by the short soak of `make test`
//! (e2e/kiosk/soak.rs) and the long one (benches/soak.rs).

#![expect(
    clippy::missing_panics_doc,
    reason = "each of these is a step of a test: it panics when the kiosk is not as it must be"
)]

mod figures;
mod visitor;

pub use figures::Figures;

use crate::kiosk::prepared;
use crate::window::{Desk, End, Home, Show};
use std::collections::BTreeSet;
use std::path::PathBuf;
use studio::{KioskLog, Machine, Paths, SessionEnd, Startup, Studio};
use visitor::Fate;

/// What nobody but a visitor would write; each message has a number behind it.
const RARE: &str = "quixzephyr";

const CONFIG: &str = "
[visitor]
cards = [\"What is a token?\", \"Why is the sky blue?\"]
models = [\"SmolLM2-135M-Instruct\"]
max_tokens = 16
idle_seconds = 3
countdown_seconds = 1

[[scene]]
type = \"title\"
heading = \"First light\"
text = \"For a soak.\"
seconds = 3600
";

/// How many visitors come, and what befalls them, by their number from 1.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How many.
    pub sessions: u32,
    /// Whose worker is killed in the middle of an answer.
    pub loses_worker: fn(u32) -> bool,
    /// Whose web process is killed between two turns.
    pub loses_page: fn(u32) -> bool,
}

impl Plan {
    fn fate(&self, number: u32) -> Fate {
        Fate {
            number,
            turns: 2 + number % 3,
            walks_away: number.is_multiple_of(10),
            loses_worker: (self.loses_worker)(number),
            loses_page: (self.loses_page)(number),
        }
    }

    fn fates(&self) -> impl DoubleEndedIterator<Item = Fate> {
        (1..=self.sessions).map(|number| self.fate(number))
    }
}

/// A kiosk that visitors come to.
pub struct Soak {
    desk: Desk,
    plan: Plan,
    /// What lay there before the first visitor.
    before: BTreeSet<PathBuf>,
}

impl Soak {
    /// Opens a kiosk with the starter model.
    pub async fn open(name: &str, plan: Plan) -> Self {
        let home = prepared(Home::new().with_temporary_folder(), CONFIG);
        let mut desk = Desk::prepare(name, home, Show::Plain(1280, 800)).await;
        desk.start_kiosk(&[]).await;
        visitor::attract(&desk).await;
        let before = figures::files(desk.home());
        Self { desk, plan, before }
    }

    /// The visitors come and go. After each `every`, and after the last, the kiosk is measured at rest, and `tell` hears
    /// after how many that was.
    pub async fn run(&self, every: u32, mut tell: impl FnMut(u32, Figures)) {
        for fate in self.plan.fates() {
            let answer = visitor::visit(&self.desk, fate).await;
            let is_last = fate.number == self.plan.sessions;
            if fate.number.is_multiple_of(every) || is_last {
                tell(fate.number, Figures::at_rest(&self.desk).await);
                self.nothing_is_left(&answer).await;
            }
        }
    }

    /// Of those who are gone there is nothing: no words in the page, the log or a file, no new file, no dead process.
    async fn nothing_is_left(&self, answer: &str) {
        let whole = "document.documentElement.outerHTML + JSON.stringify([{ ...localStorage }, { ...sessionStorage }])";
        let page = self.desk.eval(whole, "").await.to_string();
        assert!(!page.contains(RARE), "words of a visitor in the page");
        self.no_words(answer);
        self.no_file();
        let app = self.desk.process().id();
        let none = || figures::zombies(app).is_empty();
        self.desk.until_true("the dead are put away", none).await;
    }

    fn no_words(&self, answer: &str) {
        let log = std::fs::read_to_string(self.desk.log()).unwrap_or_default();
        // A line of an answer is found as it is; a short one may stand anywhere.
        let line = answer.lines().next().filter(|line| line.len() > 20);
        for words in [Some(RARE), line].into_iter().flatten() {
            let found = self.desk.home().finds(words);
            assert!(found.is_empty(), "{words:?} in {found:?}");
            assert!(!log.contains(words), "{words:?} in the log");
        }
    }

    fn no_file(&self) {
        let now = figures::files(self.desk.home());
        let left: Vec<_> = now.difference(&self.before).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }

    /// Ends the app, and looks into its log of sessions: each visitor is in there as they were. That no process is left is
    /// the desk's to see.
    pub async fn end(mut self) -> KioskLog {
        self.desk.end(End::Terminated).await;
        self.no_words("");
        self.no_file();
        let log = sessions(self.desk.home()).await;
        let turns = self.plan.fates().map(|fate| fate.turns).sum::<u32>();
        assert_eq!((log.count, log.turns), (self.plan.sessions, turns));
        for (session, fate) in log.sessions.iter().zip(self.plan.fates().rev()) {
            let ended = if fate.walks_away {
                SessionEnd::Idle
            } else {
                SessionEnd::StartedOver
            };
            assert_eq!((session.turns, session.ended), (fate.turns, ended));
            assert!(session.tokens > 0, "{session:?}");
        }
        log
    }
}

/// What the app has noted, read as the app reads it.
async fn sessions(home: &Home) -> KioskLog {
    let paths = Paths {
        data_dir: home.data(),
        library_roots: Vec::new(),
        engine_program: home.path("none"),
        hub: None,
    };
    let studio = Studio::open(paths, Machine::local());
    assert_eq!(studio.startup().await, Startup::Ready);
    let log = studio.kiosk().log(1).await;
    studio.shutdown().await;
    log.expect("a log of sessions")
}

/// The processes that have grown by more than so many hundredths, in words.
pub fn grown(now: &Figures, then: &Figures, hundredths: u64) -> Vec<String> {
    now.grown_since(then, hundredths)
}
