//! What the engine promises of any input, one public function for each kind: it ends, in a result or an error, without a
//! panic, and takes no more memory and no more work than the input's size justifies.
//!
//! Both the fuzz targets and `tests/hostile.rs` call these. It deliberately looks at no result: whether it is right is for
//! other tests.

mod folder;
mod meter;
mod vocabulary;

use engine_api::{Chat, ChatMessage, Tool, ToolCall};
use meter::measured;
use std::borrow::Cow;
use std::io::Write;
use std::path::Path;
use std::sync::Once;
use wick_engine::files::Checkpoint;
use wick_engine::template::{Sources, Templates};
use wick_engine::tokenizer::{Specials, Tokenizer};

/// Memory that any work may take, and memory and requests for each byte of input.
#[derive(Debug, Clone, Copy)]
struct Bound {
    bytes: usize,
    bytes_per_byte: usize,
    requests: usize,
    requests_per_byte: usize,
}

/// A metadata value is 32 bytes in memory and may be one in the file; a growing list holds three times that for a moment.
const READING: Bound = Bound {
    bytes: 128 << 10,
    bytes_per_byte: 128,
    requests: 4000,
    requests_per_byte: 2,
};
/// A pre-tokenizer's patterns are compiled whatever the vocabulary; a text's symbols wait in a chain and a queue.
const TOKENIZING: Bound = Bound {
    bytes: 8 << 20,
    bytes_per_byte: 128,
    requests: 200_000,
    requests_per_byte: 16,
};
/// A `tokenizer.json` brings patterns of its own, which their library compiles up to a limit.
const LIBRARY: Bound = Bound {
    bytes: 48 << 20,
    bytes_per_byte: 256,
    requests: 4_000_000,
    requests_per_byte: 64,
};
/// What fuel lets a template make does not depend on its length.
const RENDERING: Bound = Bound {
    bytes: 64 << 20,
    bytes_per_byte: 64,
    requests: 8_000_000,
    requests_per_byte: 64,
};

/// One line for each panic, also those that the engine catches: a backtrace takes more memory than any file may.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|panic| say(&panic.to_string()))));
}

fn say(words: &str) {
    // Nobody may listen.
    let _ = writeln!(std::io::stderr(), "{words}");
}

/// Does `work`, which an input of `size` bytes asked for, within the bound.
fn bounded(bound: Bound, size: usize, work: impl FnOnce()) {
    quiet();
    let ((), used) = measured(work);
    let most = bound.bytes + size * bound.bytes_per_byte;
    assert!(
        used.peak_bytes <= most,
        "{size} bytes of input took {used:?}, {most} bytes are justified"
    );
    let most = bound.requests + size * bound.requests_per_byte;
    assert!(
        used.requests <= most,
        "{size} bytes of input took {used:?}, {most} requests are justified"
    );
    if std::env::var_os("WICK_SHOW_USED").is_some() {
        say(&format!("{size} bytes of input: {used:?}"));
    }
}

/// A GGUF file: its header, and the tokenizer that it brings.
pub(crate) fn gguf(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, bytes).expect("written");
    bounded(READING, bytes.len(), || opened(&path));
    if let Ok(checkpoint) = Checkpoint::open(&path) {
        bounded(TOKENIZING, bytes.len(), || tokenized(&checkpoint, TEXT));
    }
}

/// The header of a safetensors file.
pub(crate) fn safetensors(bytes: &[u8]) {
    bounded(READING, bytes.len(), || {
        drop(wick_engine::files::safetensors::from_bytes(bytes));
    });
}

/// A folder as Hugging Face lays it out: config.json, a zero, the JSON of model.safetensors' header.
pub(crate) fn checkpoint(bytes: &[u8]) {
    let (config, header) = folder::parts(bytes);
    let folder = tempfile::tempdir().expect("a folder");
    folder::write(folder.path(), config, header);
    bounded(READING, bytes.len(), || opened(folder.path()));
}

/// A vocabulary in GGUF's metadata, and a text to cut into its tokens; written as [`vocabulary::gguf`] reads it.
pub(crate) fn vocabulary(bytes: &[u8]) {
    let (file, text) = vocabulary::gguf(&String::from_utf8_lossy(bytes));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.gguf");
    let size = file.len() + text.len();
    std::fs::write(&path, file).expect("written");
    let checkpoint = Checkpoint::open(&path).expect("a well-formed file");
    bounded(TOKENIZING, size, || tokenized(&checkpoint, &text));
}

/// A `tokenizer.json`.
pub(crate) fn tokenizer_json(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    folder::write(folder.path(), folder::CONFIG, folder::HEADER);
    std::fs::write(folder.path().join("tokenizer.json"), bytes).expect("written");
    let checkpoint = Checkpoint::open(folder.path()).expect("a well-formed folder");
    bounded(LIBRARY, bytes.len(), || tokenized(&checkpoint, TEXT));
}

/// A chat template.
pub(crate) fn template(bytes: &[u8]) {
    let source = String::from_utf8_lossy(bytes);
    bounded(RENDERING, bytes.len(), || rendered(&source));
}

/// Opens a checkpoint and reads both ends of each tensor.
fn opened(path: &Path) {
    let Ok(checkpoint) = Checkpoint::open(path) else {
        return;
    };
    for (name, tensor) in &checkpoint.tensors {
        let (mut first, mut last) = ([0; 64], [0; 1]);
        drop(checkpoint.read(name, 0, &mut first));
        let end = tensor.size_bytes().saturating_sub(1);
        drop(checkpoint.read(name, end, &mut last));
    }
    drop(checkpoint.companions());
}

const TEXT: &str = "Hello  wörld 123456 <s>don't</s>\r\n\t\u{3000}한か🙂\u{301} <|im_end|>aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// Makes a tokenizer, and text to tokens and back.
fn tokenized(checkpoint: &Checkpoint, text: &str) {
    let Ok(tokenizer) = Tokenizer::of(checkpoint) else {
        return;
    };
    for specials in [Specials::Parse, Specials::AsText] {
        let ids = tokenizer.with_ends(tokenizer.encode(text, specials));
        let mut decoder = tokenizer.decoder();
        for id in ids {
            drop(decoder.push(&tokenizer.piece(id)));
        }
        drop(decoder.finish());
    }
    drop(tokenizer.encode_prompt(&tokenizer.guard(text)));
}

/// Compiles a template, tries it and renders a conversation with it.
fn rendered(source: &str) {
    let mut sources = Sources::default();
    sources.add("default", source);
    let specials = vec![("bos_token".to_owned(), "<s>".to_owned())];
    if let Ok(templates) = Templates::new(&sources, &specials) {
        drop(templates.render(&chat(), &|text: &str| Cow::Owned(text.to_owned())));
    }
}

fn chat() -> Chat {
    let arguments = "{\"city\": [1, null, {\"a\": \"b\"}]}"
        .parse()
        .expect("JSON");
    let call = ToolCall {
        id: "c".into(),
        name: "f".into(),
        arguments,
    };
    let asks = ChatMessage {
        tool_calls: vec![call],
        ..ChatMessage::assistant("")
    };
    Chat {
        messages: vec![
            ChatMessage::system("Be brief."),
            ChatMessage::user("Hello <b>&amp;</b>\n\n"),
            asks,
            ChatMessage::tool("c", "42"),
        ],
        tools: vec![Tool {
            name: "f".into(),
            description: None,
            parameters: "{\"type\": \"object\"}".parse().expect("JSON"),
        }],
        ..Chat::default()
    }
}
