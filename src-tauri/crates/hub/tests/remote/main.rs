//! The hub's remote side against a fake hub.

mod headers;
mod proxy;
mod refusals;
mod repository;
mod search;
mod token;

use fake_hub::{Content, FakeHub, Host, Repo, Seen};
use hub::{Commit, Hub, HubSettings, RepoId};
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A person with a folder for everything, and a hub.
struct Desk {
    fake: FakeHub,
    home: TempDir,
}

impl Desk {
    async fn new() -> Self {
        Self {
            fake: FakeHub::start().await,
            home: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    /// As the environment says; everything else is this desk's.
    fn hub_with(&self, environment: &[(&str, &str)]) -> Hub {
        let home = self.home.path().to_str().expect("UTF-8");
        let endpoint = self.fake.endpoint();
        let usual = [("HF_ENDPOINT", endpoint.as_str()), ("HF_HOME", home)];
        hub_of(&[environment, &usual].concat())
    }

    fn hub(&self) -> Hub {
        self.hub_with(&[])
    }

    fn token_file(&self) -> PathBuf {
        self.home.path().join("token")
    }

    /// A repository with these small texts as files.
    fn repo(&self, repo: Repo, id: &str, files: &[(&str, &str)]) -> Commit {
        self.fake.add_repo(repo);
        let files: Vec<(&str, Content)> = files
            .iter()
            .map(|(path, text)| (*path, Content::from(*text)))
            .collect();
        let commit = self.fake.commit(id, "main", &files);
        commit.try_into().expect("a commit")
    }

    fn requests(&self, host: Host) -> Vec<Seen> {
        let requests = self.fake.requests().into_iter();
        requests.filter(|seen| seen.host == host).collect()
    }
}

fn hub_of(environment: &[(&str, &str)]) -> Hub {
    let say = |name: &str| {
        let pair = environment.iter().find(|(key, _)| *key == name)?;
        Some(pair.1.into())
    };
    let settings = HubSettings::find(&say).expect("a place for files");
    Hub::new(settings).expect("a hub")
}

/// A hub that says whatever a test wants: for paths with this part, this header and this JSON. It ends with the test.
async fn parrot(answers: &[(&'static str, String, String)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let answers = answers.to_vec();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("a request"));
            }
            let head = String::from_utf8_lossy(&head);
            let fits = |(part, ..): &&(&str, _, _)| head.contains(part);
            let (_, header, json) = answers.iter().find(fits).expect("an answer");
            let length = json.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\n{header}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{json}"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://{address}")
}

fn id(text: &str) -> RepoId {
    text.parse().expect("a repository's name")
}
