//! Where a template's operators and filters meet whole values, [`WEIGH`] is put before them: it pays for what they will do.
//!
//! minijinja's fuel counts steps and the texts they make. It does not count what one step does with a value that holds others:
//! comparing, hashing or printing a list of ten lists of ten lists and so on takes a time that its few lines of source do not
//! show. So each operand of an operator, each value that goes into a filter or a test, each key and each slice is weighed by a
//! filter of ours. It deliberately builds no tree: the tokens are minijinja's own, and a filter may stand behind any operand.
//! Invariant: only filters are added; what a template means stays what it was, but for lists that are multiplied.

mod walk;

use minijinja::machinery::{Span, Token, tokenize};
use minijinja::syntax::SyntaxConfig;
use walk::{Head, Walk};

/// The filter that pays for a value and hands it on.
pub(super) const WEIGH: &str = "wick_weighed";
/// The same for a factor, which must not be a list: a list that is lazily repeated weighs what nobody has paid for.
pub(super) const FACTOR: &str = "wick_factor";
/// The filter for what a loop goes over.
pub(super) const TICK: &str = "wick_tick";

/// The template with its values weighed, or why it is not taken. One that can't be read comes back as it is: whoever reads it
/// says why.
pub(super) fn weighed(source: &str, syntax: &SyntaxConfig) -> Result<String, &'static str> {
    let tokens = tokenize(source, false, syntax.clone());
    let Ok(tokens) = tokens.collect::<Result<Vec<_>, _>>() else {
        return Ok(source.to_owned());
    };
    let mut text = String::with_capacity(source.len() * 2);
    let mut done = 0;
    for tag in tokens.split(|(token, _)| matches!(token, Token::VariableEnd | Token::BlockEnd)) {
        let start = tag
            .iter()
            .position(|(token, _)| matches!(token, Token::VariableStart | Token::BlockStart));
        let Some(start) = start else { continue };
        let is_block = matches!(tag[start].0, Token::BlockStart);
        let inside = &tag[start + 1..];
        let skipped = if is_block { lead(inside) } else { 0 };
        let tokens: Vec<&Token> = inside[skipped..].iter().map(|(token, _)| token).collect();
        let head = match inside.first() {
            Some((Token::Ident("for"), _)) if is_block => Head::Loop,
            Some((Token::Ident("filter"), _)) if is_block => Head::Filter,
            _ => Head::Other,
        };
        for (at, added) in Walk::new(&tokens, head).insertions()? {
            let end = inside[skipped + at].1.end_offset as usize;
            text.push_str(&source[done..end]);
            text.push_str(&added.text());
            done = end;
        }
    }
    text.push_str(&source[done..]);
    Ok(text)
}

/// How many of a statement's tokens come before its expressions.
fn lead(tokens: &[(Token, Span)]) -> usize {
    let find = |wanted: fn(&Token) -> bool| tokens.iter().position(|(token, _)| wanted(token));
    let after = |found: Option<usize>| found.map(|at| at + 1);
    let start = match tokens.first().map(|(token, _)| token) {
        Some(Token::Ident("for")) => after(find(|token| matches!(token, Token::Ident("in")))),
        // Of a block that is set, filters come next.
        Some(Token::Ident("set")) => after(find(|token| matches!(token, Token::Assign)))
            .or_else(|| find(|token| matches!(token, Token::Pipe))),
        _ => Some(1),
    };
    start.unwrap_or(tokens.len()).min(tokens.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_operators_and_filters_look_into_is_weighed() {
        let check = |source: &str, expected: &str| {
            let expected = expected
                .replace("|W", "|wick_weighed")
                .replace("|F", "|wick_factor");
            assert_eq!(
                weighed(source, &SyntaxConfig::default()).expect(source),
                expected
            );
        };
        check("{{ a }}", "{{ a }}");
        check("{{ a == b }}", "{{ a|W == b|W }}");
        check("{{ a.b(c)[0] == 'x' }}", "{{ a.b(c)[0]|W == 'x' }}");
        check("{% if not a in b and c %}", "{% if not a|W in b|W and c %}");
        check("{% if a not in b %}", "{% if a|W not in b|W %}");
        check(
            "{% for a in b %}{% endfor %}",
            "{% for a in b|wick_tick %}{% endfor %}",
        );
        check(
            "{% for a in b + c if a != d %}",
            "{% for a in b|W + c|W if a|W != d|W %}",
        );
        check(
            "{% set a.b = c ~ d|trim %}",
            "{% set a.b = c|W ~ d|W|trim|W %}",
        );
        check("{{ [a] * n }}", "{{ [a]|F * n|F }}");
        check("{{ 3 * (a + b) }}", "{{ 3 * (a|W + b|W)|F }}");
        check(
            "{{ a|length + b|sort(c, d=e) }}",
            "{{ a|length|W + b|W|sort(c|W, d=e|W)|W }}",
        );
        check(
            "{{ a is eq b and a is defined }}",
            "{{ a|W is eq( b|W) and a is defined }}",
        );
        check(
            "{{ a is in b or a is not in(b) }}",
            "{{ a|W is in( b|W) or a|W is not in(b|W) }}",
        );
        check(
            "{{ a is eq [b][0] == 'x' }}",
            "{{ a|W is eq( [b][0]|W)|W == 'x' }}",
        );
        check("{{ a is divisibleby 3 }}", "{{ a|W is divisibleby( 3) }}");
        check("{% for a in b[1:] %}", "{% for a in b[1:]|W %}");
        check("{{ {a: b, 'c': d}[e] }}", "{{ {a|W: b, 'c': d}[e|W]|W }}");
        check(
            "{{ f(a, b) }}{{ dict(a=b) }}",
            "{{ f(a, b) }}{{ dict(a=b|W) }}",
        );
        check(
            "{% for a in b recursive %}",
            "{% for a in b|wick_tick recursive %}",
        );
        check(
            "{% for a in recursive %}",
            "{% for a in recursive|wick_tick %}",
        );
        check(
            "{% set a | replace(b, c) %}",
            "{% set a | replace(b|W, c|W) %}",
        );
        check(
            "{% filter replace(b, c) %}",
            "{% filter replace(b|W, c|W) %}",
        );
        check(
            "{{ a.in == b.is in c.not }}",
            "{{ a.in|W == b.is|W in c.not|W }}",
        );
        check("{{ not a and not (not b) }}", "{{ not a and not (not b) }}");
        check("{% macro m(a, b=c) %}", "{% macro m(a, b=c) %}");
        check(
            "{# a == b #}{% raw %}{{ a == b }}{% endraw %}a == b",
            "{# a == b #}{% raw %}{{ a == b }}{% endraw %}a == b",
        );
        check("{{ 'a == b' }}", "{{ 'a == b' }}");
        for name in [
            "{{ if == else }}",
            "{{ a == not }}",
            "{{ in in in }}",
            "{% for a in if %}",
        ] {
            weighed(name, &SyntaxConfig::default()).expect_err(name);
        }
        let often = format!("{{{{ a{} }}}}", "[1:]".repeat(9));
        weighed(&often, &SyntaxConfig::default()).expect_err("too often");
    }
}
