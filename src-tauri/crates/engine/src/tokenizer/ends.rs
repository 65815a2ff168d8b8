//! Which tokens end the model's turn, and which ones steer it though their file calls them plain words.
//!
//! Files name some of them in their metadata; the rest is known by its text. Source: llama.cpp b11434's own lists.

use super::vocabulary::{TokenKind, Vocabulary};
use std::collections::HashSet;

/// End a turn wherever they stand in a vocabulary, and steer the model whatever kind their file gives them.
const ENDS: [&str; 21] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<turn|>",
    "<|tool_response>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
];
/// End one too, if their file says that they are more than words.
const ENDS_IF_SPECIAL: [&str; 12] = [
    "<eos>",
    "<|endofturn|>",
    "<|user|>",
    "<|observation|>",
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<reponame>",
    "<|file_sep|>",
];

/// Corrects the kinds of tokens that steer the model, and says which ones end its turn.
pub(super) fn settle(vocabulary: &mut Vocabulary) -> HashSet<u32> {
    let has = |vocabulary: &Vocabulary, text: &str| vocabulary.id(text).is_some();
    // In these two families `</s>` is a word like any other.
    let plain = has(vocabulary, "<|tool_response>") || has(vocabulary, "<|plamo:eos|>");
    // Where answers have channels, `<|end|>` ends a message of a turn and not the turn.
    let calls = has(vocabulary, "<|call|>") || has(vocabulary, "<|calls|>");
    let channels = calls && (has(vocabulary, "<|return|>") || has(vocabulary, "<|flush|>"));
    let mut ends: HashSet<u32> = vocabulary.listed_ends().iter().copied().collect();
    for text in ENDS {
        let Some(id) = vocabulary.id(text) else {
            continue;
        };
        if text == "</s>" && plain {
            vocabulary.set_kind(id, TokenKind::Normal);
            ends.remove(&id);
            continue;
        }
        vocabulary.set_kind(id, TokenKind::Control);
        if text == "<|end|>" && channels {
            ends.remove(&id);
        } else {
            ends.insert(id);
        }
    }
    let special = |id: &u32| {
        let kind = vocabulary.kind(*id);
        matches!(kind, TokenKind::Control | TokenKind::UserDefined)
    };
    let named = ENDS_IF_SPECIAL
        .iter()
        .filter_map(|text| vocabulary.id(text));
    ends.extend(named.filter(special));
    ends
}
