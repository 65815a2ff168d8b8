//! Experts that lie one by one, as files of Mixtral from before April 2024 have them (`blk.0.ffn_gate.3.weight`), seen as
//! the one tensor that later files have (`blk.0.ffn_gate_exps.weight`).
//!
//! Nothing is moved: the bytes of one expert are read behind those of the one before. Invariant: experts that are not all
//! there, or not alike, are an error.
//! Source: llama.cpp's `build_moe_ffn`, which stacks them in the order of their numbers.

use crate::files::source::Source;
use crate::files::view::View;
use crate::files::{Checkpoint, TensorInfo};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Puts them together.
///
/// # Errors
/// What is wrong with them, in words.
pub(super) fn merge(checkpoint: &mut Checkpoint) -> Result<(), String> {
    let mut found: BTreeMap<String, BTreeMap<usize, TensorInfo>> = BTreeMap::new();
    for (name, tensor) in &checkpoint.tensors {
        let Some((merged, number)) = parts(name) else {
            continue;
        };
        let before = found
            .entry(merged)
            .or_default()
            .insert(number, tensor.clone());
        if before.is_some() {
            return Err(format!("tensor {name} is there under two names"));
        }
    }
    checkpoint.tensors.retain(|name, _| parts(name).is_none());
    for (name, experts) in found {
        let tensor = stacked(&name, &experts)?;
        if checkpoint.tensors.insert(name.clone(), tensor).is_some() {
            return Err(format!("tensor {name} is there whole and in parts"));
        }
    }
    Ok(())
}

/// The name of the whole, and the number of the expert.
fn parts(name: &str) -> Option<(String, usize)> {
    let (rest, number) = name.strip_suffix(".weight")?.rsplit_once('.')?;
    let kind = rest.strip_prefix("blk.")?.split_once('.')?.1;
    let known = matches!(kind, "ffn_gate" | "ffn_up" | "ffn_down");
    let digits = number.bytes().all(|digit| digit.is_ascii_digit());
    (known && digits).then_some((format!("{rest}_exps.weight"), number.parse().ok()?))
}

fn stacked(name: &str, experts: &BTreeMap<usize, TensorInfo>) -> Result<TensorInfo, String> {
    let count = experts.len();
    if !experts.keys().copied().eq(0..count) {
        return Err(format!("the parts of tensor {name} are not all there"));
    }
    let mut all = experts.values();
    let first = all.next().ok_or("it has no experts")?;
    if all.any(|one| one.shape != first.shape || one.tensor_type != first.tensor_type) {
        return Err(format!(
            "the parts of tensor {name} differ in shape or type"
        ));
    }
    let bytes = usize::try_from(first.size_bytes()).map_err(|error| error.to_string())?;
    let views = experts
        .values()
        .map(|one| View::whole(one.place(), 1, &[bytes]));
    Ok(TensorInfo {
        shape: [&[count], first.shape.as_slice()].concat(),
        tensor_type: first.tensor_type,
        source: Source::Joined(views.collect::<Arc<[View]>>()),
    })
}
