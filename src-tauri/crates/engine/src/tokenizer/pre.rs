//! How a text is split before BPE: llama.cpp's table of names, with the patterns that the models were trained with.
//!
//! Each pattern splits every piece that the ones before it left: what it matches becomes a piece of its own, and so does
//! what stands between. Where llama.cpp has bent a pattern to its own engine, the model's own stands here.

use super::Refusal;
use fancy_regex::{Regex, RegexBuilder};
use std::borrow::Cow;

/// Steps of backtracking for one match: more than a text of some megabytes needs.
const MAX_BACKTRACKING: usize = 200_000_000;

/// A pre-tokenizer.
#[derive(Debug)]
pub(super) struct PreTokenizer {
    splits: Vec<Split>,
    /// Whether a piece that is a token is taken as it is, whatever merges say.
    pub(super) ignore_merges: bool,
    /// How pieces are written before they are looked up.
    pub(super) writing: Writing,
    /// Whether a run of line ends is a token of its own, if there is one for it.
    pub(super) whole_lines: bool,
}

/// How a piece of text is written in the vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    /// Each byte as one of GPT-2's characters.
    Bytes,
    /// As text, with `▁` for blanks.
    Blanks,
    /// As text.
    Plain,
}

#[derive(Debug)]
enum Split {
    /// Where the text is cut for each match.
    Pattern(Pattern, Way),
    /// Digits into threes from the end of their run, but where a word goes on behind them: what `\d{1,3}(?=(?:\d{3})*\b)` means.
    Numbers { digits: Pattern, word: Pattern },
    /// Runs of blanks into 512, 256 and so on.
    Blanks,
    /// Before each `▁`; a text that does not begin with one begins with one that is put there.
    Words,
}

/// Where a text is cut for a match.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Before it and behind it.
    Alone,
    /// Before it, behind it, and within it into threes from its end.
    Threes,
    /// Before each of those threes, not behind the last: what `(?=(\d{3})+(?!\d))` means.
    BeforeThrees,
    /// Before it.
    Before,
}

/// A pattern, without what would make it slow: looking ahead takes an engine that goes back, a hundred times slower than one
/// that does not.
#[derive(Debug)]
struct Pattern {
    regex: Box<Regex>,
    /// Whether a run of blanks before something else leaves its last one to that: what `\s+(?!\S)|\s+` means.
    shares_blanks: bool,
    /// Whether a run of blanks that ends with a line end is another alternative's, which leaves nothing.
    lines: bool,
}

/// How most patterns end.
const BLANKS_AHEAD: &str = r"|\s+(?!\S)|\s+";
const LINE_ENDS: &str = r"|\s*[\r\n]";

impl Pattern {
    fn new(pattern: &str) -> Result<Self, String> {
        let shared = pattern.strip_suffix(BLANKS_AHEAD);
        let plain = shared.map(|rest| format!(r"{rest}|\s+"));
        let mut builder = RegexBuilder::new(plain.as_deref().unwrap_or(pattern));
        let regex = builder.backtrack_limit(MAX_BACKTRACKING).build();
        Ok(Self {
            regex: Box::new(regex.map_err(|error| error.to_string())?),
            shares_blanks: shared.is_some(),
            lines: pattern.contains(LINE_ENDS),
        })
    }

    /// The next match from a place on: where it begins and ends.
    fn find(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        // A pattern that gives up leaves the rest as one piece: slower and longer, but whole.
        let found = self.regex.find_from_pos(text, from).ok()??;
        let (start, end) = (found.start(), found.end());
        if !self.shares_blanks || end == text.len() {
            return Some((start, end));
        }
        let mut characters = found.as_str().chars();
        let last = characters.next_back().filter(|last| last.is_whitespace());
        let Some(last) = last.filter(|last| !self.lines || !matches!(last, '\r' | '\n')) else {
            return Some((start, end));
        };
        // A match that ends with a blank is a run of blanks, or else it would have gone on; one alone stays.
        let alone = characters.as_str().is_empty();
        Some((start, if alone { end } else { end - last.len_utf8() }))
    }
}

