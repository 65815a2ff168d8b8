//! Lays files out as other tools do.

use crate::write;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

pub(crate) const OLD: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const NEW: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// A file of a snapshot as the Python client leaves it: a link to a blob, which is written if there is a content.
pub(crate) fn cached(
    repo: &Path,
    commit: &str,
    name: &str,
    blob: &str,
    content: Option<&[u8]>,
) -> PathBuf {
    if let Some(content) = content {
        write(repo.join("blobs").join(blob), content);
    }
    let link = repo.join("snapshots").join(commit).join(name);
    fs::create_dir_all(link.parent().expect("a parent")).expect("a folder");
    let up = "../".repeat(name.split('/').count() + 1);
    symlink(format!("{up}blobs/{blob}"), &link).expect("a link");
    link
}

pub(crate) const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde";

pub(crate) fn digest(digit: u8) -> String {
    format!("sha256:{HEX}{digit:x}")
}

pub(crate) fn blob(store: &Path, digit: u8) -> PathBuf {
    store.join(format!("blobs/sha256-{HEX}{digit:x}"))
}

pub(crate) fn layer(kind: &str, digest: &str, size: usize) -> serde_json::Value {
    let media_type = format!("application/vnd.ollama.image.{kind}");
    serde_json::json!({"mediaType": media_type, "digest": digest, "size": size})
}

pub(crate) fn manifest(store: &Path, name: &str, layers: &[serde_json::Value]) -> PathBuf {
    let config = serde_json::json!({"mediaType": "c", "digest": digest(15), "size": 2});
    let text = serde_json::json!({"schemaVersion": 2, "config": config, "layers": layers});
    write(
        store.join("manifests").join(name),
        text.to_string().as_bytes(),
    )
}
