//! What a model writes is foreign text: nothing in it runs, loads, or leads the window away.

use serde_json::Value;
use std::io::ErrorKind;
use std::net::TcpListener;
use wick_tests::window::{Desk, Home};

/// `ADDRESS` is one that would notice.
const FOREIGN: &str = r#"Text before.

<script>window.ran = "script"</script>

<img src="x" onerror="window.ran = 'img'"> <svg onload="window.ran = 'svg'"><script>window.ran = 'svg script'</script></svg>

<iframe src="ADDRESS/frame" srcdoc="<script>parent.ran = 'frame'</script>"></iframe>
<object data="ADDRESS/object"></object> <embed src="ADDRESS/embed">
<video src="ADDRESS/video" autoplay></video> <audio src="ADDRESS/audio" onloadstart="window.ran = 'audio'"></audio>

![a picture](ADDRESS/picture.png) <img src="ADDRESS/tag.png" srcset="ADDRESS/set.png 2x">

<link rel="stylesheet" href="ADDRESS/style.css"> <meta http-equiv="refresh" content="0;url=ADDRESS/refresh">
<base href="ADDRESS/"> <style>@import url(ADDRESS/import.css); body { display: none }</style>

<p style="position: fixed; inset: 0; background: url(ADDRESS/ground.png)" class="notice" id="composer" data-testid="send">styled</p>

<form action="ADDRESS/form"><input name="a" autofocus onfocus="window.ran = 'focus'"><button>Submit</button></form>

<details open ontoggle="window.ran = 'toggle'"><summary>more</summary></details>

