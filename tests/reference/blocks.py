"""Writes blocks.bin, blocks of each quantized type and the numbers that ggml makes of them, and the codebooks of IQ types.

    python3 -m venv v && v/bin/pip install numpy gguf==0.19.0
    v/bin/python tests/reference/blocks.py PATH/TO/libggml-base.so

The numbers are those of ggml's own library (b11434), called through ctypes; where gguf-py knows the type, it must agree.
Blocks are random bits with a seed: ordinary scales, the largest, the smallest (also subnormal), zeros of both signs,
infinities, and every bit set or none. Not part of `make test`.
"""

import ctypes
import pathlib
import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T, quants

HERE = pathlib.Path(__file__).parent
GRIDS = HERE.parents[1] / "src-tauri/crates/engine/src/files/dequant/grids.bin"
LIBRARY = ctypes.CDLL(sys.argv[1])
# What gguf-py 0.19 does not know, or, of Q8_1, knows wrongly: number, elements and bytes of a block.
LATER = {"Q8_1": (9, 32, 36), "Q1_0": (41, 128, 18), "Q2_0": (42, 64, 18)}
# Where the F16 scales of a block lie; IQ1_M's is spread, Q8_K's is an F32, MXFP4's and NVFP4's are bytes.
SCALES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q8_1": [0, 2], "Q2_K": [80, 82], "Q3_K": [108],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "Q8_K": [], "IQ2_XXS": [0], "IQ2_XS": [0], "IQ2_S": [0], "IQ3_XXS": [0],
    "IQ3_S": [0], "IQ1_S": [0], "IQ1_M": [], "IQ4_NL": [0], "IQ4_XS": [0], "TQ1_0": [52], "TQ2_0": [64], "MXFP4": [],
    "NVFP4": [], "Q1_0": [0], "Q2_0": [0],
}
EXTREME = [0x0001, 0x8001, 0x03FF, 0x0400, 0x7BFF, 0xFBFF, 0x0000, 0x8000, 0x7C00, 0xFC00, 0x3C00]


def sizes(name: str) -> tuple[int, int, int]:
    if name in LATER:
        return LATER[name]
    kind = T[name]
    return (int(kind), *GGML_QUANT_SIZES[kind])


def by_library(name: str, blocks: np.ndarray, count: int) -> np.ndarray:
    out = np.zeros(count, np.float32)
    if name == "Q8_1":  # an intermediate of products: the library has no function for it, gguf-py neither
        d = blocks[:, :2].copy().view(np.float16).astype(np.float32)
        return (blocks[:, 4:].view(np.int8).astype(np.float32) * d).ravel()
    function = LIBRARY[f"dequantize_row_{name.lower().replace('_k', '_K')}"]
    function.restype, function.argtypes = None, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    function(blocks.ctypes.data, out.ctypes.data, count)
    return out


def blocks_of(name: str, elements: int, size: int, random: np.random.Generator) -> np.ndarray:
    scales = SCALES[name]
    blocks = random.integers(0, 256, (7 if elements > 64 else 16, size), np.uint8)
    if name == "Q8_K":
        blocks[:, :4] = random.normal(0, 1, (len(blocks), 1)).astype("<f4").view(np.uint8)
    if name in ("IQ1_M", "MXFP4", "NVFP4"):
        blocks[0], blocks[1] = 0, 255
    if name == "NVFP4":
        blocks[2:6, :4] = np.arange(16, dtype=np.uint8).reshape(4, 4) * 9 + 1
    for at in scales:
        ordinary = random.normal(0, 0.01, len(blocks)).astype("<f2").view(np.uint16)
        kept = len(blocks) // 3
        ordinary[kept:] = random.choice(EXTREME, len(blocks) - kept)
        blocks[:, at:at + 2] = ordinary.astype("<u2").reshape(-1, 1).view(np.uint8)
    if scales:
        for row, bits in ((0, 0), (1, 255)):
            kept = [blocks[row, at:at + 2].copy() for at in scales]
            blocks[row] = bits
            for at, scale in zip(scales, kept):
                blocks[row, at:at + 2] = scale
    return np.ascontiguousarray(blocks)


def one(name: str, random: np.random.Generator) -> bytes:
    number, elements, size = sizes(name)
    blocks = blocks_of(name, elements, size, random)
    numbers = by_library(name, blocks, len(blocks) * elements)
    if name not in LATER and T[name] in quants._type_traits:
        with np.errstate(all="ignore"):
            other = quants.dequantize(blocks, T[name]).ravel()
        same = (numbers.view(np.uint32) == other.view(np.uint32)) | (np.isnan(numbers) & np.isnan(other))
        print(f"{name}: {len(numbers)} numbers, gguf-py differs in {int((~same).sum())}, {int(np.isnan(numbers).sum())} NaN")
    else:
        print(f"{name}: {len(numbers)} numbers, unknown to gguf-py")
    return np.array([number, len(blocks)], "<u4").tobytes() + blocks.tobytes() + numbers.astype("<f4").tobytes()


def floats(random: np.random.Generator) -> bytes:
    """Every kind of float, by numpy; BF16 is the upper half of an F32."""
    halves = np.concatenate([random.integers(0, 65536, 100), EXTREME]).astype("<u2")
    words = np.concatenate([random.integers(0, 2**32, 60), [0, 1, 0x80000000, 0x7F800000, 0xFF7FFFFF]]).astype("<u4")
    doubles = np.concatenate([random.normal(0, 1, 60), [1e300, -1e-300, 1 / 3, 2.0**-149, 16777217.0]]).astype("<f8")
    with np.errstate(all="ignore"):
        cases = [
            (T.F32, words, words.view("<f4")), (T.F16, halves, halves.view("<f2").astype("<f4")),
            (T.BF16, halves, (halves.astype("<u4") << 16).view("<f4")), (T.F64, doubles, doubles.astype("<f4")),
        ]
    return b"".join(np.array([kind, len(raw)], "<u4").tobytes() + raw.tobytes() + out.tobytes() for kind, raw, out in cases)


def codebooks() -> bytes:
    packed = b""
    for name, bits in (("IQ2_XXS", 2), ("IQ2_XS", 2), ("IQ2_S", 2), ("IQ3_XXS", 3), ("IQ3_S", 3), ("IQ1_S", 2)):
        kind = getattr(quants, name)
        kind.init_grid()
        grid = kind.grid.reshape(kind.grid_shape)
        levels = np.searchsorted(kind.grid_map, grid).astype("<u4")
        shifts = np.arange(grid.shape[1]) * bits
        packed += (levels << shifts).sum(axis=1).astype("<u2").tobytes()
    return packed


random = np.random.default_rng(3)
(HERE / "blocks.bin").write_bytes(floats(random) + b"".join(one(name, random) for name in SCALES))
GRIDS.write_bytes(codebooks())
