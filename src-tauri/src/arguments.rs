//! What the command line asks for. It does nothing but read it.

use std::process::ExitCode;

pub(crate) const HELP: &str = "\
Wick, a model studio for one desk. Without arguments it opens its window.

  --kiosk         a screen for visitors: fullscreen, locked, leaving needs the PIN
  --display NAME  the output that the kiosk is on, such as HDMI-1; while there is
                  none of this name it is on another one
  -h, --help      this
  -V, --version   its version

A kiosk wants a PIN first: Settings, Kiosk, or `wick kiosk pin`. It ends with 2 where
starting it again would not help. `wick` is the same in a terminal. WICK_LOG=debug
makes both trace on standard error.";

/// Nothing that is tried again would make this better: wrong arguments, or no PIN.
pub(crate) const HOPELESS: u8 = 2;

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    /// Open the desk's window.
    Desk,
    /// Open the kiosk's window alone, on this output if it is named.
    Kiosk { display: Option<String> },
    /// Say this, and end.
    Say(String),
}

/// Reads the arguments behind the program's name. The error says which one is wrong.
pub(crate) fn read(arguments: impl IntoIterator<Item = String>) -> Result<Order, String> {
    let mut arguments = arguments.into_iter();
    let (mut kiosk, mut display) = (false, None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--help" | "-h" => return Ok(Order::Say(HELP.into())),
            "--version" | "-V" => {
                return Ok(Order::Say(format!(
                    "wick-studio {}",
                    env!("CARGO_PKG_VERSION")
                )));
            }
            "--kiosk" => kiosk = true,
            "--display" => display = Some(name(arguments.next())?),
            // Whatever a desktop hands over beside options is no order.
            other if !other.starts_with('-') => {}
            other => match other.strip_prefix("--display=") {
                Some(given) => display = Some(name(Some(given.into()))?),
                None => return Err(format!("{other:?} is not known; see --help")),
            },
        }
    }
    match (kiosk, display) {
        (true, display) => Ok(Order::Kiosk { display }),
        (false, None) => Ok(Order::Desk),
        (false, Some(_)) => Err("--display goes with --kiosk; see --help".into()),
    }
}

fn name(given: Option<String>) -> Result<String, String> {
    let named = given.filter(|name| !name.is_empty() && !name.starts_with('-'));
    named.ok_or_else(|| "--display wants the name of an output, such as HDMI-1; see --help".into())
}

/// Ends with words.
#[expect(
    clippy::print_stderr,
    reason = "without a window this is the only place to speak"
)]
pub(crate) fn complain(error: &dyn std::fmt::Display, code: u8) -> ExitCode {
    eprintln!("wick-studio: {error}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_read() {
        let kiosk = |display: Option<&str>| {
            Ok(Order::Kiosk {
                display: display.map(String::from),
            })
        };
        let wrong = |word: &str| Err(word.to_owned());
        for (line, expected) in [
            ("", Ok(Order::Desk)),
            ("file:///a %U", Ok(Order::Desk)),
            ("--kiosk", kiosk(None)),
            ("--kiosk --display HDMI-1", kiosk(Some("HDMI-1"))),
            ("--display=HDMI-1 --kiosk", kiosk(Some("HDMI-1"))),
            ("--help", Ok(Order::Say(HELP.into()))),
            ("--kiosk --display", wrong("--display wants the name")),
            ("--kiosk --display --x", wrong("--display wants the name")),
            ("--kiosk --display=", wrong("--display wants the name")),
            ("--display HDMI-1", wrong("--display goes with --kiosk")),
            ("--kisok", wrong("\"--kisok\" is not known")),
        ] {
            let read = read(line.split_whitespace().map(String::from));
            match (&read, &expected) {
                (Err(error), Err(words)) => assert!(error.starts_with(words), "{line}: {error}"),
                _ => assert_eq!(read, expected, "{line}"),
            }
        }
    }
}
