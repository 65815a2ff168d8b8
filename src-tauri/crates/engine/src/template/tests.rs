//! Templates as real models carry them, and as strangers might. What those of others render stands in
//! `tests/reference/templates.json`.

use super::*;
use engine_api::{Tool, ToolCall};
use proptest::prelude::*;
use serde_json::json;

const CHATML: &str = "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/// A template whose turns show, so that it passes the proof, before what is to be looked at.
fn with_turns(source: &str) -> String {
    format!(
        "{source}{{% for m in messages %}}{{% if 'wick-' in m.content %}}{{{{ m.content }}}}{{% endif %}}{{% endfor %}}"
    )
}

fn render(source: &str, chat: &Chat) -> Result<String, Error> {
    let specials = [("bos_token", "<s>"), ("eos_token", "</s>")];
    let specials = specials.map(|(name, text)| (name.to_owned(), text.to_owned()));
    ChatTemplate::new(source, &specials.to_vec())?.render(chat, &unguarded)
}

fn said(text: &str) -> Chat {
    vec![ChatMessage::user(text)].into()
}

#[test]
fn a_turn_of_the_assistant_at_the_end_stays_open() {
    let check = |source: &str, last: ChatMessage, expected: &str| {
        let chat = vec![ChatMessage::user("Hi"), last].into();
        assert_eq!(render(source, &chat).expect("renders"), expected);
    };
    let open = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHel";
    check(CHATML, ChatMessage::assistant("Hel"), open);
    // One that leaves out what was begun gets a new turn with the old text.
    let only_users = "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}>{% endif %}";
    check(only_users, ChatMessage::assistant("Hel"), "Hi>Hel");
    let thinks = "{% for m in messages %}{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}.{% endfor %}";
    let last = ChatMessage {
        reasoning: Some("So".into()),
        ..ChatMessage::assistant("")
    };
    check(thinks, last, "Hi.<think>So");
}

#[test]
fn what_real_templates_use_works() {
    let check = |source: &str, expected: &str| {
        let text = render(&with_turns(source), &said(" a<b ")).expect(source);
        assert_eq!(text, expected, "{source}");
    };
    check("{{ bos_token }}{{ messages[0].content.strip() }}", "<s>a<b");
    check("{{ messages[0]['content'] | trim | tojson }}", "\"a<b\"");
    check("{% generation %}x{% endgeneration %}", "x");
    check("{%- generation -%} x {%- endgeneration -%}", "x");
    check("{% for m in [1, 2][::-1] %}{{ m }}{% endfor %}", "21");
    check("{% for i in range(2, -1, -1) %}{{ i }}{% endfor %}", "210");
    check("{{ [1, 'b'] | join(', ') }}", "1, b");
    check("{{ 'a\nb\n\nc' | indent(2) }}", "a\n  b\n\n  c");
    check("{{ 'a\nb' | indent(width=1, first=true) }}", " a\n b");
    check("{{ strftime_now('%Y') | length }}", "4");
    check(
        "{% set ns = namespace(n=1) %}{% set ns.n = ns.n + 1 %}{{ ns.n }}",
        "2",
    );
    check(
        "{% set ns = namespace() %}{% set ns.a = [1, 2][1:] %}{{ ns.a }}",
        "[2]",
    );
    check(
        "{{ [none, true, 1.0, 'x', {'k': 'v'}] }}",
        "[None, True, 1.0, 'x', {'k': 'v'}]",
    );
    check("{{ none is iterable }}{{ 'a' is iterable }}", "FalseTrue");
    check(
        "{{ 1e16 }} {{ 0.5 }} {{ (2 / 4) | string }}",
        "1e+16 0.5 0.5",
    );
    check(
        "{{ 'ab'.startswith('a') and 'x' in {'x': 1}.keys() }}",
        "True",
    );
    check(
        "{{ 'a,b,c'.split(',', maxsplit=1)[-1] }}{{ 'a,b'.rsplit(',', 1)[0] }}",
        "b,ca",
    );
    check("{{ 'abc'.removeprefix('a').removesuffix('c') }}", "b");
    check("{{ 'a=b'.partition('=')[2] }}{{ 'abc'.index('c') }}", "b2");
    check("{{ 'hello'[1:3] }}{{ 'hello'[-1] }}", "elo");
    check(
        "{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}",
        "01",
    );
    check(
        "{{ [{'a': 1}, {'b': 2}] | selectattr('a', 'defined') | list }}",
        "[{'a': 1}]",
    );
    check("{{ [{'a': 1}] | map(attribute='a') | join }}", "1");
    check(
        "{{ {'b': 1, 'a': [1, {}]} | tojson(indent=1) }}",
        "{\n \"b\": 1,\n \"a\": [\n  1,\n  {}\n ]\n}",
    );
    check(
        "{{ {'b': 1, 'a': 2} | tojson(sort_keys=true, separators=(',', ':')) }}",
        "{\"a\":2,\"b\":1}",
    );
    check(
        "{{ 'é🕯\\u007f' | tojson(ensure_ascii=true) }}",
        "\"\\u00e9\\ud83d\\udd6f\u{7f}\"",
    );
    check(
        "{% if undefined_name %}x{% endif %}{{ undefined_name }}",
        "",
    );
}

