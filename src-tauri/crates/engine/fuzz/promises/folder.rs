//! Folders as Hugging Face lays them out, with weights that take no place on the disk.

use std::fs::File;
use std::io::Write;
use std::path::Path;

/// A small model of the family llama.
pub(super) const CONFIG: &[u8] = br#"{"model_type":"llama","architectures":["LlamaForCausalLM"],"hidden_size":64,"intermediate_size":64,"num_attention_heads":4,"num_key_value_heads":2,"num_hidden_layers":1,"rms_norm_eps":1e-5,"max_position_embeddings":512,"vocab_size":128}"#;
/// Its one tensor that a tokenizer is compared with.
pub(super) const HEADER: &[u8] = br#"{"model.embed_tokens.weight":{"dtype":"BF16","shape":[1000000000,64],"data_offsets":[0,128000000000]}}"#;
/// Enough for [`HEADER`], which must not be too small for a vocabulary. The file is one hole.
const DATA_BYTES: u64 = 128_000_000_000;

/// config.json and the header of the weights: what stands before and after the first zero.
pub(super) fn parts(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0);
    let end = end.unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

/// Writes both files.
pub(super) fn write(folder: &Path, config: &[u8], header: &[u8]) {
    std::fs::write(folder.join("config.json"), config).expect("written");
    let mut file = File::create(folder.join("model.safetensors")).expect("a file");
    let length = header.len() as u64;
    file.write_all(&length.to_le_bytes()).expect("written");
    file.write_all(header).expect("written");
    file.set_len(8 + length + DATA_BYTES).expect("a hole");
}
