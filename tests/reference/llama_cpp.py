"""llama.cpp's own answers for a GGUF file: logits, continuations, and the numbers in its quantized blocks.

    v/bin/python tests/reference/llama_cpp.py PATH/TO/build/bin [NAME...]

compares llama.cpp with what transformers said of the models in tests/reference/models/ and prints a table. PATH/TO/build/bin
holds libllama.so, libggml-base.so and llama-quantize of b11434 (cmake -DBUILD_SHARED_LIBS=ON). It computes on the weights as
F32 (its F16 products would round what goes in to F16), with an F32 cache and without flash attention.
"""

import ctypes as c
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

MODELS = pathlib.Path(__file__).parent / "models"


def fields(layout: str) -> list:
    """`type:name name…; …` as ctypes wants it."""
    types = {"ptr": c.c_void_p, "i32": c.c_int32, "u32": c.c_uint32, "f32": c.c_float, "bool": c.c_bool, "size": c.c_size_t}
    parts = [part.split(":") for part in layout.replace("\n", " ").split(";")]
    return [(name, types[kind.strip()]) for kind, names in parts for name in names.split()]


class ModelParams(c.Structure):
    _fields_ = fields("""ptr:devices overrides_of_buffers; i32:n_gpu_layers split_mode load_mode lazy_mode main_gpu;
        ptr:tensor_split progress progress_data kv_overrides;
        bool:vocab_only check_tensors use_extra_bufts no_host no_alloc load_mtp""")


class ContextParams(c.Structure):
    _fields_ = fields("""u32:n_ctx n_batch n_ubatch n_seq_max n_rs_seq n_outputs_max n_outputs_max_per_seq;
        i32:n_threads n_threads_batch ctx_type rope_scaling_type pooling_type attention_type flash_attn_type;
        f32:rope_freq_base rope_freq_scale yarn_ext_factor yarn_attn_factor yarn_beta_fast yarn_beta_slow; u32:yarn_orig_ctx;
        f32:defrag_thold; ptr:cb_eval cb_eval_data; i32:type_k type_v; ptr:abort abort_data;
        bool:embeddings offload_kqv no_perf op_offload swa_full kv_unified; ptr:samplers; size:n_samplers; ptr:other""")


class Batch(c.Structure):
    _fields_ = [("n_tokens", c.c_int32), ("token", c.POINTER(c.c_int32)), ("embd", c.c_void_p), ("pos", c.POINTER(c.c_int32)),
                ("n_seq_id", c.POINTER(c.c_int32)), ("seq_id", c.POINTER(c.POINTER(c.c_int32))), ("logits", c.POINTER(c.c_int8))]


class Traits(c.Structure):
    _fields_ = [("name", c.c_char_p), ("block", c.c_int64), ("interleave", c.c_int64), ("bytes", c.c_size_t), ("quantized", c.c_bool),
                ("to_float", c.CFUNCTYPE(None, c.c_void_p, c.c_void_p, c.c_int64)),
                ("from_float", c.CFUNCTYPE(None, c.c_void_p, c.c_void_p, c.c_int64))]