/// Settings of a name.
struct Row {
    patterns: &'static [&'static str],
    ignore_merges: bool,
    writing: Writing,
    whole_lines: bool,
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN35: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const DEEPSEEK_3: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;
const CJK_AND_KANA: &str = r"[\u{4E00}-\u{9FA5}\u{3040}-\u{309F}\u{30A0}-\u{30FF}]+";
const LETTERS: &str = r"\s?[A-Za-z\u{B5}\u{C0}-\u{D6}\u{D8}-\u{F6}\u{F8}-\u{1BA}\u{1BC}-\u{1BF}\u{1C4}-\u{293}\u{295}-\u{2AF}\u{370}-\u{373}\u{376}\u{377}\u{37B}-\u{37D}\u{37F}\u{386}\u{388}-\u{38A}\u{38C}\u{38E}-\u{3A1}\u{3A3}-\u{3F5}\u{3F7}-\u{481}\u{48A}-\u{52F}\u{531}-\u{556}\u{10A0}-\u{10C5}\u{13A0}-\u{13F5}\u{13F8}-\u{13FD}\u{1C90}-\u{1CBA}\u{1CBD}-\u{1CBF}\u{1D00}-\u{1D2B}\u{1D6B}-\u{1D77}\u{1D79}-\u{1D9A}\u{1E00}-\u{1F15}\u{1F18}-\u{1F1D}\u{1F20}-\u{1F45}\u{1F48}-\u{1F4D}\u{1F50}-\u{1F57}\u{1F59}\u{1F5B}\u{1F5D}\u{1F5F}-\u{1F7D}\u{1F80}-\u{1FB4}\u{1FB6}-\u{1FBC}\u{1FBE}\u{1FC2}-\u{1FC4}\u{1FC6}-\u{1FCC}\u{1FD0}-\u{1FD3}\u{1FD6}-\u{1FDB}\u{1FE0}-\u{1FEC}\u{1FF2}-\u{1FF4}\u{1FF6}-\u{1FFC}\u{2102}\u{2107}\u{210A}-\u{2113}\u{2115}\u{2119}-\u{211D}\u{2124}\u{2126}\u{2128}\u{212A}-\u{212D}\u{212F}-\u{2134}\u{2139}\u{213C}-\u{213F}\u{2145}-\u{2149}\u{214E}\u{2183}\u{2184}\u{2C00}-\u{2C7B}\u{2C7E}-\u{2CE4}\u{2CEB}-\u{2CEE}\u{2CF2}\u{2CF3}\u{A640}-\u{A66D}\u{A680}-\u{A69B}\u{A722}-\u{A76F}\u{A771}-\u{A787}\u{A78B}-\u{A78E}\u{AB70}-\u{ABBF}\u{FB00}-\u{FB06}\u{FB13}-\u{FB17}\u{FF21}-\u{FF3A}\u{FF41}-\u{FF5A}\u{10400}-\u{1044F}\u{104B0}-\u{104D3}\u{104D8}-\u{104FB}\u{10C80}-\u{10CB2}\u{10CC0}-\u{10CF2}\u{118A0}-\u{118DF}\u{1E900}-\u{1E943}]+";
const KIMI: &str = r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const SENTENCES: &str = r" ?[^(\s|.,!?\u{2026}\u{3002}\u{FF0C}\u{3001}\u{964}\u{6D4}\u{60C})]+";
const LINES: &str = r"[^\n]+|[\n]+";
/// What stands before a pattern that cuts in another way.
const WAYS: [(&str, Way); 3] = [
    ("<threes>", Way::Threes),
    ("<before threes>", Way::BeforeThrees),
    ("<before>", Way::Before),
];
const NUMBERS: &str = "<numbers in threes>";
/// What goes on with a word for Oniguruma: as for Unicode, but for two joiners and six numbers of Latin-1.
const WORD: &str = r"[\w\u{B2}\u{B3}\u{B9}\u{BC}-\u{BE}&&[^\u{200C}\u{200D}]]";
const WORDS: &str = "<words that begin with a mark>";
/// Blanks, 512 or the next smaller power of two that fits at a time.
const BLANKS: &str = "<blanks in powers of two>";

