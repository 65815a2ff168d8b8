//! Names that others chose, made fit to be shown.
//!
//! Invariant: what comes out is one line of at most [`MOST_CHARS`] characters, none of which commands a terminal or
//! turns the direction of writing.

const MOST_CHARS: usize = 64;

/// The name without blanks around, each character that is not for showing replaced by U+FFFD; `?` for an empty one.
pub(crate) fn shown(name: &str) -> String {
    let name = name.trim();
    if name.is_empty() {
        return "?".into();
    }
    let replaced = |c: char| {
        if is_shown(c) {
            c
        } else {
            char::REPLACEMENT_CHARACTER
        }
    };
    name.chars().take(MOST_CHARS).map(replaced).collect()
}

/// Controls, and the invisible characters that reorder what stands around them (Unicode's `Bidi_Control`).
fn is_shown(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_become_one_line() {
        let check = |name: &str, expected: &str| assert_eq!(shown(name), expected, "{name:?}");
        check("firefox\n", "firefox");
        check("a) R (b", "a) R (b");
        check("two\nlines\u{1b}[2J", "two\u{fffd}lines\u{fffd}[2J");
        check("gpj.\u{202e}exe", "gpj.\u{fffd}exe");
        check(" \n", "?");
        check(&"é".repeat(70), &"é".repeat(64));
    }

    proptest! {
        #[test]
        fn any_name_is_short_and_one_line(name: String) {
            let shown = shown(&name);
            prop_assert!(!shown.is_empty() && shown.chars().count() <= MOST_CHARS);
            prop_assert!(shown.chars().all(is_shown));
        }
    }
}
