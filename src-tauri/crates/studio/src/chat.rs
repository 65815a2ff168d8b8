//! What a person can do in conversations.

use crate::answer::{Answer, Sink};
use crate::conversation::{
    ChatEvent, Conversation, ConversationId, ConversationSummary, MessageId,
};
use crate::running::Claim;
use crate::store::{Store, Turn};
use crate::{Error, Studio};
use std::future::Future;
use tracing::Instrument;

#[cfg(doc)]
use crate::ErrorCode;

const TITLE_CHARACTERS: usize = 200;

impl Studio {
    /// All conversations, the last one used first.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`] when the database is not open or fails; so it is with every method here.
    pub async fn conversations(&self) -> Result<Vec<ConversationSummary>, Error> {
        Ok(self.store()?.conversations().await?)
    }

    /// A conversation with its shown branch.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`].
    pub async fn conversation(&self, id: ConversationId) -> Result<Conversation, Error> {
        let running = &self.inner.running;
        // Both before and after: an answer that ends meanwhile is no longer what was read of it.
        let was_idle = !running.is_claimed(id);
        let conversation = self.store()?.conversation(id).await?;
        if was_idle && !running.is_claimed(id) {
            return Ok(conversation.settled());
        }
        Ok(conversation)
    }

    /// Gives a conversation a title; blanks around it are dropped.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`] for an empty title and one of more than 200 characters;
    /// [`ErrorCode::NotFound`].
    pub async fn rename_conversation(&self, id: ConversationId, title: &str) -> Result<(), Error> {
        let title = title.trim();
        if title.is_empty() {
            return Err(Error::invalid(
                "A title can't be empty. The old one is kept.",
            ));
        }
        if title.chars().count() > TITLE_CHARACTERS {
            let message =
                format!("A title has at most {TITLE_CHARACTERS} characters. The old one is kept.");
            return Err(Error::invalid(message));
        }
        Ok(self.store()?.rename(id, title.to_owned()).await?)
    }

    /// Deletes a conversation with all its branches, and ends what is being written in it.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`].
    pub async fn delete_conversation(&self, id: ConversationId) -> Result<(), Error> {
        let store = self.store()?;
        let _claim = self.inner.running.take_over(id).await;
        Ok(store.delete(id).await?)
    }

    /// Shows the branch that goes through this message, down to its newest tip.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`].
    pub async fn select_message(&self, id: MessageId) -> Result<Conversation, Error> {
        let conversation = self.store()?.select(id).await?;
        self.conversation(conversation).await
    }

    /// Says something in a conversation, or in a new one, and has it answered. Returns when the answer is over and
    /// stored, in whatever state.
    ///
    /// The answer is written whether or not this future is still awaited and whatever `sink` does; `sink` is called in
    /// order, from one task, and should be quick.
    ///
    /// # Errors
    /// The answer was refused before the engine began, and nothing of the message was kept:
    /// [`ErrorCode::InvalidRequest`] for a text of blanks, [`ErrorCode::Busy`], [`ErrorCode::NotFound`] when there is
    /// no such conversation or no model, [`ErrorCode::ContextExceeded`], and what [`Studio::load_model`] says.
    pub async fn send_message<S>(
        &self,
        conversation: Option<ConversationId>,
        text: String,
        sink: S,
    ) -> Result<(), Error>
    where
        S: Fn(ChatEvent) + Send + Sync + 'static,
    {
        if text.trim().is_empty() {
            return Err(Error::invalid("There is nothing to send."));
        }
        let running = self.inner.running.clone();
        let model = self.inner.models.current_name();
        self.answer(Box::new(sink), async move |store: Store| {
            let claim = conversation.map(|id| running.claim(id)).transpose()?;
            let turn = store.begin_send(conversation, text, model).await?;
            let claim = match claim {
                Some(claim) => claim,
                None => running.claim(turn.conversation)?,
            };
            Ok((turn, claim))
        })
        .await
    }

    /// Has an answer written anew, beside the old one, which is kept. Otherwise like [`Studio::send_message`].
    ///
    /// # Errors
    /// As there, and [`ErrorCode::InvalidRequest`] for a message that is no answer.
    pub async fn regenerate_message<S>(&self, message: MessageId, sink: S) -> Result<(), Error>
    where
        S: Fn(ChatEvent) + Send + Sync + 'static,
    {
        let running = self.inner.running.clone();
        let model = self.inner.models.current_name();
        self.answer(Box::new(sink), async move |store: Store| {
            let claim = running.claim(store.conversation_of(message).await?)?;
            let turn = store.begin_regenerate(message, model).await?;
            Ok((turn, claim))
        })
        .await
    }

    /// Goes on with an answer that was stopped, interrupted or cut off, appending to it. Otherwise like
    /// [`Studio::send_message`]; refused, the answer is as it was.
    ///
    /// # Errors
    /// As there, and [`ErrorCode::InvalidRequest`] for a message that is whole or not the last one.
    pub async fn continue_message<S>(&self, message: MessageId, sink: S) -> Result<(), Error>
    where
        S: Fn(ChatEvent) + Send + Sync + 'static,
    {
        let running = self.inner.running.clone();
        self.answer(Box::new(sink), async move |store: Store| {
            let claim = running.claim(store.conversation_of(message).await?)?;
            let turn = store.begin_continue(message).await?;
            Ok((turn, claim))
        })
        .await
    }

    /// Asks for the end of the answer that is being written, wherever it is on its way. What is written is kept. That
    /// nothing is being written is fine.
    pub fn stop_generation(&self, conversation: ConversationId) {
        self.inner.running.stop(conversation);
    }

    /// Runs an answer as a task of its own, so that it outlives whoever asked for it.
    async fn answer<B, F>(&self, sink: Sink, begin: B) -> Result<(), Error>
    where
        B: FnOnce(Store) -> F + Send + 'static,
        F: Future<Output = Result<(Turn, Claim), Error>> + Send + 'static,
    {
        let closing = self.inner.closing.subscribe();
        if *closing.borrow() {
            return Err(Error::closing());
        }
        let store = self.store()?;
        let models = self.inner.models.clone();
        let meter = self.inner.meter.clone();
        let bandwidth = self.inner.bandwidth.clone();
        let task = tokio::spawn(async move {
            let (turn, claim) = begin(store.clone()).await?;
            let span = tracing::info_span!(
                "answer",
                conversation = turn.conversation.0,
                message = turn.answer.0
            );
            let answer = Answer {
                store,
                models,
                meter,
                bandwidth,
                claim,
                closing,
                sink,
                turn,
            };
            answer.write().instrument(span).await
        });
        task.await.unwrap_or_else(|error| {
            Err(Error::internal(format!(
                "The answer ended unexpectedly: {error}."
            )))
        })
    }
}
