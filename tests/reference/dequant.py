"""Writes the codebooks of the IQ types, and a few blocks of every quantized type with the floats that they stand for.

    python3 -m venv v && v/bin/pip install gguf==0.19.0 numpy
    v/bin/python tests/reference/dequant.py

- src-tauri/crates/engine/src/cpu/codebooks.bin: the grids of IQ2_XXS, IQ2_XS, IQ2_S (8 bytes an entry), IQ3_XXS and IQ3_S
  (4 bytes an entry), one after the other. They are part of the format.
- tests/reference/dequant/TYPE.bin: blocks of random bits with a finite scale, and extremes; TYPE.f32: gguf's own floats.
Not part of `make test`.
"""

import pathlib

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf import quants

ROOT = pathlib.Path(__file__).parents[2]
TARGET = ROOT / "tests/reference/dequant"
BLOCKS = 6
# Where a block has its half-precision numbers, which random bits would make infinite.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2],
    "Q5_K": [0, 2], "Q6_K": [208], "IQ2_XXS": [0], "IQ2_XS": [0], "IQ2_S": [0], "IQ3_XXS": [0], "IQ3_S": [0], "IQ4_NL": [0],
    "IQ4_XS": [0], "TQ2_0": [64], "MXFP4": [],
}
GRIDS = [quants.IQ2_XXS, quants.IQ2_XS, quants.IQ2_S, quants.IQ3_XXS, quants.IQ3_S]
rng = np.random.default_rng(11)

parts = []
for kind in GRIDS:
    kind.init_grid()
    parts.append(kind.grid.reshape(kind.grid_shape).astype(np.uint8).tobytes())
(ROOT / "src-tauri/crates/engine/src/cpu/codebooks.bin").write_bytes(b"".join(parts))

TARGET.mkdir(exist_ok=True)
for name, places in HALVES.items():
    elements, size = GGML_QUANT_SIZES[T[name]]
    count = BLOCKS if elements == 256 else BLOCKS * 4
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    blocks[0], blocks[1] = 0, 255
    for place in places:
        scales = rng.normal(0, 1, count).astype(np.float16)
        scales[:4] = [65504, -6e-8, 0, 6.1e-5]
        blocks[:, place : place + 2] = scales.view(np.uint8).reshape(count, 2)
    if name == "MXFP4":
        blocks[:, 0] = np.linspace(0, 250, count).astype(np.uint8)
    floats = quants.dequantize(blocks.reshape(count, size), T[name]).astype("<f4")
    (TARGET / f"{name}.bin").write_bytes(blocks.tobytes())
    (TARGET / f"{name}.f32").write_bytes(floats.tobytes())
    print(name, count, "blocks,", floats.size, "floats")
