//! Many visitors at a kiosk, one after the other, while workers and web processes are killed: all are served, nothing of
//! them is left, and nothing grows.
//!
//! `visitor.rs` is one of them, `places.rs` where they press, `ledger.rs` what the app notes of them, `figures.rs` what is
//! measured. The short soak of `make test` is e2e/kiosk/soak.rs, the long one benches/soak.rs.

#![expect(
    clippy::missing_panics_doc,
    reason = "each of these is a step of a test: it panics when the kiosk is not as it must be"
)]

mod figures;
mod ledger;
mod places;
mod visitor;

pub use figures::Figures;

use crate::kiosk::prepared;
use crate::window::{Desk, End, Home, Show};
use ledger::Ledger;
use places::Places;
use std::collections::BTreeSet;
use std::path::PathBuf;
use visitor::{Fate, Stand};

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

    fn fates(&self) -> impl Iterator<Item = Fate> {
        (1..=self.sessions).map(|number| self.fate(number))
    }
}

/// A kiosk that visitors come to.
pub struct Soak {
    desk: Desk,
    plan: Plan,
    places: Places,
    ledger: Ledger,
    /// What lay there before the first visitor.
    before: BTreeSet<PathBuf>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// Answers of all visitors.
    pub turns: u32,
    /// Tokens of all answers.
    pub tokens: u32,
    /// Workers that were lost over an answer, which then began again.
    pub lost: u32,
}

impl Soak {
    /// Opens a kiosk with the starter model, and has a look at it.
    pub async fn open(name: &str, plan: Plan) -> Self {
        let home = prepared(Home::new().with_temporary_folder(), CONFIG);
        let mut desk = Desk::prepare(name, home, Show::Plain(1280, 800)).await;
        desk.start_kiosk(&[]).await;
        let before = figures::files(desk.home());
        let places = Places::learn(&desk).await;
        Self {
            ledger: Ledger::open(desk.home()),
            desk,
            plan,
            places,
            before,
        }
    }

    /// The visitors come and go. After each `every`, and after the last, the kiosk is measured at rest, and `tell` hears
    /// after how many that was.
    pub async fn run(&self, every: u32, mut tell: impl FnMut(u32, Figures)) {
        let stand = Stand {
            desk: &self.desk,
            ledger: &self.ledger,
            places: &self.places,
        };
        for fate in self.plan.fates() {
            stand.visit(fate).await;
            let is_last = fate.number == self.plan.sessions;
            if fate.number.is_multiple_of(every) || is_last {
                stand.shows(&self.places.in_loop).await;
                tell(fate.number, Figures::at_rest(&self.desk).await);
                self.nothing_is_left();
                self.no_dead_process().await;
            }
        }
    }

    /// Of those who are gone there are no words on the disk, those of the app's traces among them, and no file.
    fn nothing_is_left(&self) {
        let log = std::fs::read_to_string(self.desk.log()).unwrap_or_default();
        assert!(!log.contains(RARE), "words of a visitor in the log");
        let found = self.desk.home().finds(RARE);
        assert!(found.is_empty(), "words of a visitor in {found:?}");
        let now = figures::files(self.desk.home());
        let left: Vec<_> = now.difference(&self.before).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }

    async fn no_dead_process(&self) {
        let app = self.desk.process().id();
        let none = || figures::zombies(app).is_empty();
        self.desk.until_true("the dead are put away", none).await;
    }

    /// Ends the app, and looks into its log of sessions: each visitor is in there as they were. That no process is left is
    /// the desk's to see.
    pub async fn end(mut self) -> Served {
        self.desk.end(End::Terminated).await;
        self.nothing_is_left();
        let noted = self.ledger.all();
        // The first one only looked.
        assert_eq!(noted.iter().skip(1).count(), self.plan.sessions as usize);
        for (fate, noted) in self.plan.fates().zip(&noted[1..]) {
            assert!(fate.is_served(noted), "{fate:?}: {noted:?}");
        }
        Served {
            turns: noted.iter().map(|one| one.turns).sum(),
            tokens: noted.iter().map(|one| one.tokens).sum(),
            lost: noted.iter().map(|one| one.faults).sum(),
        }
    }
}
