//! Literals as Python and as Gemma write them: texts, numbers, lists, maps; and calls with named arguments.
//!
//! It deliberately evaluates nothing. Invariant: nesting is bounded, and a text that breaks off is told from a wrong one.

use serde_json::{Map, Value};

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 64;
const GEMMA_QUOTE: &str = "<|\"|>";

/// Why something could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It broke off.
    Unfinished,
    /// It is something else.
    Wrong,
}

/// Whose literals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Keys and texts in quotes.
    Python,
    /// Keys bare, texts in `<|"|>`.
    Gemma,
}

type Read<T> = Result<T, Trouble>;

/// A place in a text.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a str,
    dialect: Dialect,
    depth: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, dialect: Dialect) -> Self {
        Self {
            rest: text,
            dialect,
            depth: 0,
        }
    }

    /// What was not read.
    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }

    /// `[name(key=value, …), …]`, or one call without brackets.
    pub(super) fn calls(&mut self) -> Read<Vec<(String, Map<String, Value>)>> {
        if !self.eat("[") {
            return Ok(vec![self.call()?]);
        }
        let mut calls = Vec::new();
        while !self.eat("]") {
            calls.push(self.call()?);
            self.between_items("]")?;
        }
        Ok(calls)
    }

    fn call(&mut self) -> Read<(String, Map<String, Value>)> {
        let name = self.word()?;
        self.expect("(")?;
        let mut arguments = Map::new();
        while !self.eat(")") {
            let key = self.word()?;
            self.expect("=")?;
            arguments.insert(key, self.value()?);
            self.between_items(")")?;
        }
        Ok((name, arguments))
    }

    /// One literal.
    pub(super) fn value(&mut self) -> Read<Value> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Trouble::Wrong);
        }
        let value = self.literal();
        self.depth -= 1;
        value
    }

    fn literal(&mut self) -> Read<Value> {
        for (open, close) in [("[", "]"), ("(", ")")] {
            if self.eat(open) {
                let mut items = Vec::new();
                while !self.eat(close) {
                    items.push(self.value()?);
                    self.between_items(close)?;
                }
                return Ok(items.into());
            }
        }
        if self.eat("{") {
            return Ok(self.map()?.into());
        }
        if let Some(text) = self.text()? {
            return Ok(text.into());
        }
        self.scalar()
    }

    fn map(&mut self) -> Read<Map<String, Value>> {
        let mut fields = Map::new();
        while !self.eat("}") {
            let key = match self.text()? {
                Some(key) => key,
                None => self.word()?,
            };
            self.expect(":")?;
            fields.insert(key, self.value()?);
            self.between_items("}")?;
        }
        Ok(fields)
    }

    fn between_items(&mut self, close: &str) -> Read<()> {
        self.skip_space();
        if self.eat(",") || self.rest.starts_with(close) {
            return Ok(());
        }
        Err(self.trouble())
    }

    /// A text in quotes, if one stands here.
    fn text(&mut self) -> Read<Option<String>> {
        self.skip_space();
        if self.dialect == Dialect::Gemma
            && let Some(inside) = self.rest.strip_prefix(GEMMA_QUOTE)
        {
            let (text, rest) = inside.split_once(GEMMA_QUOTE).ok_or(Trouble::Unfinished)?;
            self.rest = rest;
            return Ok(Some(text.to_owned()));
        }
        match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote).map(Some),
            _ => Ok(None),
        }
    }

    fn quoted(&mut self, quote: char) -> Read<String> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => {
                    let (_, escaped) = characters.next().ok_or(Trouble::Unfinished)?;
                    match escaped {
                        'n' => text.push('\n'),
                        't' => text.push('\t'),
                        'r' => text.push('\r'),
                        'u' | 'x' => {
                            let digits = if escaped == 'u' { 4 } else { 2 };
                            let code: String =
                                characters.by_ref().take(digits).map(|(_, c)| c).collect();
                            let code =
                                u32::from_str_radix(&code, 16).map_err(|_| Trouble::Wrong)?;
                            text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                        }
                        '\\' | '\'' | '"' => text.push(escaped),
                        other => text.extend(['\\', other]),
                    }
                }
                end if end == quote => {
                    self.rest = &self.rest[at + quote.len_utf8()..];
                    return Ok(text);
                }
                other => text.push(other),
            }
        }
        Err(Trouble::Unfinished)
    }

    /// A number or a name of a constant.
    fn scalar(&mut self) -> Read<Value> {
        let end = self
            .rest
            .find([',', ']', '}', ')', '\n'])
            .ok_or(Trouble::Unfinished)?;
        let word = self.rest[..end].trim();
        let value = match word {
            "True" | "true" => true.into(),
            "False" | "false" => false.into(),
            "None" | "null" => Value::Null,
            _ => {
                let number = serde_json::from_str::<serde_json::Number>(word);
                number.map_err(|_| Trouble::Wrong)?.into()
            }
        };
        self.rest = &self.rest[end..];
        Ok(value)
    }

    /// A name: of a function, a parameter, a key.
    fn word(&mut self) -> Read<String> {
        self.skip_space();
        let is_part = |c: char| c.is_alphanumeric() || "_.-$/".contains(c);
        let end = self.rest.find(|c| !is_part(c)).ok_or(Trouble::Unfinished)?;
        if end == 0 {
            return Err(Trouble::Wrong);
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(word.to_owned())
    }

    fn eat(&mut self, sign: &str) -> bool {
        self.skip_space();
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, sign: &str) -> Read<()> {
        if self.eat(sign) {
            Ok(())
        } else {
            Err(self.trouble())
        }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn trouble(&self) -> Trouble {
        if self.rest.is_empty() {
            Trouble::Unfinished
        } else {
            Trouble::Wrong
        }
    }
}
