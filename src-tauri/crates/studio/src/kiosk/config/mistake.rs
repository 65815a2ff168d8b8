//! How a mistake is said: where it stands, what is wrong, what to do.

use crate::kiosk::view::ConfigProblem;
use std::ops::Range;

/// The file that all begins with.
pub(crate) const FILE: &str = "kiosk.toml";

/// What is wrong with a value or with a file that it names, before it is known on which line it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) remedy: String,
    /// The file and line, where they are others than those of the value.
    pub(crate) elsewhere: Option<(String, u32)>,
}

impl Flaw {
    pub(crate) fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            remedy: remedy.into(),
            elsewhere: None,
        }
    }

    /// In this line of another file.
    pub(super) fn in_file(mut self, file: &str, line: u32) -> Self {
        self.elsewhere = Some((file.into(), line));
        self
    }

    /// As it is told, if it stands at these bytes of `kiosk.toml`.
    pub(super) fn at(self, text: &str, span: &Range<usize>) -> ConfigProblem {
        let here = (FILE.to_owned(), line_of(text.as_bytes(), span.start));
        let (file, line) = self.elsewhere.unwrap_or(here);
        ConfigProblem {
            file,
            line: Some(line),
            message: self.message,
            remedy: self.remedy,
        }
    }

    /// As it is told, if it is about the whole of `kiosk.toml`.
    pub(super) fn of_all(self) -> ConfigProblem {
        ConfigProblem {
            file: FILE.into(),
            line: None,
            message: self.message,
            remedy: self.remedy,
        }
    }
}

/// The line, from 1, in which this byte stands.
pub(super) fn line_of(text: &[u8], at: usize) -> u32 {
    let before = &text[..at.min(text.len())];
    let lines = before.split(|byte| *byte == b'\n').count();
    u32::try_from(lines).unwrap_or(u32::MAX)
}

/// Text, or in which line it stops to be UTF-8.
pub(super) fn utf8(bytes: Vec<u8>) -> Result<String, u32> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        line_of(error.as_bytes(), at)
    })
}

/// That a text is not UTF-8.
pub(super) fn not_utf8(file: &str, line: u32) -> Flaw {
    let remedy = "Save the file as UTF-8 in your editor.";
    Flaw::new(
        "There is a byte in this line that is no UTF-8 text.",
        remedy,
    )
    .in_file(file, line)
}
