//! Figures and names in words.
//!
//! Invariant: a figure that is not there is an en dash, never 0.

use crate::figures;
use crate::output::harmless;

/// What stands for a figure that is not there.
pub(super) const ABSENT: &str = "–";

/// A name from outside, made one line that commands nothing and turns no direction of writing (Unicode's
/// `Bidi_Control`).
pub(super) fn shown(name: &str) -> String {
    let turns = |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let name = harmless(name).replace(['\n', '\t'], " ");
    name.replace(turns, "\u{fffd}")
}

/// `58.7 tok/s`; from a hundred up without decimals, which say nothing there.
pub(super) fn rate(per_second: Option<f64>) -> String {
    match per_second {
        None => format!("{ABSENT} tok/s"),
        Some(rate) if rate >= 99.95 => format!("{} tok/s", count(rate)),
        Some(rate) => format!("{rate:.1} tok/s"),
    }
}

/// `4.2 MiB/s`.
pub(super) fn byte_rate(per_second: Option<u64>) -> String {
    per_second.map_or(ABSENT.into(), |rate| format!("{}/s", figures::bytes(rate)))
}

/// A share between 0 and 1 in whole percents: `96 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// `8.4 W`, `71 W`.
pub(super) fn watts(watts: f64) -> String {
    if watts < 9.95 {
        format!("{watts:.1} W")
    } else {
        format!("{watts:.0} W")
    }
}

/// `64 °C`.
pub(super) fn celsius(degrees: f64) -> String {
    format!("{degrees:.0} °C")
}

/// `2,405`.
pub(super) fn count(count: impl Into<f64>) -> String {
    let digits = format!("{:.0}", count.into());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 core`, `20 cores`.
pub(super) fn counted(number: usize, one: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {one}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rounded_for_the_eye() {
        let check = |found: String, expected: &str| assert_eq!(found, expected);
        check(rate(None), "– tok/s");
        check(rate(Some(58.66)), "58.7 tok/s");
        check(rate(Some(99.96)), "100 tok/s");
        check(rate(Some(1904.4)), "1,904 tok/s");
        check(byte_rate(None), "–");
        check(byte_rate(Some(1 << 20)), "1.0 MiB/s");
        check(percent(0.964), "96 %");
        check(watts(8.44), "8.4 W");
        check(watts(38.42), "38 W");
        check(celsius(53.4), "53 °C");
        check(count(7), "7");
        check(count(1_234_567), "1,234,567");
        check(counted(1, "core"), "1 core");
    }

    #[test]
    fn names_become_one_line_that_commands_nothing() {
        let check = |name: &str, expected: &str| assert_eq!(shown(name), expected, "{name:?}");
        check("größe 大", "größe 大");
        check("a\nb\tc\x1b[2J\u{9b}", "a b c\u{fffd}[2J\u{fffd}");
        check("gpj.\u{202e}exe", "gpj.\u{fffd}exe");
    }
}
