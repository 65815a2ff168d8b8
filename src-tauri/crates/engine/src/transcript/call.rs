//! Calls in the notations of the model families, from their marks' inside to name and arguments.
//!
//! It deliberately is strict: what is not quite a call is text. Invariant: a body that more text could still make a call of is
//! [`Parsed::Unfinished`], never [`Parsed::Wrong`].

use super::Call;
use super::pythonic::{Dialect, Reader, Trouble};
use super::value::{between, typed};
use engine_api::Tool;
use serde_json::{Map, Value};

/// A notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `{"name": …, "arguments": {…}}`, or a list of them (Hermes, Nemotron 2, Cohere, Apertus).
    Json,
    /// The same without a closing mark: it ends with the value.
    OneJson,
    /// Within `<tool_call>`: JSON, `<function=…>` (`Qwen3-Coder`, Nemotron 3) or `name<arg_key>…` (GLM).
    Tagged,
    /// `name>{…}` or `name><parameter=…>…` after `<function=`.
    Function,
    /// `<invoke name="…"><parameter name="…">…`, as in `MiniMax`, also with the tags of `DeepSeek` V3.2.
    Invoke,
    /// `call:name{key:<|"|>text<|"|>}`.
    Gemma,
    /// `[name(key="text")]` (LFM2).
    Pythonic,
    /// `functions.name:0<|tool_call_argument_begin|>{…}`.
    Kimi,
    /// `function<｜tool▁sep｜>name` and a block of JSON (V3, R1), or `name<｜tool▁sep｜>{…}` (V3.1).
    DeepSeek,
    /// `[{…}]`, or `name[ARGS]{…}`.
    Mistral,
    /// JSON, `name.call(key="text")` or Python code, up to the end.
    PythonTag,
}

/// Longest name and id before arguments.
const MAX_HEAD_BYTES: usize = 512;
const KIMI_ARGUMENTS: &str = "<|tool_call_argument_begin|>";
const DEEPSEEK_BREAK: &str = "<｜tool▁sep｜>";

impl Shape {
    /// Whether a control token of this text is part of the notation.
    pub(super) fn uses(self, mark: &str) -> bool {
        match self {
            Self::Kimi => mark == KIMI_ARGUMENTS,
            Self::DeepSeek => mark == DEEPSEEK_BREAK,
            Self::Mistral => ["[ARGS]", "[CALL_ID]"].contains(&mark),
            Self::Gemma => mark == "<|\"|>",
            Self::Tagged => {
                ["<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"].contains(&mark)
            }
            _ => false,
        }
    }
}

/// What a body turned out to be.
#[derive(Debug, PartialEq)]
pub(super) enum Parsed {
    /// Calls, and how many bytes they took.
    Calls(Vec<Call>, usize),
    /// Perhaps a call, if more comes.
    Unfinished,
    /// None.
    Wrong,
}

type Attempt<T> = Result<T, Trouble>;

/// Reads the inside of a mark. `is_end`: nothing more comes.
pub(super) fn parse(shape: Shape, body: &str, is_end: bool, tools: &[Tool]) -> Parsed {
    let attempt = match shape {
        Shape::Json => json(body, true),
        Shape::OneJson => json(body, false),
        Shape::Tagged => tagged(body, tools),
        Shape::Function => function(body, tools).map(|call| (vec![call], body.len())),
        Shape::Invoke => invokes(body, tools),
        Shape::Gemma => gemma(body),
        Shape::Pythonic => pythonic(body),
        Shape::Kimi => kimi(body),
        Shape::DeepSeek => deepseek(body),
        Shape::Mistral => mistral(body),
        Shape::PythonTag => python_tag(body, is_end),
    };
    match attempt {
        Ok((calls, used)) if !calls.is_empty() => Parsed::Calls(calls, used),
        Err(Trouble::Unfinished) => Parsed::Unfinished,
        Ok(_) | Err(Trouble::Wrong) => Parsed::Wrong,
    }
}

/// The JSON value that `text` begins with, and its end.
fn json_value(text: &str) -> Attempt<(Value, usize)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    match values.next() {
        Some(Ok(value)) => Ok((value, values.byte_offset())),
        Some(Err(error)) if !error.is_eof() => Err(Trouble::Wrong),
        _ => Err(Trouble::Unfinished),
    }
}

/// One value of JSON, or several with nothing but commas and semicolons between.
fn json(body: &str, many: bool) -> Attempt<(Vec<Call>, usize)> {
    let (value, mut used) = json_value(body)?;
    let mut calls = calls_of(value)?;
    if !many {
        return Ok((calls, used));
    }
    loop {
        let rest = body[used..].trim_start_matches([' ', '\n', ';', ',']);
        if !rest.starts_with('{') {
            return Ok((calls, used));
        }
        let Ok((value, more)) = json_value(rest) else {
            return Ok((calls, used));
        };
        used = body.len() - rest.len() + more;
        calls.extend(calls_of(value)?);
    }
}

