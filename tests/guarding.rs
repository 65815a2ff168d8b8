//! The guard with the real engine, on a machine whose memory the test writes.

use std::path::{Path, PathBuf};
use studio::{
    Admission, GuardMeasure, LoadWish, Machine, ModelId, ModelStatus, OfferedChange, Paths, Studio,
};
use wick_tests::programs::program;
use wick_tests::starter_model;

const MIB: u64 = 1 << 20;
/// The starter model takes 281 MiB with 8,192 tokens of context, 191 MiB with 4,096.
const ROOM_MIB: u64 = 230;
/// A quarter of the machine below stays free.
const RESERVE_MIB: u64 = 1024;
/// The engine by another name: other tests of this process have workers too.
const ENGINE: &str = "guarded-engine";

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let engine = folder.path().join(ENGINE);
        std::os::unix::fs::symlink(program("wick-engine"), engine).expect("a link");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A machine of four times the reserve, with so many MiB available.
    fn leave(&self, available_mib: u64) {
        let proc = self.path("machine/proc");
        std::fs::create_dir_all(&proc).expect("a folder");
        let (total, free) = ((4 * RESERVE_MIB) << 10, available_mib << 10);
        let text = format!("MemTotal: {total} kB\nMemFree: {free} kB\nMemAvailable: {free} kB\n");
        // In one step: a reading must never find half of it.
        std::fs::write(proc.join("next"), text).expect("a file");
        std::fs::rename(proc.join("next"), proc.join("meminfo")).expect("a name");
    }

    async fn studio(&self) -> Studio {
        let paths = Paths {
            data_dir: self.path("data"),
            library_roots: Vec::new(),
            engine_program: self.path(ENGINE),
            hub: None,
        };
        let studio = Studio::open(paths, Machine::at(self.path("machine")));
        studio.startup().await;
        studio
    }
}

fn starter() -> ModelId {
    ModelId(starter_model().to_string_lossy().into_owned())
}

/// The workers of this test.
fn workers() -> Vec<u32> {
    let tree = Machine::local().process_tree(std::process::id());
    let is_worker = |pid: &u32| {
        let name = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("comm"));
        name.is_ok_and(|name| name.trim_end() == ENGINE)
    };
    tree.expect("processes")
        .into_iter()
        .filter(is_worker)
        .collect()
}

#[tokio::test]
async fn what_does_not_fit_is_offered_smaller_and_is_loaded_so() {
    let place = Place::new();
    place.leave(RESERVE_MIB + ROOM_MIB);
    let studio = place.studio().await;
    let admission = studio.admission(starter(), LoadWish::default()).await;
    let Ok(Admission::Refused { refusal }) = admission else {
        panic!("{admission:?}");
    };
    assert_eq!(refusal.room_bytes, ROOM_MIB * MIB);
    assert_eq!(refusal.plan.context_tokens, 8192);
    let changes: Vec<_> = refusal.offers.iter().map(|offer| offer.change).collect();
    let expected = [
        OfferedChange::Context,
        OfferedChange::KvType,
        OfferedChange::Anyway,
    ];
    assert_eq!(
        changes, expected,
        "quantized weights are not quantized again"
    );
    let refused = studio.load_model(starter(), LoadWish::default()).await;
    assert!(refused.is_err());
    assert_eq!(workers().len(), 0, "nobody is left who planned");

    let offer = &refusal.offers[0];
    studio
        .load_model(starter(), offer.wish)
        .await
        .expect("it fits");
    let ModelStatus::Loaded { context_tokens, .. } = studio.status().model else {
        panic!("{:?}", studio.status().model);
    };
    assert_eq!(context_tokens, offer.plan.context_tokens);
    assert_eq!(workers().len(), 1);

    let mut notices = studio.subscribe_guard();
    place.leave(RESERVE_MIB / 3);
    let notice = notices.recv().await.expect("a notice");
    assert_eq!(notice.measure, GuardMeasure::UnloadedForMemory);
    assert_eq!(workers().len(), 0, "its memory is back");
    studio.shutdown().await;
}
