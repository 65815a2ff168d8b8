//! Who may see what.

use super::refusal::Refusal;
use crate::log::locked;
use crate::repo::Repo;
use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

/// Valid access tokens, and the repositories that each was let into.
#[derive(Debug, Default)]
pub(crate) struct Access(Mutex<HashMap<String, HashSet<String>>>);

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Person {
    /// Anybody.
    Stranger,
    /// Who has this token.
    Known(String),
}

impl Access {
    pub(crate) fn accept(&self, token: &str) {
        locked(&self.0).entry(token.to_owned()).or_default();
    }

    pub(crate) fn let_in(&self, token: &str, repo: &str) {
        let mut tokens = locked(&self.0);
        let repos = tokens.entry(token.to_owned()).or_default();
        repos.insert(repo.to_owned());
    }

    pub(crate) fn shut_out(&self, token: &str, repo: &str) {
        if let Some(repos) = locked(&self.0).get_mut(token) {
            repos.remove(repo);
        }
    }

    /// Who it is that sent this header.
    pub(crate) fn person(&self, authorization: Option<&str>) -> Result<Person, Refusal> {
        let Some(header) = authorization else {
            return Ok(Person::Stranger);
        };
        let token = header.strip_prefix("Bearer ").unwrap_or_default();
        if locked(&self.0).contains_key(token) {
            Ok(Person::Known(token.to_owned()))
        } else {
            Err(Refusal::wrong_token())
        }
    }

    fn is_in(&self, person: &Person, repo: &Repo) -> bool {
        let Person::Known(token) = person else {
            return false;
        };
        let tokens = locked(&self.0);
        tokens
            .get(token)
            .is_some_and(|repos| repos.contains(&repo.id))
    }

    /// Whether one may know of it.
    pub(crate) fn sees(&self, person: &Person, repo: &Repo) -> bool {
        !repo.private || self.is_in(person, repo)
    }

    /// Whether one may have its files.
    pub(crate) fn has(&self, person: &Person, repo: &Repo) -> bool {
        repo.gated.is_none() || self.is_in(person, repo)
    }
}

impl Person {
    pub(crate) fn is_known(&self) -> bool {
        matches!(self, Self::Known(_))
    }
}
