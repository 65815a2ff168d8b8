//! Links to the CDN: signed, and not for ever. They end when a test says so, never by the clock.

use super::Asked;
use super::asked::encoded;
use super::refusal::Refusal;
use crate::hash;
use crate::log::locked;
use crate::repo::StoredFile;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long the real ones are good for, about.
const LIFE: Duration = Duration::from_secs(3600);

/// All links that were given.
#[derive(Debug, Default)]
pub(crate) struct Links(Mutex<Vec<Link>>);

#[derive(Debug)]
struct Link {
    path: String,
    file: Arc<StoredFile>,
    uses: Option<u32>,
}

impl Links {
    /// Path and query of a new link, which is good for so many requests.
    pub(crate) fn make(
        &self,
        repo: &str,
        path: &str,
        file: &Arc<StoredFile>,
        uses: Option<u32>,
    ) -> String {
        let path = format!("/lfs/{repo}/{}/{path}", file.etag());
        let mut links = locked(&self.0);
        let number = links.len();
        let expires = seconds_now() + LIFE.as_secs();
        let query = format!("Expires={expires}&Key-Pair-Id=FAKE{number}");
        let signature = signature(&path, &query);
        let link = format!("{}?{query}&Signature={signature}", encoded(&path));
        let file = Arc::clone(file);
        links.push(Link { path, file, uses });
        link
    }

    /// The file behind a link.
    pub(crate) fn follow(&self, asked: &Asked) -> Result<Arc<StoredFile>, Refusal> {
        let value = |name| asked.value(name).unwrap_or_default();
        let query = format!(
            "Expires={}&Key-Pair-Id={}",
            value("Expires"),
            value("Key-Pair-Id")
        );
        let number = value("Key-Pair-Id").strip_prefix("FAKE");
        let number = number.and_then(|number| number.parse::<usize>().ok());
        let mut links = locked(&self.0);
        let link = number.and_then(|number| links.get_mut(number));
        let right = |link: &&mut Link| {
            link.path == asked.path && signature(&link.path, &query) == value("Signature")
        };
        let link = link.filter(right).ok_or_else(Refusal::expired)?;
        if let Some(uses) = &mut link.uses {
            *uses = uses.checked_sub(1).ok_or_else(Refusal::expired)?;
        }
        Ok(Arc::clone(&link.file))
    }

    pub(crate) fn expire(&self) {
        for link in locked(&self.0).iter_mut() {
            link.uses = Some(0);
        }
    }
}

fn signature(path: &str, query: &str) -> String {
    hash::sha256(["a secret", path, query].iter())
}

fn seconds_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
