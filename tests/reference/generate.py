#!/usr/bin/env python3
"""Writes the reference logits of the starter model.

An implementation of the llama architecture that shares no line with candle or with Wick: numpy in float64, over weights
that llama.cpp's own `gguf` package dequantizes. It is not part of `make test`; what it wrote is committed.

    python3 -m pip install gguf==0.19.0 numpy
    python3 tests/reference/generate.py models/SmolLM2-135M-Instruct.Q4_1.gguf

For each prompt (token ids, so that no tokenizer is involved) it writes the logits after the last token: one
little-endian float16 for each entry of the vocabulary.
"""

import json
import pathlib
import sys

import numpy as np
from gguf import GGUFReader, dequantize

HERE = pathlib.Path(__file__).parent
PROMPTS = {
    # "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n" and so on, as ids.
    "short": [1, 4093, 198, 1780, 314, 260, 3575, 282, 4649, 47, 2, 198, 1, 520, 9531, 198],
    "one": [28],
    # 300 positions: long enough for the rotations and the order of a chunked prefill to matter.
    "long": [(7 + 31 * i * i + 17 * i) % 49152 for i in range(300)],
}


def load(path):
    reader = GGUFReader(path)
    field = lambda key: reader.fields[key].contents()
    weights = {t.name: dequantize(t.data, t.tensor_type).reshape(t.shape[::-1]) for t in reader.tensors}
    return field, {name: w.astype(np.float64) for name, w in weights.items()}


def rms_norm(x, weight, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weight


def rotate(x, base):
    """Rotates neighbours (2i, 2i+1), as GGUF's llama stores them. x: [positions, heads, head_dim]."""
    positions, _, dim = x.shape
    angle = np.outer(np.arange(positions), base ** (-np.arange(0, dim, 2) / dim))[:, None, :]
    even, odd = x[..., 0::2], x[..., 1::2]
    out = np.empty_like(x)
    out[..., 0::2] = even * np.cos(angle) - odd * np.sin(angle)
    out[..., 1::2] = even * np.sin(angle) + odd * np.cos(angle)
    return out


def attention(q, k, v):
    """q: [positions, heads, dim]; k, v: [positions, kv_heads, dim]; causal."""
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat(group, axis=1), v.repeat(group, axis=1)
    scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(q.shape[-1])
    scores += np.triu(np.full(scores.shape[1:], -np.inf), 1)
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    scores /= scores.sum(-1, keepdims=True)
    return np.einsum("hqk,khd->qhd", scores, v)


def logits(field, w, ids):
    heads, kv_heads = field("llama.attention.head_count"), field("llama.attention.head_count_kv")
    eps, base = field("llama.attention.layer_norm_rms_epsilon"), field("llama.rope.freq_base")
    x = w["token_embd.weight"][ids]
    n = len(ids)
    for layer in range(field("llama.block_count")):
        at = lambda name: w[f"blk.{layer}.{name}.weight"]
        h = rms_norm(x, at("attn_norm"), eps)
        q = rotate((h @ at("attn_q").T).reshape(n, heads, -1), base)
        k = rotate((h @ at("attn_k").T).reshape(n, kv_heads, -1), base)
        v = (h @ at("attn_v").T).reshape(n, kv_heads, -1)
        x = x + attention(q, k, v).reshape(n, -1) @ at("attn_output").T
        h = rms_norm(x, at("ffn_norm"), eps)
        gate = h @ at("ffn_gate").T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ at("ffn_up").T)) @ at("ffn_down").T
    x = rms_norm(x[-1], w["output_norm.weight"], eps)
    return x @ w.get("output.weight", w["token_embd.weight"]).T


def main():
    field, w = load(sys.argv[1])
    (HERE / "prompts.json").write_text(json.dumps(PROMPTS) + "\n")
    for name, ids in PROMPTS.items():
        row = logits(field, w, ids)
        row.astype("<f2").tofile(HERE / f"{name}.f16")
        print(name, "top tokens", np.argsort(-row)[:5].tolist(), row.max())


if __name__ == "__main__":
    main()
