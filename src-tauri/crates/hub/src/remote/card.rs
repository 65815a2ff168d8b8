//! A repository's model card.
//!
//! It deliberately makes nothing of the Markdown: what may be shown of it is the page's to decide.

use super::http::Asked;
use crate::{Commit, Error, Hub, RepoId};

/// Longer cards end here.
/// Longer ones are no cards for people, and take a page seconds to lay out.
const MAX_BYTES: usize = 256 << 10;

impl Hub {
    /// The Markdown of README.md without the YAML before it, up to 256 KiB; what is no UTF-8 is replaced. `None` if there is
    /// no such file.
    ///
    /// # Errors
    /// [`Error::Offline`], [`Error::AccessDenied`], [`Error::RateLimited`], [`Error::Server`].
    pub async fn card(&self, repo: &RepoId, commit: &Commit) -> Result<Option<String>, Error> {
        let asked = Asked {
            repo: Some(repo),
            what: "the model card",
        };
        let url = self.http().file_url(repo, commit, "README.md")?;
        let answer = match self.http().get(url, None, &asked).await {
            Err(Error::NotOnHub { .. }) => return Ok(None),
            answer => answer?,
        };
        let bytes = self.http().beginning(answer, MAX_BYTES).await?;
        let text = String::from_utf8_lossy(&bytes);
        Ok(Some(without_front_matter(&text).to_owned()))
    }
}

/// What is behind `---`, YAML and `---`. Without the second line it is no front matter.
fn without_front_matter(text: &str) -> &str {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let is_fence = |line: &str| line.trim_end() == "---";
    let mut lines = text.split_inclusive('\n');
    if !lines.next().is_some_and(is_fence) {
        return text;
    }
    let mut rest = text;
    for line in text.split_inclusive('\n') {
        let is_end = rest.len() < text.len() && is_fence(line);
        rest = &rest[line.len()..];
        if is_end {
            return rest.trim_start_matches(['\r', '\n']);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn yaml_before_the_text_is_left_out() {
        let check = |text: &str, expected: &str| assert_eq!(without_front_matter(text), expected);
        check("---\nlicense: mit\n---\n# Model\n", "# Model\n");
        check("---\r\na: b\r\n---\r\n\r\n# Model", "# Model");
        check("\u{feff}---\n---\nText", "Text");
        check("# Model\n---\nText\n---\n", "# Model\n---\nText\n---\n");
        check("---\nno end", "---\nno end");
        check("---\na: b\n--- \nText", "Text");
        check("---", "---");
        check("", "");
    }

    proptest! {
        #[test]
        fn any_text_keeps_its_end(text in "(---\r?\n|[a-z]:[a-z]\r?\n|\\PC){0,8}") {
            prop_assert!(text.ends_with(without_front_matter(&text)));
        }
    }
}
