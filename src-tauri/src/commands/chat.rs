//! Answers: asked for, asked for again, gone on with, stopped. Each returns when the answer is over.

use super::App;
use studio::{ChatEvent, ConversationId, Error, MessageId};
use tauri::ipc::Channel;

/// A page that was closed or reloaded hears no more; the answer is written and stored all the same.
fn into(events: Channel<ChatEvent>) -> impl Fn(ChatEvent) + Send + Sync + 'static {
    move |event| drop(events.send(event))
}

/// Says something in a conversation, or in a new one.
#[tauri::command]
#[specta::specta]
pub(crate) async fn send_message(
    app: App<'_>,
    conversation_id: Option<ConversationId>,
    text: String,
    events: Channel<ChatEvent>,
) -> Result<(), Error> {
    app.send_message(conversation_id, text, into(events)).await
}

/// Another answer beside this one.
#[tauri::command]
#[specta::specta]
pub(crate) async fn regenerate_message(
    app: App<'_>,
    message_id: MessageId,
    events: Channel<ChatEvent>,
) -> Result<(), Error> {
    app.regenerate_message(message_id, into(events)).await
}

/// Goes on with an answer that is not whole.
#[tauri::command]
#[specta::specta]
pub(crate) async fn continue_message(
    app: App<'_>,
    message_id: MessageId,
    events: Channel<ChatEvent>,
) -> Result<(), Error> {
    app.continue_message(message_id, into(events)).await
}

/// Stops the answer that is being written in a conversation.
#[tauri::command]
#[specta::specta]
pub(crate) async fn stop_generation(
    app: App<'_>,
    conversation_id: ConversationId,
) -> Result<(), Error> {
    app.stop_generation(conversation_id);
    Ok(())
}
