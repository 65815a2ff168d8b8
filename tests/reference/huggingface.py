"""Writes huggingface.json: what llama.cpp's conversion makes of a checkpoint as Hugging Face lays it out, for each family.

    v/bin/python tests/reference/huggingface.py PATH/TO/llama.cpp [NAME...]        (v as in models.py)

The weights are a function of the tensor's name (`fill`), so that only their names, types and shapes are kept; a test writes
the same files, opens them, and compares: metadata, and names, types, shapes and a digest of the numbers of all tensors.
`config` is config.json as transformers 5 writes it; `older` says the same as checkpoints before it do (`rope_theta` and
`rope_scaling` beside the other keys), and the conversion must make the same of both. Not part of `make test`.
"""

import json
import pathlib
import shutil
import sys
import tempfile

import models as m
import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

gguf, base = m.gguf, m.base
HERE = pathlib.Path(__file__).parent
# Powers and exponentials are not the same to the last bit everywhere: these are kept as numbers.
ROUNDED = ("ssm_a", "rope_freqs.weight")


def fill(name: str, count: int) -> np.ndarray:
    """BF16 numbers of both signs from 2^-15 to 2, as their bits: splitmix64 of the name's FNV-1a hash and the place."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        x = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    sign, exponent, fraction = x >> np.uint64(63) << np.uint64(15), (x >> np.uint64(8)) & np.uint64(15), x & np.uint64(127)
    return (sign | (exponent + np.uint64(112)) << np.uint64(7) | fraction).astype(np.uint16)


def digest(numbers: np.ndarray) -> str:
    bits = np.ascontiguousarray(numbers, "<f4").view("<u4").ravel().astype(np.uint64)
    with np.errstate(over="ignore"):
        places = np.arange(len(bits), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        return f"{int(((bits + np.uint64(1)) * places * np.uint64(0x9E3779B97F4A7C15)).sum(dtype=np.uint64)):016x}"


def stored_type(name: str, dimensions: int) -> str:
    if name.endswith(("_blocks", "_scales")):
        return "U8"
    return "F32" if dimensions == 1 and len(name) % 2 else "BF16"


def tensor(name: str, kind: str, shape: list[int]) -> torch.Tensor:
    bits = fill(name, int(np.prod(shape)))
    if kind == "U8":
        return torch.from_numpy((bits & 0xFF).astype(np.uint8)).reshape(shape)
    numbers = torch.from_numpy((bits.astype(np.uint32) << 16).view(np.float32)).reshape(shape)
    return numbers if kind == "F32" else numbers.bfloat16()


def packed(stored: dict) -> dict:
    """gpt-oss as it is published: experts in MXFP4, output before input."""
    out = {}
    for name, (kind, shape) in stored.items():
        if name.endswith("_proj") and ".experts." in name:
            experts, inputs, outputs = shape
            out[f"{name}_blocks"] = ["U8", [experts, outputs, inputs // 32, 16]]
            out[f"{name}_scales"] = ["U8", [experts, outputs, inputs // 32]]
        else:
            out[name] = [kind, shape]
    return out


def older(config: dict) -> dict | None:
    config = json.loads(json.dumps(config))
    rope = config.pop("rope_parameters", None)
    if rope is None:
        return None
    config.pop("dtype", None)
    if "full_attention" in rope:
        full, sliding = rope["full_attention"], rope["sliding_attention"]
        if full.get("rope_type") == "proportional":
            return None
        config.update(rope_theta=full.pop("rope_theta"), rope_local_base_freq=sliding["rope_theta"])
        rope = full
    else:
        for key in ("rope_theta", "partial_rotary_factor"):
            if key in rope:
                config[key] = rope.pop(key)
    if rope.get("rope_type", "default") == "default":
        rope.pop("rope_type", None)
    return config | {"rope_scaling": rope or None}


def write(folder: pathlib.Path, config: dict, stored: dict) -> None:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {f"t{i}": i for i in range(m.V)}}, "added_tokens": []}))
    save_file({name: tensor(name, kind, shape) for name, (kind, shape) in stored.items()}, folder / "model.safetensors")


def convert(folder: pathlib.Path, as_it_is: bool) -> gguf.GGUFReader:
    hparams = base.ModelBase.load_hparams(folder, False)
    architecture = base.get_model_architecture(hparams, base.ModelType.TEXT)
    kind = m.get_model_class(architecture)
    if architecture.startswith("Ministral3"):
        import conversion.mistral3 as mistral3
        mistral3.Mistral3Model.Ministral3Model.set_vocab = m.set_vocab
        kind = mistral3.Mistral3Model
    else:
        kind = type("Without" + kind.__name__, (kind,), {"set_vocab": m.set_vocab, "model_arch": kind.model_arch, "no_mtp": True})
    more = {"hparams": json.loads((folder / "config.json").read_text())} if as_it_is else {}
    out = folder / "out.gguf"
    with torch.inference_mode():
        kind(folder, gguf.LlamaFileType.MOSTLY_BF16, out, eager=True, **more).write()
    return gguf.GGUFReader(out)


def values_of(field: gguf.ReaderField) -> object:
    contents = field.contents()
    return [x.item() if hasattr(x, "item") else x for x in contents] if isinstance(contents, list) else contents


def results(reader: gguf.GGUFReader) -> tuple[dict, dict]:
    skipped = ("GGUF.", "tokenizer.", "general.")
    metadata = {key: values_of(field) for key, field in reader.fields.items() if not key.startswith(skipped)}
    metadata["general.architecture"] = values_of(reader.fields["general.architecture"])
    tensors = {}
    for entry in reader.tensors:
        numbers = gguf.quants.dequantize(entry.data, entry.tensor_type).astype(np.float32)
        shape = [int(size) for size in reversed(entry.shape)]
        kept = [float(x) for x in numbers.ravel()] if entry.name.endswith(ROUNDED) else digest(numbers)
        tensors[entry.name] = [entry.tensor_type.name, shape, kept]
    return metadata, tensors


def stored_of(name: str, folder: pathlib.Path) -> tuple[dict, dict]:
    torch.manual_seed(7)
    config = m.CONFIGS[name.removesuffix("-mxfp4")]()
    config._attn_implementation = config._experts_implementation = "eager"
    m.t.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)
    m.as_published(name, folder / "config.json")
    stored = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            for key in file.keys():
                shape = list(file.get_slice(key).get_shape())
                stored[key] = [stored_type(key, len(shape)), shape]
    return json.loads((folder / "config.json").read_text()), stored


def one(name: str) -> dict:
    with tempfile.TemporaryDirectory() as temporary:
        root = pathlib.Path(temporary)
        config, stored = stored_of(name, root / "saved")
        if name.endswith("-mxfp4"):
            stored = packed(stored)
            config["quantization_config"] = {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}
        write(root / name, config, stored)
        metadata, tensors = results(convert(root / name, name == "nemotron-h"))
        case = {"config": config, "stored": stored, "metadata": metadata, "tensors": tensors}
        if (before := older(config)) is not None:
            shutil.rmtree(root / name)
            write(root / name, before, stored)
            again = results(convert(root / name, name == "nemotron-h"))
            differences = {k: (metadata.get(k), again[0].get(k)) for k in metadata.keys() | again[0].keys() if metadata.get(k) != again[0].get(k)}
            if differences or tensors != again[1]:
                print(f"{name}: the older config gives others: {differences}")
            else:
                case["older"] = before
    print(f"{name}: {len(stored)} tensors become {len(tensors)}", flush=True)
    return case


torch.set_num_threads(1)
path = HERE / "huggingface.json"
cases = json.loads(path.read_text()) if m.NAMES and path.exists() else {}
for name in m.NAMES or [*m.CONFIGS, "gpt-oss-mxfp4"]:
    cases[name] = one(name)
lines = [f"{json.dumps(name)}: {json.dumps(case, separators=(',', ':'))}" for name, case in cases.items()]
path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
