"""Writes tests/reference/models/: a tiny model of each family, and the logits that its own implementation gives.

    v/bin/python tests/reference/models.py PATH/TO/llama.cpp [NAME...]

README.md says what must be installed. PATH/TO/llama.cpp is the source of b11434; its own conversion makes the GGUF files.
Weights are random with a seed, large enough that each part matters, and rounded to F16, so that the F16 file holds the
very numbers that are computed with. The families in FOLDERS keep the folder that was converted, in BF16, as `huggingface`. The logits are transformers' in float64, of the last positions of three prompts: a
short one, one past half the window, and one past all windows and original contexts. `greedy` are the 64 tokens that
follow the first prompt. Not part of `make test`.
"""

import copy
import json
import pathlib
import sys
import traceback

import numpy as np

SOURCE, NAMES = sys.argv[1], sys.argv[2:]
sys.path[:0] = [SOURCE, f"{SOURCE}/gguf-py"]

import gguf  # noqa: E402
import torch  # noqa: E402
import transformers as t  # noqa: E402

import conversion.base as base  # noqa: E402
from conversion import get_model_class  # noqa: E402

V = 128
TARGET = pathlib.Path(__file__).parent / "models"
KEPT = 6
# The best token of each step must be so much ahead that rounding can't change it; otherwise the next seed is taken.
MARGIN = 2e-3
# Their folders stay as Hugging Face lays them out: llama's as transformers 5 writes config.json, the others' as it was before.
FOLDERS = ("llama", "qwen2", "qwen3moe", "gpt-oss", "gemma3", "phi3-longrope", "deepseek2")
PLAIN = dict(
    vocab_size=V, hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=512, rms_norm_eps=1e-5, tie_word_embeddings=True, pad_token_id=0, bos_token_id=1, eos_token_id=2,
)

# Their published models all have this one, and parts of their code use it whatever the config says.
EPS = 1e-6


def rope(kind: str, **numbers: object) -> dict:
    return {"rope_type": kind, **numbers}


def gemma4(**more: object) -> t.Gemma4TextConfig:
    kinds = ["sliding_attention", "full_attention", "sliding_attention", "full_attention"]
    return t.Gemma4TextConfig(
        **{**PLAIN, "num_hidden_layers": 4, "rms_norm_eps": EPS}, head_dim=16, global_head_dim=32, sliding_window=16, layer_types=kinds,
        final_logit_softcapping=30.0, vocab_size_per_layer_input=V, **more)


def qwen_next(kind: type, **more: object) -> t.PretrainedConfig:
    return kind(
        **{**PLAIN, "num_hidden_layers": 4, "rms_norm_eps": EPS}, head_dim=32, partial_rotary_factor=0.25, full_attention_interval=4,
        linear_conv_kernel_dim=4, linear_key_head_dim=16, linear_value_head_dim=16, linear_num_key_heads=2,
        linear_num_value_heads=4, layer_types=["linear_attention"] * 3 + ["full_attention"],
        rope_parameters=rope("default", rope_theta=10000.0, partial_rotary_factor=0.25), **more)


def deepseek(kind: type, **more: object) -> t.PretrainedConfig:
    return kind(
        **{**PLAIN, "num_key_value_heads": 4, "rms_norm_eps": EPS}, kv_lora_rank=32, qk_rope_head_dim=16, qk_nope_head_dim=32, v_head_dim=32,
        moe_intermediate_size=32, n_routed_experts=8, n_shared_experts=1, num_experts_per_tok=2, first_k_dense_replace=1,
        rope_parameters=rope("yarn", rope_theta=10000.0, factor=8.0, beta_fast=32.0, beta_slow=1.0, mscale=0.8,
                             mscale_all_dim=0.8, original_max_position_embeddings=64), **more)


def nemotron_h(pattern: str, **more: object) -> t.NemotronHConfig:
    plain = {key: value for key, value in PLAIN.items() if key not in ("rms_norm_eps", "num_hidden_layers")}
    return t.NemotronHConfig(
        **{**plain, "tie_word_embeddings": False}, head_dim=16, layer_norm_epsilon=1e-5, hybrid_override_pattern=pattern, mamba_num_heads=4,
        mamba_head_dim=16, ssm_state_size=16, n_groups=2, conv_kernel=4, chunk_size=16, use_conv_bias=True, mlp_hidden_act="relu2", **more)


