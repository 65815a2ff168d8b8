//! Texts as sequences of words, without what a writer may vary: case, accents, punctuation, invisible letters.
//!
//! Deliberately absent: any knowledge of a language; a blocked word blocks no other form of it.

use icu_normalizer::DecomposingNormalizer;
use std::mem::take;

/// The words of a text. A letter of a script that writes no spaces is a word of its own.
pub(super) fn words(text: &str) -> Vec<String> {
    let plain = DecomposingNormalizer::new_nfkd().normalize(text);
    let mut words = Vec::new();
    let mut word = String::new();
    let visible = plain.chars().filter(|letter| !is_added(*letter));
    for letter in visible.flat_map(one_case) {
        let alone = writes_no_spaces(letter);
        if (alone || !letter.is_alphanumeric()) && !word.is_empty() {
            words.push(take(&mut word));
        }
        match letter {
            letter if alone => words.push(letter.into()),
            letter if letter.is_alphanumeric() => word.push(letter),
            _ => {}
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

/// Whether a text ends in a word that may still grow.
pub(super) fn ends_within_a_word(text: &str) -> bool {
    let last = text.chars().rfind(|letter| !is_added(*letter));
    last.is_some_and(|letter| letter.is_alphanumeric() && !writes_no_spaces(letter))
}

/// Both cases of a letter as one, also of those that have two letters as a capital (ß), and strokes taken off.
fn one_case(letter: char) -> impl Iterator<Item = char> {
    let bare = match letter {
        'ø' | 'Ø' => 'o',
        'ł' | 'Ł' => 'l',
        'đ' | 'Đ' => 'd',
        'ı' => 'i',
        other => other,
    };
    bare.to_uppercase().flat_map(char::to_lowercase)
}

/// Accents, and what is invisible inside a word.
fn is_added(letter: char) -> bool {
    matches!(letter,
        '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
        | '\u{3099}' | '\u{309a}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}'
        | '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Thai, Lao, Khmer, Burmese, kana, Han.
fn writes_no_spaces(letter: char) -> bool {
    matches!(letter, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}