/// Every name of the table.
#[cfg(test)]
pub(super) const NAMES: [&str; 92] = [
    "default",
    "llama3",
    "llama-v3",
    "llama-bpe",
    "falcon3",
    "falcon-h1",
    "pixtral",
    "midm-2.0",
    "lfm2",
    "jina-v5-nano",
    "dbrx",
    "smaug-bpe",
    "chatglm-bpe",
    "glm4",
    "glm5",
    "minicpm5",
    "jais-2",
    "deepseek-llm",
    "deepseek-coder",
    "deepseek-v3",
    "hunyuan-dense",
    "joyai-llm",
    "hy_v4",
    "spark2_5",
    "youtu",
    "falcon",
    "starcoder",
    "refact",
    "command-r",
    "smollm",
    "codeshell",
    "exaone",
    "minerva-7b",
    "mellum2",
    "gpt-2",
    "phi-2",
    "jina-es",
    "jina-de",
    "gigachat",
    "jina-v2-es",
    "jina-v2-de",
    "a.x-4.0",
    "mellum",
    "modern-bert",
    "jina-v1-en",
    "jina-v2-code",
    "roberta-bpe",
    "mpt",
    "olmo",
    "jais",
    "trillion",
    "granite-docling",
    "exaone4",
    "stablelm2",
    "qwen2",
    "deepseek-r1-qwen",
    "kormo",
    "f2llmv2",
    "megrez",
    "hunyuan",
    "solar-open",
    "grok-2",
    "qwen35",
    "poro-chat",
    "bloom",
    "gpt3-finnish",
    "viking",
    "tekken",
    "chameleon",
    "gpt-4o",
    "llama4",
    "kanana2",
    "talkie",
    "minimax-m2",
    "granite-embed-multi-97m",
    "tiny_aya",
    "cohere2moe",
    "kimi-k2",
    "superbpe",
    "bailingmoe",
    "bailingmoe2",
    "llada-moe",
    "seed-coder",
    "ufakzeka",
    "afmoe",
    "laguna",
    "exaone-moe",
    "gemma4",
    "granite-embed-multi-311m",
    "sarvam-moe",
    "mmbert",
    "whitespace",
];

