//! What goes with one of Ollama's models: its manifest, and the blobs that no other manifest names.

use super::plan::Plan;
use crate::library::ollama::{Manifest, manifests};
use std::path::Path;

pub(super) fn plan(plan: &mut Plan, manifest: &Manifest) {
    // manifests/HOST/NAMESPACE/NAME/TAG
    let Some(store) = manifest.path.ancestors().nth(5) else {
        return;
    };
    if !plan.delete(&manifest.path) {
        return;
    }
    for layer in &manifest.layers {
        match other_user(store, manifest, &layer.blob) {
            Some(because) => plan.keep(&layer.blob, because),
            None if layer.blob.symlink_metadata().is_ok() => {
                plan.delete_unless_used(&layer.blob);
            }
            None => {} // it is gone already
        }
    }
    for folder in manifest.path.ancestors().skip(1).take(3) {
        plan.delete_if_empty(folder.to_owned());
    }
}

/// Why a blob stays: another manifest names it, or nobody knows what that one names.
fn other_user(store: &Path, own: &Manifest, blob: &Path) -> Option<String> {
    manifests(store).into_iter().find_map(|read| match read {
        Ok(other) => {
            let names_it = other.layers.iter().any(|layer| layer.blob == blob);
            let is_other = other.path != own.path;
            (is_other && names_it).then(|| format!("also used by {}", other.name))
        }
        Err(left_out) => Some(format!("{} may use it, and can't be read", left_out.path)),
    })
}