#[test]
fn what_a_template_wants_is_found_out() {
    let call = ToolCall {
        id: "c".into(),
        name: "f".into(),
        arguments: json!({"z": 1, "a": "é"}),
    };
    let chat = Chat::from(vec![
        ChatMessage::system("S"),
        ChatMessage::user("U"),
        ChatMessage {
            tool_calls: vec![call],
            ..ChatMessage::assistant("")
        },
        ChatMessage::tool("c", "T"),
    ]);
    let check = |turn: &str, expected: &str| {
        let source = format!("{{% for m in messages %}}{turn}{{% endfor %}}");
        assert_eq!(render(&source, &chat).expect(turn), expected, "{turn}");
    };
    let calls = "{% for t in m.tool_calls or [] %}";
    check(
        &format!(
            "{{{{ m.content }}}}{calls}{{{{ t.function.arguments | tojson }}}}{{% endfor %}};"
        ),
        "S;U;{\"z\": 1, \"a\": \"é\"};T;",
    );
    check(
        &format!("{{{{ m.content }}}}{calls}{{{{ '=' + t.function.arguments }}}}{{% endfor %}};"),
        "S;U;={\"z\":1,\"a\":\"é\"};T;",
    );
    check(
        "{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}{{ m.content }};",
        "S\n\nU;;T;",
    );
    check(
        "{% for p in m.content %}{{ p.text }}{% endfor %};",
        "S;U;;T;",
    );
    check("{{ m.name }}{{ m.content }};", "S;U;;fT;");
}

#[test]
fn tools_and_options_reach_the_template() {
    let chat = Chat {
        tools: vec![Tool {
            name: "f".into(),
            description: Some("d".into()),
            parameters: json!({"type": "object", "properties": {}}),
        }],
        template_options: [("enable_thinking".to_owned(), json!(false))]
            .into_iter()
            .collect(),
        ..said("U")
    };
    let source = with_turns("{{ tools | tojson }}{{ enable_thinking }}");
    let expected = r#"[{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}}]False"#;
    assert_eq!(render(&source, &chat).expect("renders"), expected);
}

#[test]
fn tools_get_the_template_made_for_them() {
    let mut sources = Sources::default();
    sources.add("default", "plain {{ messages[0].content }}");
    sources.add("tool_use", "tools {{ messages[0].content }}");
    let templates = Templates::new(&sources, &Vec::new()).expect("both are fine");
    let mut chat = said("U");
    assert_eq!(
        templates.render(&chat, &unguarded).expect("renders"),
        "plain U"
    );
    chat.tools = vec![Tool {
        name: "f".into(),
        description: None,
        parameters: json!({}),
    }];
    assert_eq!(
        templates.render(&chat, &unguarded).expect("renders"),
        "tools U"
    );
}

