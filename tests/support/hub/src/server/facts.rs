//! What is said of repositories, files and folders, as JSON.

use super::Asked;
use super::refusal::Refusal;
use crate::hash;
use crate::repo::{Gated, Repo, Snapshot, StoredFile};
use serde_json::{Map, Value, json};

/// What the real hub knows how to say. Source: `ExpandModelProperty_T` of `huggingface_hub`.
const KNOWN: [&str; 31] = [
    "author",
    "baseModels",
    "cardData",
    "childrenModelCount",
    "config",
    "createdAt",
    "disabled",
    "downloads",
    "downloadsAllTime",
    "evalResults",
    "gated",
    "gguf",
    "inference",
    "inferenceProviderMapping",
    "lastModified",
    "library_name",
    "likes",
    "mask_token",
    "model-index",
    "pipeline_tag",
    "private",
    "resourceGroup",
    "safetensors",
    "sha",
    "siblings",
    "spaces",
    "tags",
    "transformersInfo",
    "trendingScore",
    "usedStorage",
    "widgetData",
];

/// What is said of one repository without being asked for.
pub(crate) const OF_ONE: &[&str] = &[
    "author",
    "cardData",
    "config",
    "createdAt",
    "disabled",
    "downloads",
    "gated",
    "gguf",
    "lastModified",
    "library_name",
    "likes",
    "modelId",
    "pipeline_tag",
    "private",
    "safetensors",
    "sha",
    "siblings",
    "spaces",
    "tags",
    "usedStorage",
];

/// What is said of each of many.
pub(crate) const OF_MANY: &[&str] = &[
    "createdAt",
    "downloads",
    "library_name",
    "likes",
    "modelId",
    "pipeline_tag",
    "private",
    "tags",
    "trendingScore",
];

/// What is said of each of many, with `full`.
pub(crate) const OF_MANY_IN_FULL: &[&str] = &[
    "author",
    "createdAt",
    "disabled",
    "downloads",
    "gated",
    "lastModified",
    "library_name",
    "likes",
    "modelId",
    "pipeline_tag",
    "private",
    "sha",
    "siblings",
    "tags",
    "trendingScore",
];

/// All that can be said of a repository at a commit.
pub(crate) fn model(repo: &Repo, snapshot: Option<&Snapshot>, blobs: bool) -> Map<String, Value> {
    let files = snapshot.into_iter().flat_map(|snapshot| &snapshot.files);
    let siblings: Vec<_> = files
        .map(|(path, file)| sibling(path, file, blobs))
        .collect();
    let storage = snapshot
        .into_iter()
        .flat_map(|snapshot| snapshot.files.values());
    let storage: u64 = storage.map(|file| file.len()).sum();
    let author = repo.id.split_once('/').map(|(author, _)| author);
    let config = json!({ "model_type": repo.architecture });
    let facts = json!({
        "_id": &hash::git("id", 0, std::iter::once(&repo.id))[..24],
        "id": repo.id,
        "modelId": repo.id,
        "author": author,
        "sha": snapshot.map(|snapshot| &snapshot.commit),
        "lastModified": snapshot.map_or(&repo.created, |snapshot| &snapshot.date),
        "createdAt": repo.created,
        "private": repo.private,
        "gated": gated(repo.gated),
        "disabled": false,
        "downloads": repo.downloads,
        "downloadsAllTime": repo.downloads * 10,
        "likes": repo.likes,
        "trendingScore": repo.trending,
        "tags": tags(repo, snapshot),
        "pipeline_tag": repo.task,
        "library_name": repo.library,
        "cardData": { "license": repo.licence, "pipeline_tag": repo.task, "library_name": repo.library },
        "config": config,
        "safetensors": repo.safetensors_total.map(|total| json!({ "parameters": { "BF16": total }, "total": total })),
        "gguf": repo.gguf_total.map(|total| json!({ "total": total, "architecture": repo.architecture, "context_length": 8192 })),
        "siblings": siblings,
        "spaces": [],
        "usedStorage": storage,
    });
    let Value::Object(facts) = facts else {
        return Map::new();
    };
    // What is unknown is not said at all.
    facts
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .collect()
}

