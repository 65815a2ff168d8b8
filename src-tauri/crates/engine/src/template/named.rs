//! The templates that one model carries: a default, and some under names.
//!
//! It deliberately looks for none itself: whoever reads the model's files hands over what stands there. Invariant: the
//! default is always there.

use engine_api::Chat;
use serde_json::Value;

/// The name of the template for conversations with tools.
const TOOL_USE: &str = "tool_use";
const DEFAULT: &str = "default";

/// Sources by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sources {
    default: Option<String>,
    tool_use: Option<String>,
}

impl Sources {
    /// Takes `source` as the template `name`; an earlier one of this name stays. GGUF's `tokenizer.chat_template` and a
    /// `chat_template.jinja` are `default`; `tokenizer.chat_template.X` and `additional_chat_templates/X.jinja` are X.
    pub fn add(&mut self, name: &str, source: &str) {
        let place = match name {
            DEFAULT => &mut self.default,
            TOOL_USE => &mut self.tool_use,
            _ => return,
        };
        place.get_or_insert_with(|| source.to_owned());
    }

    /// Takes what stands under `chat_template` in a `tokenizer_config.json`: a text, or a list of `{name, template}`.
    pub fn add_value(&mut self, value: &Value) {
        if let Some(source) = value.as_str() {
            self.add(DEFAULT, source);
        }
        for named in value.as_array().into_iter().flatten() {
            if let (Some(name), Some(source)) = (named["name"].as_str(), named["template"].as_str())
            {
                self.add(name, source);
            }
        }
    }

    /// The default's source.
    pub fn default_source(&self) -> Option<&str> {
        self.default.as_deref().or(self.tool_use.as_deref())
    }

    /// The source for conversations with tools, where it is another than the default.
    pub(super) fn tool_use_source(&self) -> Option<&str> {
        self.default.as_ref().and(self.tool_use.as_deref())
    }
}

/// Whether `chat` wants the template for tools.
pub(super) fn wants_tool_use(chat: &Chat) -> bool {
    !chat.tools.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_place_where_templates_stand_is_read() {
        let check = |value: Value, expected: [Option<&str>; 2]| {
            let mut sources = Sources::default();
            sources.add_value(&value);
            let found = [sources.default_source(), sources.tool_use_source()];
            assert_eq!(found, expected, "{value}");
        };
        let named = |name: &str| json!({"name": name, "template": name});
        check(json!("a"), [Some("a"), None]);
        check(
            json!([named("tool_use"), named("default"), named("rag")]),
            [Some("default"), Some("tool_use")],
        );
        check(json!([named("tool_use")]), [Some("tool_use"), None]);
        check(json!(null), [None, None]);
        check(json!([{"name": 1}]), [None, None]);
    }
}
