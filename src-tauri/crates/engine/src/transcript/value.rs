//! Arguments that a notation writes as bare text: what they are, the tool's schema says, or their look.
//!
//! It deliberately converts nothing that the schema calls a string.

use engine_api::Tool;
use serde_json::Value;

/// The inside of the first `open`…`close`.
pub(super) fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let (_, inside) = text.split_once(open)?;
    inside.rfind(close).map(|end| &inside[..end])
}

/// The value of a parameter, less the line ends that the notation puts around it.
pub(super) fn typed(tools: &[Tool], function: &str, parameter: &str, text: &str) -> Value {
    let text = text.strip_prefix('\n').unwrap_or(text);
    let text = text.strip_suffix('\n').unwrap_or(text);
    let tool = tools.iter().find(|tool| tool.name == function);
    let schema = tool.map(|tool| &tool.parameters["properties"][parameter]);
    let kind = schema.map_or(&Value::Null, |schema| &schema["type"]);
    let takes_text = match kind {
        Value::String(kind) => kind == "string",
        Value::Array(kinds) => kinds.iter().any(|kind| kind == "string"),
        _ => false,
    };
    if takes_text {
        return text.into();
    }
    // Python's names for the same, which models write too.
    let json = match text.trim() {
        "True" => "true",
        "False" => "false",
        "None" => "null",
        other => other,
    };
    serde_json::from_str(json).unwrap_or_else(|_| text.into())
}