#[test]
fn all_that_is_not_the_templates_own_is_guarded() {
    const BAD: &str = "<|im_end|>";
    fn guard(text: &str) -> Cow<'_, str> {
        Cow::Owned(text.replace(BAD, "<\u{FDD0}|im_end|>"))
    }
    let text = |extra: &str| format!("x{BAD}{extra}");
    let chat = Chat {
        messages: vec![
            ChatMessage::system(text("1")),
            ChatMessage::user(text("2")),
            ChatMessage {
                reasoning: Some(text("3")),
                tool_calls: vec![ToolCall {
                    id: text("4"),
                    name: text("5"),
                    arguments: json!({text("6"): [text("7")]}),
                }],
                ..ChatMessage::assistant(text("8"))
            },
            ChatMessage::tool(text("4"), text("9")),
            ChatMessage::assistant(text("open")),
        ],
        tools: vec![Tool {
            name: text("10"),
            description: Some(text("11")),
            parameters: json!({text("12"): text("13")}),
        }],
        ..Chat::default()
    };
    let source = "{{ tools | tojson }}{{ tools | tojson(ensure_ascii=true) }}{% for m in messages %}{{ m | tojson }}{{ m.content }}<|im_end|>{% endfor %}";
    let template = ChatTemplate::new(source, &Vec::new()).expect("compiles");
    let prompt = template.render(&chat, &guard).expect("renders");
    // The open turn is cut before its end: four ends are the template's own.
    assert_eq!(prompt.matches(BAD).count(), 4, "{prompt}");
    assert!(prompt.contains("\u{FDD0}"), "{prompt}");
}

#[test]
fn a_template_is_tried_when_it_is_loaded() {
    let check = |source: &str, word: &str| {
        let error = render(source, &said("hi")).expect_err(source);
        let text = format!("{error:#}");
        assert!(text.contains(word), "{text}");
    };
    check("{{ raise_exception('not for you') }}", "not for you");
    check("{% for %}", "syntax error");
    check("Hello!", "leaves out what the person says");
    check(&"x".repeat(300_000), "too long");
}

/// What ends by itself must end; what would not must be stopped. The bounds are the test's own memory and stack.
#[test]
fn no_template_runs_for_ever_or_piles_up_without_end() {
    let nested = |open: &str, middle: &str, close: &str, times: usize| {
        open.repeat(times) + middle + &close.repeat(times)
    };
    let loops = nested("{% for a in range(9999) %}", "x", "{% endfor %}", 4);
    let doubling = "{% set ns = namespace(s='x' * 1000) %}{% for i in range(9999) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}";
    let doubled = format!(
        "{{% set a = 'xxxxxxxx' %}}{}{{{{ a }}}}",
        "{% set a = a + a %}".repeat(60)
    );
    let deep_list = "{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}";
    let holds_itself = "{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}";
    let holds_itself_within =
        "{% set ns = namespace() %}{% set ns.me = {'a': [ns]} %}{{ ns | tojson }}";
    let nested_namespaces = "{% set ns = namespace(x=1) %}{% for i in range(99999) %}{% set ns.x = namespace(x=ns.x) %}{% endfor %}{{ ns }}";
    let loops_within = "{% set ns = namespace(x=1) %}{% for i in range(99999) %}{% for j in [ns.x] %}{% set ns.x = loop %}{% endfor %}{% endfor %}{{ ns }}";
    for hostile in [
        loops.as_str(),
        doubling,
        &doubled,
        deep_list,
        holds_itself,
        holds_itself_within,
        nested_namespaces,
        loops_within,
        "{% macro m(x) %}{{ m([x]) }}{% endmacro %}{{ m(1) }}",
        "{% macro a(x) %}{{ b(x) }}{% endmacro %}{% macro b(x) %}{{ a(x) }}{% endmacro %}{{ a(1) }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% include 'chat' %}",
        "{% extends 'chat' %}",
        "{% import 'chat' as me %}{{ me }}",
        &nested("{{ ", "1", " }}", 5000),
        &format!("{{{{ {} }}}}", nested("(", "1", ")", 50_000)),
        &format!("{{{{ {} }}}}", nested("[", "1", "]", 50_000)),
        &nested("{% if 1 %}", "", "{% endif %}", 10_000),
        "{{ (['x' * 1000000] * 10000) | join | length }}",
        "{{ 'x' * 100000000000 }}",
        "{{ [1] * 100000000000 }}",
        "{{ range(100000000000) | list }}",
        "{{ 'a\nb' | indent(2000000000) }}",
        "{{ 'a' | indent(100000000000, true) }}",
        "{{ '%999999999999d' % 1 }}",
        "{{ '%999999999d' | format(1) }}",
        "{{ '{:>999999999}'.format(1) }}",
        "{{ ('a' * 100000).replace('a', 'b' * 100000) }}",
        "{{ ('a' * 100000) | replace('', 'b' * 100000) }}",
        "{{ ('a' * 100000) | replace('a', 'b' * 100000) }}",
        "{{ ('a' * 1000).join('b' * 1000000) }}",
        "{{ 'x'.center(100000000000) }}",
        "{{ 'x'.ljust(100000000000) }}",
        "{{ [1] | batch(100000000000, 'x') | list }}",
        "{{ [1] | slice(100000000000) | list }}",
        "{{ [1] | tojson(indent=100000000000) }}",
        "{{ strftime_now('%Y' * 1000000) }}",
        "{% set x = lipsum(100000000) %}{{ x }}",
    ] {
        let source = with_turns(hostile);
        let shown: String = hostile.chars().take(80).collect();
        let error = render(&source, &said("hi")).expect_err(&shown);
        assert!(!error.to_string().is_empty());
    }
}

