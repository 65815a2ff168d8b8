"""Writes tests/reference/tokenizers/kinds.json: small vocabularies of the kinds that are no BPE, and the ids that others give.

    python3 -m venv v && v/bin/pip install gguf==0.19.0 tokenizers==0.23.2 sentencepiece==0.2.3 numpy
    v/bin/python tests/reference/tokenizer_kinds.py PATH/TO/llama-tokenize

Unigram is SentencePiece's own word, WordPiece that of Hugging Face's tokenizers, SentencePiece's BPE, RWKV and PLaMo-2 that of
llama.cpp b11434 (see pretokenizers.py). The texts are those of pretokenizers.py and some that only these kinds trip over. Not
part of `make test`.
"""

import io
import json
import pathlib
import subprocess
import sys
import tempfile

import sentencepiece
from gguf import GGUFWriter
from pretokenizers import COMMON
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

TEXTS = COMMON + [
    "", " ", "a", "\ufeffbom first", "ﬁne ﬂour ＡＢＣ １２３ ｶﾞ", "İstanbul ǅ ß ẞ Σς", "<s>hi</s> <tool>x</tool> [MASK] <unk>",
    "abababababab aba bab", "unaffable unaffordable", "x" * 120 + " y", "\u0301\u0301a \u0f40\u0fb5", "a\u200db\u2060c\u00ad d",
    "漢字かな交じり文 한국어 ไทย", "🙂🙂🙃 🇩🇪👍🏽", "don't (stop)… [now]! «quoted» a/b\\c", "\t \u00a0\u2003 blanks \u2028 x", "\U000f0000\ue000\uffff",
]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = 1, 2, 3, 4, 5, 6


def trained(**options) -> tuple[sentencepiece.SentencePieceProcessor, sentencepiece_model_pb2.ModelProto]:
    corpus = iter([line for text in TEXTS for line in [text] * 3] + ["the quick brown fox jumps over the lazy dog"] * 5)
    blob = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=corpus, model_writer=blob, minloglevel=2, hard_vocab_limit=False,
                                             num_threads=1, **options)
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(blob.getvalue())
    return sentencepiece.SentencePieceProcessor(model_proto=blob.getvalue()), proto


def pieces(proto) -> dict:
    return {"tokens": [p.piece for p in proto.pieces], "scores": [p.score for p in proto.pieces], "kinds": [p.type for p in proto.pieces]}


def unigram(folder: str, **options) -> dict:
    rules = pathlib.Path(folder) / "rules.tsv"
    pairs = {"ﬁ": "fi", "ﬂ": "fl", "Ａ": "A", "\t": " ", "\u00a0": " ", "\u3000": " ", "e\u0301": "é", "…": "...", "\u200b": "", "ẞ": "SS"}
    points = lambda text: " ".join(f"{ord(c):X}" for c in text)
    rules.write_text("".join(f"{points(a)}\t{points(b)}\n" for a, b in pairs.items()))
    own, proto = trained(model_type="unigram", vocab_size=400, character_coverage=0.98, normalization_rule_tsv=str(rules), **options)
    spec = proto.normalizer_spec
    settings = {"model": "t5", "unknown_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "add_space_prefix": spec.add_dummy_prefix,
                "remove_extra_whitespaces": spec.remove_extra_whitespaces}
    return {"settings": settings, "charsmap": spec.precompiled_charsmap.hex(), **pieces(proto), "ids": [own.encode(text) for text in TEXTS]}


