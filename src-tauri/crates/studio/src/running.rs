//! Which conversations have an answer that is being written, and how to stop it.
//!
//! Invariant: at most one claim for a conversation at a time, and who holds it alone changes the conversation's answers.

use crate::Error;
use crate::conversation::ConversationId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// How much an answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// It may go on.
    GoOn,
    /// It should end after the token that is being computed.
    Stop,
    /// It should end without waiting for the engine.
    StopAtOnce,
}

/// The claims. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Running {
    claims: Arc<Mutex<HashMap<ConversationId, watch::Sender<Wish>>>>,
}

/// A conversation in which nobody else may write until this is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    running: Running,
    conversation: ConversationId,
    wish: watch::Receiver<Wish>,
}

impl Running {
    /// Claims a conversation; busy if somebody has.
    pub(crate) fn claim(&self, conversation: ConversationId) -> Result<Claim, Error> {
        let mut claims = self.claims();
        if claims.contains_key(&conversation) {
            return Err(Error::busy());
        }
        let (sender, wish) = watch::channel(Wish::GoOn);
        claims.insert(conversation, sender);
        Ok(Claim {
            running: self.clone(),
            conversation,
            wish,
        })
    }

    /// Whether somebody writes in a conversation.
    pub(crate) fn is_claimed(&self, conversation: ConversationId) -> bool {
        self.claims().contains_key(&conversation)
    }

    /// Claims a conversation after ending what is being written in it.
    pub(crate) async fn take_over(&self, conversation: ConversationId) -> Claim {
        loop {
            match self.claim(conversation) {
                Ok(claim) => return claim,
                Err(_) => self.stop_and_wait(conversation).await,
            }
        }
    }

    /// Asks for the end of what is being written; nothing to do if nothing is.
    pub(crate) fn stop(&self, conversation: ConversationId) {
        if let Some(sender) = self.claims().get(&conversation) {
            sender.send_if_modified(|wish| {
                let is_new = *wish == Wish::GoOn;
                *wish = if is_new { Wish::Stop } else { *wish };
                is_new
            });
        }
    }

    /// Returns when all claims there were are given back.
    pub(crate) async fn all_over(&self) {
        let all: Vec<_> = self.claims().values().cloned().collect();
        for sender in all {
            sender.closed().await;
        }
    }

    async fn stop_and_wait(&self, conversation: ConversationId) {
        let sender = self.claims().get(&conversation).cloned();
        if let Some(sender) = sender {
            sender.send_replace(Wish::StopAtOnce);
            sender.closed().await;
        }
    }

    fn claims(&self) -> MutexGuard<'_, HashMap<ConversationId, watch::Sender<Wish>>> {
        // A map is whole whatever its last user did.
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// Returns when the wish is no longer `seen`.
    pub(crate) async fn wish_other_than(&mut self, seen: Wish) -> Wish {
        let wish = self
            .wish
            .wait_for(|wish| *wish != seen)
            .await
            .map(|wish| *wish);
        // The sender lives in the map for as long as the claim does.
        wish.unwrap_or(Wish::StopAtOnce)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Before the receiver goes, so that whoever waits for that finds the place free.
        self.running.claims().remove(&self.conversation);
    }
}
