//! A template tried on small conversations when its model is loaded: a broken one is known early, and what it wants that
//! others don't is found out.
//!
//! It deliberately reads no source: only what a template makes of a conversation counts.

use super::context::{Arguments, Habits};
use super::{ChatTemplate, Error, unguarded};
use engine_api::{Chat, ChatMessage, ToolCall};
use serde_json::json;

/// Words that no template writes of itself.
const NEEDLE: &str = "wick-needle";
const RULE: &str = "wick-rule";

/// The habits of `template`.
///
/// # Errors
/// Its own for a conversation of one plain turn, or one that says that the turn is not in the prompt.
pub(super) fn habits(template: &ChatTemplate) -> Result<Habits, Error> {
    let mut habits = Habits {
        one_text_beside_calls: template.source_has("Cannot pass both content and thinking"),
        ..Habits::default()
    };
    habits.content_as_parts = content_as_parts(template, habits)?;
    habits.system_into_user = system_into_user(template, habits)?;
    habits.arguments = arguments(template, habits)?;
    Ok(habits)
}

/// The prompt for `messages`, or why there is none.
///
/// # Errors
/// For a template that did not end: it is not to be started again.
fn tried(
    template: &ChatTemplate,
    habits: Habits,
    messages: &[ChatMessage],
) -> Result<Result<String, Error>, Error> {
    let chat = Chat::from(messages.to_vec());
    match template.run(&chat, habits, true, &unguarded) {
        Err(error) if error.ran_away() => Err(error),
        outcome => Ok(outcome),
    }
}

fn system_into_user(template: &ChatTemplate, habits: Habits) -> Result<bool, Error> {
    let both = [ChatMessage::system(RULE), ChatMessage::user(NEEDLE)];
    let merged = Habits {
        system_into_user: true,
        ..habits
    };
    let shown = |habits| Ok(tried(template, habits, &both)?.is_ok_and(|text| text.contains(RULE)));
    Ok(!shown(habits)? && shown(merged)?)
}

fn content_as_parts(template: &ChatTemplate, habits: Habits) -> Result<bool, Error> {
    let turn = [ChatMessage::user(NEEDLE)];
    let plain = tried(template, habits, &turn)?;
    if plain.as_ref().is_ok_and(|text| text.contains(NEEDLE)) {
        return Ok(false);
    }
    let parts = Habits {
        content_as_parts: true,
        ..habits
    };
    if tried(template, parts, &turn)?.is_ok_and(|text| text.contains(NEEDLE)) {
        return Ok(true);
    }
    plain?;
    Err(Error::new("it leaves out what the person says"))
}

/// A map is what most take; some join it with a text, which fails, or print it as Python does.
fn arguments(template: &ChatTemplate, habits: Habits) -> Result<Arguments, Error> {
    let call = ToolCall {
        id: "wick00000".into(),
        name: "f".into(),
        arguments: json!({NEEDLE: RULE}),
    };
    let messages = [
        ChatMessage::user("u"),
        ChatMessage {
            tool_calls: vec![call],
            ..ChatMessage::assistant("")
        },
        ChatMessage::tool("wick00000", "t"),
    ];
    let is_json = |text: String| text.contains(RULE) && !text.contains("{'wick-");
    if tried(template, habits, &messages)?.is_ok_and(is_json) {
        return Ok(Arguments::Map);
    }
    let text = Habits {
        arguments: Arguments::Text,
        ..habits
    };
    let takes_text = tried(template, text, &messages)?.is_ok_and(|text| text.contains(RULE));
    Ok(if takes_text {
        text.arguments
    } else {
        habits.arguments
    })
}
