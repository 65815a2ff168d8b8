//! Repositories: what they say of themselves, their commits and files.

use crate::content::{Content, Source};
use crate::hash;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

/// Files longer than this are in LFS.
const LARGE_BYTES: u64 = 10_000_000;
const LARGE_ENDINGS: [&str; 4] = [".gguf", ".safetensors", ".bin", ".pt"];

/// Who gets in after accepting the licence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gated {
    /// Everybody who accepts it.
    Automatic,
    /// Whom the owner lets in.
    Manual,
}

/// What a repository says of itself.
#[derive(Debug, Clone)]
pub struct Repo {
    pub(crate) id: String,
    pub(crate) gated: Option<Gated>,
    pub(crate) private: bool,
    pub(crate) licence: Option<String>,
    pub(crate) task: Option<String>,
    pub(crate) library: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) safetensors_total: Option<u64>,
    pub(crate) gguf_total: Option<u64>,
    pub(crate) architecture: String,
    pub(crate) downloads: u64,
    pub(crate) likes: u64,
    pub(crate) trending: u64,
    pub(crate) created: String,
}

impl Repo {
    /// `ORG/NAME`, public, without anything.
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            gated: None,
            private: false,
            licence: None,
            task: None,
            library: None,
            tags: Vec::new(),
            safetensors_total: None,
            gguf_total: None,
            architecture: "llama".to_owned(),
            downloads: 0,
            likes: 0,
            trending: 0,
            created: "2026-01-01T00:00:00.000Z".to_owned(),
        }
    }

    /// Its licence must be accepted.
    #[must_use]
    pub fn gated(mut self, gated: Gated) -> Self {
        self.gated = Some(gated);
        self
    }

    /// Only who was let in sees it.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }

    /// As the hub has it: `apache-2.0`.
    #[must_use]
    pub fn licence(mut self, licence: &str) -> Self {
        self.licence = Some(licence.to_owned());
        self
    }

    /// `text-generation`.
    #[must_use]
    pub fn task(mut self, task: &str) -> Self {
        self.task = Some(task.to_owned());
        self
    }

    /// `transformers`.
    #[must_use]
    pub fn library(mut self, library: &str) -> Self {
        self.library = Some(library.to_owned());
        self
    }

    /// One more tag. Those of licence, task, library and formats are there by themselves.
    #[must_use]
    pub fn tag(mut self, tag: &str) -> Self {
        self.tags.push(tag.to_owned());
        self
    }

    /// Parameters in its safetensors.
    #[must_use]
    pub fn safetensors_total(mut self, parameters: u64) -> Self {
        self.safetensors_total = Some(parameters);
        self
    }

    /// Parameters in its GGUF files.
    #[must_use]
    pub fn gguf_total(mut self, parameters: u64) -> Self {
        self.gguf_total = Some(parameters);
        self
    }

    /// What its GGUF files say of it; `llama` if nothing else is said.
    #[must_use]
    pub fn architecture(mut self, architecture: &str) -> Self {
        architecture.clone_into(&mut self.architecture);
        self
    }

    /// How often it was fetched.
    #[must_use]
    pub fn downloads(mut self, downloads: u64) -> Self {
        self.downloads = downloads;
        self
    }

    /// How many like it.
    #[must_use]
    pub fn likes(mut self, likes: u64) -> Self {
        self.likes = likes;
        self
    }

    /// How much it is looked at these days.
    #[must_use]
    pub fn trending(mut self, score: u64) -> Self {
        self.trending = score;
        self
    }

    /// When it came to be: `2026-01-31T12:00:00.000Z`.
    #[must_use]
    pub fn created(mut self, date: &str) -> Self {
        date.clone_into(&mut self.created);
        self
    }
}

/// A repository with all that was committed.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) about: Repo,
    pub(crate) branches: HashMap<String, String>,
    pub(crate) commits: HashMap<String, Arc<Snapshot>>,
}

/// The files of a commit.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) commit: String,
    pub(crate) date: String,
    pub(crate) files: BTreeMap<String, Arc<StoredFile>>,
}

/// A file with what it is known by.
#[derive(Debug)]
pub(crate) struct StoredFile {
    pub(crate) source: Source,
    /// Git's hash of what git has: the file, or its pointer.
    pub(crate) git_oid: String,
    /// In LFS only.
    pub(crate) sha256: Option<String>,
}

impl StoredFile {
    pub(crate) fn new(path: &str, content: &Content) -> io::Result<Self> {
        let source = Source::open(content)?;
        let len = source.len();
        let usually = len > LARGE_BYTES || LARGE_ENDINGS.iter().any(|end| path.ends_with(end));
        let large = content.forced().unwrap_or(usually);
        let sha256 = large.then(|| hash::sha256(source.pieces(0..len)));
        let git_oid = sha256.as_ref().map_or_else(
            || hash::git("blob", len, source.pieces(0..len)),
            |sha256| {
                let pointer = hash::lfs_pointer(sha256, len);
                hash::git("blob", pointer.len() as u64, std::iter::once(pointer))
            },
        );
        Ok(Self {
            source,
            git_oid,
            sha256,
        })
    }

    /// Its name as a blob of the cache.
    pub(crate) fn etag(&self) -> &str {
        self.sha256.as_deref().unwrap_or(&self.git_oid)
    }

    pub(crate) fn len(&self) -> u64 {
        self.source.len()
    }

    /// Length of the pointer that git has.
    pub(crate) fn pointer_len(&self) -> Option<usize> {
        let sha256 = self.sha256.as_deref()?;
        Some(hash::lfs_pointer(sha256, self.len()).len())
    }
}

impl Stored {
    pub(crate) fn new(about: Repo) -> Self {
        Self {
            about,
            branches: HashMap::new(),
            commits: HashMap::new(),
        }
    }

    /// A commit of these files alone moves the branch, and says how it is called.
    pub(crate) fn commit(
        &mut self,
        branch: &str,
        files: BTreeMap<String, Arc<StoredFile>>,
    ) -> String {
        let parent = self.branches.get(branch).map_or("", String::as_str);
        let lines = files
            .iter()
            .map(|(path, file)| format!("{} {path}\n", file.git_oid));
        let text: String = lines.collect();
        let text = format!("{} {parent} {branch}\n{text}", self.about.id);
        let commit = hash::git("commit", text.len() as u64, std::iter::once(text));
        let snapshot = Snapshot {
            commit: commit.clone(),
            date: date(self.commits.len()),
            files,
        };
        self.commits.insert(commit.clone(), Arc::new(snapshot));
        self.branches.insert(branch.to_owned(), commit.clone());
        commit
    }

    /// What a branch or commit is.
    pub(crate) fn snapshot(&self, revision: &str) -> Option<Arc<Snapshot>> {
        let commit = self.branches.get(revision).map_or(revision, String::as_str);
        self.commits.get(commit).cloned()
    }

    /// What is there to be seen first.
    pub(crate) fn main(&self) -> Option<Arc<Snapshot>> {
        self.snapshot("main")
    }
}

/// A date for each commit, an hour after the one before; never now, so that each run is as the one before.
fn date(number: usize) -> String {
    let (day, hour) = ((number / 24) % 28 + 1, number % 24);
    format!("2026-02-{day:02}T{hour:02}:00:00.000Z")
}