/// What fuel alone does not see: steps that look into a value that holds others, which hold others, or into a long text. Each
/// ends in an error by itself, and none by being left behind.
#[test]
fn no_single_step_of_a_template_takes_long() {
    let tower = |floors: usize| "{% set a = [a, a, a, a, a, a, a, a, a, a] %}".repeat(floors);
    let two = format!(
        "{{% set a = [1] %}}{}{{% set b = a %}}{{% set a = [1] %}}{}",
        tower(12),
        tower(12)
    );
    let folded = |times: usize| "[".repeat(times) + "1" + &"] * 99".repeat(times);
    let text = "{% set s = 'x' * 1000000 %}{% for i in range(50000) %}";
    for step in [
        "{{ a == b }}",
        "{{ a < b }}",
        "{{ a in [b] }}",
        "{{ a is eq b }}",
        "{{ a is in [b] }}",
        "{{ ('x' ~ a) | length }}",
        "{{ a }}",
        "{{ a | string | length }}",
        "{{ a | tojson | length }}",
        "{{ a | pprint | length }}",
        "{{ [a, b] | join | length }}",
        "{{ [a, b] | sort | length }}",
        "{{ [a, b] | unique | length }}",
        "{{ [a, b] | min }}",
        "{{ [b] | select('eq', a) | list | length }}",
        "{{ [b] | select('in', [a]) | list | length }}",
        "{{ [{'k': b}] | selectattr('k', 'eq', a) | list | length }}",
        "{{ [{'k': b}, {'k': a}] | groupby('k') | length }}",
        "{{ {'k': a, 'l': b} | dictsort(by='value') | length }}",
        "{{ {a: 1} }}",
        "{{ {'x': 1}[a] }}",
        "{{ {'x': 1}.get(a) }}",
        "{{ [b].count(a) }}",
        "{{ a | trim | length }}",
        "{{ 'x' | replace('x', a) | length }}",
        "{{ 'x' | indent(a) }}",
        "{{ '%s' | format(a) | length }}",
        "{{ raise_exception(a) }}",
        "{{ [a * 9] }}",
        "{{ debug() }}",
    ] {
        ends(&format!("{two}{step}"));
    }
    for hostile in [
        format!("{{{{ {} == {} }}}}", folded(9), folded(9)),
        "{% for i in range(50000) %}{% set x = ([[1]] | sum(start=[])) %}{% endfor %}".into(),
        "{{ range(50000) | map('string') | sum(start='') | length }}".into(),
        "{{ ([''] * 100000000000) | join }}".into(),
        format!(
            "{{% set x = range(90000) %}}{}{{{{ x | length }}}}",
            "{% set x = x[1:] %}".repeat(9000)
        ),
        format!(
            "{{% set x = range(90000) %}}{}{{% for y in x %}}{{% endfor %}}",
            "{% set x = x[1:] %}".repeat(9000)
        ),
        format!(
            "{{% set x = range(9) %}}{}{{{{ x | length }}}}",
            "{% set x = x + x %}".repeat(60)
        ),
        format!(
            "{{% set x = range(90000) %}}{{% for y in x{} %}}{{% endfor %}}",
            "[1:]".repeat(50_000)
        ),
        format!(
            "{{% set x = range(90000) %}}{{% for y in x{} %}}{{% endfor %}}",
            "|reverse".repeat(20_000)
        ),
        format!("{text}{{% set y = s[500000:500001] %}}{{% endfor %}}"),
        format!("{text}{{% set y = s[500000] %}}{{% endfor %}}"),
        format!("{text}{{% set y = s[-1] %}}{{% endfor %}}"),
        format!("{text}{{% set y = s.find('y') %}}{{% endfor %}}"),
        format!("{text}{{% set y = s.isupper() %}}{{% endfor %}}"),
        format!("{text}{{% set y = s == s ~ '' %}}{{% endfor %}}"),
        format!("{text}{{% set y = 'y' in s %}}{{% endfor %}}"),
        format!("{text}{{% set y = s|length %}}{{% endfor %}}"),
        format!("{text}{{% set y = s|first %}}{{% endfor %}}"),
        format!("{text}{{% set y = s|last %}}{{% endfor %}}"),
        format!("{text}{{% for c in s %}}{{% break %}}{{% endfor %}}{{% endfor %}}"),
        format!("{text}{{% if s is upper %}}{{% endif %}}{{% endfor %}}"),
    ] {
        ends(&hostile);
    }
}

