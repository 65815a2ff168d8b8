//! The families' notations, in the words of their templates, and that no cut of a stream changes anything.

use super::*;
use engine_api::{ChatMessage, Role};
use proptest::prelude::*;
use serde_json::json;

/// What a template must hold for a family to be recognised.
const QWEN: &str = "<think></think><tool_call>";
const LLAMA: &str = "<|start_header_id|> {\"name\": …, \"parameters\": …} <|python_tag|>";
const DEEPSEEK: &str =
    "<think></think><｜tool▁calls▁begin｜><｜tool▁call▁begin｜><｜tool▁calls▁end｜>";
const MISTRAL: &str = "[THINK][/THINK][TOOL_CALLS][ARGS]";
const KIMI: &str =
    "<think></think><|tool_calls_section_begin|><|tool_call_begin|><|tool_calls_section_end|>";
const GEMMA: &str = "<|channel>thought\n<channel|><|tool_call>call:";
const HARMONY: &str = "<|channel|>analysis<|message|>";

fn tools() -> Vec<Tool> {
    let tool = |name: &str, properties| Tool {
        name: name.into(),
        description: None,
        parameters: json!({"type": "object", "properties": properties}),
    };
    vec![
        tool(
            "f",
            json!({"s": {"type": "string"}, "n": {"type": "integer"}}),
        ),
        tool("g", json!({})),
    ]
}

fn chat() -> Chat {
    Chat {
        tools: tools(),
        ..vec![ChatMessage::user("go")].into()
    }
}

/// Pieces of an answer; what stands between `‹` and `›` is a control token.
fn pieces(answer: &str) -> Vec<(String, bool)> {
    let mut pieces = Vec::new();
    for (at, part) in answer.split('‹').enumerate() {
        let (control, text) = if at == 0 {
            ("", part)
        } else {
            part.split_once('›').expect("closed")
        };
        if at > 0 {
            pieces.push((control.to_owned(), true));
        }
        pieces.push((text.to_owned(), false));
    }
    pieces
}

/// All events, neighbours of a kind joined.
fn run(template: &str, prompt: &str, chat: &Chat, pieces: &[(String, bool)]) -> Vec<Event> {
    let mut transcript = Transcript::begin(&Format::of(template), prompt, chat);
    let mut all: Vec<Event> = Vec::new();
    let mut events: Vec<Event> = Vec::new();
    for (piece, is_control) in pieces {
        events.extend(transcript.push(piece, *is_control));
    }
    events.extend(transcript.finish());
    for event in events {
        match (all.last_mut(), event) {
            (Some(Event::Text(text)), Event::Text(more))
            | (Some(Event::Reasoning(text)), Event::Reasoning(more)) => text.push_str(&more),
            (_, event) => all.push(event),
        }
    }
    all
}

/// As short as events can be written: `think: …`, the text, `f{…}`.
fn shown(events: &[Event]) -> Vec<String> {
    let show = |event: &Event| match event {
        Event::Text(text) => text.clone(),
        Event::Reasoning(text) => format!("think: {text}"),
        Event::Call(call) => format!("{}{}", call.name, call.arguments),
    };
    events.iter().map(show).collect()
}

/// At once, a letter at a time, and with each token's text in two.
fn check_after(template: &str, prompt: &str, answer: &str, expected: &[&str]) {
    let whole = pieces(answer);
    let letters = |(text, is_control): &(String, bool)| -> Vec<(String, bool)> {
        if *is_control {
            return vec![(text.clone(), true)];
        }
        text.chars()
            .map(|letter| (letter.to_string(), false))
            .collect()
    };
    let single: Vec<_> = whole.iter().flat_map(letters).collect();
    for pieces in [whole, single] {
        assert_eq!(
            shown(&run(template, prompt, &chat(), &pieces)),
            expected,
            "{answer}"
        );
    }
}

fn check(template: &str, answer: &str, expected: &[&str]) {
    check_after(template, "", answer, expected);
}