/// The settings of a pre-tokenizer's name; `None` for one that is unknown.
#[expect(clippy::too_many_lines, reason = "a table")]
fn row(name: &str) -> Option<Row> {
    let row = |patterns| Row {
        patterns,
        ignore_merges: false,
        writing: Writing::Bytes,
        whole_lines: false,
    };
    let whole = |patterns| Row {
        ignore_merges: true,
        ..row(patterns)
    };
    let text = |patterns| Row {
        writing: Writing::Blanks,
        ..row(patterns)
    };
    let lines = |patterns| Row {
        whole_lines: true,
        ..text(patterns)
    };
    Some(match name {
        "default" => row(&[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"]),
        "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "falcon-h1" | "pixtral" | "midm-2.0"
        | "lfm2" | "jina-v5-nano" | "glm4" | "glm5" => whole(&[LLAMA3]),
        "dbrx" | "smaug-bpe" | "chatglm-bpe" => row(&[LLAMA3]),
        "minicpm5" => whole(&[
            r"\p{N}{1,3}",
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ]),
        // Its pattern names these sizes one by one, which takes the square of a run's length to match.
        "jais-2" => row(&[LLAMA3, BLANKS]),
        "deepseek-llm" => row(&[
            r"[\r\n]",
            LETTERS,
            r"\s?[!-/:-~\u{FF01}-\u{FF0F}\u{FF1A}-\u{FF5E}\u{2018}-\u{201F}\u{3000}-\u{3002}]+",
            r"\s+$",
            r"[\u{4E00}-\u{9FA5}\u{800}-\u{4E00}\u{AC00}-\u{D7FF}]+",
            r"\p{N}",
        ]),
        "deepseek-coder" => row(&[
            r"[\r\n]",
            r"\s?\p{L}+",
            r"\s?\p{P}+",
            r"[\u{4E00}-\u{9FA5}\u{800}-\u{4E00}\u{AC00}-\u{D7FF}]+",
            r"\p{N}",
        ]),
        "deepseek-v3" | "hunyuan-dense" | "joyai-llm" | "hy_v4" => {
            row(&[r"\p{N}{1,3}", CJK_AND_KANA, DEEPSEEK_3])
        }
        "spark2_5" => row(&[
            r"\p{N}{1,3}",
            CJK_AND_KANA,
            r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+"##,
            r"\p{N}",
        ]),
        "youtu" => whole(&[
            r"[\u{AC00}-\u{D7A3}\u{3131}-\u{318E}]+|[\u{FF01}\u{2026}\u{201C}\u{201D}\u{2018}\u{2019}\u{2014}\u{FF1A}\u{FF1B}\u{FF0C}\u{3001}-\u{303F}\u{FE30}-\u{FE4F}]+|[\u{3105}-\u{312F}]+|[\u{4E00}-\u{9FA5}\u{3040}-\u{309F}\u{30A0}-\u{30FF}]+",
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ]),
        "falcon" => row(&[r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"]),
        "starcoder" | "refact" | "command-r" | "smollm" | "codeshell" | "exaone" | "minerva-7b"
        | "mellum2" => row(&[r"\p{N}", GPT2]),
        "gpt-2" | "phi-2" | "jina-es" | "jina-de" | "gigachat" | "jina-v2-es" | "jina-v2-de"
        | "a.x-4.0" | "mellum" | "modern-bert" | "jina-v1-en" | "jina-v2-code" | "roberta-bpe"
        | "mpt" | "olmo" | "jais" | "trillion" | "granite-docling" | "exaone4" => row(&[GPT2]),
        "stablelm2" | "qwen2" | "deepseek-r1-qwen" | "kormo" | "f2llmv2" | "megrez" | "hunyuan"
        | "solar-open" | "grok-2" => row(&[QWEN2]),
        "qwen35" => row(&[QWEN35]),
        "poro-chat" | "bloom" | "gpt3-finnish" => row(&[SENTENCES]),
        "viking" => row(&[SENTENCES, r"\p{N}"]),
        "tekken" => whole(&[TEKKEN]),
        "chameleon" => row(&[
            r"<sentinel:[0-9]+>",
            r"(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z",
            r"([\t\n]|    |  )",
            r"\p{N}",
            r"[\p{P}!-/:-@\[-`{-~]",
            GPT2,
        ]),
        "gpt-4o" | "llama4" | "kanana2" | "talkie" | "minimax-m2" => row(&[GPT4O]),
        "granite-embed-multi-97m" => whole(&[GPT4O]),
        "tiny_aya" | "cohere2moe" => row(&[NUMBERS, GPT4O]),
        "kimi-k2" => row(&[KIMI]),
        "superbpe" => row(&[r"\p{N}+", r"<before threes>\d+"]),
        // Its pattern has `?+` and `++`, which change nothing: what follows never matches what they would give back.
        "bailingmoe" | "bailingmoe2" | "llada-moe" => row(&[
            r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
        ]),
        "seed-coder" => row(&[
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+",
        ]),
        "ufakzeka" => row(&[
            r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ]),
        "afmoe" => row(&[
            r"<threes>\p{N}+",
            r"[\u{4E00}-\u{9FFF}\u{3400}-\u{4DBF}\u{8C48}-\u{FAFF}\u{3040}-\u{309F}\u{30A0}-\u{30FF}\u{FF65}-\u{FF9F}\u{2F00}-\u{2FDF}\u{E40}-\u{E7F}\u{E80}-\u{EFF}\u{1780}-\u{17FF}\u{1000}-\u{109F}\u{AA60}-\u{AA7F}\u{A9E0}-\u{A9FF}\u{AC00}-\u{D7AF}\u{1100}-\u{11FF}]+",
            DEEPSEEK_3,
        ]),
        "laguna" => row(&[r"<before>(?:\r?\n)+", QWEN2]),
        "exaone-moe" => row(&[
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+",
        ]),
        "gemma4" | "granite-embed-multi-311m" => lines(&[LINES]),
        "mmbert" => lines(&[LINES, WORDS]),
        "sarvam-moe" => text(&[LINES]),
        "whitespace" => Row {
            writing: Writing::Plain,
            ..row(&[r"\S+"])
        },
        _ => return None,
    })
}

/// Whether models with this pre-tokenizer begin with the begin token unless they say otherwise.
pub(super) fn adds_bos(name: &str) -> bool {
    matches!(
        name,
        "llama3"
            | "llama-v3"
            | "llama-bpe"
            | "falcon3"
            | "falcon-h1"
            | "pixtral"
            | "midm-2.0"
            | "lfm2"
            | "jina-v5-nano"
            | "tekken"
            | "chameleon"
    )
}

impl PreTokenizer {
    /// The one of this name.
    pub(super) fn named(name: &str) -> Result<Self, Refusal> {
        let row = row(name).ok_or_else(|| {
            Refusal::Unknown(format!(
                "its pre-tokenizer is {name}, which this engine doesn't know; splitting text by a guess would make it answer nonsense"
            ))
        })?;
        let pattern = |pattern: &str| {
            Pattern::new(pattern)
                .map_err(|error| Refusal::Unknown(format!("its pre-tokenizer {name}: {error}")))
        };
        let split = |text: &&str| {
            Ok(match *text {
                WORDS => Split::Words,
                BLANKS => Split::Blanks,
                NUMBERS => Split::Numbers {
                    digits: pattern(r"\d+")?,
                    word: pattern(WORD)?,
                },
                text => {
                    let mut ways = WAYS.iter();
                    let way = ways.find_map(|(mark, way)| Some((text.strip_prefix(mark)?, *way)));
                    let (rest, way) = way.unwrap_or((text, Way::Alone));
                    Split::Pattern(pattern(rest)?, way)
                }
            })
        };
        Ok(Self {
            splits: row.patterns.iter().map(split).collect::<Result<_, _>>()?,
            ignore_merges: row.ignore_merges,
            writing: row.writing,
            whole_lines: row.whole_lines,
        })
    }

    /// The pieces of a text; together they are the text, but for marks that [`Split::Words`] puts there.
    pub(super) fn split<'t>(&self, text: &'t str) -> Vec<Cow<'t, str>> {
        let mut pieces = vec![text];
        let mut words = false;
        for split in &self.splits {
            let mut next = Vec::with_capacity(pieces.len());
            for piece in pieces {
                match split {
                    Split::Pattern(pattern, way) => by_pattern(pattern, *way, piece, &mut next),
                    Split::Numbers { digits, word } => by_numbers(digits, word, piece, &mut next),
                    Split::Blanks => by_blanks(piece, &mut next),
                    Split::Words => next.push(piece),
                }
            }
            words |= matches!(split, Split::Words);
            pieces = next;
        }
        if words {
            return pieces.into_iter().flat_map(marked_words).collect();
        }
        pieces.into_iter().map(Cow::Borrowed).collect()
    }
}

/// The matches of a pattern, in order.
fn matches(pattern: &Pattern, text: &str) -> impl Iterator<Item = (usize, usize)> {
    // No pattern of the table matches nothing; one that did would end the search.
    let next = |from| pattern.find(text, from).filter(|(start, end)| start < end);
    std::iter::successors(next(0), move |(_, end)| next(*end))
}

fn by_pattern<'t>(pattern: &Pattern, way: Way, text: &'t str, pieces: &mut Vec<&'t str>) {
    let mut cuts = Vec::new();
    for (start, end) in matches(pattern, text) {
        match way {
            Way::Alone => cuts.extend([start, end]),
            Way::Threes => {
                cuts.push(start);
                cuts.extend(threes(text, start, end).chain([end]));
            }
            Way::BeforeThrees => cuts.extend(threes(text, start, end)),
            Way::Before => cuts.push(start),
        }
    }
    by_cuts(text, cuts, pieces);
}

fn by_numbers<'t>(digits: &Pattern, word: &Pattern, text: &'t str, pieces: &mut Vec<&'t str>) {
    let mut cuts = Vec::new();
    for (start, end) in matches(digits, text) {
        let next = text[end..].chars().next();
        let next = next.map_or("", |next| &text[end..end + next.len_utf8()]);
        if word.find(next, 0).is_none() {
            cuts.push(start);
            cuts.extend(threes(text, start, end).chain([end]));
        }
    }
    by_cuts(text, cuts, pieces);
}

