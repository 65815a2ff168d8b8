"""Writes tests/reference/quantized/: tiny quantized models, what their weights say exactly, and how far llama.cpp is from it.

    v/bin/python tests/reference/quantized.py PATH/TO/llama.cpp PATH/TO/build/bin

An engine rounds what goes into a quantized product, so its logits differ a little from those of the dequantized weights. `logits.f32`
has the latter: llama.cpp's on the weights as F32 (for gpt-oss transformers', since llama.cpp rounds the borders of its rotations).
`llama_cpp_divergence` is the Kullback-Leibler divergence in nats, the median and the mean of the rows, of llama.cpp on the blocks from
llama.cpp on the same weights as F32: the noise that an engine may show too. A token between two experts may go either way with that
noise, and would be the whole mean, so qwen3moe's prompt has no such token: see `sure_tokens`.
"""

import ctypes
import json
import pathlib
import re
import sys
import tempfile

import models  # first: it makes llama.cpp's own gguf the one that is imported

import gguf
import numpy as np
import torch
import transformers as t
from gguf import GGMLQuantizationType as Type

from llama_cpp import LlamaCpp, Model

TARGET = pathlib.Path(__file__).parent / "quantized"
KEPT = 32
# The last expert chosen must be so much ahead of the first that is not, in the router's outputs. Their noise is 0.009 … 0.012 (rms)
# in llama.cpp and in Wick.
MARGIN = 0.08
# By the tensor's name; what is not named stays as it is.
LAYERS = {
    "attn_q": ("Q4_0", "Q4_K"), "attn_k": ("Q4_1", "Q5_K"), "attn_v": ("Q5_0", "Q6_K"), "attn_output": ("Q5_1", "IQ4_XS"),
    "ffn_gate": ("Q8_0", "IQ4_NL"), "ffn_up": ("Q2_K", "IQ3_S"), "ffn_down": ("Q3_K", "MXFP4"),
}
CODEBOOKS = ("IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "TQ2_0", "IQ4_XS")
MIXES = {
    "llama": {f"blk.{layer}.{name}.weight": kinds[layer] for name, kinds in LAYERS.items() for layer in (0, 1)} | {"token_embd.weight": "Q6_K"},
    "llama-codebooks": {f"blk.0.{name}.weight": kind for name, kind in zip(LAYERS, CODEBOOKS)} | {"token_embd.weight": "Q4_K"},
    "qwen3moe": {r".*_gate_exps.weight": "Q4_0", r".*_up_exps.weight": "Q5_1", r".*_down_exps.weight": "IQ4_NL",
                 r".*attn_(q|k|v|output).weight": "Q8_0", "token_embd.weight": "Q8_0"},
    "gpt-oss": {r".*_exps.weight": "MXFP4"},
}


def wide_llama(layers: int) -> t.LlamaConfig:
    return t.LlamaConfig(**{**models.PLAIN, "hidden_size": 256, "intermediate_size": 256, "num_hidden_layers": layers, "num_attention_heads": 8})


CONFIGS = {"llama": lambda: wide_llama(2), "llama-codebooks": lambda: wide_llama(1), "qwen3moe": models.CONFIGS["qwen3moe"],
           "gpt-oss": models.CONFIGS["gpt-oss"]}


def quantize(llama: LlamaCpp, data: np.ndarray, kind: Type) -> np.ndarray:
    """ggml's own blocks of a tensor, with all weights equally important. Shape [..., bytes of a row]."""
    rows = np.ascontiguousarray(data, np.float32).reshape(-1, data.shape[-1])
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    out = np.zeros((len(rows), rows.shape[1] // elements * size), np.uint8)
    alike = np.ones(rows.shape[1], np.float32)
    chunk = llama.ggml.ggml_quantize_chunk
    chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
    chunk.restype = ctypes.c_size_t
    written = chunk(kind.value, rows.ctypes.data, out.ctypes.data, 0, len(rows), rows.shape[1], alike.ctypes.data)
    assert written == out.nbytes
    return out.reshape(*data.shape[:-1], -1)


def rewrite(source: pathlib.Path, target: pathlib.Path, change) -> None:  # noqa: ANN001 - (name, floats, type) -> (data, type)
    """A copy of a GGUF file with other tensors."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            writer.add_key_value(name, field.contents(), field.types[0], field.types[-1] if len(field.types) > 1 else None)
    for tensor in reader.tensors:
        data, kind = change(tensor.name, tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def divergence(truth: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Kullback-Leibler, nats, of the rows."""
    p, q = (torch.from_numpy(rows).double().log_softmax(-1) for rows in (truth, found))
    rows = (p.exp() * (p - q)).sum(-1)
    return {"median": float(rows.median()), "mean": float(rows.mean())}


def sure_tokens(exact: Model, tokens: list[int]) -> list[int]:
    """The tokens, each replaced by the next one of the vocabulary whose experts are sure in all layers, exactly computed."""
    used = CONFIGS["qwen3moe"]().num_experts_per_tok
    sure: list[int] = []
    for wanted in tokens:
        for step in range(models.V):
            token = (wanted + step) % models.V
            outputs = np.stack([layer[-1] for layer in exact.watched([*sure, token], "ffn_moe_logits")])
            best = np.sort(outputs, axis=1)[:, ::-1]
            if (best[:, used - 1] - best[:, used]).min() >= MARGIN:
                sure.append(token)
                break
        else:
            raise ValueError(f"no token is sure after {sure}")
    return sure


def exact_experts(llama: LlamaCpp, model: torch.nn.Module) -> None:
    """gpt-oss' experts become numbers that MXFP4 can say."""
    for name, parameter in model.named_parameters():
        if name.endswith(("gate_up_proj", "down_proj")):
            blocks = quantize(llama, parameter.detach().transpose(-1, -2).numpy(), Type.MXFP4)
            floats = llama.dequantize(Type.MXFP4.value, blocks.tobytes())
            parameter.data = torch.from_numpy(floats.reshape(parameter.transpose(-1, -2).shape)).transpose(-1, -2).contiguous()


def one(llama: LlamaCpp, name: str, scratch: pathlib.Path) -> None:
    torch.manual_seed(7)
    config = CONFIGS[name]()
    config._attn_implementation = config._experts_implementation = "eager"
    model = t.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        models.randomize(name, model)
        if name == "gpt-oss":
            exact_experts(llama, model)
        tokens = [(i * 37 + 11 + (i * i) % 13) % models.V for i in range(100)]
        checkpoint = scratch / "huggingface"
        model.save_pretrained(checkpoint)
        (checkpoint / "tokenizer.json").write_text("{}")
        models.convert(checkpoint, scratch / "f16.gguf")
    folder = TARGET / name
    folder.mkdir(parents=True, exist_ok=True)

    def blocks(tensor: str, data: np.ndarray, kind: Type) -> tuple[np.ndarray, Type]:
        wanted = next((wanted for pattern, wanted in MIXES[name].items() if re.fullmatch(pattern, tensor)), None)
        return (quantize(llama, data.astype(np.float32), Type[wanted]), Type[wanted]) if wanted else (data, kind)

    def floats(tensor: str, data: np.ndarray, kind: Type) -> tuple[np.ndarray, Type]:
        return gguf.dequantize(data, kind), Type.F32

    rewrite(scratch / "f16.gguf", folder / "model.gguf", blocks)
    rewrite(folder / "model.gguf", scratch / "f32.gguf", floats)
    of_floats, of_blocks = (llama.model(path) for path in (scratch / "f32.gguf", folder / "model.gguf"))
    if name == "qwen3moe":
        tokens = sure_tokens(of_floats, tokens)
    exact, rounded = (loaded.logits(tokens)[-KEPT:] for loaded in (of_floats, of_blocks))
    with torch.no_grad():
        theirs = model.double()(torch.tensor([tokens]), use_cache=False).logits[0, -KEPT:].float().numpy()
    truth = theirs if name == "gpt-oss" else exact
    truth.astype("<f4").tofile(folder / "logits.f32")
    noise = divergence(exact, rounded)
    expected = {"prompts": [tokens], "kept": [KEPT], "llama_cpp_divergence": noise, "transformers": t.__version__, "architecture": config.model_type}
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")
    size = (folder / "model.gguf").stat().st_size
    apart = divergence(theirs, truth)["median"]
    print(f"{name:16} llama.cpp {noise} nats from the same weights in F32, these {apart:.2e} from the unquantized; {size} bytes")


def main() -> None:
    torch.set_num_threads(1)
    llama = LlamaCpp(sys.argv[2])
    for name in MIXES:
        with tempfile.TemporaryDirectory() as scratch:
            one(llama, name, pathlib.Path(scratch))


if __name__ == "__main__":
    main()