<a href="javascript:window.ran = 'tag link'">tag link</a> [script link](javascript:window.ran='link')
[data link](data:text/html,<script>parent.ran='data'</script>) [file link](file:///etc/passwd) <a href="/models">own link</a>
<math><a xlink:href="javascript:window.ran='math'">math link</a></math>

[web link](https://example.org/page?a=b#c) <https://example.org/auto>

```html
<script>window.ran = "code"</script>
```

Text after.
"#;

const DANGEROUS: &str = "script, style, link, meta, base, iframe, object, embed, svg, math, img, video, audio, form, \
    input, details, [href], [src], [srcset], [style], [id], .notice, [data-testid=send], [onerror], [onclick]";

/// What is opened outside goes into a file.
const XDG_OPEN: &str = "#!/bin/sh\nprintf '%s\\n' \"$1\" >> \"$HOME/opened\"\n";

/// The address of the page, without what it remembers of the view.
const PLACE: &str = "location.href.split('#')[0]";

struct Trap {
    listener: TcpListener,
}

impl Trap {
    fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a socket");
        listener.set_nonblocking(true).expect("a flag");
        Self { listener }
    }

    fn address(&self) -> String {
        format!("http://{}", self.listener.local_addr().expect("an address"))
    }

    fn check_untouched(&self) {
        let came = self.listener.accept().map_err(|error| error.kind());
        assert!(
            matches!(came, Err(ErrorKind::WouldBlock)),
            "a request came: {came:?}"
        );
    }
}

#[tokio::test]
async fn a_foreign_text_does_nothing() {
    let trap = Trap::new();
    let home = Home::with_parrot();
    home.teach(&FOREIGN.replace("ADDRESS", &trap.address()));
    home.add_program("xdg-open", XDG_OPEN);
    let desk = Desk::open("safety", home).await;
    let answer = desk.ask("Say something bad.").await;
    for words in [
        "Text before.",
        "a picture",
        "styled",
        "window.ran = \"code\"",
        "Text after.",
    ] {
        assert!(
            answer.text.contains(words),
            "{words:?} was lost: {}",
            answer.text
        );
    }
    let kept = format!(
        "[...document.querySelectorAll('@message-assistant .markdown :is({DANGEROUS})')].map((one) => one.outerHTML)"
    );
    assert_eq!(desk.eval(&kept, Value::Null).await, Value::Array(vec![]));
    desk.picture("chat-foreign-text").await;

    let place = desk.eval(PLACE, Value::Null).await;
    let links = desk.count("@message-assistant .markdown a").await;
    assert!(links >= 5, "{links} links");
    for link in 0..links {
        let click = "document.querySelectorAll('@message-assistant .markdown a')[x].click()";
        desk.eval(click, link).await;
    }
    desk.click("@message-assistant .markdown a[data-url*=page]")
        .await;
    check_nothing_happened(&desk, &trap, &place).await;
    let web = ["https://example.org/page?a=b#c", "https://example.org/auto"];
    check_opened(&desk, &[web[0], web[1], web[0]]).await;
}

async fn check_nothing_happened(desk: &Desk, trap: &Trap, place: &Value) {
    // Whatever was set off has had its time when one more turn is over.
    assert_eq!(desk.ask("And now?").await.state, "complete");
    assert_eq!(
        desk.eval("window.ran ?? null", Value::Null).await,
        Value::Null
    );
    assert_eq!(desk.eval(PLACE, Value::Null).await, *place);
    assert_eq!(desk.windows().await, 1);
    assert_eq!(desk.count("@toast").await, 0);
    trap.check_untouched();
}

/// Exactly these were opened outside, in any order.
async fn check_opened(desk: &Desk, expected: &[&str]) {
    let file = desk.home().path("opened");
    let opened = || {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    desk.until_true("the links are opened", || opened().len() >= expected.len())
        .await;
    assert_eq!(opened(), expected);
}

/// Even a script in the page itself could do little: this is what stands behind the cleaning.
#[tokio::test]
async fn the_page_itself_can_load_and_reach_nothing() {
    let trap = Trap::new();
    let desk = Desk::open("policy", Home::with_parrot()).await;
    let place = desk.eval(PLACE, Value::Null).await;
    let evaluated = "(() => { try { return new Function('return 1')() } catch (error) { return error.name } })()";
    assert_eq!(desk.eval(evaluated, Value::Null).await, "EvalError");
    let attempts = [
        "document.body.append(Object.assign(document.createElement('script'), { textContent: 'window.ran = 1' }))",
        "document.body.append(Object.assign(document.createElement('script'), { src: x + '/script.js' }))",
        "document.body.append(Object.assign(document.createElement('iframe'), { src: x + '/frame' }))",
        "document.body.append(Object.assign(document.createElement('img'), { src: x + '/img.png' }))",
        "document.body.append(Object.assign(document.createElement('link'), { rel: 'stylesheet', href: x + '/a.css' }))",
        "void fetch(x + '/fetch').then(() => (window.ran = 'fetch'), () => {})",
        "void (new WebSocket(x.replace('http', 'ws')))",
        "void navigator.sendBeacon(x + '/beacon')",
        "void window.open(x + '/window')",
        "void location.assign(x + '/navigation')",
    ];
    for attempt in attempts {
        // Throwing is as good as doing nothing.
        let attempt = format!("(() => {{ try {{ {attempt} }} catch {{}} }})()");
        desk.eval(&attempt, trap.address()).await;
    }
    check_nothing_happened(&desk, &trap, &place).await;
    check_refused_commands(&desk).await;
}

/// Of Tauri's own commands the page may only listen to events.
async fn check_refused_commands(desk: &Desk) {
    let call = "void window.__TAURI_INTERNALS__.invoke(x).then(
        () => (window.said = 'done'), (error) => (window.said = String(error)))";
    for command in [
        "plugin:window|close",
        "plugin:app|version",
        "plugin:event|emit",
    ] {
        desk.eval("delete window.said", Value::Null).await;
        desk.eval(call, command).await;
        let said = desk.until("an answer", "window.said").await;
        let said = said.as_str().unwrap_or_default();
        assert!(said.contains("not allowed"), "{command}: {said}");
    }
}
