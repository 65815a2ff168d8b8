//! The fake hub alone, for clients in other processes: `fake-hub FOLDER [--port N] [--port-cdn N] [--rate BYTES_PER_S]`.
//!
//! Every `FOLDER/ORG/NAME` is a repository at `main`. It prints its endpoint when it is ready, takes orders on standard
//! input (orders.rs), each answered by a line, and runs until standard input closes.

mod orders;

use fake_hub::{Content, FakeHub, Fault, Repo};
use orders::Orders;
use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;

/// How often a second bytes go out under `--rate`.
const BEATS: u64 = 20;
const USAGE: &str = "fake-hub FOLDER [--port N] [--port-cdn N] [--rate BYTES_PER_S]";

/// What the command line says.
#[derive(Debug, Default)]
struct Options {
    folder: Option<PathBuf>,
    port: u16,
    port_cdn: u16,
    rate: Option<u64>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = read(std::env::args().skip(1))?;
    let hub = FakeHub::start_at(options.port, options.port_cdn).await?;
    for (id, folder) in options
        .folder
        .iter()
        .map(|f| repos(f))
        .collect::<io::Result<Vec<_>>>()?
        .concat()
    {
        hub.add_repo(Repo::new(&id).task("text-generation"));
        commit(&hub, &id, "main", &folder)?;
    }
    if let Some(rate) = options.rate {
        let pause = Duration::from_millis(1000 / BEATS);
        hub.fault(Fault::slow(rate / BEATS, pause).always());
    }
    say(&hub.endpoint())?;
    let mut lines = lines();
    let mut orders = Orders { hub };
    while let Some(line) = lines.recv().await {
        let answer = orders.obey(&line).await;
        say(&answer.unwrap_or_else(|error| format!("error: {error}")))?;
    }
    Ok(())
}

fn read(mut arguments: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(USAGE);
        match argument.as_str() {
            "--port" => options.port = value()?.parse()?,
            "--port-cdn" => options.port_cdn = value()?.parse()?,
            "--rate" => options.rate = Some(value()?.parse()?),
            other if other.starts_with("--") => return Err(USAGE.into()),
            folder => options.folder = Some(folder.into()),
        }
    }
    Ok(options)
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Lines of standard input, which has no way to be read without a thread of its own.
fn lines() -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// `ORG/NAME` and folder of each repository.
fn repos(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut repos = Vec::new();
    for (org, folder) in inside(folder)? {
        if folder.is_dir() {
            let names = inside(&folder)?.into_iter();
            let folders = names.filter(|(_, folder)| folder.is_dir());
            repos.extend(folders.map(|(name, folder)| (format!("{org}/{name}"), folder)));
        }
    }
    Ok(repos)
}

/// Commits all files below a folder.
fn commit(hub: &FakeHub, repo: &str, branch: &str, folder: &Path) -> io::Result<String> {
    let files = files(folder, "")?;
    let files = files
        .iter()
        .map(|(name, path)| (name.as_str(), Content::File(path.clone())));
    Ok(hub.commit(repo, branch, &files.collect::<Vec<_>>()))
}

fn files(folder: &Path, prefix: &str) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for (name, path) in inside(folder)? {
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            found.extend(files(&path, &format!("{name}/"))?);
        } else {
            found.push((name, path));
        }
    }
    Ok(found)
}

fn inside(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let entries = folder.read_dir()?.collect::<io::Result<Vec<_>>>()?;
    let named = |entry: std::fs::DirEntry| {
        (
            entry.file_name().to_string_lossy().into_owned(),
            entry.path(),
        )
    };
    Ok(entries.into_iter().map(named).collect())
}
