//! Values as Python's `str` prints them: a model has read them in that form.
//!
//! It deliberately differs from minijinja only in floats within lists and maps. Invariant: what is nested too deep or gets too long is
//! an error.

use super::environment::refused;
use super::json::{MAX_BYTES, number};
use minijinja::Error;
use minijinja::value::{Value, ValueKind};

/// Deepest nesting that is printed.
const MAX_DEPTH: usize = 200;

/// The value's text: a string as it is, all else as Python's `repr`.
///
/// # Errors
/// For values that are nested too deep or too long.
pub(super) fn text_of(value: &Value) -> Result<String, Error> {
    let mut text = String::new();
    match value.kind() {
        ValueKind::String | ValueKind::Undefined => text = value.to_string(),
        _ => print(value, 0, &mut text)?,
    }
    Ok(text)
}

fn print(value: &Value, depth: usize, text: &mut String) -> Result<(), Error> {
    if depth > MAX_DEPTH || text.len() > MAX_BYTES {
        return Err(refused("a printed value is too large"));
    }
    let is_tuple = || {
        let object = value.as_object();
        object.is_some_and(|object| object.type_name().contains("uple"))
    };
    match value.kind() {
        ValueKind::Number => text.push_str(&number(value)),
        ValueKind::String => text.push_str(&format_debug(value)),
        ValueKind::Seq if !is_tuple() => list(value, depth, text)?,
        ValueKind::Map => map(value, depth, text)?,
        _ => text.push_str(&value.to_string()),
    }
    Ok(())
}

/// minijinja's own is Python's `repr` for strings.
fn format_debug(value: &Value) -> String {
    format!("{value:?}")
}

fn list(value: &Value, depth: usize, text: &mut String) -> Result<(), Error> {
    text.push('[');
    for (at, item) in value.try_iter()?.enumerate() {
        if at > 0 {
            text.push_str(", ");
        }
        print(&item, depth + 1, text)?;
    }
    text.push(']');
    Ok(())
}

fn map(value: &Value, depth: usize, text: &mut String) -> Result<(), Error> {
    text.push('{');
    for (at, key) in value.try_iter()?.enumerate() {
        if at > 0 {
            text.push_str(", ");
        }
        print(&key, depth + 1, text)?;
        text.push_str(": ");
        print(&value.get_item(&key)?, depth + 1, text)?;
    }
    text.push('}');
    Ok(())
}
