//! A vocabulary as a text that a person can write and a fuzzer can change, made into a GGUF file.
//!
//! Paragraphs, each ended by an empty line: settings (`name=value` under `tokenizer.ggml.`), tokens (kind, score and text),
//! merges. What follows is the text that is cut. A missing paragraph is empty. In tokens, merges and text `\n` stands for a
//! line end and `⟦ab×3⟧` for `ababab`; a token that is `⟦bytes⟧` for the 256 tokens of bytes.

const COUNT: u32 = 4;
const FLOAT: u32 = 6;
const BOOL: u32 = 7;
const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// The file, and the text.
pub(super) fn gguf(written: &str) -> (Vec<u8>, String) {
    let mut parts = written.splitn(4, "\n\n");
    let mut part = || parts.next().unwrap_or_default();
    let (settings, tokens, merges, text) = (part(), part(), part(), part());
    let mut entries = vec![entry("general.architecture", TEXT, &text_bytes("llama"))];
    entries.extend(settings.lines().filter_map(setting));
    let tokens: Vec<_> = tokens.lines().flat_map(tokens_of).collect();
    let texts = tokens.iter().map(|(_, _, text)| text_bytes(text));
    entries.push(list("tokens", TEXT, &texts.collect::<Vec<_>>()));
    let kinds = tokens
        .iter()
        .map(|(kind, _, _)| kind.to_le_bytes().to_vec());
    entries.push(list("token_type", COUNT, &kinds.collect::<Vec<_>>()));
    let scores = tokens
        .iter()
        .map(|(_, score, _)| score.to_le_bytes().to_vec());
    entries.push(list("scores", FLOAT, &scores.collect::<Vec<_>>()));
    let merges = merges.lines().map(|merge| text_bytes(&unescaped(merge)));
    entries.push(list("merges", TEXT, &merges.collect::<Vec<_>>()));
    (file(&entries), unescaped(text))
}

/// Nothing is repeated to more than this.
const MOST_BYTES: usize = 2 << 20;

fn unescaped(text: &str) -> String {
    let mut parts = text.split('⟦');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (repeated, rest) = part.split_once('⟧').unwrap_or((part, ""));
        let (unit, times) = repeated.split_once('×').unwrap_or((repeated, "1"));
        let most = MOST_BYTES.saturating_sub(whole.len()) / unit.len().max(1);
        whole.push_str(&unit.repeat(times.parse().unwrap_or(1).min(most)));
        whole.push_str(rest);
    }
    whole.replace("\\n", "\n")
}

fn tokens_of(line: &str) -> Vec<(u32, f32, String)> {
    if line == "⟦bytes⟧" {
        return (0..=255)
            .map(|byte| (6, 0.0, format!("<0x{byte:02X}>")))
            .collect();
    }
    vec![token(line)]
}

/// `kind score text`.
fn token(line: &str) -> (u32, f32, String) {
    let mut words = line.splitn(3, ' ');
    let mut word = || words.next().unwrap_or_default();
    let (kind, score, text) = (word(), word(), word());
    (
        kind.parse().unwrap_or(1),
        score.parse().unwrap_or(0.0),
        unescaped(text),
    )
}

fn setting(line: &str) -> Option<Vec<u8>> {
    let (name, value) = line.split_once('=')?;
    let key = format!("tokenizer.ggml.{name}");
    // Twice the same is an error of the file, which is another promise's concern.
    let own = ["tokens", "token_type", "scores", "merges"];
    if own.contains(&name) {
        return None;
    }
    if let Some(bytes) = value.strip_prefix("hex:") {
        let bytes = bytes.as_bytes().as_chunks::<2>().0.iter();
        let byte =
            |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).unwrap_or_default(), 16);
        let bytes = bytes.map(|pair| vec![byte(pair).unwrap_or(0)]);
        return Some(list(name, 0, &bytes.collect::<Vec<_>>()));
    }
    Some(match (value.parse::<u32>(), value.parse::<bool>()) {
        (Ok(number), _) => entry(&key, COUNT, &number.to_le_bytes()),
        (_, Ok(truth)) => entry(&key, BOOL, &[truth.into()]),
        _ => entry(&key, TEXT, &text_bytes(value)),
    })
}

fn text_bytes(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

fn entry(key: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [&text_bytes(key), &kind.to_le_bytes()[..], value].concat()
}

fn list(name: &str, kind: u32, values: &[Vec<u8>]) -> Vec<u8> {
    let count = values.len() as u64;
    let head = [&kind.to_le_bytes()[..], &count.to_le_bytes()].concat();
    entry(
        &format!("tokenizer.ggml.{name}"),
        ARRAY,
        &[head, values.concat()].concat(),
    )
}

/// No tensors. An entry whose key was there before is left out.
fn file(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut seen = std::collections::HashSet::new();
    let key = |entry: &&Vec<u8>| {
        let length = entry
            .first_chunk::<8>()
            .map_or(0, |length| u64::from_le_bytes(*length));
        let end = 8 + usize::try_from(length).unwrap_or(0);
        seen.insert(entry[..end].to_vec())
    };
    let entries: Vec<_> = entries.iter().filter(key).cloned().collect();
    let count = entries.len() as u64;
    [
        b"GGUF".as_slice(),
        &3_u32.to_le_bytes(),
        &0_u64.to_le_bytes(),
        &count.to_le_bytes(),
        &entries.concat(),
    ]
    .concat()
}
