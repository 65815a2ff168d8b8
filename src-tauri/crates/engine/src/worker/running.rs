//! What is queued or running, each with the flag that ends it.

use engine_api::{GenerationId, QuestionId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Set once, by the thread that reads; looked at by the others between two steps.
#[derive(Debug, Clone, Default)]
pub(super) struct Flag(Arc<AtomicBool>);

impl Flag {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn as_bool(&self) -> &AtomicBool {
        &self.0
    }
}

/// Who can be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Name {
    Generation(GenerationId),
    Question(QuestionId),
    /// Everything that takes long and has no name: a load.
    Load,
}

/// All flags.
#[derive(Debug, Clone, Default)]
pub(super) struct Running(Arc<Mutex<HashMap<Name, Flag>>>);

impl Running {
    fn with<T>(&self, f: impl FnOnce(&mut HashMap<Name, Flag>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A new flag under this name.
    pub(super) fn start(&self, name: Name) -> Flag {
        let flag = Flag::default();
        self.with(|running| running.insert(name, flag.clone()));
        flag
    }

    pub(super) fn flag(&self, name: Name) -> Flag {
        self.with(|running| running.entry(name).or_default().clone())
    }

    pub(super) fn end(&self, name: Name) {
        self.with(|running| drop(running.remove(&name)));
    }

    pub(super) fn cancel(&self, name: Name) {
        self.with(|running| {
            if let Some(flag) = running.get(&name) {
                flag.set();
            }
        });
    }

    pub(super) fn cancel_all(&self) {
        self.with(|running| {
            running.entry(Name::Load).or_default();
            running.values().for_each(Flag::set);
        });
    }
}
