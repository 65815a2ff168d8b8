//! JSON as Python's `json.dumps` writes it: a model has read its tools in that form.
//!
//! It deliberately differs in two points: a sentinel of the tokenizer's guard is never escaped, and values nested deeper
//! than [`MAX_DEPTH`] are refused. Invariant: no text longer than [`MAX_BYTES`] is made.

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

/// Deepest nesting that is written. Python itself stops near 1,000.
const MAX_DEPTH: usize = 128;
/// The longest text that a filter may make out of short ones: fuel does not see what happens within a filter.
pub(super) const MAX_BYTES: usize = 16 << 20;
/// Splits the texts of special tokens; the tokenizer takes it out again.
const SENTINEL: char = '\u{FDD0}';

/// How it is written: the arguments of `tojson`.
#[derive(Debug)]
struct Style {
    ensure_ascii: bool,
    indent: Option<String>,
    item_separator: String,
    key_separator: String,
    sort_keys: bool,
}

impl Style {
    /// The arguments that `transformers` gives its filter, with its defaults.
    fn from(indent: Option<&Value>, options: &Kwargs) -> Result<Self, Error> {
        let named: Option<Value> = options.get("indent")?;
        let indent = indent_of(indent.or(named.as_ref()))?;
        let separators: Option<Vec<String>> = options.get("separators")?;
        let mut separators = separators.unwrap_or_default().into_iter();
        // Python: a line end takes the place of the blank.
        let item_default = if indent.is_some() { "," } else { ", " };
        let style = Self {
            item_separator: separators.next().unwrap_or_else(|| item_default.into()),
            key_separator: separators.next().unwrap_or_else(|| ": ".into()),
            ensure_ascii: options
                .get::<Option<bool>>("ensure_ascii")?
                .unwrap_or(false),
            sort_keys: options.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
            indent,
        };
        options.assert_all_used()?;
        Ok(style)
    }
}

fn indent_of(value: Option<&Value>) -> Result<Option<String>, Error> {
    let Some(value) = value.filter(|value| !value.is_none() && !value.is_undefined()) else {
        return Ok(None);
    };
    if let Some(text) = value.as_str() {
        return Ok(Some(text.to_owned()));
    }
    let width = usize::try_from(value.clone())?;
    if width > 64 {
        return Err(refused("tojson's indent is too wide"));
    }
    Ok(Some(" ".repeat(width)))
}

/// The filter `tojson`. HTML is not escaped: a model must not see that.
///
/// # Errors
/// For values that JSON has no form for, and for too deep or too long ones.
#[expect(
    clippy::needless_pass_by_value,
    reason = "minijinja hands arguments over"
)]
pub(super) fn tojson(
    state: &State,
    value: Value,
    indent: Option<Value>,
    options: Kwargs,
) -> Result<Value, Error> {
    super::weight::weigh(state, &value)?;
    let mut writer = Writer {
        style: Style::from(indent.as_ref(), &options)?,
        text: String::new(),
    };
    writer.value(&value, 0)?;
    Ok(writer.text.into())
}

fn refused(reason: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason.to_owned())
}

struct Writer {
    style: Style,
    text: String,
}

impl Writer {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(refused("tojson: too deeply nested"));
        }
        if self.text.len() > MAX_BYTES {
            return Err(refused("tojson: the text gets too long"));
        }
        match value.kind() {
            ValueKind::None => self.text.push_str("null"),
            ValueKind::Bool => self
                .text
                .push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.text.push_str(&number(value)),
            ValueKind::String => self.string(value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => self.list(value, depth)?,
            ValueKind::Map => self.map(value, depth)?,
            kind => return Err(refused(&format!("tojson: {kind} has no JSON form"))),
        }
        Ok(())
    }

    fn list(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let mut is_empty = true;
        self.text.push('[');
        for item in value.try_iter()? {
            self.before_item(is_empty, depth + 1);
            is_empty = false;
            self.value(&item, depth + 1)?;
        }
        self.close(is_empty, ']', depth);
        Ok(())
    }

    fn map(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let mut keys: Vec<Value> = value.try_iter()?.collect();
        if self.style.sort_keys {
            keys.sort();
        }
        let is_empty = keys.is_empty();
        self.text.push('{');
        for (at, key) in keys.iter().enumerate() {
            self.before_item(at == 0, depth + 1);
            self.key(key)?;
            self.text.push_str(&self.style.key_separator);
            self.value(&value.get_item(key)?, depth + 1)?;
        }
        self.close(is_empty, '}', depth);
        Ok(())
    }

    fn key(&mut self, key: &Value) -> Result<(), Error> {
        let text = match key.kind() {
            ValueKind::String => key.as_str().unwrap_or_default().to_owned(),
            ValueKind::None => "null".into(),
            ValueKind::Bool => (if key.is_true() { "true" } else { "false" }).into(),
            ValueKind::Number => number(key),
            kind => return Err(refused(&format!("tojson: {kind} is no key"))),
        };
        self.string(&text);
        Ok(())
    }

    fn before_item(&mut self, is_first: bool, depth: usize) {
        if !is_first {
            self.text.push_str(&self.style.item_separator);
        }
        self.line_end(depth);
    }

    fn close(&mut self, is_empty: bool, bracket: char, depth: usize) {
        if !is_empty {
            self.line_end(depth);
        }
        self.text.push(bracket);
    }

    fn line_end(&mut self, depth: usize) {
        if let Some(indent) = &self.style.indent {
            self.text.push('\n');
            for _ in 0..depth {
                self.text.push_str(indent);
            }
        }
    }

    fn string(&mut self, string: &str) {
        self.text.push('"');
        for character in string.chars() {
            self.character(character);
        }
        self.text.push('"');
    }

    fn character(&mut self, character: char) {
        let short = match character {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            _ => "",
        };
        let is_plain = character == SENTINEL
            || character >= ' ' && (!self.style.ensure_ascii || character < '\u{7f}')
            || character == '\u{7f}';
        if !short.is_empty() {
            self.text.push_str(short);
        } else if is_plain {
            self.text.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let digit = |shift: u16| char::from_digit(u32::from(*unit >> shift & 15), 16);
                self.text.push_str("\\u");
                self.text
                    .extend([12, 8, 4, 0].into_iter().filter_map(digit));
            }
        }
    }
}

/// A number as Python prints it.
pub(super) fn number(value: &Value) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    f64::try_from(value.clone()).map_or_else(|_| value.to_string(), float)
}

/// Python's `repr` of a float: the shortest digits that read back, an exponent from 1e16 and below 1e-4.
fn float(value: f64) -> String {
    if !value.is_finite() {
        let text = if value.is_nan() { "NaN" } else { "Infinity" };
        return if value < 0.0 { "-Infinity" } else { text }.into();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(rest) => ('-', rest),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    let text = format!("{value}");
    if text.contains('.') {
        text
    } else {
        text + ".0"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_look_as_python_prints_them() {
        let check = |value: f64, expected: &str| assert_eq!(float(value), expected);
        check(1.0, "1.0");
        check(-0.0, "-0.0");
        check(0.1, "0.1");
        check(1e15, "1000000000000000.0");
        check(1e16, "1e+16");
        check(1.5e-5, "1.5e-05");
        check(0.0001, "0.0001");
        check(1.234e300, "1.234e+300");
        check(f64::NEG_INFINITY, "-Infinity");
    }
}