/// Where the threes of a part of a text begin that are counted from its end.
fn threes(text: &str, start: usize, end: usize) -> impl Iterator<Item = usize> {
    let part = &text[start..end];
    let count = part.chars().count();
    let places = part.char_indices().enumerate();
    let begins = places.filter(move |(index, _)| (count - index).is_multiple_of(3));
    begins.map(move |(_, (at, _))| start + at)
}

/// The pieces between places in order; some may be the same.
fn by_cuts<'t>(text: &'t str, cuts: Vec<usize>, pieces: &mut Vec<&'t str>) {
    let mut from = 0;
    for at in cuts.into_iter().chain([text.len()]) {
        pieces.extend(Some(&text[from..at]).filter(|piece| !piece.is_empty()));
        from = at;
    }
}

fn by_blanks<'t>(text: &'t str, pieces: &mut Vec<&'t str>) {
    let mut rest = text;
    if text
        .chars()
        .all(|c| c.is_whitespace() && c != '\r' && c != '\n')
    {
        let mut count = text.chars().count();
        while count > 1 {
            let size = 512.min(1 << count.ilog2());
            let end = rest
                .char_indices()
                .nth(size)
                .map_or(rest.len(), |(at, _)| at);
            pieces.push(&rest[..end]);
            rest = &rest[end..];
            count -= size;
        }
    }
    pieces.extend(Some(rest).filter(|rest| !rest.is_empty()));
}

