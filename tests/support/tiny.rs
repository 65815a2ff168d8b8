//! A tiny llama as a GGUF file: whole and loadable, small enough to break in a thousand ways.

/// A GGUF file being written.
#[derive(Debug, Default)]
pub struct Gguf {
    metadata: Vec<u8>,
    metadata_count: u64,
    tensors: Vec<u8>,
    tensor_count: u64,
    data: Vec<u8>,
}

impl Gguf {
    fn key(&mut self, key: &str, kind: u32) {
        self.metadata_count += 1;
        text(&mut self.metadata, key);
        self.metadata.extend(kind.to_le_bytes());
    }

    fn number(&mut self, key: &str, value: u32) {
        self.key(key, 4);
        self.metadata.extend(value.to_le_bytes());
    }

    fn float(&mut self, key: &str, value: f32) {
        self.key(key, 6);
        self.metadata.extend(value.to_le_bytes());
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key, 8);
        text(&mut self.metadata, value);
    }

    fn texts(&mut self, key: &str, values: &[String]) {
        self.key(key, 9);
        self.metadata.extend(8_u32.to_le_bytes());
        self.metadata.extend((values.len() as u64).to_le_bytes());
        for value in values {
            text(&mut self.metadata, value);
        }
    }

    /// An F32 tensor; `shape` with the slowest dimension first.
    fn tensor(&mut self, name: &str, shape: &[u64]) {
        self.tensor_count += 1;
        text(&mut self.tensors, name);
        let dimensions = u32::try_from(shape.len()).unwrap_or_default();
        self.tensors.extend(dimensions.to_le_bytes());
        for size in shape.iter().rev() {
            self.tensors.extend(size.to_le_bytes());
        }
        self.tensors.extend(0_u32.to_le_bytes());
        self.tensors.extend((self.data.len() as u64).to_le_bytes());
        let elements: u64 = shape.iter().product();
        for at in 0..elements {
            // Deterministic, small, of both signs.
            let value =
                f32::from(u8::try_from((at * 37 + 11) % 201).unwrap_or_default()) / 1000.0 - 0.1;
            self.data.extend(value.to_le_bytes());
        }
        self.data.resize(self.data.len().next_multiple_of(32), 0);
    }

    fn finish(self) -> Vec<u8> {
        let mut file = b"GGUF".to_vec();
        file.extend(3_u32.to_le_bytes());
        file.extend(self.tensor_count.to_le_bytes());
        file.extend(self.metadata_count.to_le_bytes());
        file.extend(self.metadata);
        file.extend(self.tensors);
        file.resize(file.len().next_multiple_of(32), 0);
        file.extend(self.data);
        file
    }
}

fn text(into: &mut Vec<u8>, value: &str) {
    into.extend((value.len() as u64).to_le_bytes());
    into.extend(value.as_bytes());
}

/// The file of [`llama_for`] a context window of 64.
pub fn llama() -> Vec<u8> {
    llama_for(64)
}

/// The file: one layer, two heads of eight, thirty-two pieces of vocabulary.
pub fn llama_for(context_tokens: u32) -> Vec<u8> {
    let mut file = Gguf::default();
    file.text("general.architecture", "llama");
    for (key, value) in [
        ("block_count", 1),
        ("context_length", context_tokens),
        ("embedding_length", 16),
        ("feed_forward_length", 32),
        ("attention.head_count", 2),
        ("attention.head_count_kv", 1),
        ("rope.dimension_count", 8),
    ] {
        file.number(&format!("llama.{key}"), value);
    }
    file.float("llama.attention.layer_norm_rms_epsilon", 1e-5);
    file.text("tokenizer.ggml.model", "gpt2");
    file.text("tokenizer.ggml.pre", "smollm");
    let pieces = (b'a'..=b'z').map(|letter| char::from(letter).to_string());
    let more = ["ab", "abc", "Ġ", "Ċ", "<s>", "</s>"].map(str::to_owned);
    file.texts(
        "tokenizer.ggml.tokens",
        &pieces.chain(more).collect::<Vec<_>>(),
    );
    file.texts(
        "tokenizer.ggml.merges",
        &["a b".to_owned(), "ab c".to_owned()],
    );
    file.number("tokenizer.ggml.eos_token_id", 31);
    file.text("tokenizer.chat_template", "{{ messages[0].content }}");
    file.tensor("token_embd.weight", &[32, 16]);
    file.tensor("output_norm.weight", &[16]);
    for (name, shape) in [
        ("attn_norm", &[16][..]),
        ("ffn_norm", &[16]),
        ("attn_q", &[16, 16]),
        ("attn_k", &[8, 16]),
        ("attn_v", &[8, 16]),
        ("attn_output", &[16, 16]),
        ("ffn_gate", &[32, 16]),
        ("ffn_up", &[32, 16]),
        ("ffn_down", &[16, 32]),
    ] {
        file.tensor(&format!("blk.0.{name}.weight"), shape);
    }
    file.finish()
}
