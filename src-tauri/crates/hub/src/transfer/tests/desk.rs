//! A hub, a cache and something to fetch.

use crate::Secret;
use crate::transfer::{Progress, Stop, TransferOptions, Tuning, Wanted, run};
use crate::{Error, FileHash, Hub, HubSettings, Phase, RepoFile, SpeedLimit};
use fake_hub::{Content, FakeHub, Host};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::watch;

pub(super) const REPO: &str = "org/model";
pub(super) const NAME: &str = "model.gguf";

pub(super) struct Desk {
    pub(super) site: FakeHub,
    pub(super) hub: Hub,
    pub(super) wanted: Wanted,
    pub(super) tuning: Tuning,
    pub(super) options: TransferOptions,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) stop: watch::Sender<bool>,
    pub(super) settings: HubSettings,
    contents: Vec<(String, Vec<u8>)>,
    folder: TempDir,
}

/// Small sizes and short waits.
pub(super) fn small() -> Tuning {
    Tuning {
        small_bytes: 1000,
        unit_bytes: 1000..=2000,
        write_bytes: 300,
        write_every: Duration::from_millis(1),
        record_every: Duration::from_millis(2),
        hash_bytes: 1500,
        silence: Duration::from_millis(400),
        wait: Duration::from_millis(1)..=Duration::from_millis(4),
        look_every: Duration::from_millis(2),
        ..Tuning::default()
    }
}

pub(super) fn noise(seed: u64, len: u64) -> Content {
    Content::Random { seed, len }
}

impl Desk {
    /// One large file of 20,000 bytes.
    pub(super) async fn open() -> Self {
        Self::with(&[(NAME, noise(1, 20_000))]).await
    }

    pub(super) async fn with(files: &[(&str, Content)]) -> Self {
        let site = FakeHub::start().await;
        let commit = site.commit(REPO, "main", files);
        let folder = tempfile::tempdir().expect("a folder");
        let settings = HubSettings {
            endpoint: site.endpoint(),
            cache_dir: folder.path().join("hub"),
            token_file: folder.path().join("token"),
            token: None,
            offline: false,
        };
        let file = |(path, content): &(&str, Content)| {
            let hash = site.hash(REPO, &commit, path).expect("it was committed");
            RepoFile {
                path: (*path).into(),
                size_bytes: content.to_vec().len() as u64,
                hash: FileHash::of_name(&hash).expect("a hash"),
            }
        };
        let wanted = Wanted {
            repo: REPO.parse().expect("a repository"),
            revision: "main".into(),
            commit: commit.clone().try_into().expect("a commit"),
            files: files.iter().map(file).collect(),
        };
        let text = |(path, content): &(&str, Content)| ((*path).to_owned(), content.to_vec());
        Self {
            hub: Hub::new(settings.clone()).expect("a hub"),
            settings,
            wanted,
            tuning: small(),
            options: TransferOptions {
                segments: 3,
                speed: SpeedLimit::default(),
                reserve_bytes: 0,
            },
            progress: watch::Sender::new(Progress {
                done_bytes: 0,
                total_bytes: 0,
                phase: Phase::Starting,
                note: None,
            }),
            stop: watch::Sender::new(false),
            contents: files.iter().map(text).collect(),
            site,
            folder,
        }
    }

    /// Whoever is stuck stays so.
    pub(super) fn be_patient(&mut self) {
        self.tuning.silence = Duration::from_secs(3600);
    }

    /// Borrows nothing of the desk, so that the site can be turned off meanwhile.
    pub(super) fn fetch(&self) -> impl Future<Output = Result<PathBuf, Error>> + Send + use<> {
        let (hub, wanted, tuning) = (self.hub.clone(), self.wanted.clone(), self.tuning.clone());
        let (options, progress) = (self.options.clone(), self.progress.clone());
        let stop = Stop(self.stop.subscribe());
        async move { run::fetch(&hub, &wanted, &options, &progress, stop, &tuning).await }
    }

    /// Another hub of the same cache, with this access token.
    pub(super) fn give_token(&mut self, token: Option<&str>) {
        let settings = HubSettings {
            token: token.map(|token| Secret(token.into())),
            ..self.settings.clone()
        };
        self.hub = Hub::new(settings).expect("a hub");
    }

    /// Fetches, and looks at all that came.
    pub(super) async fn fetches(&self) {
        self.has_come(self.fetch().await);
    }

    /// Looks at all that came.
    pub(super) fn has_come(&self, fetched: Result<PathBuf, Error>) {
        let snapshot = fetched.expect("fetched");
        assert_eq!(snapshot, self.snapshot());
        for (path, content) in &self.contents {
            let there = std::fs::read(snapshot.join(path)).expect(path);
            assert!(there == *content, "{path} is another one");
        }
        let reference = std::fs::read_to_string(self.repo().join("refs/main"));
        assert_eq!(reference.expect("a ref"), self.wanted.commit.as_str());
        let progress = self.progress.borrow();
        assert_eq!(progress.done_bytes, progress.total_bytes);
        assert_eq!(progress.total_bytes, self.wanted.total_bytes());
        assert_eq!(self.leftovers(), [""; 0]);
    }

    pub(super) fn cache(&self) -> PathBuf {
        self.folder.path().join("hub")
    }

    /// Beside the cache.
    pub(super) fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }

    pub(super) fn repo(&self) -> PathBuf {
        self.cache().join("models--org--model")
    }

    pub(super) fn snapshot(&self) -> PathBuf {
        self.repo()
            .join("snapshots")
            .join(self.wanted.commit.as_str())
    }

    pub(super) fn content(&self) -> &[u8] {
        &self.contents[0].1
    }

    /// `blobs/HASH` of the first file, with an ending.
    pub(super) fn blob(&self, ending: &str) -> PathBuf {
        let name = format!("{}{ending}", self.wanted.files[0].hash);
        self.repo().join("blobs").join(name)
    }

    /// What in `blobs` has no final name.
    pub(super) fn leftovers(&self) -> Vec<String> {
        let names = names(&self.repo().join("blobs"));
        names
            .into_iter()
            .filter(|name| name.contains('.'))
            .collect()
    }

    /// Whether any blob has a final name.
    pub(super) fn has_blobs(&self) -> bool {
        let names = names(&self.repo().join("blobs"));
        names.iter().any(|name| FileHash::of_name(name).is_some())
    }

    /// Bytes of contents that the site has sent since its log was emptied.
    pub(super) fn sent_bytes(&self) -> u64 {
        let requests = self.site.requests();
        requests.iter().map(|seen| seen.bytes_sent).sum()
    }

    pub(super) fn asked(&self, host: Host) -> usize {
        let requests = self.site.requests();
        requests.iter().filter(|seen| seen.host == host).count()
    }

    /// Waits until what is told is so.
    pub(super) async fn until(&self, so: impl FnMut(&Progress) -> bool) -> Progress {
        let mut told = self.progress.subscribe();
        told.wait_for(so).await.expect("it is told").clone()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.expect("an entry").file_name();
        name.into_string().expect("text")
    };
    entries.map(name).collect()
}