/// That a template ends in an error, by itself.
fn ends(hostile: &str) {
    let shown: String = hostile.chars().rev().take(80).collect();
    let shown: String = shown.chars().rev().collect();
    let error = render(&with_turns(hostile), &said("hi")).expect_err(&shown);
    assert!(!error.ran_away(), "{shown}");
}

/// Without a loop a source of this length can still nest values; printing and dropping them must not overflow a stack.
#[test]
fn values_nested_by_hand_do_not_overflow_the_stack() {
    let deep = |close: &str| {
        with_turns(&format!(
            "{{% set x=1 %}}{}{close}",
            "{%set x=[x]%}".repeat(19_000)
        ))
    };
    for source in [
        deep(""),
        deep("{{ x }}"),
        deep("{{ x | tojson }}"),
        deep("{{ x == [x] }}"),
        deep("{{ x | string | length }}"),
        deep("{{ 'a' ~ x }}"),
        deep("{{ x is in [x] }}"),
        deep("{{ [x, x] | sort }}{{ [x, x] | unique }}"),
        with_turns(&format!("{{{{ {}1 }}}}", "not ".repeat(50_000))),
        with_turns(&format!("{{{{ {}1 }}}}", "-".repeat(50_000))),
        with_turns(
            "{% set x=1 %}{% for i in range(99999) %}{% set x=[x] %}{{ x | length }}{% endfor %}",
        ),
    ] {
        // An end, whichever.
        drop(render(&source, &said("hi")));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_text_of_a_person_comes_through(text in "\\PC{1,40}") {
        let prompt = render(CHATML, &said(&text)).expect("renders");
        prop_assert_eq!(prompt, format!("<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"));
    }

    #[test]
    fn any_template_ends(source in "(\\{%|%\\}|\\{\\{|\\}\\}| set | for x in | if | endif | endfor | macro m\\(\\) | endmacro |m\\(\\)|x|messages|range\\(9\\)|\\[|\\]|\\(|\\)|\\+|\\*|'a'|9|\\||\\.|~| |=){0,40}") {
        drop(render(&source, &said("hi")));
    }
}
