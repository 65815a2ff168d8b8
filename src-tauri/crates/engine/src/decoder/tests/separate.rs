//! Files with a tensor for each expert compute what files with one for all experts compute.

use crate::files::tests::writer::{Folder, Gguf};
use crate::files::{Checkpoint, TensorInfo};
use crate::kv::KvType;
use std::path::Path;

fn reference(name: &str) -> Checkpoint {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/reference");
    Checkpoint::open(&folder.join(name).join("model.gguf")).expect("a model")
}

fn bytes_of(checkpoint: &Checkpoint, name: &str) -> Vec<u8> {
    let tensor = checkpoint.tensor(name).expect("it is there");
    let mut bytes = vec![0; usize::try_from(tensor.size_bytes()).expect("small")];
    checkpoint.read(name, 0, &mut bytes).expect("its bytes");
    bytes
}

fn shape(sizes: &[usize]) -> Vec<u64> {
    sizes.iter().map(|size| *size as u64).collect()
}

/// The same file as it was written before experts were merged, but for the tensors that `left_out` names.
fn split(checkpoint: &Checkpoint, left_out: &str) -> Gguf {
    let mut file = Gguf::default();
    for (key, value) in &checkpoint.metadata.0 {
        file = file.value(key, value);
    }
    for (name, tensor) in &checkpoint.tensors {
        let bytes = bytes_of(checkpoint, name);
        file = match name.split_once("_exps.weight") {
            Some((start, _)) => with_experts(file, start, tensor, &bytes, left_out),
            None => file.raw(name, &shape(&tensor.shape), tensor.tensor_type.id(), &bytes),
        };
    }
    file
}

fn with_experts(
    mut file: Gguf,
    name: &str,
    all: &TensorInfo,
    bytes: &[u8],
    left_out: &str,
) -> Gguf {
    // From the last to the first: the order in the file says nothing.
    let experts = bytes.chunks(bytes.len() / all.shape[0]).enumerate();
    for (number, bytes) in experts.collect::<Vec<_>>().into_iter().rev() {
        let name = format!("{name}.{number}.weight");
        if name != left_out {
            file = file.raw(&name, &shape(&all.shape[1..]), all.tensor_type.id(), bytes);
        }
    }
    file
}

fn logits(checkpoint: &Checkpoint) -> Vec<f32> {
    let mut decoder = super::load(checkpoint).expect("a model that loads");
    let tokens: Vec<u32> = (0..40).map(|at| at * 37 % 128).collect();
    super::alone(&mut decoder, &tokens, KvType::F32)
}

#[test]
fn experts_that_lie_one_by_one_are_the_same_experts() {
    for name in ["models/mixtral", "quantized/qwen3moe"] {
        let merged = reference(name);
        let folder = Folder::new();
        let path = folder.write("old.gguf", &split(&merged, "").finish());
        let old = Checkpoint::open(&path).expect("a model");
        assert!(old.tensors.keys().eq(merged.tensors.keys()), "{name}");
        assert_eq!(logits(&old), logits(&merged), "{name}");
    }
}

#[test]
fn experts_that_are_not_all_there_or_not_alike_are_refused() {
    let merged = reference("models/mixtral");
    let folder = Folder::new();
    let check = |file: Gguf, expected: &str| {
        let path = folder.write("odd.gguf", &file.finish());
        let error = Checkpoint::open(&path).expect_err(expected).to_string();
        assert!(error.ends_with(expected), "{error}");
    };
    let one = "blk.1.ffn_up.2.weight";
    check(
        split(&merged, one),
        "the parts of tensor blk.1.ffn_up_exps.weight are not all there",
    );
    check(
        split(&merged, one).floats(one, &[1.0; 64]),
        "the parts of tensor blk.1.ffn_up_exps.weight differ in shape or type",
    );
    check(
        split(&merged, "").floats("blk.1.ffn_up.02.weight", &[1.0; 64]),
        "is there under two names",
    );
    check(
        split(&merged, "").floats("blk.1.ffn_up_exps.weight", &[1.0; 64]),
        "tensor blk.1.ffn_up_exps.weight is there whole and in parts",
    );
}
