"""Writes a GGUF of the shape of Llama 3.2 1B with random Q4_K_M weights: for speed alone, it says nothing.

    python3 -m venv v && v/bin/pip install gguf==0.19.0 numpy
    v/bin/python tests/reference/shape.py 1b-q4_k_m.gguf

The mix is what `llama-quantize … Q4_K_M` makes of that model: Q6_K for the embedding (tied), for attn_v and ffn_down of
the layers that llama.cpp's `use_more_bits` picks, Q4_K for the rest. Scales are small and of one sign each, so that
activations stay finite.
"""

import sys

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf import GGUFWriter

LAYERS, EMBEDDING, HEADS, KV_HEADS, FEED_FORWARD, VOCABULARY = 16, 2048, 32, 8, 8192, 128256
rng = np.random.default_rng(7)


def half(count: int, low: float, high: float) -> np.ndarray:
    return rng.uniform(low, high, count).astype(np.float16).view(np.uint8).reshape(count, 2)


def q4_k(rows: int, columns: int) -> np.ndarray:
    blocks = rows * columns // 256
    scales = rng.integers(0, 256, (blocks, 12), dtype=np.uint8)
    quants = rng.integers(0, 256, (blocks, 128), dtype=np.uint8)
    # w = d·scale·q − dmin·min with scale, min in 0…63 and q in 0…15: about centred for dmin = 7.5 d.
    d = rng.uniform(1e-5, 3e-5, blocks).astype(np.float16)
    both = np.stack([d, (d.astype(np.float32) * 7.5).astype(np.float16)], 1).view(np.uint8)
    return np.concatenate([both, scales, quants], 1).reshape(rows, -1)


def q6_k(rows: int, columns: int) -> np.ndarray:
    blocks = rows * columns // 256
    quants = rng.integers(0, 256, (blocks, 192), dtype=np.uint8)
    scales = rng.integers(-64, 64, (blocks, 16), dtype=np.int8).view(np.uint8)
    return np.concatenate([quants, scales, half(blocks, 1e-5, 3e-5)], 1).reshape(rows, -1)


def more_bits(layer: int) -> bool:
    return layer < LAYERS // 8 or layer >= 7 * LAYERS // 8 or (layer - LAYERS // 8) % 3 == 2


def main(path: str) -> None:
    writer = GGUFWriter(path, "llama")
    writer.add_name("random 1B shape")
    writer.add_context_length(131072)
    writer.add_embedding_length(EMBEDDING)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(EMBEDDING // HEADS)
    writer.add_rope_freq_base(500000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(VOCABULARY)
    writer.add_file_type(15)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    letters = [chr(c) for c in [*range(33, 127), *range(161, 173), *range(174, 256)]]
    letters += [chr(256 + c) for c in range(256 - len(letters))]
    writer.add_token_list(letters + [f"<|{i}|>" for i in range(len(letters), VOCABULARY)])
    writer.add_token_types([1] * VOCABULARY)
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(VOCABULARY - 1)
    writer.add_bos_token_id(VOCABULARY - 2)

    def add(name: str, rows: int, columns: int, six: bool = False) -> None:
        make, kind = (q6_k, T.Q6_K) if six else (q4_k, T.Q4_K)
        writer.add_tensor(name, make(rows, columns), raw_dtype=kind)

    add("token_embd.weight", VOCABULARY, EMBEDDING, six=True)
    writer.add_tensor("output_norm.weight", np.ones(EMBEDDING, np.float32))
    kv = KV_HEADS * EMBEDDING // HEADS
    for layer in range(LAYERS):
        blk = f"blk.{layer}."
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{blk}{norm}.weight", np.ones(EMBEDDING, np.float32))
        add(f"{blk}attn_q.weight", EMBEDDING, EMBEDDING)
        add(f"{blk}attn_k.weight", kv, EMBEDDING)
        add(f"{blk}attn_v.weight", kv, EMBEDDING, six=more_bits(layer))
        add(f"{blk}attn_output.weight", EMBEDDING, EMBEDDING)
        add(f"{blk}ffn_gate.weight", FEED_FORWARD, EMBEDDING)
        add(f"{blk}ffn_up.weight", FEED_FORWARD, EMBEDDING)
        add(f"{blk}ffn_down.weight", EMBEDDING, FEED_FORWARD, six=more_bits(layer))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main(sys.argv[1])