#[test]
fn reasoning_is_told_from_text() {
    check(
        QWEN,
        "<think>\nHm.\n\nSo.\n</think>\n\nHi!\n",
        &["think: Hm.\n\nSo.", "Hi!\n"],
    );
    check(QWEN, "<think>\n\n</think>\n\nHi", &["Hi"]);
    check(QWEN, "Hi <b>there</b> < 3", &["Hi <b>there</b> < 3"]);
    check(QWEN, "  Hi\n", &["  Hi\n"]);
    check(
        QWEN,
        "<think>never ends </thin",
        &["think: never ends </thin"],
    );
    check(QWEN, "a <thin", &["a <thin"]);
    check_after(
        QWEN,
        "…assistant\n<think>\n",
        "Hm.\n</think>\nHi",
        &["think: Hm.", "Hi"],
    );
    check_after(QWEN, "…<think>\n\n</think>\n\n", "Hi", &["Hi"]);
    check(
        "[THINK]",
        "‹[THINK]›Hm‹[/THINK]›Hi‹</s>›",
        &["think: Hm", "Hi"],
    );
    check(
        GEMMA,
        "‹<|channel>›thought\nHm\n‹<channel|>›Hi‹<turn|>›",
        &["think: Hm", "Hi"],
    );
    check(
        "<think><response></response>",
        "<think>Hm</think>\n<response>Hi</response>",
        &["think: Hm", "Hi"],
    );
    let granite = "Here is my thought process: Hm\nHere is my response: Hi";
    check("Here is my thought process:", granite, &["think: Hm", "Hi"]);
    check(
        "<seed:think>",
        "<seed:think>Hm</seed:think>Hi",
        &["think: Hm", "Hi"],
    );
    check(
        "plain",
        "<think>no mark here</think>",
        &["<think>no mark here</think>"],
    );
    check("plain", "Hi‹<|im_end|>›", &["Hi"]);
}

#[test]
fn a_turn_that_broke_off_while_thinking_goes_on_thinking() {
    let open = ChatMessage {
        reasoning: Some("So".into()),
        ..ChatMessage::new(Role::Assistant, "")
    };
    let chat = vec![ChatMessage::user("go"), open].into();
    let events = run(QWEN, "…<think>\nSo", &chat, &pieces(" far.\n</think>Hi"));
    assert_eq!(shown(&events), ["think:  far.", "Hi"]);
}

