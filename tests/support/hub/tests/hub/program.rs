//! The program `fake-hub`: serves a folder, obeys, and ends when nobody holds it.

use crate::client::get;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running program.
struct Program {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fake-hub"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let orders = child.stdin.take().expect("its input");
        let answers = BufReader::new(child.stdout.take().expect("its output"));
        Self {
            child,
            orders,
            answers,
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    fn order(&mut self, order: &str) -> String {
        writeln!(self.orders, "{order}").expect("it listens");
        self.line()
    }

    fn end(mut self) -> bool {
        drop(self.orders);
        self.child.wait().expect("an end").success()
    }
}

/// `ORG/NAME` with two files, below a folder of this test's own.
fn folder(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    let model = folder.join("org/model");
    std::fs::create_dir_all(model.join("sub")).expect("a folder");
    std::fs::write(model.join("sub/x.txt"), "small").expect("a file");
    std::fs::write(model.join("model.gguf"), "GGUF").expect("a file");
    folder
}

#[tokio::test]
async fn it_serves_a_folder_and_obeys() {
    let folder = folder("it_serves_a_folder_and_obeys");
    let mut program = Program::start(&[&folder.to_string_lossy(), "--rate", "1000000"]);
    let endpoint = program.line();
    let small = format!("{endpoint}/org/model/resolve/main/sub/x.txt");
    assert_eq!(get(&small).await.body, b"small");
    let answer = get(&format!("{endpoint}/org/model/resolve/main/model.gguf")).await;
    assert_eq!(get(answer.header("location")).await.body, b"GGUF");
    assert_eq!(program.order("fault status 503 path=x.txt"), "ok");
    assert_eq!(get(&small).await.status, 503);
    assert_eq!(program.order("repo org/gated gated licence=mit"), "ok");
    let commit = program.order("random org/gated main model.gguf 1 1000");
    let about = get(&format!("{endpoint}/api/models/org/gated"))
        .await
        .json();
    assert_eq!(
        (&about["sha"], &about["gated"]),
        (&commit.into(), &"auto".into())
    );
    assert!(program.order("nonsense").starts_with("error: "));
    let log = program.order("requests");
    assert!(log.contains("\"status\":503"), "{log}");
    assert!(program.end());
}

#[test]
fn it_says_how_it_is_called() {
    let output = Command::new(env!("CARGO_BIN_EXE_fake-hub"))
        .arg("--nonsense")
        .output()
        .expect("the program starts");
    assert!(!output.status.success());
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("fake-hub FOLDER"), "{complaint}");
}
