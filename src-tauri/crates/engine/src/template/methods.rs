//! Methods of Python's values that chat templates call, beside those of minijinja's own `pycompat`.

use super::environment::refused;
use super::weight::{weigh, weigh_bytes};
use minijinja::value::{Kwargs, Value, ValueKind, from_args};
use minijinja::{Error, State};

/// Calls `value.method(args)`.
///
/// # Errors
/// For methods that Python has not or that change a value: templates run where nothing can be changed.
pub(super) fn call(
    state: &mut State,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    // Texts are gone through whole, lists are compared with: what costs no fuel of itself.
    for argument in args {
        weigh(state, argument)?;
    }
    weigh_bytes(state, value.as_str().map_or(0, str::len))?;
    if method == "count" {
        weigh(state, value)?;
    }
    match (value.kind(), method) {
        (ValueKind::String, "removeprefix" | "removesuffix") => cut(value, method, args),
        (ValueKind::String, "partition" | "rpartition") => partition(value, method, args),
        (ValueKind::String, "rsplit") => rsplit(value, args),
        (ValueKind::String, "index") => match value.as_str().zip(args.first()) {
            Some((text, part)) if text.contains(part.as_str().unwrap_or_default()) => {
                minijinja_contrib::pycompat::unknown_method_callback(state, value, "find", args)
            }
            _ => Err(refused("substring not found")),
        },
        (ValueKind::String, "split") => split(state, value, args),
        (ValueKind::String, "format") if is_wide(value.as_str().unwrap_or_default()) => {
            Err(refused("a format is too wide"))
        }
        (ValueKind::Map | ValueKind::Seq, "copy") => Ok(value.clone()),
        _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args),
    }
}

/// Whether a format asks for a width or a precision of more than three digits, which costs no fuel.
fn is_wide(format: &str) -> bool {
    let mut run = 0;
    format.bytes().any(|byte| {
        run = if byte.is_ascii_digit() { run + 1 } else { 0 };
        run > 3
    })
}

fn cut(value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let (part,): (&str,) = from_args(args)?;
    let text = value.as_str().unwrap_or_default();
    let rest = match method {
        "removeprefix" => text.strip_prefix(part),
        _ => text.strip_suffix(part),
    };
    Ok(rest.unwrap_or(text).into())
}

fn partition(value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let (separator,): (&str,) = from_args(args)?;
    let text = value.as_str().unwrap_or_default();
    let parts = match method {
        "partition" => text.split_once(separator).map(|(a, b)| [a, separator, b]),
        _ => text.rsplit_once(separator).map(|(a, b)| [a, separator, b]),
    };
    let parts = parts.unwrap_or(match method {
        "partition" => [text, "", ""],
        _ => ["", "", text],
    });
    Ok(parts.map(Value::from).to_vec().into())
}

fn rsplit(value: &Value, args: &[Value]) -> Result<Value, Error> {
    let (separator, most): (&str, Option<usize>) = from_args(args)?;
    if separator.is_empty() {
        return Err(refused("empty separator"));
    }
    let text = value.as_str().unwrap_or_default();
    let most = most.map_or(usize::MAX, |most| most.saturating_add(1));
    let mut parts: Vec<Value> = text.rsplitn(most, separator).map(Value::from).collect();
    parts.reverse();
    Ok(parts.into())
}

/// Python takes `maxsplit` by name too.
fn split(state: &mut State, value: &Value, args: &[Value]) -> Result<Value, Error> {
    let is_named = args.last().is_some_and(Value::is_kwargs);
    let mut plain = args.to_vec();
    if is_named {
        let (rest, options): (&[Value], Kwargs) = from_args(args)?;
        plain = rest.to_vec();
        let (separator, most): (Option<Value>, Option<Value>) =
            (options.get("sep")?, options.get("maxsplit")?);
        if plain.is_empty() {
            plain.push(separator.unwrap_or(Value::from(())));
        }
        plain.extend(most);
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, "split", &plain)
}
