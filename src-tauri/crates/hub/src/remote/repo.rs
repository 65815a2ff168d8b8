//! A repository on the hub: what it is, and its files, grouped as a person would choose among them.

use super::facts::{self, FACTS};
use super::http::Asked;
use super::variants::group;
use crate::{Error, FileHash, Hub};
use hf_hub::repository::ModelInfo;
use serde::{Deserialize, Serialize};

/// `ORG/NAME`, or `NAME` alone for the hub's oldest; letters, digits, `-`, `_` and `.` only.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, specta::Type,
)]
#[serde(try_from = "String", into = "String")]
#[specta(transparent)]
pub struct RepoId(String);

impl RepoId {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RepoId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let part = |part: &str| {
            let letter =
                |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_' | b'.');
            let ends = part.starts_with(['-', '.']) || part.ends_with(['-', '.']);
            let twice = part.contains("--") || part.contains("..");
            !part.is_empty() && part.len() <= 96 && part.bytes().all(letter) && !ends && !twice
        };
        let parts: Vec<_> = text.split('/').collect();
        if matches!(parts.len(), 1 | 2) && parts.into_iter().all(part) {
            return Ok(Self(text));
        }
        Err(Error::Invalid(format!(
            "{text:?} is no repository: they are called ORG/NAME"
        )))
    }
}

impl std::str::FromStr for RepoId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.to_owned().try_into()
    }
}

impl From<RepoId> for String {
    fn from(repo: RepoId) -> Self {
        repo.0
    }
}

impl std::fmt::Display for RepoId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A commit: 40 hexadecimal letters.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, specta::Type,
)]
#[serde(try_from = "String", into = "String")]
#[specta(transparent)]
pub struct Commit(String);

impl Commit {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Commit {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let hex = text
            .bytes()
            .all(|letter| matches!(letter, b'0'..=b'9' | b'a'..=b'f'));
        if hex && text.len() == 40 {
            return Ok(Self(text));
        }
        Err(Error::server(format!("{text:?} is no commit")))
    }
}

impl From<Commit> for String {
    fn from(commit: Commit) -> Self {
        commit.0
    }
}

/// A file of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct RepoFile {
    /// Its path in the repository, with `/`. Never absolute, never with `..`.
    pub path: String,
    /// Its length.
    #[specta(type = u32)]
    pub size_bytes: u64,
    /// What its content is known by.
    pub hash: FileHash,
}

/// Whether anybody may have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Anybody.
    Open,
    /// Who accepts its licence.
    Automatic,
    /// Whom its owner lets in.
    Manual,
}

/// How weights are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One file, or several parts.
    Gguf,
    /// A folder with config.json.
    Safetensors,
}

impl Format {
    /// Its tag on the hub.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Gguf => "gguf",
            Self::Safetensors => "safetensors",
        }
    }
}

/// One thing that can be chosen of a repository: all files that it needs, companions aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, specta::Type)]
pub struct Variant {
    /// Names it within its repository and commit: the path of its first file of weights.
    pub key: String,
    /// What a person calls it: its quantization, or else its file's name; `safetensors` for a folder.
    pub label: String,
    /// The quantization that its name tells.
    pub quantization: Option<String>,
    /// How weights are kept.
    pub format: Format,
    /// Its files in order; of safetensors all that the model needs, tokenizer and config among them.
    pub files: Vec<RepoFile>,
    /// Bytes of all of them.
    #[specta(type = u32)]
    pub size_bytes: u64,
}

/// A repository at a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, specta::Type)]
pub struct Repo {
    /// Which.
    pub id: RepoId,
    /// The revision that was asked for.
    pub revision: String,
    /// The commit that it is.
    pub commit: Commit,
    /// Whether anybody may have it.
    pub gate: Gate,
    /// Whether only its owner sees it.
    pub private: bool,
    /// Its licence as the hub has it: `apache-2.0`.
    pub licence: Option<String>,
    /// Its task: `text-generation`.
    pub task: Option<String>,
    /// Number of parameters.
    #[specta(type = Option<u32>)]
    pub parameters: Option<u64>,
    /// When it last changed, as ISO 8601.
    pub last_modified: Option<String>,
    /// How often it was fetched in the last month.
    #[specta(type = u32)]
    pub downloads: u64,
    /// How many like it.
    #[specta(type = u32)]
    pub likes: u64,
    /// Its page, for a person.
    pub page: String,
    /// What can be chosen, the smallest first.
    pub variants: Vec<Variant>,
    /// Files with which a GGUF model sees or hears (`mmproj-….gguf`), which are no models.
    pub projectors: Vec<RepoFile>,
    /// How many other files there are.
    pub other_files: u32,
}

impl Hub {
    /// What a repository is and what can be chosen of it, at the commit that the revision is now.
    ///
    /// # Errors
    /// [`Error::Offline`], [`Error::AccessDenied`], [`Error::NotOnHub`], [`Error::RateLimited`], [`Error::UnsafePath`],
    /// [`Error::Invalid`] for a revision that can't be one, [`Error::Server`].
    pub async fn repo(&self, id: &RepoId, revision: &str) -> Result<Repo, Error> {
        let model = self.model(id, revision, &FACTS).await?;
        let commit = commit(&model, id)?;
        // Of the commit, not of the revision, which may move between the two requests.
        let files = self.http().files(id, &commit).await?;
        let (variants, projectors, other_files) = group(files);
        Ok(Repo {
            page: self.http().page(id),
            gate: facts::gate(&model),
            private: model.private.unwrap_or_default(),
            licence: facts::licence(&model),
            parameters: facts::parameters(&model),
            id: id.clone(),
            revision: revision.to_owned(),
            commit,
            task: model.pipeline_tag,
            last_modified: model.last_modified,
            downloads: model.downloads.unwrap_or_default(),
            likes: model.likes.unwrap_or_default(),
            variants,
            projectors,
            other_files,
        })
    }

    /// The commit that a revision is now.
    ///
    /// # Errors
    /// Those of [`Hub::repo`].
    pub async fn newest(&self, id: &RepoId, revision: &str) -> Result<Commit, Error> {
        commit(&self.model(id, revision, &[]).await?, id)
    }

    async fn model(&self, id: &RepoId, revision: &str, facts: &[&str]) -> Result<ModelInfo, Error> {
        let asked = Asked {
            repo: Some(id),
            what: &format!("revision {revision:?}"),
        };
        let mut url = self.http().api_url(id, "revision", revision)?;
        let facts = facts.iter().chain(&["sha"]);
        url.query_pairs_mut()
            .extend_pairs(facts.map(|fact| ("expand", fact)));
        self.http().json(url, &asked).await
    }
}

fn commit(model: &ModelInfo, id: &RepoId) -> Result<Commit, Error> {
    let sha = model.sha.clone();
    sha.ok_or_else(|| Error::server(format!("it names no commit of {id}")))?
        .try_into()
}
