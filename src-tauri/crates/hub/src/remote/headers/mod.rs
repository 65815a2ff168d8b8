//! The headers of weights, fetched without the weights, so that the engine can say what a model needs before it is brought.
//!
//! They become files of the true length with holes where the weights would be: the engine proves a header against the
//! length of its file. They are deliberately not verified and belong into no cache. Invariant: what has its final name is a
//! whole header.

mod gguf;
mod sparse;

use super::http::Asked;
use super::tree::is_safe;
use super::variants::file_name;
use crate::{Commit, Error, Format, Hub, RepoFile, RepoId, Variant};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use reqwest::header::CONTENT_RANGE;
use reqwest::{Response, StatusCode};
use std::path::{Path, PathBuf};

/// A vocabulary of 150,000 words has four times as much, one of 32,000 a third.
const FIRST_BYTES: u64 = 2 << 20;
/// Parts after the first, and safetensors, have no vocabulary.
const FIRST_BYTES_OF_TENSORS: u64 = 256 << 10;
const MAX_BYTES: u64 = 64 << 20;
const AT_ONCE: usize = 4;

/// What some first bytes say of a header's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// It has so many bytes, all of them there.
    Ends(u64),
    /// It has at least so many, which is more than there are.
    Needs(u64),
}

impl Hub {
    /// Fetches the headers of a variant's files into a folder that is for this variant at this commit alone, and returns
    /// what the engine can plan with: the (first) GGUF file, or the folder. What is there already is not fetched again.
    /// Dropped in the middle, it leaves what is whole.
    ///
    /// # Errors
    /// [`Error::Offline`], [`Error::AccessDenied`], [`Error::NotOnHub`], [`Error::RateLimited`]; [`Error::Server`] for what
    /// is no header, or has one of more than 64 MiB; [`Error::UnsafePath`], [`Error::Io`].
    pub async fn header(
        &self,
        repo: &RepoId,
        commit: &Commit,
        variant: &Variant,
        into: &Path,
    ) -> Result<PathBuf, Error> {
        let needed = variant.files.iter().filter(|file| is_needed(&file.path));
        // Collected, since a stream that maps borrowed files is not known to be `Send`.
        let fetched: Vec<_> = needed
            .map(|file| self.header_of(repo, commit, file, into))
            .collect();
        let all = stream::iter(fetched).buffer_unordered(AT_ONCE);
        all.try_for_each(|()| std::future::ready(Ok(()))).await?;
        Ok(match variant.format {
            Format::Gguf => into.join(file_name(&variant.key)),
            Format::Safetensors => into.to_owned(),
        })
    }

    async fn header_of(
        &self,
        repo: &RepoId,
        commit: &Commit,
        file: &RepoFile,
        into: &Path,
    ) -> Result<(), Error> {
        if !is_safe(&file.path) {
            return Err(Error::UnsafePath {
                repo: repo.clone(),
                path: file.path.clone(),
            });
        }
        let path = into.join(file_name(&file.path));
        if sparse::is_there(&path, file.size_bytes).await {
            return Ok(());
        }
        let bytes = self.header_bytes(repo, commit, file).await?;
        sparse::write(path, bytes, file.size_bytes).await
    }

    async fn header_bytes(
        &self,
        repo: &RepoId,
        commit: &Commit,
        file: &RepoFile,
    ) -> Result<Vec<u8>, Error> {
        let asked = Asked {
            repo: Some(repo),
            what: &format!("the header of {}", file.path),
        };
        let nonsense = |reason: String| Error::server(format!("{asked} makes no sense: {reason}"));
        let mut bytes = Vec::new();
        let mut wanted = first_bytes(&file.path);
        loop {
            wanted = wanted.min(MAX_BYTES).min(file.size_bytes);
            self.go_on(&mut bytes, wanted, commit, file, &asked).await?;
            match extent(&bytes, file).map_err(nonsense)? {
                Extent::Ends(length) => {
                    bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
                    return Ok(bytes);
                }
                Extent::Needs(least) if least > MAX_BYTES.min(file.size_bytes) => {
                    return Err(nonsense(format!("it has at least {least} bytes")));
                }
                Extent::Needs(least) => wanted = least.max(2 * wanted),
            }
        }
    }

    /// Makes of a file's first bytes so many of them.
    async fn go_on(
        &self,
        bytes: &mut Vec<u8>,
        wanted: u64,
        commit: &Commit,
        file: &RepoFile,
        asked: &Asked<'_>,
    ) -> Result<(), Error> {
        let have = bytes.len() as u64;
        let Some(repo) = asked.repo.filter(|_| wanted > have) else {
            return Ok(());
        };
        let url = self.http().file_url(repo, commit, &file.path)?;
        let answer = self.http().get(url, Some(have..wanted), asked).await?;
        let starts_at = start(&answer, file.size_bytes)
            .filter(|&start| start <= have)
            .ok_or_else(|| Error::server(format!("{asked} came from another place")))?;
        let expected = usize::try_from(wanted - starts_at).unwrap_or(usize::MAX);
        let found = self.http().beginning(answer, expected).await?;
        if found.len() < expected {
            return Err(Error::server(format!("{asked} came only in part")));
        }
        let known = usize::try_from(have - starts_at).unwrap_or(usize::MAX);
        bytes.extend_from_slice(found.get(known..).unwrap_or_default());
        Ok(())
    }
}

/// Where an answer's bytes begin in a file of this length. A server that knows no ranges sends the file from its beginning.
fn start(answer: &Response, size_bytes: u64) -> Option<u64> {
    if answer.status() != StatusCode::PARTIAL_CONTENT {
        return Some(0);
    }
    let range = answer.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, size) = range.strip_prefix("bytes ")?.split_once('/')?;
    let same_file = size == "*" || size.parse() == Ok(size_bytes);
    same_file.then(|| range.split_once('-')?.0.parse().ok())?
}

fn is_needed(path: &str) -> bool {
    is_weights(path) || matches!(path, "config.json" | "model.safetensors.index.json")
}

fn is_weights(path: &str) -> bool {
    is_gguf(path) || path.ends_with(".safetensors")
}

fn is_gguf(path: &str) -> bool {
    path.to_ascii_lowercase().ends_with(".gguf")
}

fn first_bytes(path: &str) -> u64 {
    let (_, number) = super::variants::part(path);
    if is_gguf(path) && number == 1 {
        FIRST_BYTES
    } else {
        FIRST_BYTES_OF_TENSORS
    }
}

fn extent(bytes: &[u8], file: &RepoFile) -> Result<Extent, String> {
    if is_gguf(&file.path) {
        return gguf::extent(bytes);
    }
    let length = if is_weights(&file.path) {
        safetensors_bytes(bytes)?
    } else {
        file.size_bytes
    };
    Ok(if length <= bytes.len() as u64 {
        Extent::Ends(length)
    } else {
        Extent::Needs(length)
    })
}

/// Eight bytes say how long the JSON after them is. Source: safetensors' README, "Format".
fn safetensors_bytes(bytes: &[u8]) -> Result<u64, String> {
    let Some(length) = bytes.first_chunk() else {
        return Ok(8);
    };
    let length = u64::from_le_bytes(*length).checked_add(8);
    length.ok_or_else(|| "it is longer than any file".into())
}

#[cfg(test)]
mod tests;