fn calls_of(value: Value) -> Attempt<Vec<Call>> {
    match value {
        Value::Array(items) => items.into_iter().map(call_of).collect(),
        value => Ok(vec![call_of(value)?]),
    }
}

fn call_of(value: Value) -> Attempt<Call> {
    let Value::Object(mut fields) = value else {
        return Err(Trouble::Wrong);
    };
    if let Some(Value::Object(function)) = fields.get("function") {
        let function = function.clone();
        fields.extend(function);
    }
    let mut take = |names: &[&str]| names.iter().find_map(|name| fields.shift_remove(*name));
    let name = take(&["name", "tool_name"]);
    let id = take(&["id", "tool_call_id"]);
    let arguments = take(&["arguments", "parameters", "args"]);
    match (name, arguments) {
        (Some(Value::String(name)), arguments) if !name.is_empty() => Ok(Call {
            id: id.and_then(|id| id.as_str().map(str::to_owned)),
            name,
            arguments: object(arguments)?,
        }),
        // Apertus: the name is the key.
        (None, None) if fields.len() == 1 => {
            let (name, arguments) = fields.into_iter().next().ok_or(Trouble::Wrong)?;
            named(&name, object(Some(arguments))?)
        }
        _ => Err(Trouble::Wrong),
    }
}

/// Arguments are an object, or the text of one.
fn object(arguments: Option<Value>) -> Attempt<Value> {
    match arguments {
        None | Some(Value::Null) => Ok(Value::Object(Map::new())),
        Some(Value::Object(fields)) => Ok(Value::Object(fields)),
        Some(Value::String(text)) => match serde_json::from_str(&text) {
            Ok(Value::Object(fields)) => Ok(Value::Object(fields)),
            _ => Ok(Value::String(text)),
        },
        Some(_) => Err(Trouble::Wrong),
    }
}

fn named(name: &str, arguments: Value) -> Attempt<Call> {
    let name = name.trim();
    let is_name =
        !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || "<>{}\"".contains(c));
    if !is_name {
        return Err(Trouble::Wrong);
    }
    Ok(Call {
        id: None,
        name: name.to_owned(),
        arguments,
    })
}

fn tagged(body: &str, tools: &[Tool]) -> Attempt<(Vec<Call>, usize)> {
    let inside = body.trim();
    if inside.starts_with(['{', '[']) {
        let (calls, used) = json(inside, true)?;
        return only(calls, inside[used..].trim().is_empty(), body.len());
    }
    if inside.starts_with("<function=") {
        let functions = inside.split("<function=").skip(1);
        let calls = functions
            .map(|one| function(one, tools))
            .collect::<Attempt<Vec<_>>>()?;
        return Ok((calls, body.len()));
    }
    let (name, rest) = inside.split_at(inside.find("<arg_key>").unwrap_or(inside.len()));
    let name = name.trim();
    let mut arguments = Map::new();
    for pair in rest.split("<arg_key>").skip(1) {
        let (key, value) = pair.split_once("</arg_key>").ok_or(Trouble::Unfinished)?;
        let value = between(value, "<arg_value>", "</arg_value>").ok_or(Trouble::Unfinished)?;
        let value = typed(tools, name, key.trim(), value);
        arguments.insert(key.trim().to_owned(), value);
    }
    Ok((vec![named(name, arguments.into())?], body.len()))
}

fn only(calls: Vec<Call>, is_whole: bool, used: usize) -> Attempt<(Vec<Call>, usize)> {
    if is_whole {
        Ok((calls, used))
    } else {
        Err(Trouble::Wrong)
    }
}

/// `name>…`, with or without its closing tag.
fn function(body: &str, tools: &[Tool]) -> Attempt<Call> {
    let (name, inside) = body.split_once('>').ok_or(Trouble::Unfinished)?;
    let inside = inside.trim();
    let inside = inside.strip_suffix("</function>").unwrap_or(inside).trim();
    if inside.starts_with('{') {
        let (value, _) = json_value(inside)?;
        return named(name, value);
    }
    let mut arguments = Map::new();
    for parameter in inside.split("<parameter=").skip(1) {
        let (key, value) = parameter.split_once('>').ok_or(Trouble::Unfinished)?;
        let end = value.rfind("</parameter>").unwrap_or(value.len());
        let value = typed(tools, name.trim(), key.trim(), &value[..end]);
        arguments.insert(key.trim().to_owned(), value);
    }
    if arguments.is_empty() && !inside.is_empty() {
        return Err(Trouble::Unfinished);
    }
    named(name, arguments.into())
}

