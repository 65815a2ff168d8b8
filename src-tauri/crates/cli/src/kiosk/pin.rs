//! `wick kiosk pin`: sets the operator's PIN.
//!
//! Invariant: no PIN is ever shown, and none is taken from the command line, where every program on the machine could read
//! it.

use crate::output::note;
use crate::stop::Stop;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers, read};
use ratatui::crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use std::io::{self, BufRead, IsTerminal, Write};
use studio::{Paths, set_kiosk_pin};

/// Nobody types more for a PIN.
const MOST: usize = 100;

#[derive(Debug, clap::Args)]
pub(crate) struct PinArgs {}

/// Asks twice at a terminal; otherwise takes the first line of standard input.
pub(crate) fn pin(_args: &PinArgs) -> Result<(), Stop> {
    let paths = Paths::from_environment()?;
    let stdin = io::stdin();
    let pin = if stdin.is_terminal() {
        typed_twice(ask)?
    } else {
        first_line(stdin.lock())?
    };
    set_kiosk_pin(&paths.data_dir, &pin)?;
    note("The PIN is set. Keep it where you find it: without it nobody leaves the kiosk.");
    Ok(())
}

fn typed_twice(mut ask: impl FnMut(&str) -> Result<String, Stop>) -> Result<String, Stop> {
    let first = ask("New PIN, 4 to 12 digits: ")?;
    if ask("The same again: ")? == first {
        return Ok(first);
    }
    Err(Stop::failed(
        "These were two different PINs. Nothing was set.",
        "Try again.",
    ))
}

fn first_line(input: impl BufRead) -> Result<String, Stop> {
    let mut line = String::new();
    let most = u64::try_from(MOST).unwrap_or(u64::MAX);
    input
        .take(most)
        .read_line(&mut line)
        .map_err(|error| unreadable(&error))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn unreadable(error: &io::Error) -> Stop {
    Stop::failed(
        format!("The PIN can't be read: {error}."),
        "Type it at a terminal, or hand it over on standard input.",
    )
}

/// Gives the terminal back as it was.
struct Restored;

impl Drop for Restored {
    fn drop(&mut self) {
        let _ = disable_raw_mode();
        note("");
    }
}

/// What is typed until Enter; nothing of it is shown.
fn ask(question: &str) -> Result<String, Stop> {
    // First, so that what is typed ahead is not shown either.
    enable_raw_mode().map_err(|error| unreadable(&error))?;
    let _restored = Restored;
    // Where nobody sees the question, what comes is held to the rules of a PIN all the same.
    let _ = write!(io::stderr(), "{question}").and_then(|()| io::stderr().flush());
    let mut typed = String::new();
    loop {
        let event = read().map_err(|error| unreadable(&error))?;
        let ended = event.as_key_press_event().map(|key| take(&mut typed, key));
        if ended.transpose()? == Some(true) {
            return Ok(typed);
        }
    }
}

/// Whether that was the end.
fn take(typed: &mut String, key: KeyEvent) -> Result<bool, Stop> {
    let with_control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c' | 'd') if with_control => return Err(Stop::Interrupted),
        KeyCode::Enter => return Ok(true),
        // So it comes if it was typed before the terminal was asked to show nothing.
        KeyCode::Char('j') if with_control => return Ok(true),
        KeyCode::Backspace => drop(typed.pop()),
        KeyCode::Char(letter) if !with_control && typed.len() < MOST => typed.push(letter),
        _ => {}
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_typed_twice_and_edited_with_backspace() {
        let type_ = |keys: &[KeyCode]| {
            let mut typed = String::new();
            let mut ended = keys
                .iter()
                .map(|code| take(&mut typed, KeyEvent::from(*code)));
            let ended = ended.any(|ended| ended == Ok(true));
            (typed, ended)
        };
        let digit = KeyCode::Char;
        let keys = [
            digit('7'),
            digit('8'),
            KeyCode::Backspace,
            digit('3'),
            KeyCode::Left,
        ];
        assert_eq!(type_(&keys), ("73".into(), false));
        assert_eq!(type_(&[digit('7'), KeyCode::Enter]), ("7".into(), true));
        let typed_ahead = KeyEvent::new(digit('j'), KeyModifiers::CONTROL);
        assert_eq!(take(&mut String::new(), typed_ahead), Ok(true));
        let interrupt = KeyEvent::new(digit('c'), KeyModifiers::CONTROL);
        assert_eq!(take(&mut String::new(), interrupt), Err(Stop::Interrupted));

        let mut answers = vec!["7391", "7391"].into_iter();
        let mut next = |_: &str| Ok(answers.next().expect("asked twice").to_owned());
        assert_eq!(typed_twice(&mut next), Ok("7391".into()));
        let mut answers = vec!["7391", "7319"].into_iter();
        let next = |_: &str| Ok(answers.next().expect("asked twice").to_owned());
        assert!(matches!(typed_twice(next), Err(Stop::Failed { .. })));
    }

    #[test]
    fn standard_input_gives_its_first_line() {
        let check =
            |input: &[u8], expected: &str| assert_eq!(first_line(input), Ok(expected.into()));
        check(b"7391\nmore", "7391");
        check(b"7391\r\n", "7391");
        check(b"7391", "7391");
        check(b"", "");
        assert_eq!(
            first_line(&[b'1'; 5000][..]).map(|line| line.len()),
            Ok(MOST)
        );
        assert!(first_line(&b"\xff\n"[..]).is_err());
    }
}
