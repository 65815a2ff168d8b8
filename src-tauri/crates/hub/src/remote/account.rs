//! The person's access token, as the app shows and changes it.
//!
//! Invariant: what is kept was accepted by the hub; the token itself never comes back out.

use super::access_token::{TokenState, is_token};
use super::http::Asked;
use super::settings::Secret;
use crate::{Error, Hub};
use hf_hub::users::User;
use std::io;
use tokio::task::spawn_blocking;

/// What the hub says of a person is shorter.
const MAX_PERSON_BYTES: usize = 1 << 20;

impl Hub {
    /// Where the access token comes from.
    pub fn token_state(&self) -> TokenState {
        self.http().token().state()
    }

    /// Asks the hub whose access token this is and keeps it where Hugging Face's tools look. Returns the person's name.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what can't be one, what the hub does not accept, and while `HF_TOKEN` is set;
    /// [`Error::Offline`], [`Error::RateLimited`], [`Error::Server`], [`Error::Io`]. What was there before stays then.
    pub async fn set_token(&self, token: &str) -> Result<String, Error> {
        let token = token.trim();
        if self.token_state() == TokenState::FromEnvironment {
            let reason = "HF_TOKEN is set and goes before any other access token; nothing was kept. Start Wick without it";
            return Err(Error::Invalid(reason.into()));
        }
        if !is_token(token) {
            let reason = "this is no access token: those are one word, such as hf_…; nothing was kept. Copy it again";
            return Err(Error::Invalid(reason.into()));
        }
        let token = Secret(token.to_owned());
        let person = self.person(&token).await?;
        let hub = self.clone();
        let written = spawn_blocking(move || hub.http().token().write(&token)).await;
        written.map_err(io::Error::other).map_err(Error::server)??;
        Ok(person)
    }

    /// Removes the file with the access token, for all of Hugging Face's tools.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn forget_token(&self) -> Result<(), Error> {
        self.http().token().remove()
    }

    /// Whose token it is. A redirect is not followed: the token is for the hub alone.
    async fn person(&self, token: &Secret) -> Result<String, Error> {
        let asked = Asked {
            repo: None,
            what: "the person of the access token",
        };
        let url = self.http().url(&["api/whoami-v2"])?;
        let answer = self.http().ask_as(url, token).await?;
        match answer.status() {
            status if status.is_success() => {}
            reqwest::StatusCode::UNAUTHORIZED => return Err(not_accepted()),
            _ => return Err(self.http().refusal(&answer, &asked)),
        }
        let body = self.http().whole(answer, MAX_PERSON_BYTES).await?;
        let person: User = serde_json::from_slice(&body)
            .map_err(|error| Error::server(format!("{asked} makes no sense: {error}")))?;
        Ok(person.username)
    }
}

fn not_accepted() -> Error {
    let reason = "the hub does not accept this access token; nothing was kept. Copy it again, or make a new one";
    Error::Invalid(reason.into())
}
