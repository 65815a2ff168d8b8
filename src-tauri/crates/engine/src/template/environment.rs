//! minijinja made to behave like the Jinja that `transformers` runs chat templates with.
//!
//! A template is a program of a stranger: it deliberately gets no file, no clock but the date, no other template. Invariant:
//! fuel bounds its steps and the texts it makes, [`super::weighed`] what a step may look into, [`fenced`] what it can pile
//! up, [`super::bounded`] its stack.

use super::json::{MAX_BYTES, tojson};
use super::print::text_of;
use super::source::{FENCE, prepared};
use super::weighed::{self, FACTOR, TICK, WEIGH};
use super::weight::{factor, tick, weigh};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State};

/// Longest source; the longest known is 20 kB. It bounds how deep a template without loops can nest values.
const MAX_SOURCE_BYTES: usize = 256 << 10;
/// Deepest nesting, and most values, of what goes into a namespace.
const MAX_FENCED_DEPTH: usize = 32;
const MAX_FENCED_VALUES: usize = 100_000;
pub(super) const NAME: &str = "chat";

/// An environment with this template in it, as [`NAME`].
///
/// # Errors
/// Jinja's, for a template that can't be read.
pub(super) fn environment(source: &str) -> Result<Environment<'static>, Error> {
    if source.len() > MAX_SOURCE_BYTES {
        return Err(refused("it is too long"));
    }
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    let source = weighed::weighed(&prepared(source), &syntax).map_err(refused)?;
    environment.set_syntax(syntax);
    environment.set_debug(false);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_unknown_method_callback(super::methods::call);
    environment.set_formatter(write_value);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", strftime_now);
    environment.add_filter("tojson", tojson);
    environment.add_filter("join", join);
    environment.add_filter("indent", indent);
    environment.add_filter("string", as_text);
    environment.add_filter("sum", sum);
    environment.add_filter(FENCE, fenced);
    environment.add_filter(WEIGH, super::weight::weighed);
    environment.add_filter(FACTOR, factor);
    environment.add_filter(TICK, tick);
    environment.add_test("iterable", is_iterable);
    // It prints all that there is, at any length; `transformers` has none.
    environment.remove_global("debug");
    environment.add_template_owned(NAME, source)?;
    Ok(environment)
}

pub(super) fn refused(reason: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason.to_owned())
}

fn too_long() -> Error {
    refused("the text gets too long")
}

fn raise_exception(message: &str) -> Result<Value, Error> {
    Err(refused(message))
}

fn strftime_now(format: &str) -> Result<String, Error> {
    use std::fmt::Write;
    let mut text = String::new();
    if format.len() > 256 {
        return Err(too_long());
    }
    write!(text, "{}", chrono::Local::now().format(format))
        .map_err(|_| refused(&format!("{format:?} is no date format")))?;
    Ok(text)
}

/// As Python has it: nothing (`None`) is not, what is not defined is.
#[expect(
    clippy::needless_pass_by_value,
    reason = "minijinja hands arguments over"
)]
fn is_iterable(value: Value) -> bool {
    !value.is_none() && value.try_iter().is_ok()
}

fn write_value(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    if let Some(text) = value.as_str() {
        out.write_str(text)?;
    } else {
        weigh(state, value)?;
        out.write_str(&text_of(value)?)?;
    }
    Ok(())
}

/// A value as Python's `str` has it.
fn as_text(state: &State, value: Value) -> Result<Value, Error> {
    if value.kind() == ValueKind::String {
        return Ok(value);
    }
    weigh(state, &value)?;
    Ok(text_of(&value)?.into())
}

