//! Answers: asked for, asked for again, gone on with, stopped. Each returns when the answer is over.

use super::App;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use studio::{ChatEvent, ConversationId, Error, MessageId};
use tauri::State;
use tauri::ipc::Channel;

/// The channels that answers were asked for with, so that no call is carried out twice.
///
/// A page that is left while its call waits has Tauri send that call once more (`ipc-protocol.js` takes the lost request
/// for a protocol that doesn't work), with the same channel. A channel's id is a random number that the page draws anew
/// for each call.
#[derive(Debug, Default)]
pub(crate) struct Asked(Mutex<VecDeque<u32>>);

impl Asked {
    const MOST: usize = 500;

    /// Whether this is the first call with this channel. The second one has nothing to do, and nobody hears it.
    fn first(&self, channel: u32) -> bool {
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = !ids.contains(&channel);
        if first {
            ids.push_back(channel);
        }
        if ids.len() > Self::MOST {
            ids.pop_front();
        }
        first
    }
}

/// A page that was closed or reloaded hears no more; the answer is written and stored all the same.
fn into(events: Channel<ChatEvent>) -> impl Fn(ChatEvent) + Send + Sync + 'static {
    move |event| drop(events.send(event))
}

/// Says something in a conversation, or in a new one.
#[tauri::command]
#[specta::specta]
pub(crate) async fn send_message(
    app: App<'_>,
    asked: State<'_, Asked>,
    conversation_id: Option<ConversationId>,
    text: String,
    events: Channel<ChatEvent>,
) -> Result<(), Error> {
    if !asked.first(events.id()) {
        return Ok(());
    }
    app.send_message(conversation_id, text, into(events)).await
}

/// Another answer beside this one.
#[tauri::command]
#[specta::specta]
pub(crate) async fn regenerate_message(
    app: App<'_>,
    asked: State<'_, Asked>,
    message_id: MessageId,
    events: Channel<ChatEvent>,
) -> Result<(), Error> {
    if !asked.first(events.id()) {
        return Ok(());
    }
    app.regenerate_message(message_id, into(events)).await
}

/// Goes on with an answer that is not whole.
#[tauri::command]
#[specta::specta]
pub(crate) async fn continue_message(
    app: App<'_>,
    asked: State<'_, Asked>,
    message_id: MessageId,
    events: Channel<ChatEvent>,
) -> Result<(), Error> {
    if !asked.first(events.id()) {
        return Ok(());
    }
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

#[cfg(test)]
mod tests {
    use super::Asked;

    #[test]
    fn a_call_is_carried_out_once_and_few_are_remembered() {
        let asked = Asked::default();
        for channel in 0..1000 {
            assert!(asked.first(channel), "{channel}");
            assert!(!asked.first(channel), "{channel} again");
        }
        assert_eq!(asked.0.lock().expect("nobody panicked").len(), Asked::MOST);
    }
}
