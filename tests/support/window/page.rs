//! What a person does in the page: looks, clicks, types, presses keys, waits for something to be seen.
//!
//! Selectors are CSS, with `@name` for `[data-testid="name"]`: `"@message-user @copy"`.

use super::{Desk, PATIENCE};
use fantoccini::Locator;
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::elements::Element;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const GLANCE: Duration = Duration::from_millis(25);

impl Desk {
    /// The value of a JavaScript expression in the page. `x` in it is `argument`.
    pub async fn eval(&self, expression: &str, argument: impl Into<Value>) -> Value {
        match self.try_eval(expression, argument.into()).await {
            Ok(value) => value,
            Err(error) => panic!("{expression}: {error}"),
        }
    }

    async fn try_eval(&self, expression: &str, x: Value) -> Result<Value, String> {
        let script = format!("const x = arguments[0]; return {}", spelled_out(expression));
        let value = self.client().execute(&script, vec![x]).await;
        value.map_err(|error| error.to_string())
    }

    /// Loads the page anew, as no key and no menu of the window does, and waits until it can be used.
    pub async fn reload(&self) {
        self.client().refresh().await.expect("the page loads");
        self.until(
            "the page is there",
            "document.documentElement.dataset.ready",
        )
        .await;
    }

    /// Waits until a JavaScript expression is truthy, and returns it.
    pub async fn until(&self, what: &str, expression: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let value = self.try_eval(expression, Value::Null).await;
            if let Ok(value) = &value
                && is_truthy(value)
            {
                return value.clone();
            }
            assert!(self.process().is_alive(), "the app ended, awaited: {what}");
            assert!(Instant::now() < deadline, "not seen: {what} ({value:?})");
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Waits until something outside the page is true.
    pub async fn until_true(&self, what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition() {
            assert!(Instant::now() < deadline, "not so: {what}");
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Waits until no transition runs and what is there is painted.
    pub(crate) async fn stand_still(&self) {
        let still = "document.getAnimations().every((one) => one.playState !== 'running')";
        self.until("nothing moves", still).await;
        let frames =
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done))";
        let painted = self.client().execute_async(frames, vec![]).await;
        painted.expect("two frames are painted");
    }

    /// How many windows the app has.
    pub async fn windows(&self) -> usize {
        let windows = self.client().windows().await;
        windows.expect("a list of windows").len()
    }

    /// Waits until there is such an element, and returns its text as it is shown.
    pub async fn see(&self, selector: &str) -> String {
        let shown = format!("document.querySelector({}) !== null", quoted(selector));
        self.until(selector, &shown).await;
        self.text(selector).await
    }

    /// Waits until there is no such element.
    pub async fn see_no(&self, selector: &str) {
        let gone = format!("document.querySelector({}) === null", quoted(selector));
        self.until(&format!("no {selector}"), &gone).await;
    }

    /// Waits until the element says this, among other things.
    pub async fn see_words(&self, selector: &str, words: &str) {
        let element = format!("document.querySelector({})", quoted(selector));
        let says = format!("{element}?.innerText.includes({})", json!(words));
        self.until(&format!("{words:?} in {selector}"), &says).await;
    }

    /// The text of the first such element as it is shown; empty when there is none.
    pub async fn text(&self, selector: &str) -> String {
        let text = format!(
            "document.querySelector({})?.innerText ?? ''",
            quoted(selector)
        );
        string(&self.eval(&text, Value::Null).await)
    }

    /// The texts of all such elements.
    pub async fn texts(&self, selector: &str) -> Vec<String> {
        let all = format!(
            "[...document.querySelectorAll({})].map((one) => one.innerText.trim())",
            quoted(selector)
        );
        let texts = self.eval(&all, Value::Null).await;
        texts.as_array().into_iter().flatten().map(string).collect()
    }

    /// How many such elements there are.
    pub async fn count(&self, selector: &str) -> u64 {
        let count = format!("document.querySelectorAll({}).length", quoted(selector));
        self.eval(&count, Value::Null).await.as_u64().unwrap_or(0)
    }

    /// Clicks the first such element with the mouse, once it is there and can be clicked.
    pub async fn click(&self, selector: &str) {
        let ready = format!("!document.querySelector({})?.disabled", quoted(selector));
        self.see(selector).await;
        self.until(&format!("{selector} can be clicked"), &ready)
            .await;
        let clicked = self.element(selector).await.click().await;
        clicked.unwrap_or_else(|error| panic!("{selector} is not clicked: {error}"));
    }

    /// Types with the keyboard into the first such element.
    pub async fn type_into(&self, selector: &str, text: &str) {
        self.see(selector).await;
        let typed = self.element(selector).await.send_keys(text).await;
        typed.unwrap_or_else(|error| panic!("nothing is typed into {selector}: {error}"));
    }

    /// Puts a text into a field at once, as pasting does: for lines and lengths that typing is no use for.
    pub async fn fill(&self, selector: &str, text: &str) {
        self.see(selector).await;
        let fill = format!(
            "((field) => {{ field.value = x; field.dispatchEvent(new InputEvent('input', {{ bubbles: true }})); }})\
             (document.querySelector({}))",
            quoted(selector)
        );
        self.eval(&fill, text).await;
    }

    /// What stands in a field.
    pub async fn value(&self, selector: &str) -> String {
        let value = format!("document.querySelector({}).value", quoted(selector));
        string(&self.eval(&value, Value::Null).await)
    }

    /// Presses keys wherever the keyboard is, modifiers first: `[Control, 'k']`.
    pub async fn press(&self, keys: &[char]) {
        let down = keys.iter().map(|&value| KeyAction::Down { value });
        let up = keys.iter().rev().map(|&value| KeyAction::Up { value });
        let start = KeyActions::new("keyboard".into());
        let actions = down.chain(up).fold(start, InputSource::then);
        let pressed = self.client().perform_actions(actions).await;
        pressed.unwrap_or_else(|error| panic!("{keys:?} is not pressed: {error}"));
    }

    /// Types wherever the keyboard is.
    pub async fn type_text(&self, text: &str) {
        for letter in text.chars() {
            self.press(&[letter]).await;
        }
    }

    async fn element(&self, selector: &str) -> Element {
        let selector = spelled_out(selector);
        let found = self.client().find(Locator::Css(&selector)).await;
        found.unwrap_or_else(|error| panic!("{selector}: {error}"))
    }
}

/// The Control key.
pub const CONTROL: char = '\u{E009}';
/// The Enter key.
pub const ENTER: char = '\u{E007}';
/// The Escape key.
pub const ESCAPE: char = '\u{E00C}';

/// `@name` as the attribute that it stands for.
fn spelled_out(text: &str) -> String {
    let mut parts = text.split('@');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_lowercase() && c != '-');
        let (name, rest) = part.split_at(end.unwrap_or(part.len()));
        whole = format!("{whole}[data-testid={name}]{rest}");
    }
    whole
}

fn quoted(text: &str) -> Value {
    json!(text)
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}
