//! A picture of each view, for a person to look at, and what can be told of them without one: nothing sticks out.

use super::SHORT;
use serde_json::Value;
use wick_tests::window::{CONTROL, Desk, ESCAPE, Home};

const ANSWER: &str = r#"A palindrome reads the **same in both directions**. Compare the word with its mirror image:

```python
def is_palindrome(word: str) -> bool:
    """Whether a word reads the same backwards."""
    letters = [c.lower() for c in word if c.isalnum()]
    return letters == letters[::-1]


print(is_palindrome("Level"))  # True
```

Two things to know:

1. `casefold()` is safer than `lower()` for words such as *Straße*.
2. The empty word **is** a palindrome; whether that suits you is your choice.

| Word  | Letters | Palindrome |
| ----- | ------: | :--------: |
| level |       5 |    yes     |
| wick  |       4 |     no     |

> Python's own [documentation](https://docs.python.org/3/library/stdtypes.html) explains slices.
"#;

#[tokio::test]
async fn every_view_has_its_picture() {
    let home = Home::with_parrot();
    home.teach(ANSWER);
    let desk = Desk::open("pictures", home).await;
    take(&desk, "chat-empty").await;
    desk.ask("How do I check whether a word is a palindrome?")
        .await;
    desk.ask("Can you show that again?").await;
    take(&desk, "chat").await;
    desk.press(&[CONTROL, 'k']).await;
    desk.see("@palette").await;
    take(&desk, "palette").await;
    desk.press(&[ESCAPE]).await;
    desk.see_no("@palette").await;
    for part in ["model", "memory"] {
        desk.click(&format!("@strip-{part}")).await;
        take(&desk, &format!("strip-{part}")).await;
        desk.press(&[ESCAPE]).await;
    }
    desk.click("@conversation-menu").await;
    desk.click("@delete-conversation").await;
    take(&desk, "delete").await;
    desk.press(&[ESCAPE]).await;
    desk.see_no("@delete-dialog").await;
    for view in ["models", "monitor", "settings"] {
        desk.click(&format!("@rail-{view}")).await;
        desk.see("main h1").await;
        take(&desk, view).await;
    }
    desk.click("@theme-light").await;
    take(&desk, "settings-light").await;
    for view in ["models", "monitor", "chat"] {
        desk.click(&format!("@rail-{view}")).await;
        take(&desk, &format!("{view}-light")).await;
    }
}

#[tokio::test]
async fn the_chat_and_the_monitor_on_other_screens() {
    for (name, size) in [("chat-4k", (3840, 2160)), ("chat-small", (900, 600))] {
        let home = Home::with_parrot();
        home.teach(ANSWER);
        let desk = Desk::open_on(name, home, size).await;
        desk.ask(SHORT).await;
        take(&desk, name).await;
        desk.click("@rail-monitor").await;
        desk.see_words("@monitor-loaded", "Unload").await;
        take(&desk, &name.replace("chat", "monitor")).await;
    }
}

async fn take(desk: &Desk, name: &str) {
    check_nothing_sticks_out(desk, name).await;
    desk.picture(name).await;
}

/// No view scrolls sideways, and no button's words are cut.
async fn check_nothing_sticks_out(desk: &Desk, name: &str) {
    let wide = "document.documentElement.scrollWidth > innerWidth";
    assert_eq!(
        desk.eval(wide, Value::Null).await,
        false,
        "{name} is too wide"
    );
    let cut = "[...document.querySelectorAll('button.button')]
        .filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.innerText)";
    assert_eq!(
        desk.eval(cut, Value::Null).await,
        Value::Array(vec![]),
        "{name}"
    );
}
