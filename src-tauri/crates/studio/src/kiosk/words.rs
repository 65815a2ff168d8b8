//! What a visitor or the model said, which is overwritten when it goes.
//!
//! Invariant: however often it grows, no copy of it stays in memory that this type has given back. What is handed out as
//! plain text (to the page, to the engine) is no longer in its hands.

/// Text that leaves nothing behind.
#[derive(Default)]
pub(super) struct Words(String);

impl Words {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Appends; where there is no room, the old place is overwritten.
    pub(super) fn push_str(&mut self, text: &str) {
        let length = self.0.len() + text.len();
        if length > self.0.capacity() {
            let mut larger = String::with_capacity(2 * length);
            larger.push_str(&self.0);
            let _ = overwritten(std::mem::replace(&mut self.0, larger));
        }
        self.0.push_str(text);
    }

    /// Nothing was said.
    pub(super) fn clear(&mut self) {
        let _ = overwritten(std::mem::take(&mut self.0));
    }
}

impl From<String> for Words {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        self.clear();
    }
}

// Traces and failed assertions carry no text of a visitor's.
impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Words({})", self.0.len())
    }
}

/// The bytes of a text as zeros, in the place where it was.
fn overwritten(text: String) -> Vec<u8> {
    let mut bytes = text.into_bytes();
    bytes.fill(0);
    // Nobody reads them any more, and still they are to be written.
    std::hint::black_box(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_overwritten_where_it_was() {
        let text = String::from("a secret");
        let place = text.as_ptr();
        let bytes = overwritten(text);
        assert_eq!((bytes.as_ptr(), &bytes[..]), (place, &[0; 8][..]));
    }

    #[test]
    fn it_grows_and_says_nothing_of_itself() {
        let mut words = Words::from(String::from("one"));
        for _ in 0..100 {
            words.push_str(" two");
        }
        assert_eq!(words.as_str().len(), 403);
        assert_eq!(format!("{words:?}"), "Words(403)");
        words.clear();
        assert_eq!(words.as_str(), "");
    }
}