fn invokes(body: &str, tools: &[Tool]) -> Attempt<(Vec<Call>, usize)> {
    // DeepSeek V3.2 writes the same with its own tags.
    let plain = body.replace("｜DSML｜", "");
    let mut calls = Vec::new();
    for invoke in plain.split("<invoke name=\"").skip(1) {
        let (name, inside) = invoke.split_once("\">").ok_or(Trouble::Unfinished)?;
        let end = inside.rfind("</invoke>").ok_or(Trouble::Unfinished)?;
        let mut arguments = Map::new();
        for parameter in inside[..end].split("<parameter name=\"").skip(1) {
            let (key, value) = parameter.split_once('>').ok_or(Trouble::Unfinished)?;
            let (key, kind) = key.split_once('"').ok_or(Trouble::Wrong)?;
            let end = value.rfind("</parameter>").ok_or(Trouble::Unfinished)?;
            let value = if kind.contains("string=\"true\"") {
                value[..end].into()
            } else {
                typed(tools, name, key, &value[..end])
            };
            arguments.insert(key.to_owned(), value);
        }
        calls.push(named(name, arguments.into())?);
    }
    Ok((calls, body.len()))
}

fn gemma(body: &str) -> Attempt<(Vec<Call>, usize)> {
    let inside = body.trim().strip_prefix("call:").ok_or(Trouble::Wrong)?;
    let at = inside.find('{').ok_or(Trouble::Unfinished)?;
    let mut reader = Reader::new(&inside[at..], Dialect::Gemma);
    let arguments = reader.value()?;
    let call = named(&inside[..at], arguments)?;
    only(vec![call], reader.rest().trim().is_empty(), body.len())
}

fn pythonic(body: &str) -> Attempt<(Vec<Call>, usize)> {
    let mut reader = Reader::new(body, Dialect::Python);
    let calls = reader.calls()?;
    let calls = calls
        .into_iter()
        .map(|(name, arguments)| named(&name, arguments.into()))
        .collect::<Attempt<Vec<_>>>()?;
    only(calls, reader.rest().trim().is_empty(), body.len())
}

fn kimi(body: &str) -> Attempt<(Vec<Call>, usize)> {
    let (id, arguments) = body.split_once(KIMI_ARGUMENTS).ok_or(Trouble::Unfinished)?;
    let id = id.trim();
    let name = id.strip_prefix("functions.").unwrap_or(id);
    let name = name.rsplit_once(':').map_or(name, |(name, _)| name);
    let (value, used) = json_value(arguments)?;
    let call = Call {
        id: Some(id.to_owned()),
        ..named(name, object(Some(value))?)?
    };
    only(vec![call], arguments[used..].trim().is_empty(), body.len())
}

fn deepseek(body: &str) -> Attempt<(Vec<Call>, usize)> {
    let (before, after) = body.split_once(DEEPSEEK_BREAK).ok_or(Trouble::Unfinished)?;
    let (name, arguments) = if after.trim_start().starts_with('{') {
        (before, after)
    } else {
        after.split_once('\n').ok_or(Trouble::Unfinished)?
    };
    let arguments = arguments.trim();
    let arguments = arguments.strip_prefix("```json").unwrap_or(arguments);
    let (value, used) = json_value(arguments)?;
    let rest = arguments[used..].trim();
    let call = named(name, object(Some(value))?)?;
    only(vec![call], rest.is_empty() || rest == "```", body.len())
}

fn mistral(body: &str) -> Attempt<(Vec<Call>, usize)> {
    let start = body.trim_start();
    if start.is_empty() {
        return Err(Trouble::Unfinished);
    }
    if start.starts_with(['[', '{']) {
        return json(body, false);
    }
    let at = body.find('{').ok_or_else(|| {
        let is_name =
            !start.trim_end().contains(char::is_whitespace) && start.len() < MAX_HEAD_BYTES;
        if is_name {
            Trouble::Unfinished
        } else {
            Trouble::Wrong
        }
    })?;
    if body[..at].trim().len() >= MAX_HEAD_BYTES {
        return Err(Trouble::Wrong);
    }
    let head = body[..at].trim().trim_end_matches("[ARGS]");
    let (name, id) = head.split_once("[CALL_ID]").unwrap_or((head, ""));
    let (value, used) = json_value(&body[at..])?;
    let call = Call {
        id: Some(id.to_owned()),
        ..named(name, object(Some(value))?)?
    };
    Ok((vec![call], at + used))
}

fn python_tag(body: &str, is_end: bool) -> Attempt<(Vec<Call>, usize)> {
    if body.trim_start().starts_with('{') && json(body, false) != Err(Trouble::Wrong) {
        return json(body, false);
    }
    if !is_end {
        return Err(Trouble::Unfinished);
    }
    let code = body.trim();
    if let Some((name, _)) = code.split_once(".call(") {
        let plain = format!("[{name}({}]", &code[name.len() + ".call(".len()..]);
        if let Ok((calls, _)) = pythonic(&plain) {
            return Ok((calls, body.len()));
        }
    }
    if code.is_empty() {
        return Err(Trouble::Wrong);
    }
    let arguments = Map::from_iter([("code".to_owned(), Value::from(code))]);
    Ok((vec![named("python", arguments.into())?], body.len()))
}
