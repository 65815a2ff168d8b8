//! Where the hub is and where its files go, as all of Hugging Face's tools are told.

use std::ffi::OsString;
use std::path::PathBuf;

/// Where the hub is and where its files go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubSettings {
    /// `HF_ENDPOINT`, or `https://huggingface.co`.
    pub endpoint: String,
    /// `HF_HUB_CACHE`, or `hub` in `HF_HOME`.
    pub cache_dir: PathBuf,
    /// `HF_TOKEN_PATH`, or `token` in `HF_HOME`.
    pub token_file: PathBuf,
    /// `HF_TOKEN` (once `HUGGING_FACE_HUB_TOKEN`), which goes before the file.
    pub token: Option<Secret>,
    /// `HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE`: the hub is never asked.
    pub offline: bool,
}

/// What is not to be seen in a trace.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl HubSettings {
    /// From the environment; `None` when nothing says where files go, not even `HOME`.
    pub fn find(env: &dyn Fn(&str) -> Option<OsString>) -> Option<Self> {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let path = |name: &str| set(name).map(PathBuf::from);
        let text = |name: &str| set(name)?.into_string().ok();
        let cache = path("XDG_CACHE_HOME").or_else(|| Some(path("HOME")?.join(".cache")));
        let home = path("HF_HOME").or_else(|| Some(cache?.join("huggingface")));
        let hub = path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE"));
        let cache_dir = hub.or_else(|| Some(home.as_ref()?.join("hub")))?;
        let token_file = path("HF_TOKEN_PATH").or_else(|| Some(home?.join("token")));
        Some(Self {
            endpoint: text("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into()),
            token_file: token_file.unwrap_or_else(|| cache_dir.with_file_name("token")),
            cache_dir,
            token: text("HF_TOKEN")
                .or_else(|| text("HUGGING_FACE_HUB_TOKEN"))
                .map(|token| Secret(token.trim().to_owned())),
            offline: text("HF_HUB_OFFLINE")
                .or_else(|| text("TRANSFORMERS_OFFLINE"))
                .is_some_and(|value| is_true(&value)),
        })
    }
}

/// As `huggingface_hub` reads its variables.
fn is_true(value: &str) -> bool {
    matches!(value.to_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE")
}