/// Words that begin with `▁`, the first in any case. Line ends stay as they are.
fn marked_words(piece: &str) -> Vec<Cow<'_, str>> {
    if piece.bytes().all(|byte| byte == b'\n') {
        return vec![piece.into()];
    }
    let starts = piece
        .match_indices('▁')
        .map(|(at, _)| at)
        .skip_while(|at| *at == 0);
    let mut words: Vec<Cow<str>> = Vec::new();
    let mut from = 0;
    for at in starts.chain([piece.len()]) {
        words.push(piece[from..at].into());
        from = at;
    }
    if let Some(first) = words.first_mut().filter(|first| !first.starts_with('▁')) {
        first.to_mut().insert(0, '▁');
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The matches of a pattern as it stands, by the engine that goes back.
    fn slow(pattern: &str, text: &str) -> Vec<(usize, usize)> {
        let regex = Regex::new(pattern).expect(pattern);
        let found = regex.find_iter(text).map(|found| found.expect("ends"));
        found.map(|found| (found.start(), found.end())).collect()
    }

    fn fast(pattern: &str, text: &str) -> Vec<(usize, usize)> {
        let pattern = Pattern::new(pattern).expect(pattern);
        let next = |last: &(usize, usize)| pattern.find(text, last.1);
        std::iter::successors(pattern.find(text, 0), next).collect()
    }

    proptest! {
        // Compiling the patterns is what takes time: few texts, long ones.
        #![proptest_config(ProptestConfig::with_cases(6))]

        #[test]
        fn any_text_is_split_as_the_whole_pattern_says(text in "[ \\n\\r\\ta-cA-C0-3'sdlDÉé한か🙂\u{301}\u{a0}\u{3000}\u{2028}\u{85}.,=/١Ⅷ]{0,400}") {
            let names = NAMES.iter().filter_map(|name| row(name));
            let patterns: std::collections::BTreeSet<&str> = names.flat_map(|row| row.patterns.iter().copied()).collect();
            for pattern in patterns.into_iter().filter(|pattern| pattern.ends_with(BLANKS_AHEAD)) {
                prop_assert_eq!(slow(pattern, &text), fast(pattern, &text), "{}", pattern);
            }
            // As the model's own file has it.
            let own = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+";
            let ours = row("bailingmoe").expect("known").patterns[0];
            prop_assert_eq!(slow(own, &text), fast(ours, &text));
        }
    }
}