/// Jinja's `join`: of the items, or of an attribute of each.
#[expect(
    clippy::needless_pass_by_value,
    reason = "minijinja hands arguments over"
)]
fn join(
    state: &State,
    values: Value,
    joiner: Option<String>,
    options: Kwargs,
) -> Result<String, Error> {
    weigh(state, &values)?;
    let named: Option<String> = options.get("d")?;
    let joiner = joiner.or(named).unwrap_or_default();
    let attribute: Option<String> = options.get("attribute")?;
    let mut text = String::new();
    for (at, mut value) in values.try_iter()?.enumerate() {
        if at > 0 {
            text.push_str(&joiner);
        }
        if let Some(attribute) = &attribute {
            value = value.get_attr(attribute)?;
        }
        match value.as_str() {
            Some(part) => text.push_str(part),
            None => text.push_str(&text_of(&value)?),
        }
        if text.len() > MAX_BYTES {
            return Err(too_long());
        }
    }
    Ok(text)
}

/// Jinja's `sum`, of numbers alone: it adds one by one, and with lists or texts that is all so far for each.
fn sum(
    state: &State,
    values: Value,
    attribute: Option<&str>,
    start: Option<Value>,
    options: Kwargs,
) -> Result<Value, Error> {
    let start = start.or(options.get("start")?);
    if start.as_ref().is_some_and(|start| !start.is_number()) {
        return Err(refused("only numbers can be summed up"));
    }
    minijinja::filters::sum(state, values, attribute, start, options)
}

/// All lines but the first, or all, moved to the right; blank ones stay, unless asked for.
#[expect(
    clippy::needless_pass_by_value,
    reason = "minijinja hands arguments over"
)]
fn indent(
    text: String,
    width: Option<Value>,
    first: Option<bool>,
    blank: Option<bool>,
    options: Kwargs,
) -> Result<String, Error> {
    let width = width.or(options.get("width")?);
    let first = first.or(options.get("first")?).unwrap_or(false);
    let blank = blank.or(options.get("blank")?).unwrap_or(false);
    let lines = text.split('\n').count();
    let space = match width {
        Some(width) if width.as_str().is_some() => width.to_string(),
        Some(width) => spaces(usize::try_from(width)?, lines)?,
        None => spaces(4, lines)?,
    };
    if lines.saturating_mul(space.len()).saturating_add(text.len()) > MAX_BYTES {
        return Err(too_long());
    }
    let mut moved = String::new();
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            moved.push('\n');
        }
        if (blank || !line.is_empty()) && (at > 0 || first) {
            moved.push_str(&space);
        }
        moved.push_str(line);
    }
    Ok(moved)
}

fn spaces(width: usize, lines: usize) -> Result<String, Error> {
    if lines.saturating_mul(width) > MAX_BYTES {
        return Err(too_long());
    }
    Ok(" ".repeat(width))
}

/// What may go into a namespace: plain values of bounded depth, and no namespace, so that none can hold itself.
fn fenced(state: &State, value: Value) -> Result<Value, Error> {
    let value = match value.kind() {
        // A view of another value, which views pile up on: it becomes a list of its own.
        ValueKind::Iterable => value
            .try_iter()?
            .take(MAX_FENCED_VALUES)
            .collect::<Vec<_>>()
            .into(),
        _ => value,
    };
    let mut left = MAX_FENCED_VALUES;
    check_depth(&value, 0, &mut left)?;
    state.consume_fuel(u64::try_from(MAX_FENCED_VALUES - left).unwrap_or(0))?;
    Ok(value)
}

fn check_depth(value: &Value, depth: usize, left: &mut usize) -> Result<(), Error> {
    let Some(object) = value.as_object() else {
        return Ok(());
    };
    let is_data = matches!(
        value.kind(),
        ValueKind::Seq | ValueKind::Map | ValueKind::String | ValueKind::Bytes
    );
    if !is_data || object.type_name().contains("amespace") {
        return Err(refused("a namespace can't hold this kind of value"));
    }
    if depth > MAX_FENCED_DEPTH || *left == 0 {
        return Err(refused("a namespace's value is too large"));
    }
    if matches!(value.kind(), ValueKind::String | ValueKind::Bytes) {
        return Ok(());
    }
    for item in value.try_iter()? {
        *left = left.saturating_sub(1);
        if value.kind() == ValueKind::Map {
            check_depth(&value.get_item(&item)?, depth + 1, left)?;
        } else {
            check_depth(&item, depth + 1, left)?;
        }
    }
    Ok(())
}
