//! What is queued or running, each with the flag that ends it; and whether anything is.

use engine_api::{GenerationId, QuestionId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

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
pub(super) struct Running(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    flags: HashMap<Name, Flag>,
    is_closed: bool,
}

impl Running {
    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A new flag under this name.
    pub(super) fn start(&self, name: Name) -> Flag {
        let flag = Flag::default();
        self.with(|state| state.flags.insert(name, flag.clone()));
        self.0.changed.notify_all();
        flag
    }

    pub(super) fn flag(&self, name: Name) -> Flag {
        let flag = self.with(|state| state.flags.entry(name).or_default().clone());
        self.0.changed.notify_all();
        flag
    }

    pub(super) fn end(&self, name: Name) {
        self.with(|state| drop(state.flags.remove(&name)));
    }

    pub(super) fn cancel(&self, name: Name) {
        self.with(|state| {
            if let Some(flag) = state.flags.get(&name) {
                flag.set();
            }
        });
    }

    pub(super) fn cancel_all(&self) {
        self.with(|state| {
            state.flags.entry(Name::Load).or_default();
            state.flags.values().for_each(Flag::set);
        });
    }

    /// Nothing will run any more.
    pub(super) fn close(&self) {
        self.with(|state| state.is_closed = true);
        self.0.changed.notify_all();
    }

    /// Waits until something runs, for however long, and then so long again. Whether something still runs then; `None`
    /// once it is closed.
    pub(super) fn next_beat(&self, pause: Duration) -> Option<bool> {
        let Shared { state, changed } = &*self.0;
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_idle = |state: &mut State| state.flags.is_empty() && !state.is_closed;
        let state = changed
            .wait_while(state, is_idle)
            .unwrap_or_else(PoisonError::into_inner);
        let (state, _) = changed
            .wait_timeout_while(state, pause, |state| !state.is_closed)
            .unwrap_or_else(PoisonError::into_inner);
        (!state.is_closed).then_some(!state.flags.is_empty())
    }
}
