//! The list of conversations and what is in them.

use super::App;
use studio::{Conversation, ConversationId, ConversationSummary, Error, MessageId};

/// All conversations, the latest first.
#[tauri::command]
#[specta::specta]
pub(crate) async fn conversations(app: App<'_>) -> Result<Vec<ConversationSummary>, Error> {
    app.conversations().await
}

/// One conversation along its shown branch.
#[tauri::command]
#[specta::specta]
pub(crate) async fn conversation(app: App<'_>, id: ConversationId) -> Result<Conversation, Error> {
    app.conversation(id).await
}

/// Gives a conversation a name.
#[tauri::command]
#[specta::specta]
pub(crate) async fn rename_conversation(
    app: App<'_>,
    id: ConversationId,
    title: String,
) -> Result<(), Error> {
    app.rename_conversation(id, &title).await
}

/// Deletes a conversation with all its branches.
#[tauri::command]
#[specta::specta]
pub(crate) async fn delete_conversation(app: App<'_>, id: ConversationId) -> Result<(), Error> {
    app.delete_conversation(id).await
}

/// Shows the branch through this message.
#[tauri::command]
#[specta::specta]
pub(crate) async fn select_message(
    app: App<'_>,
    message_id: MessageId,
) -> Result<Conversation, Error> {
    app.select_message(message_id).await
}