EXPERTS = dict(num_experts=8, num_experts_per_tok=2, moe_intermediate_size=32)
FEW_EXPERTS = {**EXPERTS, "num_experts": 4}
CONFIGS = {
    "llama": lambda: t.LlamaConfig(**{**PLAIN, "tie_word_embeddings": False}),
    "llama-3.1": lambda: t.LlamaConfig(**PLAIN, rope_parameters=rope(
        "llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64, rope_theta=500000.0)),
    "mixtral": lambda: t.MixtralConfig(**PLAIN, num_local_experts=4, num_experts_per_tok=2, sliding_window=None),
    "qwen2": lambda: t.Qwen2Config(**PLAIN),
    "qwen3": lambda: t.Qwen3Config(**PLAIN, head_dim=32),
    "qwen3moe": lambda: t.Qwen3MoeConfig(**PLAIN, head_dim=32, norm_topk_prob=True, **EXPERTS),
    "gpt-oss": lambda: t.GptOssConfig(**{**PLAIN, "tie_word_embeddings": False}, head_dim=16, num_local_experts=4, num_experts_per_tok=2, sliding_window=16,
        rope_parameters=rope("yarn", factor=8.0, beta_fast=32.0, beta_slow=1.0, truncate=False,
                             original_max_position_embeddings=64, rope_theta=150000.0)),
    "gemma2": lambda: t.Gemma2Config(**PLAIN, head_dim=32, query_pre_attn_scalar=32, sliding_window=16,
        attn_logit_softcapping=5.0, final_logit_softcapping=3.0),
    "gemma3": lambda: t.Gemma3TextConfig(**{**PLAIN, "num_hidden_layers": 6}, head_dim=16, query_pre_attn_scalar=16, sliding_window=16,
        rope_parameters={"full_attention": rope("linear", factor=8.0, rope_theta=1e6),
                         "sliding_attention": rope("default", rope_theta=1e4)}),
    "phi3-longrope": lambda: t.Phi3Config(**{**PLAIN, "max_position_embeddings": 256}, sliding_window=None,
        original_max_position_embeddings=64, rope_parameters=rope("longrope", rope_theta=10000.0,
        short_factor=[1.0 + 0.1 * i for i in range(8)], long_factor=[1.5 + 0.7 * i for i in range(8)], original_max_position_embeddings=64)),
    "phi3-window": lambda: t.Phi3Config(**PLAIN, sliding_window=20),
    "glm4": lambda: t.Glm4Config(**PLAIN, head_dim=16, attention_bias=True),
    "glm4moe": lambda: t.Glm4MoeConfig(**{**PLAIN, "tie_word_embeddings": False}, head_dim=32, attention_bias=True, use_qk_norm=True,
        moe_intermediate_size=32, num_experts_per_tok=2, n_shared_experts=1, n_routed_experts=8, routed_scaling_factor=1.5, n_group=1,
        topk_group=1, first_k_dense_replace=1, norm_topk_prob=True),
    "mistral3": lambda: t.Ministral3Config(**PLAIN, head_dim=16, sliding_window=None, rope_parameters=dict(
        type="yarn", rope_type="yarn", rope_theta=1e6, factor=8.0, beta_fast=32.0, beta_slow=1.0, mscale=1.0, mscale_all_dim=1.0,
        original_max_position_embeddings=32, llama_4_scaling_beta=0.1)),
    "smollm3": lambda: t.SmolLM3Config(**{**PLAIN, "num_hidden_layers": 4}, use_sliding_window=False),
    "granite": lambda: t.GraniteConfig(**PLAIN, embedding_multiplier=12.0, attention_multiplier=0.1, residual_multiplier=0.22, logits_scaling=4.0),
    "granitemoe": lambda: t.GraniteMoeConfig(**PLAIN, num_local_experts=4, num_experts_per_tok=2, embedding_multiplier=12.0,
        attention_multiplier=0.1, residual_multiplier=0.22, logits_scaling=4.0),
    "olmo2": lambda: t.Olmo2Config(**{**PLAIN, "tie_word_embeddings": False}),
    "olmo3": lambda: t.Olmo3Config(**{**PLAIN, "num_hidden_layers": 4, "tie_word_embeddings": False}, sliding_window=16, rope_parameters=rope(
        "yarn", rope_theta=5e5, factor=8.0, beta_fast=32.0, beta_slow=1.0, attention_factor=1.2, original_max_position_embeddings=64)),
    "gemma4": lambda: gemma4(hidden_size_per_layer_input=0, num_kv_shared_layers=0, attention_k_eq_v=True, num_global_key_value_heads=1),
    "gemma4-e": lambda: gemma4(hidden_size_per_layer_input=8, num_kv_shared_layers=2, use_double_wide_mlp=True),
    "gemma4-moe": lambda: gemma4(hidden_size_per_layer_input=0, num_kv_shared_layers=0, attention_k_eq_v=True,
        num_global_key_value_heads=1, enable_moe_block=True, num_experts=4, top_k_experts=2, moe_intermediate_size=32),
    "lfm2": lambda: t.Lfm2Config(**{**PLAIN, "num_hidden_layers": 3}, norm_eps=1e-5, conv_L_cache=3, block_auto_adjust_ff_dim=False,
        layer_types=["conv", "full_attention", "conv"]),
    "lfm2moe": lambda: t.Lfm2MoeConfig(**{**PLAIN, "num_hidden_layers": 3}, norm_eps=1e-5, conv_L_cache=3, num_dense_layers=1,
        layer_types=["conv", "full_attention", "conv"], norm_topk_prob=True, use_expert_bias=True, routed_scaling_factor=1.0, **FEW_EXPERTS),
    "deepseek2": lambda: deepseek(t.DeepseekV2Config, q_lora_rank=None, topk_method="greedy", routed_scaling_factor=1.0, norm_topk_prob=False,
        n_group=None, topk_group=None),
    "deepseek3": lambda: deepseek(t.DeepseekV3Config, q_lora_rank=32, n_group=2, topk_group=1, routed_scaling_factor=2.5, norm_topk_prob=True),
    "qwen3next": lambda: qwen_next(t.Qwen3NextConfig, shared_expert_intermediate_size=32, norm_topk_prob=True, decoder_sparse_step=1,
        mlp_only_layers=[], **FEW_EXPERTS),
    "qwen35": lambda: qwen_next(t.Qwen3_5TextConfig),
    "qwen35moe": lambda: qwen_next(t.Qwen3_5MoeTextConfig, shared_expert_intermediate_size=32, **FEW_EXPERTS),
    "nemotron-h": lambda: nemotron_h("M-M*"),
    "nemotron-h-moe": lambda: nemotron_h("MEM*", n_routed_experts=4, num_experts_per_tok=2, moe_intermediate_size=32,
        moe_shared_expert_intermediate_size=32, n_group=1, topk_group=1, routed_scaling_factor=1.5, norm_topk_prob=True),
}


def randomize(name: str, model: torch.nn.Module) -> None:
    """Numbers of which none can be left out without changing the logits; all of them exact in F16, and in BF16 for FOLDERS."""
    zero_centred = name.startswith(("gemma2", "gemma3", "qwen3next", "qwen35"))
    for key, parameter in model.named_parameters():
        last = key.rsplit(".", 1)[-1]
        if last == "A_log":
            parameter.uniform_(0.0, 1.5)
        elif last in ("dt_bias", "D"):
            parameter.normal_(0.3, 0.3)
        elif "conv" in key and parameter.ndim >= 2:
            parameter.normal_(0, 0.4)
        elif parameter.ndim >= 2:
            parameter.normal_(0, 0.12)
        elif "norm" in key or last.endswith("scale"):
            gated = "linear_attn.norm" in key
            parameter.normal_(0.0 if zero_centred and not gated else 1.0, 0.2)
        else:
            parameter.normal_(0, 0.3)
        rounded = parameter.half()
        parameter.copy_(rounded.bfloat16().float() if name in FOLDERS else rounded.float())
    for key, buffer in model.named_buffers():
        if "layer_scalar" in key:
            buffer.fill_(0.8125)
        if "e_score_correction_bias" in key or "expert_bias" in key:
            buffer.copy_(torch.randn_like(buffer).mul(0.1).half().float())


def set_vocab(self: base.TextModel) -> None:
    writer = self.gguf_writer
    writer.add_tokenizer_model("llama")
    writer.add_token_list([f"t{i}".encode() for i in range(V)])
    writer.add_token_scores([0.0] * V)
    writer.add_token_types([1] * V)


def convert(folder: pathlib.Path, out: pathlib.Path) -> None:
    hparams = base.ModelBase.load_hparams(folder, False)
    architecture = base.get_model_architecture(hparams, base.ModelType.TEXT)
    kind = get_model_class(architecture)
    if architecture.startswith("Ministral3"):
        import conversion.mistral3 as mistral3
        mistral3.Mistral3Model.Ministral3Model.set_vocab = set_vocab
        kind = mistral3.Mistral3Model
    else:
        kind = type("Without" + kind.__name__, (kind,), {"set_vocab": set_vocab, "model_arch": kind.model_arch, "no_mtp": True})
    with torch.inference_mode():
        # transformers would add what a config.json of the dense Nemotron-H has not.
        as_it_is = {"hparams": json.loads((folder / "config.json").read_text())} if out.parent.name == "nemotron-h" else {}
        kind(folder, gguf.LlamaFileType.MOSTLY_F16, out, eager=True, **as_it_is).write()


def as_published(name: str, path: pathlib.Path) -> None:
    """What transformers leaves out of, or puts into, a config.json, beside those that the makers published."""
    config = json.loads(path.read_text())
    if name == "deepseek3":
        config["scoring_func"] = "sigmoid"
    if name == "nemotron-h":
        config.update(hybrid_override_pattern="M-M*", num_hidden_layers=4)
        for key in ("layers_block_type", "num_experts_per_tok", "n_routed_experts", "n_group", "topk_group"):
            config.pop(key, None)
    if name in FOLDERS and name != "llama":
        as_before_transformers_5(name, config)
    path.write_text(json.dumps(config, indent=1) + "\n")


def as_before_transformers_5(name: str, config: dict) -> None:
    """The keys of most folders that people have: rope_theta and rope_scaling, torch_dtype."""
    config["torch_dtype"] = config.pop("dtype")
    rotation = config.pop("rope_parameters")
    if name == "gemma3":
        config["rope_local_base_freq"] = rotation["sliding_attention"]["rope_theta"]
        rotation = rotation["full_attention"]
        config["sliding_window_pattern"] = 6
        del config["layer_types"]
    config["rope_theta"] = rotation.pop("rope_theta")
    kind = rotation.pop("rope_type")
    config["rope_scaling"] = None
    if kind != "default":
        config["rope_scaling"] = {"rope_type" if name in ("gpt-oss", "gemma3") else "type": kind, **rotation}
    if name == "phi3-longrope":
        del config["rope_scaling"]["original_max_position_embeddings"]


def same_from_folder(checkpoint: pathlib.Path, model: torch.nn.Module, tokens: list[int]) -> None:
    """Proves that the folder says what was computed."""
    config = t.AutoConfig.from_pretrained(checkpoint)
    config._attn_implementation = config._experts_implementation = "eager"
    again = t.AutoModelForCausalLM.from_pretrained(checkpoint, config=config, dtype=torch.float32).double().eval()
    ids = torch.tensor([tokens])
    difference = (again(ids, use_cache=False).logits - model(ids, use_cache=False).logits).abs().max()
    assert difference < 1e-6, f"the folder gives other logits: {difference}"


def one(name: str, seed: int = 7) -> None:
    torch.manual_seed(seed)
    config = CONFIGS[name]()
    config._attn_implementation = config._experts_implementation = "eager"
    model = t.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        randomize(name, model)
    folder = TARGET / name
    checkpoint = folder / "huggingface"
    folder.mkdir(parents=True, exist_ok=True)
    (copy.deepcopy(model).bfloat16() if name in FOLDERS else model).save_pretrained(checkpoint)
    as_published(name, checkpoint / "config.json")
    (checkpoint / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {f"t{i}": i for i in range(V)}}, "added_tokens": []}))
    convert(checkpoint, folder / "model.gguf")
    model = model.double()
    tokens = [(i * 37 + 11 + (i * i) % 13) % V for i in range(100)]
    prompts = [tokens[:5], tokens[:40], tokens]
    rows, margins = [], []
    with torch.no_grad():
        if name in FOLDERS:
            same_from_folder(checkpoint, model, tokens)
        for prompt in prompts:
            logits = model(torch.tensor([prompt]), use_cache=False).logits[0]
            rows.append(logits[-KEPT:].double().numpy()[-min(KEPT, len(prompt)):])
        greedy = []
        # Long rotations begin with the 65th position there, for all positions at once; Wick chooses once, at loading.
        for _ in range(58 if "longrope" in name else 64):
            best = model(torch.tensor([prompts[0] + greedy]), use_cache=False).logits[0, -1].double().topk(2)
            greedy.append(int(best.indices[0]))
            margins.append(float(best.values[0] - best.values[1]))
    if min(margins) < MARGIN:
        return one(name, seed + 1)
    for path in checkpoint.iterdir():
        if name not in FOLDERS or path.name not in ("config.json", "model.safetensors"):
            path.unlink()
    if name not in FOLDERS:
        checkpoint.rmdir()
    np.concatenate(rows).astype("<f4").tofile(folder / "logits.f32")
    expected = {"prompts": prompts, "kept": [len(r) for r in rows], "greedy": greedy, "smallest_margin": min(margins), "seed": seed,
                "transformers": t.__version__, "architecture": config.model_type}
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")
    size = (folder / "model.gguf").stat().st_size
    print(f"{name}: spread {rows[2].std():.3f}, smallest margin {min(margins):.5f}, {size} bytes", flush=True)


def main() -> None:
    torch.set_num_threads(1)
    for wanted in NAMES or CONFIGS:
        try:
            one(wanted)
        except Exception:  # noqa: BLE001 - one family that fails must not hide the others
            traceback.print_exc()
            print("FAILED", wanted, flush=True)


if __name__ == "__main__":
    main()