class LlamaCpp:
    def __init__(self, binaries: str) -> None:
        self.binaries = pathlib.Path(binaries)
        self.lib = c.CDLL(str(self.binaries / "libllama.so"))
        self.ggml = c.CDLL(str(self.binaries / "libggml-base.so"))
        self.ggml.ggml_get_type_traits.restype = c.POINTER(Traits)
        returns = {"llama_model_default_params": ModelParams, "llama_context_default_params": ContextParams, "llama_batch_init": Batch,
                   "llama_model_load_from_file": c.c_void_p, "llama_init_from_model": c.c_void_p, "llama_get_memory": c.c_void_p,
                   "llama_get_logits": c.POINTER(c.c_float), "llama_model_get_vocab": c.c_void_p, "llama_vocab_n_tokens": c.c_int32}
        for name, kind in returns.items():
            getattr(self.lib, name).restype = kind
        for name, kind in {"ggml_get_name": c.c_char_p, "ggml_get_data": c.c_void_p, "ggml_nelements": c.c_int64}.items():
            function = getattr(self.ggml, name)
            function.restype, function.argtypes = kind, [c.c_void_p]
        quiet = c.CFUNCTYPE(None, c.c_int, c.c_char_p, c.c_void_p)
        self._quiet = quiet(lambda level, text, _: sys.stderr.write(text.decode()) if level == 4 else None)
        self.lib.llama_log_set(self._quiet, None)
        self.lib.llama_backend_init()

    def dequantize(self, kind: int, data: bytes) -> np.ndarray:
        """What ggml's own reference code makes of whole blocks of the type with this number."""
        traits = self.ggml.ggml_get_type_traits(kind).contents
        out = np.zeros(len(data) // traits.bytes * traits.block, np.float32)
        traits.to_float(data, out.ctypes.data, len(out))
        return out

    def quantize(self, source: pathlib.Path, target: pathlib.Path, kind: str, *options: str) -> None:
        command = [self.binaries / "llama-quantize", *options, source, target, kind]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def model(self, path: pathlib.Path) -> "Model":
        return Model(self.lib, self.ggml, path)


class Model:
    """A loaded file."""

    def __init__(self, lib: c.CDLL, ggml: c.CDLL, path: pathlib.Path) -> None:
        self.lib, self.ggml = lib, ggml
        params = lib.llama_model_default_params()
        params.use_extra_bufts, params.n_gpu_layers = False, 0
        self.pointer = c.c_void_p(lib.llama_model_load_from_file(str(path).encode(), params))
        if not self.pointer:
            raise OSError(f"llama.cpp can't load {path}")
        self.vocabulary = lib.llama_vocab_n_tokens(c.c_void_p(lib.llama_model_get_vocab(self.pointer)))

    def context(self, length: int = 256, watch: object = None) -> c.c_void_p:
        params = self.lib.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch, params.n_threads, params.n_threads_batch = length, length, length, 1, 1
        params.flash_attn_type, params.type_k, params.type_v, params.swa_full = 0, 0, 0, True
        params.cb_eval = c.cast(watch, c.c_void_p)
        context = c.c_void_p(self.lib.llama_init_from_model(self.pointer, params))
        if not context:
            raise OSError("no context")
        return context

    def step(self, context: c.c_void_p, tokens: list[int], start: int) -> np.ndarray:
        batch = self.lib.llama_batch_init(c.c_int32(len(tokens)), c.c_int32(0), c.c_int32(1))
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = token, start + i, 1, 0, 1
        batch.n_tokens = len(tokens)
        if self.lib.llama_decode(context, batch) != 0:
            raise OSError("llama_decode failed")
        return np.ctypeslib.as_array(self.lib.llama_get_logits(context), (len(tokens), self.vocabulary)).copy()

    def logits(self, tokens: list[int]) -> np.ndarray:
        """[positions, vocabulary]"""
        context = self.context()
        rows = self.step(context, tokens, 0)
        self.lib.llama_free(context)
        return rows

    def watched(self, tokens: list[int], name: str) -> list[np.ndarray]:
        """What each layer's tensor of this name holds while the tokens are computed. Each [positions, ...]."""
        found = {}

        def look(tensor: int, ask: bool, _: int) -> bool:  # noqa: FBT001 - ggml's own arguments
            called = self.ggml.ggml_get_name(tensor).decode()
            wanted = called.rpartition("-")[0] == name
            if wanted and not ask:
                floats = (c.c_float * self.ggml.ggml_nelements(tensor)).from_address(self.ggml.ggml_get_data(tensor))
                found[called] = np.array(floats, np.float32).reshape(len(tokens), -1)
            return wanted or not ask

        watch = c.CFUNCTYPE(c.c_bool, c.c_void_p, c.c_bool, c.c_void_p)(look)
        context = self.context(watch=watch)
        self.step(context, tokens, 0)
        self.lib.llama_free(context)
        return [found[called] for called in sorted(found)]

    def greedy(self, prompt: list[int], count: int) -> list[int]:
        context = self.context()
        found = [int(self.step(context, prompt, 0)[-1].argmax())]
        while len(found) < count:
            found.append(int(self.step(context, found[-1:], len(prompt) + len(found) - 1)[-1].argmax()))
        self.lib.llama_free(context)
        return found

    def close(self) -> None:
        self.lib.llama_model_free(self.pointer)


def compare(llama: LlamaCpp, name: str) -> str:
    folder = MODELS / name
    expected = json.loads((folder / "expected.json").read_text())
    rows = np.fromfile(folder / "logits.f32", "<f4")
    with tempfile.TemporaryDirectory() as scratch:
        exact = pathlib.Path(scratch) / "f32.gguf"
        llama.quantize(folder / "model.gguf", exact, "F32", "--allow-requantize")
        model = llama.model(exact)
    rows = rows.reshape(-1, model.vocabulary)
    worst, start = [], 0
    for prompt, kept in zip(expected["prompts"], expected["kept"]):
        difference = np.abs(model.logits(prompt)[-kept:] - rows[start:start + kept]).max(1) / np.abs(rows[start:start + kept]).max(1)
        worst.append(float(difference.max()))
        start += kept
    greedy = model.greedy(expected["prompts"][0], len(expected["greedy"]))
    same = next((i for i, (a, b) in enumerate(zip(greedy, expected["greedy"])) if a != b), len(greedy))
    model.close()
    return f"{name:16} " + " ".join(f"{w:9.1e}" for w in worst) + f"  {same:3} of {len(greedy)}"


def main() -> None:
    llama = LlamaCpp(sys.argv[1])
    print(f"{'':16} worst difference for each prompt, as a share of the row's largest logit; equal greedy tokens")
    for name in sys.argv[2:] or sorted(path.parent.name for path in MODELS.glob("*/expected.json")):
        try:
            print(compare(llama, name), flush=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{name:16} {error}", flush=True)


if __name__ == "__main__":
    main()
