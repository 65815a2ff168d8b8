//! The two streams: what was asked for goes out, the rest is noted beside it.
//!
//! Invariant: a model or a file name can't command the terminal. What goes to one is rid of control characters.

use crate::stop::Stop;
use std::borrow::Cow;
use std::io::{self, ErrorKind, IsTerminal, Write};

/// Writes what was asked for.
#[derive(Debug)]
pub(crate) struct Output<W> {
    writer: W,
    to_terminal: bool,
    at_line_start: bool,
}

/// Standard output.
pub(crate) fn stdout() -> Output<io::Stdout> {
    let writer = io::stdout();
    let to_terminal = writer.is_terminal();
    Output::new(writer, to_terminal)
}

impl<W: Write> Output<W> {
    pub(crate) fn new(writer: W, to_terminal: bool) -> Self {
        Self {
            writer,
            to_terminal,
            at_line_start: true,
        }
    }

    /// Writes text, and sends it on at once.
    pub(crate) fn write(&mut self, text: &str) -> Result<(), Stop> {
        let text = if self.to_terminal {
            harmless(text)
        } else {
            text.into()
        };
        let Some(last) = text.chars().last() else {
            return Ok(());
        };
        self.at_line_start = last == '\n';
        let written = self.writer.write_all(text.as_bytes());
        written
            .and_then(|()| self.writer.flush())
            .map_err(|error| cannot_write(&error))
    }

    /// Ends the line, if there is one to end.
    pub(crate) fn end_line(&mut self) -> Result<(), Stop> {
        if self.at_line_start {
            Ok(())
        } else {
            self.write("\n")
        }
    }
}

fn cannot_write(error: &io::Error) -> Stop {
    match error.kind() {
        ErrorKind::BrokenPipe => Stop::ReaderGone,
        _ => Stop::Failed {
            message: format!("The output can't be written: {error}."),
            hint: None,
        },
    }
}

/// Writes a line for the person at the terminal.
pub(crate) fn note(text: &str) {
    // Where nobody hears it, there is nobody to be told.
    let _ = writeln!(io::stderr(), "{}", harmless(text));
}

/// Replaces the line in which the person at the terminal sees how far it has come; nothing where no terminal is.
/// The empty text removes it.
pub(crate) fn progress(text: &str) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        // To the line's start, clear to its end: the same on all terminals since the VT100.
        let _ = write!(stderr, "\r\x1b[K{}", harmless(text)).and_then(|()| stderr.flush());
    }
}

/// The text with each control character that could command a terminal shown as one that can't.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    let harmful = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
    if text.contains(harmful) {
        text.replace(harmful, "\u{fffd}").into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_no_commands_and_a_file_gets_all() {
        let check = |to_terminal: bool, text: &str, expected: &str| {
            let mut bytes = Vec::new();
            Output::new(&mut bytes, to_terminal)
                .write(text)
                .expect("memory takes all");
            assert_eq!(String::from_utf8(bytes).expect("text"), expected);
        };
        check(
            true,
            "a\x1b]52;c;eA==\x07b\n\tc\u{9b}2J",
            "a\u{fffd}]52;c;eA==\u{fffd}b\n\tc\u{fffd}2J",
        );
        check(false, "a\x1b[2J", "a\x1b[2J");
        check(true, "größer 大 🕯", "größer 大 🕯");
    }

    #[test]
    fn the_last_line_is_ended_once() {
        let check = |parts: &[&str], expected: &str| {
            let mut bytes = Vec::new();
            let mut output = Output::new(&mut bytes, false);
            for part in parts {
                output.write(part).expect("memory takes all");
            }
            output.end_line().expect("memory takes all");
            assert_eq!(String::from_utf8(bytes).expect("text"), expected);
        };
        check(&["a", "b"], "ab\n");
        check(&["a\n"], "a\n");
        check(&["a\n", ""], "a\n");
        check(&[], "");
    }

    struct Closed(ErrorKind);

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure_but_a_full_disk_is() {
        let write = |kind| Output::new(Closed(kind), false).write("a");
        assert_eq!(write(ErrorKind::BrokenPipe), Err(Stop::ReaderGone));
        assert!(matches!(
            write(ErrorKind::StorageFull),
            Err(Stop::Failed { .. })
        ));
    }
}
