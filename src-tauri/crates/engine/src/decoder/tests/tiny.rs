//! Tiny models with seeded weights, written as GGUF: two that between them use most of what layers can do.

use crate::files::Checkpoint;
use std::path::{Path, PathBuf};

/// A metadata value, as GGUF writes it.
#[derive(Debug, Clone)]
pub(super) enum Setting {
    Whole(u32),
    Float(f32),
    Text(&'static str),
}

/// What a file will hold.
#[derive(Debug, Clone)]
pub(super) struct Tiny {
    pub(super) settings: Vec<(String, Setting)>,
    /// Names and shapes, slowest dimension first.
    pub(super) tensors: Vec<(String, Vec<usize>)>,
}

pub(super) const VOCABULARY: usize = 48;
const EMBEDDING: usize = 32;
const LAYERS: usize = 3;

fn settings(architecture: &'static str) -> Vec<(String, Setting)> {
    let whole = [
        ("block_count", LAYERS),
        ("context_length", 128),
        ("embedding_length", EMBEDDING),
        ("feed_forward_length", 64),
        ("attention.head_count", 4),
        ("attention.head_count_kv", 2),
        ("attention.sliding_window", 5),
        ("attention.key_length", 32),
        ("attention.value_length", 32),
    ];
    let named = |key: &str| format!("{architecture}.{key}");
    let mut settings = vec![("general.architecture".into(), Setting::Text(architecture))];
    for (key, number) in whole {
        settings.push((
            named(key),
            Setting::Whole(u32::try_from(number).expect("a tiny model works")),
        ));
    }
    let epsilon = named("attention.layer_norm_rms_epsilon");
    settings.push((epsilon, Setting::Float(1e-5)));
    settings
}

fn tensors(layer: &[(&str, &[usize])]) -> Vec<(String, Vec<usize>)> {
    let mut tensors = vec![
        ("token_embd.weight".into(), vec![VOCABULARY, EMBEDDING]),
        ("output_norm.weight".into(), vec![EMBEDDING]),
    ];
    for at in 0..LAYERS {
        let attention: [(&str, &[usize]); 5] = [
            ("attn_norm.weight", &[EMBEDDING]),
            ("attn_q.weight", &[128, EMBEDDING]),
            ("attn_k.weight", &[64, EMBEDDING]),
            ("attn_v.weight", &[64, EMBEDDING]),
            ("attn_output.weight", &[EMBEDDING, 128]),
        ];
        for (name, shape) in attention.iter().chain(layer) {
            tensors.push((format!("blk.{at}.{name}"), shape.to_vec()));
        }
    }
    tensors
}

/// Dense, with windows, soft caps, norms around each part and a tied output.
pub(super) fn gemma2() -> Tiny {
    let mut settings = settings("gemma2");
    settings.push(("gemma2.attn_logit_softcapping".into(), Setting::Float(5.0)));
    settings.push(("gemma2.final_logit_softcapping".into(), Setting::Float(9.0)));
    let layer: [(&str, &[usize]); 6] = [
        ("post_attention_norm.weight", &[EMBEDDING]),
        ("ffn_norm.weight", &[EMBEDDING]),
        ("post_ffw_norm.weight", &[EMBEDDING]),
        ("ffn_gate.weight", &[64, EMBEDDING]),
        ("ffn_up.weight", &[64, EMBEDDING]),
        ("ffn_down.weight", &[EMBEDDING, 64]),
    ];
    Tiny {
        settings,
        tensors: tensors(&layer),
    }
}

/// A mixture, with windows, sinks, biases and `YaRN`.
pub(super) fn gpt_oss() -> Tiny {
    let mut settings = settings("gpt-oss");
    let more = [
        ("gpt-oss.expert_count", Setting::Whole(4)),
        ("gpt-oss.expert_used_count", Setting::Whole(2)),
        ("gpt-oss.expert_feed_forward_length", Setting::Whole(64)),
        ("gpt-oss.rope.scaling.type", Setting::Text("yarn")),
        ("gpt-oss.rope.scaling.factor", Setting::Float(4.0)),
        (
            "gpt-oss.rope.scaling.original_context_length",
            Setting::Whole(32),
        ),
    ];
    settings.extend(more.map(|(key, value)| (key.to_owned(), value)));
    let layer: [(&str, &[usize]); 13] = [
        ("post_attention_norm.weight", &[EMBEDDING]),
        ("attn_q.bias", &[128]),
        ("attn_output.bias", &[EMBEDDING]),
        ("attn_sinks.weight", &[4]),
        ("ffn_gate_inp.weight", &[4, EMBEDDING]),
        ("ffn_gate_inp.bias", &[4]),
        ("ffn_gate_exps.weight", &[4, 64, EMBEDDING]),
        ("ffn_gate_exps.bias", &[4, 64]),
        ("ffn_up_exps.weight", &[4, 64, EMBEDDING]),
        ("ffn_up_exps.bias", &[4, 64]),
        ("ffn_down_exps.weight", &[4, EMBEDDING, 64]),
        ("ffn_down_exps.bias", &[4, EMBEDDING]),
        ("attn_k.bias", &[64]),
    ];
    let mut tensors = tensors(&layer);
    tensors.push(("output.weight".into(), vec![VOCABULARY, EMBEDDING]));
    Tiny { settings, tensors }
}

impl Tiny {
    /// Written to a new file and opened.
    pub(super) fn open(&self) -> (TinyFile, Checkpoint) {
        let file = TinyFile::new();
        std::fs::write(&file.0, self.bytes()).expect("a tiny model works");
        let checkpoint = Checkpoint::open(&file.0).expect("a tiny model works");
        (file, checkpoint)
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3u32.to_le_bytes());
        bytes.extend((self.tensors.len() as u64).to_le_bytes());
        bytes.extend((self.settings.len() as u64).to_le_bytes());
        for (key, value) in &self.settings {
            text(&mut bytes, key);
            setting(&mut bytes, value);
        }
        let mut offset = 0u64;
        for (name, shape) in &self.tensors {
            text(&mut bytes, name);
            bytes.extend(
                u32::try_from(shape.len())
                    .expect("a tiny model works")
                    .to_le_bytes(),
            );
            for size in shape.iter().rev() {
                bytes.extend((*size as u64).to_le_bytes());
            }
            bytes.extend(0u32.to_le_bytes());
            bytes.extend(offset.to_le_bytes());
            offset += padded(shape.iter().product::<usize>() * 4) as u64;
        }
        bytes.resize(padded(bytes.len()), 0);
        for (name, shape) in &self.tensors {
            let from = bytes.len();
            numbers(&mut bytes, name, shape);
            let length = bytes.len() - from;
            bytes.resize(from + padded(length), 0);
        }
        bytes
    }
}

