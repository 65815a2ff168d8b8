//! `wick search|pull|list|verify|rm` against a hub of our own, with the real engine.

use fake_hub::{Content, FakeHub, Gated, Repo};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use wick_tests::starter_model;
use wick_tests::window::Home;

const REPO: &str = "wick/SmolLM2-135M-Instruct-GGUF";
const FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

/// A hub with the starter model and what only calls itself a model, and a home that knows it.
async fn at_home() -> (FakeHub, Arc<Home>) {
    let hub = FakeHub::start().await;
    hub.add_repo(
        Repo::new(REPO)
            .licence("apache-2.0")
            .gguf_total(134_515_008),
    );
    let nonsense = Content::Bytes(Arc::from(&b"GGUF, but not for long"[..])).large();
    let files = [
        (FILE, Content::File(starter_model())),
        ("nonsense-Q8_0.gguf", nonsense),
    ];
    hub.commit(REPO, "main", &files);
    hub.add_repo(Repo::new("wick/gated").gated(Gated::Automatic));
    hub.commit(
        "wick/gated",
        "main",
        &[(FILE, Content::File(starter_model()))],
    );
    let home = Home::without_model().with_hub(hub.endpoint());
    (hub, Arc::new(home))
}

/// Runs `wick` beside the hub, which answers on this thread.
async fn wick(home: &Arc<Home>, arguments: &str) -> Output {
    let mut command = home.command("wick");
    command.args(arguments.split(' '));
    let run = tokio::task::spawn_blocking(move || command.output());
    run.await.expect("a task").expect("wick runs")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Its standard output, if it went well.
async fn done(home: &Arc<Home>, arguments: &str) -> String {
    let output = wick(home, arguments).await;
    assert!(output.status.success(), "{arguments}: {}", said(&output));
    out(&output)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_is_found_judged_brought_checked_and_deleted() {
    let (hub, home) = at_home().await;
    let found: Value =
        serde_json::from_str(&done(&home, "search smol --json").await).expect("JSON");
    assert_eq!(found[0]["id"], REPO);
    assert_eq!(found[0]["parameters"], 134_515_008);
    assert_eq!(found[0]["licence"], "apache-2.0");

    let plan = done(&home, &format!("pull {REPO} --plan")).await;
    let line = |label: &str| {
        plan.lines()
            .find(|line| line.starts_with(label))
            .map(str::to_owned)
    };
    assert!(
        line("Q4_1").is_some_and(|line| line.contains("the best that fits")),
        "{plan}"
    );
    assert!(
        line("Q8_0").is_some_and(|line| line.contains("unknown")),
        "{plan}"
    );

    // Without a quantization, the best that fits.
    hub.forget();
    let path = PathBuf::from(done(&home, &format!("pull {REPO}")).await.trim_end());
    assert_eq!(
        fs::read(&path).expect("a file"),
        fs::read(starter_model()).expect("a file")
    );
    let again = done(&home, &format!("pull {REPO}:q4_1")).await;
    assert_eq!(Path::new(again.trim_end()), path);
    let fetched = hub
        .requests()
        .into_iter()
        .filter(|seen| seen.path.contains("Q4_1"));
    assert!(
        fetched.map(|seen| seen.bytes_sent).sum::<u64>() < 110_000_000,
        "it was fetched twice"
    );

    let list: Value = serde_json::from_str(&done(&home, "list --json").await).expect("JSON");
    assert_eq!(list[0]["repo"], REPO);
    assert!(
        done(&home, "run -m smol --max-tokens 4 --temperature 0 Hello")
            .await
            .len()
            > 1
    );
    assert!(done(&home, "verify smol").await.starts_with("whole"));

    // It goes by the name that it was brought with, too.
    assert!(
        done(&home, &format!("verify {REPO}:Q4_1"))
            .await
            .starts_with("whole")
    );

    let blob = path.canonicalize().expect("a blob");
    let mut bytes = fs::read(&blob).expect("a file");
    bytes[50_000_000] ^= 1;
    fs::write(&blob, bytes).expect("a file");
    let damaged = wick(&home, "verify smol").await;
    assert_eq!(damaged.status.code(), Some(1));
    assert!(out(&damaged).starts_with("damaged"), "{}", out(&damaged));

    let asked = wick(&home, "rm smol").await;
    assert_eq!(asked.status.code(), Some(1), "nobody agreed");
    assert!(
        blob.exists() && said(&asked).contains("--yes"),
        "{}",
        said(&asked)
    );
    assert!(
        done(&home, "rm smol --yes")
            .await
            .contains("93.8 MiB were freed")
    );
    assert!(!blob.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_brought_says_why() {
    let (_hub, home) = at_home().await;
    let check = async |arguments: &str, code: i32, words: &str| {
        let output = wick(&home, arguments).await;
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {said}");
        assert!(
            said.contains(words),
            "{arguments} does not say {words:?}: {said}"
        );
        assert!(out(&output).is_empty(), "{arguments}");
    };
    check(
        "pull nobody/nothing",
        1,
        "is private, or there is no such repository",
    )
    .await;
    check("pull wick/gated", 1, "HF_TOKEN").await;
    check("pull ../etc", 2, "no repository").await;
    check(&format!("pull {REPO}:Q5_K_M"), 1, "There are").await;
    check(
        &format!("pull {REPO} --revision gone"),
        1,
        "is not on the hub",
    )
    .await;
    check("rm nothing-like-that", 1, "no model").await;
    fs::create_dir_all(home.data()).expect("a folder");
    let settings = r#"{"downloads": {"budget_bytes": 1000}}"#;
    fs::write(home.data().join("settings.json"), settings).expect("a file");
    check(&format!("pull {REPO}:Q4_1"), 1, "more than the disk budget").await;
    let offline = Home::without_model().with_hub("http://ada:secret@127.0.0.1:9".into());
    let output = wick(&Arc::new(offline), "search llama").await;
    assert!(said(&output).contains("offline"), "{}", said(&output));
    assert!(!said(&output).contains("secret"), "{}", said(&output));
}
