//! `wick` in a terminal: the answer on standard output, everything else on standard error.

use serde_json::Value;
use std::process::{Command, Output};
use wick_tests::programs::program;
use wick_tests::{root, starter_model};

fn wick(arguments: &[&str]) -> Output {
    let data = tempfile::tempdir().expect("a folder");
    Command::new(program("wick"))
        .args(arguments)
        .env("WICK_DATA_DIR", data.path())
        .env("WICK_MODELS_DIR", root().join("models"))
        .env("HF_HOME", data.path())
        .env_remove("WICK_LOG")
        .output()
        .expect("wick starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON and nothing else")
}

#[test]
fn run_answers_on_standard_output() {
    let model = starter_model();
    let arguments = [
        "run",
        "--model",
        &model.to_string_lossy(),
        "--temperature",
        "0",
        "--max-tokens",
        "20",
    ];
    let prompt = "What is the capital of France? Answer in one sentence.";
    let output = wick(&[&arguments[..], &[prompt]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let (answer, rest) = (text(&output.stdout), text(&output.stderr));
    assert!(
        answer.contains("Paris") && answer.ends_with('\n'),
        "{answer:?}"
    );
    assert_eq!(answer.lines().count(), 1, "{answer:?}");
    assert!(rest.contains("tok/s"), "{rest:?}");
}

#[test]
fn run_with_one_seed_says_one_thing() {
    let say = |seed: &str| {
        let arguments = [
            "run",
            "--temperature",
            "1.5",
            "--max-tokens",
            "12",
            "--seed",
            seed,
            "Tell me something.",
        ];
        text(&wick(&arguments).stdout)
    };
    let first = say("1");
    assert_eq!(first, say("1"));
    assert_ne!(first, say("2"));
}

#[test]
fn what_goes_wrong_is_one_message_and_a_code() {
    let check = |arguments: &[&str], code: i32, words: &str| {
        let output = wick(arguments);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{errors}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(errors.contains(words), "{errors:?} does not say {words:?}");
    };
    check(
        &["run", "--model", "no-such-model", "Hi"],
        1,
        "no-such-model",
    );
    check(
        &["run", "--model", "/nowhere/x.gguf", "Hi"],
        1,
        "/nowhere/x.gguf",
    );
    check(&["run", "--temperature=-1", "Hi"], 2, "temperature");
    check(
        &["run", "--max-tokens", "4", &"word ".repeat(10_000)],
        1,
        "8191",
    );
    check(&["fly"], 2, "fly");
}

#[test]
fn list_names_the_starter_model() {
    let models = json(&wick(&["list", "--json"]));
    let starter = models
        .as_array()
        .into_iter()
        .flatten()
        .find(|model| model["name"] == "SmolLM2-135M-Instruct");
    let starter = starter.expect("it is in the library");
    assert_eq!(starter["quantization"], "Q4_1");
    assert_eq!(starter["size_bytes"], 98_362_432);
}

#[test]
fn bench_measures() {
    let model = starter_model();
    let arguments = [
        "bench",
        &model.to_string_lossy(),
        "--prompt-tokens",
        "16",
        "--generate-tokens",
        "4",
        "--runs",
        "2",
        "--json",
    ];
    let report = json(&wick(&arguments));
    for rate in ["prefill_tokens_per_second", "decode_tokens_per_second"] {
        assert!(
            report[rate]["median"]
                .as_f64()
                .is_some_and(|rate| rate > 0.0),
            "{report}"
        );
    }
    let bytes = |name: &str| report[name].as_u64().expect("a number of bytes");
    // The file's own tensors, and nothing beside them.
    assert_eq!(bytes("weights_bytes"), 96_576_768);
    assert!(
        bytes("peak_resident_bytes") > bytes("weights_bytes"),
        "{report}"
    );
    // Pages of 32 positions: 30 layers × 3 heads × 64 × K and V × 2 bytes each. Twenty positions, and twenty of a run
    // before.
    let page_bytes = 32 * 30 * 3 * 64 * 2 * 2;
    assert_eq!(bytes("kv_cache_bytes") % page_bytes, 0);
    assert!(
        (1..=4).contains(&(bytes("kv_cache_bytes") / page_bytes)),
        "{report}"
    );
    assert!(report["load_ms"].as_f64().is_some_and(|time| time > 0.0));
}