fn padded(length: usize) -> usize {
    length.next_multiple_of(32)
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

fn setting(bytes: &mut Vec<u8>, value: &Setting) {
    match value {
        Setting::Whole(number) => {
            bytes.extend(4u32.to_le_bytes());
            bytes.extend(number.to_le_bytes());
        }
        Setting::Float(number) => {
            bytes.extend(6u32.to_le_bytes());
            bytes.extend(number.to_le_bytes());
        }
        Setting::Text(value) => {
            bytes.extend(8u32.to_le_bytes());
            text(bytes, value);
        }
    }
}

/// Norms around one, all else around zero.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn numbers(bytes: &mut Vec<u8>, name: &str, shape: &[usize]) {
    let (middle, width) = if name.contains("norm") {
        (1.0, 0.2)
    } else {
        (0.0, 0.3)
    };
    let mut seed = name
        .bytes()
        .fold(7u64, |seed, byte| seed.wrapping_mul(31) + u64::from(byte));
    for _ in 0..shape.iter().product::<usize>() {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let random = (seed >> 40) as f32 / (1u64 << 24) as f32 - 0.5;
        bytes.extend((middle + width * 2.0 * random).to_le_bytes());
    }
}

/// A file that goes when it is no longer needed.
pub(super) struct TinyFile(PathBuf);

impl TinyFile {
    fn new() -> Self {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("wick-tiny-{}-{count}.gguf", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TinyFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.path());
    }
}