fn gated(gated: Option<Gated>) -> Value {
    match gated {
        None => json!(false),
        Some(Gated::Automatic) => json!("auto"),
        Some(Gated::Manual) => json!("manual"),
    }
}

/// Those that were given, and those that the hub makes itself.
pub(crate) fn tags(repo: &Repo, snapshot: Option<&Snapshot>) -> Vec<String> {
    let has = |ending: &str| {
        let mut paths = snapshot
            .into_iter()
            .flat_map(|snapshot| snapshot.files.keys());
        paths.any(|path| path.ends_with(ending))
    };
    let formats = ["gguf", "safetensors"].into_iter();
    let formats = formats
        .filter(|format| has(&format!(".{format}")))
        .map(str::to_owned);
    let licence = repo
        .licence
        .iter()
        .map(|licence| format!("license:{licence}"));
    let others = repo
        .library
        .iter()
        .chain(&repo.task)
        .chain(&repo.tags)
        .cloned();
    let mut tags: Vec<_> = formats.chain(others).chain(licence).collect();
    tags.push("region:us".to_owned());
    tags
}

/// What was asked for with `expand`, or else these.
pub(crate) fn expanded(
    asked: &Asked,
    mut facts: Map<String, Value>,
    usual: &[&str],
) -> Result<Value, Refusal> {
    let wanted: Vec<_> = asked.values("expand").collect();
    if let Some(unknown) = wanted.iter().find(|name| !KNOWN.contains(name)) {
        let message = format!("\"expand\" does not know {unknown:?}");
        return Err(Refusal::bad_request(&message));
    }
    let chosen = if wanted.is_empty() { usual } else { &wanted };
    facts
        .retain(|name, _| matches!(name.as_str(), "_id" | "id") || chosen.contains(&name.as_str()));
    Ok(Value::Object(facts))
}

fn sibling(path: &str, file: &StoredFile, blobs: bool) -> Value {
    if !blobs {
        return json!({ "rfilename": path });
    }
    let mut facts = json!({ "rfilename": path, "size": file.len(), "blobId": file.git_oid });
    if let (Some(sha256), Some(pointer)) = (&file.sha256, file.pointer_len()) {
        facts["lfs"] = json!({ "sha256": sha256, "size": file.len(), "pointerSize": pointer });
    }
    facts
}

/// An entry of a tree.
pub(crate) fn file(snapshot: &Snapshot, path: &str, file: &StoredFile, expand: bool) -> Value {
    let mut facts =
        json!({ "type": "file", "oid": file.git_oid, "size": file.len(), "path": path });
    if let (Some(sha256), Some(pointer)) = (&file.sha256, file.pointer_len()) {
        facts["lfs"] = json!({ "oid": sha256, "size": file.len(), "pointerSize": pointer });
    }
    if expand {
        facts["lastCommit"] = last_commit(snapshot);
        let scan = json!({ "virusFound": false, "virusNames": null });
        facts["securityFileStatus"] =
            json!({ "status": "safe", "avScan": scan, "pickleImportScan": null });
    }
    facts
}

/// An entry of a tree.
pub(crate) fn folder(snapshot: &Snapshot, path: &str, expand: bool) -> Value {
    let oid = hash::git("tree", 0, [&snapshot.commit, path].iter());
    let mut facts = json!({ "type": "directory", "oid": oid, "size": 0, "path": path });
    if expand {
        facts["lastCommit"] = last_commit(snapshot);
    }
    facts
}

fn last_commit(snapshot: &Snapshot) -> Value {
    json!({ "id": snapshot.commit, "title": "A commit", "date": snapshot.date })
}
