//! Ollama's store: `manifests/HOST/NAMESPACE/NAME/TAG`, which name `blobs/sha256-HEX`. Nothing but manifests and small
//! configurations is read.
//!
//! Invariant: a manifest names blobs of its own store and nothing else: what is no hash is no name of a file.
//! Source: Ollama's `server/internal/manifest` (the layers and their media types) and its documentation of `OLLAMA_MODELS`.

use super::Model;
use super::file_name::quantization;
use super::survey::LeftOut;
use crate::small_file::small_file;
use crate::{Error, FileHash, RepoId};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

/// Longer ones are no manifests: they name some ten layers.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;
/// More files are no manifests of one person.
const MAX_ENTRIES: usize = 20_000;
/// Folders above a manifest: host, namespace, name.
const LEVELS: usize = 3;

const MODEL: &str = "application/vnd.ollama.image.model";
const PROJECTOR: &str = "application/vnd.ollama.image.projector";
const ADAPTER: &str = "application/vnd.ollama.image.adapter";

/// What one model of Ollama's is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// Its own file.
    pub(crate) path: PathBuf,
    /// `NAME:TAG`, with host and namespace before it where they are not the usual ones.
    pub(crate) name: String,
    /// Its layers, the configuration among them.
    pub(crate) layers: Vec<Layer>,
    repo: Option<RepoId>,
}

/// A file of the store and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layer {
    media_type: String,
    pub(crate) blob: PathBuf,
    size_bytes: u64,
}

