//! How long a megabyte takes to become tokens, for each pre-tokenizer and each kind of text that is hard on one; printed and
//! never asserted. `cargo bench -p wick-engine --bench tokenizer [NAME…]`
#![expect(clippy::print_stdout, reason = "a bench speaks to a person")]

use serde_json::Value as Json;
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use wick_engine::files::Checkpoint;
use wick_engine::tokenizer::{Specials, Tokenizer};

const BYTES: usize = 1_000_000;
const UNITS: [&str; 18] = [
    " ",
    "a",
    "A",
    "1",
    "\n",
    "é",
    "🙂",
    "\u{301}",
    "'",
    "か",
    "한",
    "a ",
    "  \n",
    ".",
    "Aa",
    "1 ",
    "the quick brown fox, ",
    "x=1;\n\t",
];

fn main() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/reference/tokenizers/bpe.json");
    let text = std::fs::read_to_string(path).expect("the reference");
    let reference: Json = serde_json::from_str(&text).expect("JSON");
    let reference = &reference["kinds"]["bytes"];
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|name| !name.starts_with('-'))
        .collect();
    let names = reference["names"].as_object().expect("a map").keys();
    let mut of_unit = [Duration::ZERO; UNITS.len()];
    for name in names.filter(|name| wanted.is_empty() || wanted.contains(*name)) {
        time(name, &tokenizer(reference, name), &mut of_unit);
    }
    for kind in ["llama", "t5", "bert", "rwkv", "plamo2"] {
        time(kind, &large(kind), &mut of_unit);
    }
    println!("The most for each kind of text:");
    for (unit, most) in UNITS.iter().zip(of_unit) {
        println!("{unit:28?} {:4} ms", most.as_millis());
    }
}

fn time(name: &str, tokenizer: &Tokenizer, of_unit: &mut [Duration]) {
    let mut worst = (Duration::ZERO, "");
    for (unit, most) in UNITS.iter().zip(of_unit) {
        let text = unit.repeat(BYTES / unit.len());
        let before = used();
        let ids = tokenizer.encode(&text, Specials::Parse);
        let took = used().saturating_sub(before);
        std::hint::black_box(ids);
        worst = worst.max((took, *unit));
        *most = took.max(*most);
    }
    println!("{name:28} {:4} ms for {:?}", worst.0.as_millis(), worst.1);
}

/// Processor time of this thread.
fn used() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

fn tokenizer(reference: &Json, name: &str) -> Tokenizer {
    let texts = |key: &str| {
        let values = reference[key].as_array().expect("a list").iter();
        values
            .map(|value| text(value.as_str().expect("a text")))
            .collect::<Vec<_>>()
    };
    opened(&[
        entry("model", TEXT, &text("gpt2")),
        entry("pre", TEXT, &text(name)),
        list("tokens", TEXT, &texts("tokens")),
        list("merges", TEXT, &texts("merges")),
    ])
}

/// A tokenizer of another kind, with as many tokens as large models have: bytes, letters, and made-up words.
fn large(kind: &str) -> Tokenizer {
    let bytes = (0..=255_u8).map(|byte| match kind {
        "rwkv" => format!("\\x{byte:02x}"),
        _ => format!("<0x{byte:02X}>"),
    });
    let letters = UNITS.iter().flat_map(|unit| unit.chars()).map(String::from);
    let words = (0_u32..200_000).map(|at| {
        let letter = |place: u32| {
            char::from(
                b'a' + u8::try_from(at.wrapping_mul(2_654_435_761) / 26_u32.pow(place) % 26)
                    .unwrap_or(0),
            )
        };
        let word: String = (0..2 + at % 4).map(letter).collect();
        if at % 2 == 0 {
            word
        } else {
            format!("▁{word}")
        }
    });
    let mut tokens = vec!["<unk>".to_owned(), "▁".to_owned()];
    tokens.extend(bytes.chain(letters).chain(words));
    let kinds = tokens.iter().enumerate().map(|(at, token)| match at {
        0 => 2_u32,
        _ if token.starts_with("<0x") => 6,
        _ => 1,
    });
    let kinds: Vec<_> = kinds.map(|kind| kind.to_le_bytes().to_vec()).collect();
    let scores: Vec<_> = (0_usize..tokens.len())
        .map(|at| {
            (-f32::from(u16::try_from(at % 1000).unwrap_or(0)))
                .to_le_bytes()
                .to_vec()
        })
        .collect();
    let texts: Vec<_> = tokens.iter().map(|token| text(token)).collect();
    opened(&[
        entry("model", TEXT, &text(kind)),
        entry("unknown_token_id", COUNT, &0_u32.to_le_bytes()),
        list("tokens", TEXT, &texts),
        list("token_type", COUNT, &kinds),
        list("scores", FLOAT, &scores),
    ])
}

const COUNT: u32 = 4;
const FLOAT: u32 = 6;
const TEXT: u32 = 8;
const ARRAY: u32 = 9;

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

fn entry(key: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [
        text(&format!("tokenizer.ggml.{key}")).as_slice(),
        &kind.to_le_bytes(),
        value,
    ]
    .concat()
}

fn list(key: &str, kind: u32, values: &[Vec<u8>]) -> Vec<u8> {
    let count = (values.len() as u64).to_le_bytes();
    entry(
        key,
        ARRAY,
        &[kind.to_le_bytes().as_slice(), &count, &values.concat()].concat(),
    )
}

fn opened(entries: &[Vec<u8>]) -> Tokenizer {
    let count = (entries.len() as u64).to_le_bytes();
    let header = [
        b"GGUF".as_slice(),
        &3_u32.to_le_bytes(),
        &0_u64.to_le_bytes(),
        &count,
    ]
    .concat();
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(&[header, entries.concat()].concat())
        .expect("written");
    Tokenizer::of(&Checkpoint::open(file.path()).expect("a file")).expect("a tokenizer")
}
