//! A template's source made fit for minijinja: what `transformers` adds to Jinja, and a fence around namespaces.
//!
//! It deliberately knows tags alone, no expressions. Invariant: line numbers stay as they are, and text outside of the
//! tags concerned is untouched.

use std::ops::Range;

/// The filter that [`prepared`] puts around each value that goes into a namespace.
pub(super) const FENCE: &str = "wick_fenced";

/// `{% generation %}` marks what a trainer learns from; for a prompt it is only a scope. Namespaces are the one thing in
/// a template that can grow without end or hold itself: what goes in passes the filter [`FENCE`].
pub(super) fn prepared(source: &str) -> String {
    let mut text = String::with_capacity(source.len() + 64);
    let mut done = 0;
    for tag in statements(source) {
        if let Some(new) = replacement(&source[tag.clone()]) {
            text.push_str(&source[done..tag.start]);
            text.push_str(&new);
            done = tag.end;
        }
    }
    text.push_str(&source[done..]);
    text
}

/// Another inside of a `{% … %}`, signs included, if it needs one.
fn replacement(inside: &str) -> Option<String> {
    let signs: &[char] = &['-', '+'];
    let body = inside.strip_prefix(signs).unwrap_or(inside);
    let lead = &inside[..inside.len() - body.len()];
    let body = body.strip_suffix(signs).unwrap_or(body);
    let tail = &inside[lead.len() + body.len()..];
    // Lines must not be lost: errors name them.
    let lines = |kept: &str| "\n".repeat(body.matches('\n').count() - kept.matches('\n').count());
    let new = match body.trim() {
        "generation" => format!(" with{} ", lines("")),
        "endgeneration" => format!(" endwith{} ", lines("")),
        statement => {
            let (target, value) = namespace_set(statement)?;
            let lines = lines(value);
            format!(" set {target} = ({value})|{FENCE}{lines} ")
        }
    };
    Some(format!("{lead}{new}{tail}"))
}

/// Target and value of a `set a.b = value`.
fn namespace_set(statement: &str) -> Option<(&str, &str)> {
    let rest = statement.strip_prefix("set")?;
    let (target, value) = rest.split_once('=')?;
    let target = target.trim();
    let (object, attribute) = target.split_once('.')?;
    let is_name = |name: &str| {
        let name = name.trim();
        !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    (rest.starts_with(char::is_whitespace) && is_name(object) && is_name(attribute))
        .then(|| (target, value.trim()))
}

/// The insides of all `{% … %}`, but for those in comments and raw blocks.
fn statements(source: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = next_tag(source, at) {
        let inside = open + 2;
        let end = match source.as_bytes()[open + 1] {
            b'#' => source[inside..].find("#}").map(|end| inside + end),
            b'{' => end_of_code(source, inside, "}}"),
            _ => end_of_code(source, inside, "%}"),
        };
        let Some(end) = end else { break };
        at = end + 2;
        if source.as_bytes()[open + 1] == b'%' {
            let tag = inside..end;
            if word(&source[tag.clone()]) == "raw" {
                at = end_of_raw(source, at);
            }
            found.push(tag);
        }
    }
    found
}

fn next_tag(source: &str, from: usize) -> Option<usize> {
    let bytes = source.as_bytes();
    (from..bytes.len().saturating_sub(1))
        .find(|at| bytes[*at] == b'{' && matches!(bytes[at + 1], b'{' | b'%' | b'#'))
}

/// Where code ends: outside of strings and of brackets.
fn end_of_code(source: &str, from: usize, close: &str) -> Option<usize> {
    let bytes = source.as_bytes();
    let (mut at, mut depth) = (from, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            _ if depth == 0 && bytes[at..].starts_with(close.as_bytes()) => return Some(at),
            quote @ (b'"' | b'\'') => at = end_of_string(bytes, at, quote),
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    None
}

fn end_of_string(bytes: &[u8], open: usize, quote: u8) -> usize {
    let mut at = open + 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at
}

fn end_of_raw(source: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(open) = source[at..].find("{%") {
        let inside = at + open + 2;
        if word(&source[inside..]) == "endraw" {
            return inside;
        }
        at = inside;
    }
    source.len()
}

/// The first word of a tag.
fn word(inside: &str) -> &str {
    let body = inside.trim_start_matches(['-', '+']).trim_start();
    let end = body.find(|c: char| !c.is_alphanumeric() && c != '_');
    &body[..end.unwrap_or(body.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_tags_concerned_change() {
        let check = |source: &str, expected: &str| assert_eq!(prepared(source), expected);
        check("{%- generation -%}x", "{%- with -%}x");
        check(
            "{% generation %}a{% endgeneration %}",
            "{% with %}a{% endwith %}",
        );
        check("{% set n = 1 %}", "{% set n = 1 %}");
        check(
            "{%- set ns.a = 'x' ~ \"%}\" -%}",
            "{%- set ns.a = ('x' ~ \"%}\")|wick_fenced -%}",
        );
        check(
            "{% set\n ns.a =\n 1 %}{{ y }}",
            "{% set ns.a = (1)|wick_fenced\n\n %}{{ y }}",
        );
        check("{% set ns.a %}x{% endset %}", "{% set ns.a %}x{% endset %}");
        check("{%\ngeneration%}", "{% with\n %}");
        for untouched in [
            "{# {% generation %} #}",
            "{% raw %}{% generation %}{% endraw %}",
            "{{ '{% generation %}' }}",
            "{{ {'a': {'b': '{% generation %}'}} }}",
            "{% if x.y == 1 %}",
            "{% set a = b.c == d %}",
            "{% generation",
            "{",
        ] {
            check(untouched, untouched);
        }
    }

    proptest! {
        #[test]
        fn any_source_keeps_its_lines(source in "(\\{%|%\\}|\\{\\{|\\}\\}|\\{#|#\\}|set ns.a = |generation|raw|'|\"|\\(|\\\\|\n| |é|-){0,24}") {
            prop_assert_eq!(prepared(&source).matches('\n').count(), source.matches('\n').count());
        }
    }
}