#[derive(Deserialize)]
struct Written {
    config: Option<WrittenLayer>,
    layers: Vec<WrittenLayer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenLayer {
    media_type: String,
    digest: String,
    size: u64,
}

/// Whether it is laid out as Ollama's store is.
pub(crate) fn is_store(folder: &Path) -> bool {
    folder.join("manifests").is_dir() && folder.join("blobs").is_dir()
}

/// All manifests of a store, each read or with the reason why not. Links to folders are not followed.
pub(crate) fn manifests(store: &Path) -> Vec<Result<Manifest, LeftOut>> {
    let files = files(&store.join("manifests"));
    let read =
        |path: &PathBuf| Manifest::read(store, path).map_err(|reason| LeftOut::new(path, reason));
    files.iter().map(read).collect()
}

fn files(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![(root.to_owned(), 0)]);
    let mut entries_left = MAX_ENTRIES;
    while let Some((folder, level)) = folders.pop() {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        for entry in entries.take(entries_left) {
            entries_left -= 1;
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            let Ok(kind) = entry.file_type() else {
                continue; // it is gone
            };
            if kind.is_dir() && level < LEVELS {
                folders.push((entry.path(), level + 1));
            } else if !kind.is_dir() && level == LEVELS && !is_hidden {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

impl Manifest {
    fn read(store: &Path, path: &Path) -> Result<Self, String> {
        let damaged = || "Ollama's manifest of it is damaged".to_owned();
        let name = Name::of(store, path).ok_or("its name is not UTF-8")?;
        let content = small_file(path, MAX_MANIFEST_BYTES).ok_or_else(damaged)?;
        let written: Written = serde_json::from_slice(&content).map_err(|_| damaged())?;
        let layers: Option<Vec<_>> = written
            .layers
            .into_iter()
            .chain(written.config)
            .map(|layer| Layer::of(store, layer))
            .collect();
        Ok(Self {
            path: path.to_owned(),
            name: name.shown(),
            repo: name.repo(),
            layers: layers.ok_or("Ollama's manifest of it names a file that can't be one")?,
        })
    }

    fn blobs(&self, media_type: &str) -> Vec<&Layer> {
        let fits = |layer: &&Layer| layer.media_type == media_type;
        self.layers.iter().filter(fits).collect()
    }

    /// The GGUF file among its blobs.
    fn weights(&self) -> Result<&Layer, String> {
        if !self.blobs(ADAPTER).is_empty() {
            return Err("it is an adapter for another model".into());
        }
        match self.blobs(MODEL)[..] {
            [weights] => Ok(weights),
            [] => Err("it holds no GGUF model".into()),
            _ => Err("its weights are in several files".into()),
        }
    }

    /// The model that it is of.
    ///
    /// # Errors
    /// Why it is none that Wick can use.
    pub(crate) fn model(&self, label: &str) -> Result<Model, String> {
        let weights = self.weights()?;
        let there = weights.blob.metadata().ok().map(|file| file.len());
        match there {
            None => return Err("its weights are missing".into()),
            Some(bytes) if bytes != weights.size_bytes => {
                let expected = weights.size_bytes;
                return Err(format!("its weights have {bytes} bytes of {expected}"));
            }
            Some(_) => {}
        }
        let model = Model::at(&weights.blob, label).map_err(|error| match error {
            Error::NotAModel { reason, .. } => reason,
            error => error.to_string(),
        })?;
        let projector = self.blobs(PROJECTOR).first().map(|layer| &layer.blob);
        let projector = projector.filter(|path| path.is_file());
        Ok(Model {
            name: self.name.clone(),
            file_name: self.name.clone(),
            quantization: self.quantization(),
            repo: self.repo.clone(),
            projector: projector.and_then(|path| Some(path.to_str()?.to_owned())),
            ..model
        })
    }

    /// As its configuration says, or its tag.
    fn quantization(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Config {
            file_type: String,
        }
        let config = self.layers.last()?;
        let told = small_file(&config.blob, MAX_MANIFEST_BYTES)
            .and_then(|content| serde_json::from_slice::<Config>(&content).ok())
            .and_then(|config| quantization(&config.file_type));
        let tag = self.name.rsplit(':').next()?;
        told.or_else(|| super::file_name::name_and_quantization(&format!("m-{tag}")).1)
    }
}

impl Layer {
    fn of(store: &Path, written: WrittenLayer) -> Option<Self> {
        let hex = written.digest.strip_prefix("sha256:")?;
        let hash = FileHash::of_name(hex).filter(|hash| matches!(hash, FileHash::Sha256(_)))?;
        Some(Self {
            media_type: written.media_type,
            blob: store.join("blobs").join(format!("sha256-{hash}")),
            size_bytes: written.size,
        })
    }
}

/// What a blob's name says of its content.
pub(crate) fn hash_of(blob: &Path) -> Option<FileHash> {
    let hex = blob.file_name()?.to_str()?.strip_prefix("sha256-")?;
    FileHash::of_name(hex).filter(|hash| matches!(hash, FileHash::Sha256(_)))
}

/// The parts of a manifest's path below `manifests`.
struct Name<'a> {
    host: &'a str,
    namespace: &'a str,
    repository: &'a str,
    tag: &'a str,
}

impl<'a> Name<'a> {
    fn of(store: &Path, path: &'a Path) -> Option<Self> {
        let parts = path.strip_prefix(store.join("manifests")).ok()?;
        let parts: Option<Vec<&str>> = parts.iter().map(|part| part.to_str()).collect();
        let [host, namespace, repository, tag] = parts?[..] else {
            return None;
        };
        Some(Self {
            host,
            namespace,
            repository,
            tag,
        })
    }

    /// As Ollama shows it.
    fn shown(&self) -> String {
        let (host, namespace) = (self.host, self.namespace);
        let name = format!("{}:{}", self.repository, self.tag);
        match (host, namespace) {
            ("registry.ollama.ai", "library") => name,
            ("registry.ollama.ai", _) => format!("{namespace}/{name}"),
            _ => format!("{host}/{namespace}/{name}"),
        }
    }

    /// Ollama takes models from the hub too, whose names it keeps.
    fn repo(&self) -> Option<RepoId> {
        let is_hub = matches!(self.host, "hf.co" | "huggingface.co");
        let name = format!("{}/{}", self.namespace, self.repository);
        name.parse().ok().filter(|_| is_hub)
    }
}
