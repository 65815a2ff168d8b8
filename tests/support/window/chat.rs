//! A conversation as the page shows it, and how a person has one.

use super::{Desk, PATIENCE};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A message as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The number that it has in the database.
    pub id: u64,
    /// Whether the person wrote it.
    pub from_user: bool,
    /// `data-state` of an answer; empty for what the person wrote.
    pub state: String,
    /// What it says.
    pub text: String,
}

/// All messages of the open conversation, in order.
pub type Messages = Vec<Message>;

const MESSAGES: &str =
    "[...document.querySelectorAll('@message-user, @message-assistant')].map((one) => ({
    id: Number(one.dataset.id ?? 0),
    from_user: one.matches('@message-user'),
    state: one.dataset.state ?? '',
    text: one.querySelector('.text, .markdown')?.innerText.trim() ?? '',
}))";

impl Desk {
    /// Writes a message and sends it.
    pub async fn send(&self, text: &str) {
        self.fill("@composer", text).await;
        self.click("@send").await;
    }

    /// Sends a message and waits for the whole answer.
    pub async fn ask(&self, text: &str) -> Message {
        let before = self.count("@message-user").await;
        self.send(text).await;
        let shown = format!("document.querySelectorAll('@message-user').length > {before}");
        self.until("the message is shown", &shown).await;
        self.answered().await
    }

    /// Waits until the last answer is over, however long it takes while it grows.
    pub async fn answered(&self) -> Message {
        let mut seen = String::new();
        let mut since = Instant::now();
        loop {
            let last = self.messages().await.pop();
            if let Some(last) = last {
                if !last.from_user && last.state != "streaming" {
                    return last;
                }
                if last.text != seen {
                    since = Instant::now();
                    seen = last.text;
                }
            }
            assert!(
                since.elapsed() < PATIENCE,
                "the answer stands still: {seen:?}"
            );
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Waits until an answer is being written and has this many words, and returns it.
    pub async fn writing(&self, words: usize) -> Message {
        let script = format!(
            "(document.querySelector('@message-assistant[data-state=streaming] .markdown')
                ?.innerText.split(/\\s+/).length ?? 0) > {words}"
        );
        self.until("an answer is being written", &script).await;
        self.last().await
    }

    /// The last message.
    pub async fn last(&self) -> Message {
        self.messages().await.pop().expect("a message")
    }

    /// All messages of the open conversation.
    pub async fn messages(&self) -> Messages {
        let found = self.eval(MESSAGES, Value::Null).await;
        let found = found.as_array().cloned().unwrap_or_default();
        found.iter().map(message).collect()
    }

    /// Waits until exactly these conversations are listed, the last one used first.
    pub async fn see_conversations(&self, titles: &[&str]) {
        let list = "[...document.querySelectorAll('@conversation-item')].map((one) => one.innerText.trim())";
        let wanted = json!(json!(titles).to_string());
        let same = format!("JSON.stringify({list}) === {wanted}");
        self.until(&format!("the conversations {titles:?}"), &same)
            .await;
    }
}

fn message(value: &Value) -> Message {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    Message {
        id: value["id"].as_u64().unwrap_or(0),
        from_user: value["from_user"] == true,
        state: text("state"),
        text: text("text"),
    }
}
