//! What a process does right now: processor time and state, to tell one that works from one that hangs.

use crate::machine::read;
use crate::process::gone;
use crate::{Error, Machine};
use serde::{Deserialize, Serialize};

/// A process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct Activity {
    /// Processor time that all its threads have used so far, in milliseconds; the kernel counts it in hundredths of a
    /// second.
    #[specta(type = u32)]
    pub cpu_ms: u64,
    /// The state of its first thread; stopping and ending concern all.
    pub state: ProcessState,
}

/// What the kernel has a process do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum ProcessState {
    /// It computes, or waits for a core.
    Running,
    /// It waits for something.
    Sleeping,
    /// A signal or a debugger stopped it.
    Stopped,
    /// It has ended, and its parent has not asked how.
    Zombie,
    /// It waits for a disk or a driver and can't be interrupted.
    DiskWait,
}

impl Machine {
    /// Processor time and state of a process, from `/proc/PID/stat`.
    ///
    /// # Errors
    /// [`Error::Gone`] when there is no such process; [`Error::Unreadable`]; [`Error::Malformed`].
    pub fn process_activity(&self, pid: u32) -> Result<Activity, Error> {
        let path = self.process(pid).join("stat");
        let text = read(&path).map_err(|error| gone(pid, error))?;
        let (state, ticks) = state_and_ticks(&text).ok_or_else(|| Error::Malformed {
            path,
            reason: "it has no state with processor times".into(),
        })?;
        let ms = u128::from(ticks) * 1000 / u128::from(self.ticks_per_second());
        Ok(Activity {
            cpu_ms: u64::try_from(ms).unwrap_or(u64::MAX),
            state,
        })
    }
}

/// After the name in brackets, which may itself hold brackets, the first field is the state, the twelfth and the
/// thirteenth are the times in user and kernel mode (`man 5 proc_pid_stat`: fields 3, 14 and 15).
fn state_and_ticks(stat: &str) -> Option<(ProcessState, u64)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = state(fields.next()?)?;
    let user: u64 = fields.nth(10)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((state, user.checked_add(system)?))
}

/// The kernel's letters (`fs/proc/array.c`).
fn state(letter: &str) -> Option<ProcessState> {
    Some(match letter {
        "R" => ProcessState::Running,
        "S" | "I" | "P" | "K" | "W" => ProcessState::Sleeping,
        "D" => ProcessState::DiskWait,
        "T" | "t" => ProcessState::Stopped,
        "Z" | "X" | "x" => ProcessState::Zombie,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn state_and_times_stand_after_the_last_bracket() {
        let check = |stat: &str, expected: Option<(ProcessState, u64)>| {
            assert_eq!(state_and_ticks(stat), expected, "{stat:?}");
        };
        let rest = "1 2 3 4 5 6 7 8 9 10 250 13 0 0";
        check(
            &format!("7 (cat) R {rest}"),
            Some((ProcessState::Running, 263)),
        );
        check(
            &format!("7 (a) Z (b) D {rest}"),
            Some((ProcessState::DiskWait, 263)),
        );
        check(
            &format!("7 (cat) I {rest}"),
            Some((ProcessState::Sleeping, 263)),
        );
        check(
            &format!("7 (cat) t {rest}"),
            Some((ProcessState::Stopped, 263)),
        );
        check(
            &format!("7 (cat) Z {rest}"),
            Some((ProcessState::Zombie, 263)),
        );
        check(&format!("7 (cat) ? {rest}"), None);
        check("7 (cat) R 1 2 3 4 5 6 7 8 9 10 250", None);
        check(
            "7 (cat) R 1 2 3 4 5 6 7 8 9 10 18446744073709551615 1",
            None,
        );
        check("", None);
    }

    proptest! {
        #[test]
        fn any_text_is_an_activity_or_none(text: String) {
            let _ = (state_and_ticks(&text), state_and_ticks(&format!("1 (a) R {text}")));
        }
    }
}
