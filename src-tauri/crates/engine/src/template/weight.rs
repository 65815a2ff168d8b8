//! What a value weighs, paid out of a template's fuel: all that it holds, and what that holds, each time that it is met.
//!
//! It deliberately trusts no length that a value announces. Invariant: weighing ends when the fuel or the time does.

use super::environment::refused;
use minijinja::value::{Value, ValueKind};
use minijinja::{Error, State};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Deepest nesting that operators and filters may meet.
const MAX_DEPTH: usize = 200;
/// Values that one step of fuel pays for, and bytes of text: comparing or printing them takes about as long as a step.
const VALUES_PER_FUEL: u64 = 4;
const BYTES_PER_FUEL: u64 = 256;
/// Processor time of a rendering's own thread for each step that its fuel is for: a quarter of a second for a short
/// conversation, so that all that a model's loading tries ends within one. Fuel ends nearly all before; this ends what takes
/// out of the middle of a long text again and again.
const NANOSECONDS_PER_FUEL: u64 = 500;

/// The filter [`super::weighed::WEIGH`]: pays for a value. A view of others becomes a list of its own, so that views don't
/// pile up.
pub(super) fn weighed(state: &State, value: Value) -> Result<Value, Error> {
    let value = settled(state, value)?;
    weigh(state, &value)?;
    Ok(value)
}

/// The filter [`super::weighed::FACTOR`].
pub(super) fn factor(state: &State, value: Value) -> Result<Value, Error> {
    weigh(state, &value)?;
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            Err(refused("a list can't be multiplied here"))
        }
        _ => Ok(value),
    }
}

/// The filter [`super::weighed::TICK`], for what a loop goes over: its items cost fuel, a text's letters are gone through first.
pub(super) fn tick(state: &State, value: Value) -> Result<Value, Error> {
    weigh_bytes(state, value.as_str().map_or(0, str::len))?;
    Ok(value)
}

/// Pays for a value.
pub(super) fn weigh(state: &State, value: &Value) -> Result<(), Error> {
    in_time(state)?;
    let mut scales = Scales { state, due: 0 };
    scales.value(value, 0)
}

/// Pays for going once through so many bytes of text.
pub(super) fn weigh_bytes(state: &State, bytes: usize) -> Result<(), Error> {
    in_time(state)?;
    state.consume_fuel(bytes as u64 / BYTES_PER_FUEL)
}

/// Fails when this thread has computed for too long.
fn in_time(state: &State) -> Result<(), Error> {
    let (spent, left) = state.fuel_levels().unwrap_or_default();
    let most = Duration::from_nanos((spent + left).saturating_mul(NANOSECONDS_PER_FUEL));
    let used = Duration::try_from(clock_gettime(ClockId::ThreadCPUTime));
    if used.is_ok_and(|used| used > most) {
        return Err(refused("it takes too long"));
    }
    Ok(())
}

fn settled(state: &State, value: Value) -> Result<Value, Error> {
    if value.kind() != ValueKind::Iterable {
        return Ok(value);
    }
    let mut items = Vec::new();
    for item in value.try_iter()? {
        state.consume_fuel(1)?;
        items.push(item);
    }
    Ok(items.into())
}

struct Scales<'s, 't, 'e> {
    state: &'s State<'t, 'e>,
    /// Parts of a step that are not paid yet.
    due: u64,
}

impl Scales<'_, '_, '_> {
    fn pay(&mut self, parts: u64) -> Result<(), Error> {
        self.due += parts;
        if self.due >= BYTES_PER_FUEL {
            self.state.consume_fuel(self.due / BYTES_PER_FUEL)?;
            self.due %= BYTES_PER_FUEL;
        }
        Ok(())
    }

    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let text = value.as_str().map_or(0, str::len) + value.as_bytes().map_or(0, <[u8]>::len);
        self.pay(BYTES_PER_FUEL / VALUES_PER_FUEL + text as u64)?;
        match value.kind() {
            ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {}
            _ => return Ok(()),
        }
        if depth > MAX_DEPTH {
            return Err(refused("a value is nested too deep"));
        }
        for item in value.try_iter()? {
            self.value(&item, depth + 1)?;
            if value.kind() == ValueKind::Map {
                self.value(&value.get_item(&item)?, depth + 1)?;
            }
        }
        Ok(())
    }
}
