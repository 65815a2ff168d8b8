//! Which window may call which command, asked before any command runs.
//!
//! Tauri asks its capabilities as well; this is the second lock, in our own code, on the same lists: `build.rs` makes them
//! of `capabilities/`. It knows neither the desk nor the kiosk. *Invariant:* what stands in no list of a window's, that
//! window can't call; a window without a list can call nothing.

use super::{DESK, KIOSK};
use studio::Error;
use tauri::ipc::Invoke;

include!(concat!(env!("OUT_DIR"), "/allowed.rs"));

/// The handler of all commands, behind the gate.
pub(crate) fn guarded(
    handler: impl Fn(Invoke) -> bool + Send + Sync + 'static,
) -> impl Fn(Invoke) -> bool + Send + Sync + 'static {
    move |invoke| {
        let window = invoke.message.webview_ref().label();
        let command = invoke.message.command();
        if may_call(window, command) {
            return handler(invoke);
        }
        tracing::warn!(window, command, "a window called what it may not");
        invoke
            .resolver
            .reject(Error::invalid("This window may not do that."));
        true
    }
}

fn may_call(window: &str, command: &str) -> bool {
    let allowed = match window {
        DESK => DESK_COMMANDS,
        KIOSK => KIOSK_COMMANDS,
        _ => &[],
    };
    allowed.contains(&command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_window_has_its_own_commands() {
        for (window, command, expected) in [
            (DESK, "send_message", true),
            (DESK, "start_kiosk", true),
            (DESK, "set_kiosk_pin", true),
            (DESK, "kiosk_leave", false),
            (DESK, "kiosk_say", false),
            (KIOSK, "kiosk_say", true),
            (KIOSK, "kiosk_leave", true),
            (KIOSK, "send_message", false),
            (KIOSK, "set_kiosk_pin", false),
            (KIOSK, "conversations", false),
            (KIOSK, "open_link", false),
            ("another", "status", false),
            (KIOSK, "", false),
        ] {
            assert_eq!(may_call(window, command), expected, "{window} {command}");
        }
    }

    #[test]
    fn no_command_is_for_both() {
        assert!(!DESK_COMMANDS.is_empty() && !KIOSK_COMMANDS.is_empty());
        for command in KIOSK_COMMANDS {
            assert!(!DESK_COMMANDS.contains(command), "{command}");
        }
    }
}