const ONE: &[&str] = &["Let me see.", r#"f{"s":"é","n":1}"#];
const ONLY: &[&str] = &[r#"f{"s":"é","n":1}"#];
const BOTH: &[&str] = &[r#"f{"s":"é","n":1}"#, "g{}"];

#[test]
fn calls_between_tags() {
    // Hermes, Qwen.
    check(
        QWEN,
        "Let me see.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"s\": \"é\", \"n\": 1}}\n</tool_call>",
        ONE,
    );
    check(
        QWEN,
        "<tool_call>{\"name\": \"f\", \"arguments\": {\"s\": \"é\", \"n\": 1}}</tool_call>\n<tool_call>{\"name\": \"g\", \"arguments\": {}}</tool_call>\n",
        BOTH,
    );
    check(
        QWEN,
        "<think>Hm</think>\n\n<tool_call>{\"name\": \"g\", \"arguments\": \"{}\"}</tool_call>",
        &["think: Hm", "g{}"],
    );
    // Qwen3-Coder, Nemotron 3.
    check(
        QWEN,
        "<tool_call>\n<function=f>\n<parameter=s>\né\n</parameter>\n<parameter=n>\n1\n</parameter>\n</function>\n</tool_call>",
        ONLY,
    );
    check(
        "<tool_call><function=",
        "<function=f>\n<parameter=s>\né\n</parameter>\n<parameter=n>\n1\n</parameter>\n</function>",
        ONLY,
    );
    check(
        QWEN,
        "<tool_call>\n<function=g>\n</function>\n</tool_call>",
        &["g{}"],
    );
    check(
        "<function=",
        "<function=f>{\"s\": \"é\", \"n\": 1}</function>",
        ONLY,
    );
    // GLM.
    check(
        QWEN,
        "<tool_call>f\n<arg_key>s</arg_key>\n<arg_value>é</arg_value>\n<arg_key>n</arg_key>\n<arg_value>1</arg_value>\n</tool_call>",
        ONLY,
    );
    check(
        QWEN,
        "<tool_call>f<arg_key>s</arg_key><arg_value>é</arg_value><arg_key>n</arg_key><arg_value>1</arg_value></tool_call>\n<tool_call>g</tool_call>",
        BOTH,
    );
}

#[test]
fn llama_and_mistral_call_in_their_own_ways() {
    // Llama 3.
    check(
        LLAMA,
        "{\"name\": \"f\", \"parameters\": {\"s\": \"é\", \"n\": 1}}‹<|eot_id|>›",
        ONLY,
    );
    check(
        LLAMA,
        "‹<|python_tag|>›{\"name\": \"f\", \"parameters\": {\"s\": \"é\", \"n\": 1}}; {\"name\": \"g\", \"parameters\": {}}",
        BOTH,
    );
    check(
        LLAMA,
        "‹<|python_tag|>›f.call(s=\"é\", n=1)‹<|eom_id|>›",
        ONLY,
    );
    check(
        LLAMA,
        "‹<|python_tag|>›print(1)\nprint(2)‹<|eom_id|>›",
        &["python{\"code\":\"print(1)\\nprint(2)\"}"],
    );
    check(
        LLAMA,
        "{\"name\": \"g\"};{\"name\": \"g\"}",
        &["g{}", "g{}"],
    );
    check(LLAMA, "{\"name\": \"g\"}; so", &["g{}", "; so"]);
    check(LLAMA, "{\"name\": \"g\"}; {so", &["g{}", "; {so"]);
    // Mistral.
    check(
        MISTRAL,
        "‹[TOOL_CALLS]›[{\"name\": \"f\", \"arguments\": {\"s\": \"é\", \"n\": 1}}, {\"name\": \"g\", \"arguments\": {}}]‹</s>›",
        BOTH,
    );
    check(
        MISTRAL,
        "Let me see.‹[TOOL_CALLS]›f‹[ARGS]›{\"s\": \"é\", \"n\": 1}‹</s>›",
        ONE,
    );
    check(
        MISTRAL,
        "‹[TOOL_CALLS]›f‹[CALL_ID]›abcdefghi‹[ARGS]›{\"s\": \"é\", \"n\": 1}‹[TOOL_CALLS]›g‹[ARGS]›{}",
        BOTH,
    );
}

#[test]
fn calls_between_control_tokens() {
    // DeepSeek V3 and R1, V3.1.
    check(
        DEEPSEEK,
        "‹<｜tool▁calls▁begin｜>›‹<｜tool▁call▁begin｜>›function‹<｜tool▁sep｜>›f\n```json\n{\"s\": \"é\", \"n\": 1}\n```‹<｜tool▁call▁end｜>›\n‹<｜tool▁call▁begin｜>›function‹<｜tool▁sep｜>›g\n```json\n{}\n```‹<｜tool▁call▁end｜>›‹<｜tool▁calls▁end｜>›",
        BOTH,
    );
    check(
        DEEPSEEK,
        "Let me see.‹<｜tool▁calls▁begin｜>›‹<｜tool▁call▁begin｜>›f‹<｜tool▁sep｜>›{\"s\": \"é\", \"n\": 1}‹<｜tool▁call▁end｜>›‹<｜tool▁calls▁end｜>›",
        ONE,
    );
    // Kimi.
    check(
        KIMI,
        "‹<|tool_calls_section_begin|>›‹<|tool_call_begin|>›functions.f:0‹<|tool_call_argument_begin|>›{\"s\": \"é\", \"n\": 1}‹<|tool_call_end|>›‹<|tool_calls_section_end|>›",
        ONLY,
    );
    // Granite, Nemotron, Apertus, Cohere.
    check(
        "<|tool_call|>",
        "‹<|tool_call|>›[{\"name\": \"f\", \"arguments\": {\"s\": \"é\", \"n\": 1}}]",
        ONLY,
    );
    check(
        "<TOOLCALL>",
        "<TOOLCALL>[{\"name\": \"f\", \"arguments\": {\"s\": \"é\", \"n\": 1}}]</TOOLCALL>",
        ONLY,
    );
    check(
        "<|tools_prefix|>",
        "‹<|tools_prefix|>›[{\"f\": {\"s\": \"é\", \"n\": 1}}]‹<|tools_suffix|>›",
        ONLY,
    );
    check(
        "<|START_ACTION|>",
        "‹<|START_ACTION|>›[{\"tool_call_id\": \"0\", \"tool_name\": \"f\", \"parameters\": {\"s\": \"é\", \"n\": 1}}]‹<|END_ACTION|>›",
        ONLY,
    );
}

#[test]
fn calls_in_notations_that_are_not_json() {
    // DeepSeek V3.2.
    check(
        "<｜DSML｜function_calls>",
        "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"s\" string=\"true\">é</｜DSML｜parameter>\n<｜DSML｜parameter name=\"n\" string=\"false\">1</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>",
        ONLY,
    );
    // LFM2.
    check(
        "<|tool_call_start|>",
        "‹<|tool_call_start|>›[f(s=\"é\", n=1), g()]‹<|tool_call_end|>›",
        BOTH,
    );
    check(
        "<|tool_call_start|>",
        "‹<|tool_call_start|>›[f(s='it\\'s', n=[1, {'a': None}, True])]‹<|tool_call_end|>›",
        &["f{\"s\":\"it's\",\"n\":[1,{\"a\":null},true]}"],
    );
    // MiniMax.
    check(
        "<minimax:tool_call>",
        "<minimax:tool_call>\n<invoke name=\"f\">\n<parameter name=\"s\">é</parameter>\n<parameter name=\"n\">1</parameter>\n</invoke>\n</minimax:tool_call>",
        ONLY,
    );
    // Gemma 4.
    check(
        GEMMA,
        "‹<|tool_call>›call:f{s:‹<|\"|>›é‹<|\"|>›,n:1}‹<tool_call|>›",
        ONLY,
    );
    check(
        GEMMA,
        "‹<|tool_call>›call:f{s:‹<|\"|>›a,b}‹<|\"|>›,n:[1,{x:true}]}‹<tool_call|>›",
        &["f{\"s\":\"a,b}\",\"n\":[1,{\"x\":true}]}"],
    );
}

#[test]
fn harmony_has_channels() {
    let open = "<|start|>user<|message|>go<|end|><|start|>assistant";
    let at = |answer: &str, expected: &[&str]| check_after(HARMONY, open, answer, expected);
    at(
        "‹<|channel|>›analysis‹<|message|>›Hm.‹<|end|>›‹<|start|>›assistant‹<|channel|>›final‹<|message|>›Hi\n‹<|return|>›",
        &["think: Hm.", "Hi\n"],
    );
    at(
        "‹<|channel|>›commentary to=functions.f ‹<|constrain|>›json‹<|message|>›{\"s\":\"é\",\"n\":1}‹<|call|>›",
        &["f{\"s\":\"é\",\"n\":1}"],
    );
    at(
        " to=functions.f‹<|channel|>›commentary json‹<|message|>›{\"n\":1}‹<|call|>›",
        &["f{\"n\":1}"],
    );
    at(
        "‹<|channel|>›commentary‹<|message|>›First.‹<|end|>›‹<|start|>›assistant‹<|channel|>›commentary to=functions.g‹<|message|>›{}‹<|call|>›",
        &["First.", "g{}"],
    );
    at(
        "‹<|channel|>›analysis to=python‹<|message|>›print(1)‹<|call|>›",
        &["python\"print(1)\""],
    );
    at(
        "‹<|channel|>›final‹<|message|>›write <|channel|> as text",
        &["write <|channel|> as text"],
    );
    at("no format at all", &["no format at all"]);
    at(
        "‹<|channel|>›commentary to=functions.f‹<|message|>›{\"s\":",
        &["{\"s\":"],
    );
    check_after(
        HARMONY,
        "<|start|>assistant<|channel|>analysis<|message|>So",
        " far‹<|end|>›",
        &["think:  far"],
    );
    check_after(
        HARMONY,
        "<|start|>assistant<|channel|>final<|message|>So",
        " far",
        &[" far"],
    );
}

#[test]
fn what_only_looks_like_a_call_is_text() {
    let same = |template: &str, answer: &str| check(template, answer, &[answer]);
    same(QWEN, "Write `<tool` and then");
    same(
        QWEN,
        "```xml\n<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>\n```\nSo.",
    );
    same(QWEN, "a\n  ```\n<think>x</think>\n```");
    same(QWEN, "<tool_call>{\"name\": \"f\", \"argu");
    same(QWEN, "<tool_call>{\"name\": 1}</tool_call> and on");
    same(QWEN, "<tool_call>not a call, is it?</tool_call>");
    same(QWEN, "<tool_call>{} {}</tool_call>");
    same(LLAMA, "{\"name\": \"unknown\", \"parameters\": {}}");
    same(LLAMA, "{\"a\": 1} is JSON");
    same(LLAMA, "{\"name\": \"f\", \"param");
    same(LLAMA, "x {\"name\": \"f\", \"parameters\": {}}");
    same(
        "<|tool_call_start|>",
        "<|tool_call_start|>[f(]<|tool_call_end|>",
    );
    // A control token is meant, also in a code block that was left open.
    check(
        "<|tool_call_start|>",
        "```\n‹<|tool_call_start|>›[g()]‹<|tool_call_end|>›",
        &["```", "g{}"],
    );
    // After a code block calls count again; ``` within a line opens none.
    check(
        QWEN,
        "```\nx\n```\n<tool_call>{\"name\": \"g\"}</tool_call>",
        &["```\nx\n```", "g{}"],
    );
    check(
        QWEN,
        "see ```x <tool_call>{\"name\": \"g\"}</tool_call>",
        &["see ```x", "g{}"],
    );
    // A mark within a text of the call does not end it.
    check(
        QWEN,
        "<tool_call>{\"name\": \"f\", \"arguments\": {\"s\": \"</tool_call>\"}}</tool_call>.",
        &["f{\"s\":\"</tool_call>\"}", "."],
    );
    let deep = format!("<|tool_call_start|>[f(s={}", "[".repeat(5000));
    same("<|tool_call_start|>", &deep);
}

#[test]
fn special_tokens_name_marks_that_the_template_does_not() {
    let plain = Format::of("plain");
    assert_eq!(Format::of_model("plain", ["<s>"]), plain);
    let format = Format::of_model("plain", ["<|tool_call_start|>", "<think>"]);
    assert_eq!((format.calls.len(), format.thinks.len()), (1, 1));
}

#[test]
fn calls_have_ids_that_differ_within_a_conversation() {
    let mut chat = chat();
    let call = ToolCall {
        id: "call00000".into(),
        name: "g".into(),
        arguments: json!({}),
    };
    chat.messages.push(ChatMessage {
        tool_calls: vec![call],
        ..ChatMessage::assistant("")
    });
    chat.messages.push(ChatMessage::tool("call00000", "done"));
    let answer = "<tool_call>{\"name\": \"g\"}</tool_call><tool_call>{\"name\": \"g\", \"id\": \"mine\"}</tool_call>";
    let ids: Vec<String> = run(QWEN, "", &chat, &pieces(answer))
        .into_iter()
        .filter_map(|event| match event {
            Event::Call(call) => Some(call.id),
            _ => None,
        })
        .collect();
    assert_eq!(ids, ["call00001", "mine"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn any_cut_gives_the_same_events(
        parts in prop::collection::vec(prop::sample::select(vec![
            "<think>", "</think>", "<tool_call>", "</tool_call>", "{\"name\": \"f\", \"arguments\": {\"s\": \"", "\"}}",
            "{\"name\": \"g\", \"parameters\": {}}", ";", "```", "\n", " ", "a", "é", "<", "<function=f>", "<parameter=s>", "</parameter>",
            "</function>", "[TOOL_CALLS]", "[ARGS]", "[f(s=1)]", "<|tool_call_start|>", "<|tool_call_end|>", "g", "{}", "<|tool_call>call:f{s:<|\"|>", "<|\"|>}<tool_call|>",
            "‹<|tool_call_start|>›", "‹<|channel|>›", "‹<|message|>›", "‹<|end|>›", "analysis", "commentary to=functions.f",
        ]), 0..14),
        cuts in prop::collection::vec(1_usize..9, 1..40),
        family in prop::sample::select(vec![QWEN, LLAMA, MISTRAL, GEMMA, HARMONY, "<tool_call><function=<|tool_call_start|>[TOOL_CALLS]<think>"]),
    ) {
        let whole = pieces(&parts.concat());
        let mut sizes = cuts.iter().cycle();
        let cut: Vec<(String, bool)> = whole.iter().flat_map(|(text, is_control)| {
            let letters: Vec<char> = text.chars().collect();
            let mut pieces = Vec::new();
            let mut rest = letters.as_slice();
            while !rest.is_empty() {
                let size = if *is_control { rest.len() } else { rest.len().min(*sizes.next().expect("endless")) };
                pieces.push((rest[..size].iter().collect(), *is_control));
                rest = &rest[size..];
            }
            pieces
        }).collect();
        prop_assert_eq!(run(family, "", &chat(), &whole), run(family, "", &chat(), &cut));
    }

    #[test]
    fn any_text_without_marks_comes_through(text in "[ -;=?-Z^-~\\n\u{e9}\u{1f56f}`]{0,60}") {
        let events = run(QWEN, "", &chat(), &[(text.clone(), false)]);
        prop_assert_eq!(shown(&events).concat(), text);
    }
}