def wordpiece(lowercase: bool) -> dict:
    words = sorted({c for text in TEXTS for c in text if not c.isspace()} | {c.lower() for text in TEXTS for c in text if len(c.lower()) == 1 and not c.isspace()})
    starts = ["hello", "world", "don", "t", "un", "tab", "Hello", "naive", "quo", "the", *words]
    goes_on = ["ld", "aff", "able", "ord", "ing", "ted", "s", "or", "a", "b", "e", "l", "o", "x", "x" * 50, "ο", "ı", "\u0307"]
    vocabulary = {}
    for token in ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *starts, *("##" + part for part in goes_on)]:
        vocabulary.setdefault(token, len(vocabulary))
    theirs = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    theirs.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    theirs.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    # As GGUF has them: a word's beginning is marked, not what follows.
    written = [t if t.startswith("[") and t.endswith("]") and len(t) > 2 else t[2:] if t.startswith("##") else "▁" + t for t in vocabulary]
    kinds = [CONTROL, UNKNOWN, CONTROL, CONTROL, CONTROL] + [NORMAL] * (len(written) - 5)
    settings = {"model": "bert", "unknown_token_id": 1, "bos_token_id": 2, "seperator_token_id": 3, "normalizer.lowercase": lowercase}
    # A text of the special tokens' own is theirs to find, which a bare model does not.
    ids = [None if "[MASK]" in text else theirs.encode(text).ids for text in TEXTS]
    return {"settings": settings, "tokens": written, "kinds": kinds, "ids": ids}


def rwkv() -> dict:
    escaped = lambda raw: "".join(chr(b) if 33 <= b < 127 and b not in b"\\'\"" or b == 32 else f"\\x{b:02x}" for b in raw)
    whole = ["ab", "aba", "abab", " a", "  ", "\n\n", "Hello", "Hello ", " World", "word", "wordword", "1111", "11", "é", "你好", "漢", "👍", "👍🏽", "don't"]
    raw = [bytes([byte]) for byte in range(256)] + [text.encode() for text in whole] + ["漢".encode()[:2], b"\xf0\x9f", b"\xf0\x9f\x91"]
    tokens = ["<s>", *map(escaped, raw)]
    return {"settings": {"model": "rwkv"}, "tokens": tokens, "kinds": [CONTROL] + [NORMAL] * (len(tokens) - 1)}


def by_pieces(model: str, **settings) -> dict:
    _, proto = trained(model_type="bpe", vocab_size=700, character_coverage=0.98, byte_fallback=True, normalization_rule_name="identity",
                       remove_extra_whitespaces=False, user_defined_symbols=["<tool>", "</tool>"])
    return {"settings": {"model": model, **settings}, **pieces(proto)}


def written(path: str, kind: dict) -> None:
    writer = GGUFWriter(path, "llama")
    settings = dict(kind["settings"])
    writer.add_tokenizer_model(settings.pop("model"))
    writer.add_token_list(kind["tokens"])
    writer.add_token_types(kind["kinds"])
    if "scores" in kind:
        writer.add_token_scores(kind["scores"])
    for name, value in settings.items():
        add = writer.add_bool if isinstance(value, bool) else writer.add_uint32
        add(f"tokenizer.ggml.{name}", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def by_llama(program: str, folder: str, kind: dict) -> list[list[int]]:
    path = f"{folder}/kind.gguf"
    written(path, kind)
    found = []
    for text in TEXTS:
        command = [program, "-m", path, "--ids", "--no-bos", "--no-escape", "--log-disable", "--stdin"]
        run = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
        found.append(json.loads(run.stdout.decode().strip().splitlines()[-1]))
    return found


def main(program: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        kinds = {
            "unigram": unigram(folder),
            "unigram-spaces": unigram(folder, remove_extra_whitespaces=False, add_dummy_prefix=False, user_defined_symbols=["<tool>", "ab"]),
            "wordpiece": wordpiece(True),
            "wordpiece-cased": wordpiece(False),
            "rwkv": rwkv(),
            "plamo2": by_pieces("plamo2"),
            "spm": by_pieces("llama", add_space_prefix=True),
            "spm-bare": by_pieces("llama", add_space_prefix=False),
        }
        for kind in kinds.values():
            if "ids" not in kind:
                kind["ids"] = by_llama(program, folder, kind)
    for kind in kinds.values():
        if "scores" in kind:
            kind["scores"] = [float(f"{score:.9g}") for score in kind["scores"]]
    target = pathlib.Path(__file__).parent / "tokenizers" / "kinds.json"
    target.write_text(json.dumps({"texts": TEXTS, "kinds": kinds}, ensure_ascii=False, separators=(",", ":")) + "\n")
    print({name: len(kind["tokens"]) for name, kind in kinds.items()}, target.stat().st_size, "bytes")


if __name__ == "__main__":
    main(sys.argv[1])
