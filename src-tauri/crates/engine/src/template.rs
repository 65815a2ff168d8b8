//! The chat template that a model carries, rendered with minijinja made to behave like the Jinja that
//! `transformers` runs it with.
//!
//! A template is a program of a stranger: it gets a fuel limit and no access to anything but the conversation.

use engine_api::{ChatMessage, Role};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, context};

/// Steps that one rendering may take, about one for 64 bytes of text; the longest templates need some ten thousand for a
/// hundred turns.
const FUEL: u64 = 2_000_000;
/// The longest text that a filter may make out of short ones: fuel does not see what happens within a filter.
const MAX_FILTERED_BYTES: usize = 16 << 20;
const NAME: &str = "chat";

/// A compiled chat template.
#[derive(Debug)]
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    bos: String,
    eos: String,
}

impl ChatTemplate {
    /// Compiles `source`; `bos` and `eos` are the texts of the begin and end tokens.
    pub(crate) fn new(source: &str, bos: &str, eos: &str) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_syntax(
            SyntaxConfig::builder()
                .trim_blocks(true)
                .lstrip_blocks(true)
                .build()?,
        );
        environment.set_fuel(Some(FUEL));
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        environment.add_filter("tojson", to_json);
        environment.add_filter("join", join);
        environment.add_filter("indent", indent);
        environment.add_template_owned(NAME, without_generation_marks(source))?;
        Ok(Self {
            environment,
            bos: bos.into(),
            eos: eos.into(),
        })
    }

    /// The prompt for this conversation. When its last turn is the assistant's, the prompt ends with that turn's text,
    /// open, so that the model goes on with it.
    pub(crate) fn render(&self, messages: &[ChatMessage]) -> Result<String, Error> {
        let (closed, open) = match messages.split_last() {
            Some((last, before)) if last.role == Role::Assistant => (before, last.content.as_str()),
            _ => (messages, ""),
        };
        let turns: Vec<Value> = closed
            .iter()
            .map(|m| context! { role => m.role.as_str(), content => &m.content })
            .collect();
        let mut prompt = self.environment.get_template(NAME)?.render(context! {
            messages => turns,
            add_generation_prompt => true,
            bos_token => &self.bos,
            eos_token => &self.eos,
        })?;
        prompt.push_str(open);
        Ok(prompt)
    }
}

/// `{% generation %}` marks what a trainer learns from; for a prompt it means nothing, and Jinja does not know it.
fn without_generation_marks(source: &str) -> String {
    let mut text = source.to_owned();
    for mark in ["generation", "endgeneration"] {
        for (open, close) in [("{%", "%}"), ("{%-", "-%}"), ("{%-", "%}"), ("{%", "-%}")] {
            text = text.replace(&format!("{open} {mark} {close}"), "");
        }
    }
    text
}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "minijinja hands arguments over"
)]
fn strftime_now(format: String) -> Result<String, Error> {
    use std::fmt::Write;
    let mut text = String::new();
    write!(text, "{}", chrono::Local::now().format(&format)).map_err(|_| {
        Error::new(
            ErrorKind::InvalidOperation,
            format!("{format:?} is no date format"),
        )
    })?;
    Ok(text)
}

fn too_long() -> Error {
    Error::new(ErrorKind::InvalidOperation, "the text gets too long")
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "minijinja hands arguments over"
)]
fn join(values: Value, joiner: Option<String>) -> Result<String, Error> {
    let joiner = joiner.unwrap_or_default();
    let mut text = String::new();
    for (at, value) in values.try_iter()?.enumerate() {
        if at > 0 {
            text.push_str(&joiner);
        }
        match value.as_str() {
            Some(part) => text.push_str(part),
            None => text.push_str(&value.to_string()),
        }
        if text.len() > MAX_FILTERED_BYTES {
            return Err(too_long());
        }
    }
    Ok(text)
}

/// All lines but the first, or all, moved to the right; blank ones stay blank.
#[expect(
    clippy::needless_pass_by_value,
    reason = "minijinja hands arguments over"
)]
fn indent(text: String, width: Option<usize>, first: Option<bool>) -> Result<String, Error> {
    let width = width.unwrap_or(4);
    let added = text.lines().count().saturating_mul(width);
    if added.saturating_add(text.len()) > MAX_FILTERED_BYTES {
        return Err(too_long());
    }
    let space = " ".repeat(width);
    let mut moved = String::new();
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            moved.push('\n');
        }
        if !line.trim().is_empty() && (at > 0 || first == Some(true)) {
            moved.push_str(&space);
        }
        moved.push_str(line);
    }
    Ok(moved)
}

/// minijinja's own filter escapes for HTML, which a model must not see.
#[expect(
    clippy::needless_pass_by_value,
    reason = "minijinja hands arguments over"
)]
fn to_json(value: Value, options: minijinja::value::Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let text = match indent {
        Some(_) => serde_json::to_string_pretty(&value),
        None => serde_json::to_string(&value),
    };
    let text = text.map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    Ok(Value::from_safe_string(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHATML: &str = "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

    fn render(source: &str, messages: &[ChatMessage]) -> Result<String, Error> {
        ChatTemplate::new(source, "<s>", "</s>")?.render(messages)
    }

    #[test]
    fn a_turn_of_the_assistant_at_the_end_stays_open() {
        let messages = [ChatMessage::user("Hi"), ChatMessage::assistant("Hel")];
        assert_eq!(
            render(CHATML, &messages).expect("renders"),
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHel"
        );
    }

    #[test]
    fn what_real_templates_use_works() {
        let check = |source: &str, expected: &str| {
            let text = render(source, &[ChatMessage::user(" a<b ")]).expect(source);
            assert_eq!(text, expected, "{source}");
        };
        check("{{ bos_token }}{{ messages[0].content.strip() }}", "<s>a<b");
        check("{{ messages[0]['content'] | trim | tojson }}", "\"a<b\"");
        check("{% generation %}x{% endgeneration %}", "x");
        check(
            "{% for m in messages[::-1] %}{{ m.role }}{% endfor %}",
            "user",
        );
        check("{{ [1, 'b'] | join(', ') }}", "1, b");
        check("{{ 'a\nb\n\nc' | indent(2) }}", "a\n  b\n\n  c");
        check("{{ strftime_now('%Y') | length }}", "4");
        check(
            "{% set ns = namespace(n=1) %}{% set ns.n = 2 %}{{ ns.n }}",
            "2",
        );
        check(
            "{{ 'ab'.startswith('a') and 'x' in {'x': 1}.keys() }}",
            "True",
        );
    }

    #[test]
    fn a_template_may_refuse_and_may_not_loop_for_ever() {
        let error = render("{{ raise_exception('no system turn') }}", &[]).expect_err("refuses");
        assert!(error.to_string().contains("no system turn"), "{error}");
        let nested = "{% for a in range(9999) %}".repeat(4) + "x" + &"{% endfor %}".repeat(4);
        assert_eq!(
            render(&nested, &[]).expect_err("endless").kind(),
            ErrorKind::OutOfFuel
        );
        for greedy in [
            "{{ (['x' * 1000000] * 10000) | join | length }}",
            "{{ 'a\nb' | indent(2000000000) }}",
        ] {
            let error = render(greedy, &[]).expect_err(greedy);
            assert_ne!(error.kind(), ErrorKind::SyntaxError, "{error}");
        }
    }
}
