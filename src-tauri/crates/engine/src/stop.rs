//! Stop strings in a stream: text is held back only while it might still become one.

/// Watches a stream of text for the first of several strings.
#[derive(Debug)]
pub(crate) struct StopMatcher {
    stops: Vec<String>,
    held: String,
}

/// What may be shown after a piece of text came in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// This much, and more may come.
    Text(String),
    /// This much, and then a stop string stood there.
    Stopped(String),
}

impl StopMatcher {
    pub(crate) fn new(stops: Vec<String>) -> Self {
        Self {
            stops,
            held: String::new(),
        }
    }

    pub(crate) fn push(&mut self, text: &str) -> Passed {
        self.held.push_str(text);
        let first = self
            .stops
            .iter()
            .filter_map(|stop| self.held.find(stop))
            .min();
        if let Some(at) = first {
            self.held.truncate(at);
            return Passed::Stopped(std::mem::take(&mut self.held));
        }
        let keep = self.longest_beginning_of_a_stop();
        let rest = self.held.split_off(self.held.len() - keep);
        Passed::Text(std::mem::replace(&mut self.held, rest))
    }

    /// What was held back when the answer ended otherwise.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    fn longest_beginning_of_a_stop(&self) -> usize {
        let begins = |stop: &String| {
            let bytes = self.held.as_bytes();
            (1..stop.len())
                .rev()
                .find(|length| bytes.ends_with(&stop.as_bytes()[..*length]))
        };
        let longest = self.stops.iter().filter_map(begins).max().unwrap_or(0);
        // A cut inside a character can only be a stop's own; keep the whole character.
        let mut at = self.held.len() - longest;
        while !self.held.is_char_boundary(at) {
            at -= 1;
        }
        self.held.len() - at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(stops: &[&str], pieces: &[String]) -> String {
        let mut matcher = StopMatcher::new(stops.iter().map(|s| (*s).to_owned()).collect());
        let mut shown = String::new();
        for piece in pieces {
            match matcher.push(piece) {
                Passed::Text(text) => shown.push_str(&text),
                Passed::Stopped(text) => return shown + &text,
            }
        }
        shown + &matcher.finish()
    }

    #[test]
    fn nothing_is_held_without_need() {
        let mut matcher = StopMatcher::new(vec!["\n\nUser".into()]);
        assert_eq!(matcher.push("Hello\n"), Passed::Text("Hello".into()));
        assert_eq!(matcher.push("you"), Passed::Text("\nyou".into()));
        assert_eq!(matcher.push("!\n\nUser: x"), Passed::Stopped("!".into()));
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_text_before_the_first_stop(
            pieces in prop::collection::vec("[abé\u{1F56F}]{0,4}", 0..12),
        ) {
            let stops = ["ab", "éa\u{1F56F}", "bb"];
            let whole = pieces.concat();
            let end = stops.iter().filter_map(|s| whole.find(s)).min().unwrap_or(whole.len());
            prop_assert_eq!(run(&stops, &pieces), &whole[..end]);
        }
    }
}
