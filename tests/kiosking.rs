//! The kiosk with the real engine: a visitor is answered, and leaves nothing in it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use studio::{Kiosk, KioskAnswer, KioskPhase, Machine, Paths, Studio, VisitId};
use wick_tests::programs::program;
use wick_tests::starter_model;

/// The engine by another name: other tests of this process have workers too.
const ENGINE: &str = "kiosk-engine";

struct Stand {
    /// Goes last.
    _folder: tempfile::TempDir,
    studio: Studio,
    kiosk: Kiosk,
}

impl Stand {
    async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        std::os::unix::fs::symlink(program("wick-engine"), path(ENGINE)).expect("a link");
        write_toml(&path("data/kiosk"));
        let paths = Paths {
            data_dir: path("data"),
            library_roots: Vec::new(),
            engine_program: path(ENGINE),
            hub: None,
        };
        let studio = Studio::open(paths, Machine::local());
        studio.startup().await;
        let kiosk = studio.kiosk();
        kiosk.set_pin("702815".into()).await.expect("a PIN");
        kiosk.open().await.expect("it opens");
        Self {
            _folder: folder,
            studio,
            kiosk,
        }
    }

    /// Says something; the text of the answer.
    async fn say(&self, visit: VisitId, text: &str) -> String {
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = events.clone();
        let sink = move |event| seen.lock().expect("whole").push(event);
        let said = self.kiosk.say(visit, text.into(), sink).await;
        said.expect("it is answered");
        let events = events.lock().expect("whole");
        let Some(KioskAnswer::Finished { text, .. }) = events.last() else {
            panic!("{events:?}");
        };
        text.clone()
    }

    /// Returns when the engine holds keys and values, or none.
    async fn until_cached(&self, is_cached: bool) {
        let mut status = self.studio.subscribe_status();
        let is_so = |status: &studio::Status| (status.memory.kv_cache_bytes > 0) == is_cached;
        status.wait_for(is_so).await.expect("a status");
    }

    fn reused_tokens(&self) -> Option<u32> {
        let last = self.studio.status().throughput.last;
        last.map(|last| last.reused_tokens)
    }
}

fn write_toml(folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    let model = starter_model();
    let toml = format!(
        "[visitor]\nmodels = [{:?}]\nmax_tokens = 24\n[[scene]]\ntype = \"title\"\nheading = \"Hello\"\n",
        model.to_string_lossy()
    );
    std::fs::write(folder.join("kiosk.toml"), toml).expect("a file");
}

fn worker() -> u32 {
    let tree = Machine::local().process_tree(std::process::id());
    let is_worker = |pid: &u32| {
        let name = PathBuf::from(format!("/proc/{pid}/comm"));
        std::fs::read_to_string(name).is_ok_and(|name| name.trim_end() == ENGINE)
    };
    let mut workers = tree.expect("processes").into_iter().filter(is_worker);
    workers.next().expect("a worker")
}

#[tokio::test]
async fn a_visitor_is_answered_and_leaves_nothing_in_the_engine() {
    let stand = Stand::open().await;
    let first = stand.kiosk.begin().await.expect("a visit");
    let answer = stand.say(first, "What is the capital of France?").await;
    assert!(!answer.is_empty());
    stand.until_cached(true).await;
    stand.say(first, "And of Italy?").await;
    assert!(stand.reused_tokens() > Some(0), "one visitor's turns share");
    stand.kiosk.start_over(first).await.expect("over");
    stand.until_cached(false).await;
    let second = stand.kiosk.begin().await.expect("a visit");
    stand.say(second, "What is the capital of France?").await;
    assert_eq!(stand.reused_tokens(), Some(0), "not even the rules");

    // A worker that is killed is nothing that a visitor sees.
    let killed = std::process::Command::new("kill")
        .args(["-9", &worker().to_string()])
        .status();
    assert!(killed.expect("kill runs").success());
    let answer = stand.say(second, "And of Italy?").await;
    assert!(!answer.is_empty() && !answer.contains("break"), "{answer}");
    stand.studio.shutdown().await;
    assert_eq!(stand.kiosk.subscribe().borrow().phase, KioskPhase::Attract);
}
