//! From bytes of tokens to text, as they come: whole characters only.

/// Turns the pieces of a stream into text. Any cut gives the same text as all at once.
#[derive(Debug, Clone)]
pub struct Decoder {
    /// Bytes of a character that is not whole yet.
    held: Vec<u8>,
    /// The blank that the tokenizer puts before a text has yet to be taken away.
    strip: bool,
}

impl Decoder {
    pub(super) fn new(strip: bool) -> Self {
        Self {
            held: Vec::new(),
            strip,
        }
    }

    /// For an answer that goes on where a prompt ended: a blank at its beginning is the model's.
    #[must_use]
    pub fn keeping_the_first_blank(mut self) -> Self {
        self.strip = false;
        self
    }

    /// The text that this piece completes. Bytes that can't become a character come out as U+FFFD.
    pub fn push(&mut self, piece: &[u8]) -> String {
        self.held.extend_from_slice(piece);
        if self.strip && !self.held.is_empty() {
            self.strip = false;
            if self.held[0] == b' ' {
                self.held.remove(0);
            }
        }
        let mut text = String::new();
        loop {
            match std::str::from_utf8(&self.held) {
                Ok(whole) => {
                    text.push_str(whole);
                    self.held.clear();
                    return text;
                }
                Err(error) => {
                    let valid = error.valid_up_to();
                    text.push_str(&String::from_utf8_lossy(&self.held[..valid]));
                    let Some(broken) = error.error_len() else {
                        self.held.drain(..valid);
                        return text;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    self.held.drain(..valid + broken);
                }
            }
        }
    }

    /// What is left at the end: a character that was never completed.
    pub fn finish(&mut self) -> String {
        let rest = String::from_utf8_lossy(&self.held).into_owned();
        self.held.clear();
        rest
    }
}
