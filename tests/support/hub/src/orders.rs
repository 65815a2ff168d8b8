//! Orders on standard input, a line each, for tests that are not written in Rust.
//!
//! ```text
//! repo ORG/NAME [gated|manual|private|licence=L|task=T|tag=T|safetensors=N|gguf=N|downloads=N|likes=N|trending=N]…
//! commit ORG/NAME BRANCH FOLDER          all files of a folder; answers the commit
//! random ORG/NAME BRANCH PATH SEED BYTES one random file; answers the commit
//! token TOKEN [ORG/NAME]…                a valid one, let in there
//! fault NAME [NUMBER] [path=P] [times=N|always] [cdn|hub]
//! behave · release · expire · offline · online · forget
//! requests                               the log as JSON
//! ```

use crate::commit;
use fake_hub::{Content, FakeHub, Fault, Gated, Host, Repo, Seen};
use serde_json::{Value, json};
use std::error::Error;
use std::path::Path;
use std::time::Duration;

type Answer = Result<String, Box<dyn Error>>;

/// Who obeys.
pub(crate) struct Orders {
    pub(crate) hub: FakeHub,
}

impl Orders {
    /// The answer to a line.
    pub(crate) async fn obey(&mut self, line: &str) -> Answer {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["repo", id, ref said @ ..] => self.hub.add_repo(repo(id, said)?),
            ["commit", id, branch, folder] => {
                return Ok(commit(&self.hub, id, branch, Path::new(folder))?);
            }
            ["random", id, branch, path, seed, len] => {
                let (seed, len) = (seed.parse()?, len.parse()?);
                let files = [(path, Content::Random { seed, len })];
                return Ok(self.hub.commit(id, branch, &files));
            }
            ["token", token, ref repos @ ..] => {
                self.hub.accept_token(token);
                for repo in repos {
                    self.hub.let_in(token, repo);
                }
            }
            ["fault", name, ref said @ ..] => self.hub.fault(fault(name, said)?),
            ["requests"] => return Ok(log(&self.hub.requests())),
            [order] => self.short(order).await?,
            _ => return Err(format!("{line:?} is no order").into()),
        }
        Ok("ok".to_owned())
    }

    async fn short(&mut self, order: &str) -> Result<(), Box<dyn Error>> {
        match order {
            "behave" => self.hub.behave(),
            "release" => self.hub.release(),
            "expire" => self.hub.expire_links(),
            "forget" => self.hub.forget(),
            "offline" => self.hub.go_offline().await,
            "online" => self.hub.go_online().await,
            _ => return Err(format!("{order:?} is no order").into()),
        }
        Ok(())
    }
}

fn repo(id: &str, said: &[&str]) -> Result<Repo, Box<dyn Error>> {
    let mut repo = Repo::new(id);
    for word in said {
        repo = match word.split_once('=').unwrap_or((word, "")) {
            ("gated", _) => repo.gated(Gated::Automatic),
            ("manual", _) => repo.gated(Gated::Manual),
            ("private", _) => repo.private(),
            ("licence", licence) => repo.licence(licence),
            ("task", task) => repo.task(task),
            ("tag", tag) => repo.tag(tag),
            ("safetensors", number) => repo.safetensors_total(number.parse()?),
            ("gguf", number) => repo.gguf_total(number.parse()?),
            ("downloads", number) => repo.downloads(number.parse()?),
            ("likes", number) => repo.likes(number.parse()?),
            ("trending", number) => repo.trending(number.parse()?),
            _ => return Err(format!("{word:?} is nothing that a repository says").into()),
        };
    }
    Ok(repo)
}

fn fault(name: &str, said: &[&str]) -> Result<Fault, Box<dyn Error>> {
    let number = said.first().and_then(|word| word.parse::<u64>().ok());
    let mut fault = named(name, number.unwrap_or(0))?;
    for word in said.iter().skip(usize::from(number.is_some())) {
        fault = match word.split_once('=').unwrap_or((word, "")) {
            ("path", path) => fault.path(path),
            ("times", times) => fault.times(times.parse()?),
            ("always", _) => fault.always(),
            ("hub", _) => fault.on(Host::Hub),
            ("cdn", _) => fault.on(Host::Cdn),
            _ => return Err(format!("{word:?} says nothing of a fault").into()),
        };
    }
    Ok(fault)
}

fn named(name: &str, number: u64) -> Result<Fault, Box<dyn Error>> {
    Ok(match name {
        "cut" => Fault::cut(number),
        "stall" => Fault::stall(number),
        "slow" => Fault::slow(number, Duration::from_millis(50)),
        "flip" => Fault::flip(number),
        "shorter" => Fault::shorter(number),
        "longer" => Fault::longer(number),
        "no_length" => Fault::no_length(),
        "ignore_range" => Fault::ignore_range(),
        "no_ranges" => Fault::no_ranges(),
        "status" => Fault::status(u16::try_from(number)?),
        "rate_limited" => Fault::rate_limited(Some(number)),
        "silence" => Fault::silence(),
        "hang_up" => Fault::hang_up(),
        "expired" => Fault::expired(),
        "link_uses" => Fault::link_uses(u32::try_from(number)?),
        "relative_redirect" => Fault::relative_redirect(),
        "redirect_loop" => Fault::redirect_loop(),
        "size" => Fault::size(number),
        _ => return Err(format!("{name:?} is no fault").into()),
    })
}

fn log(requests: &[Seen]) -> String {
    let told = |seen: &Seen| {
        json!({
            "host": if seen.host == Host::Hub { "hub" } else { "cdn" },
            "method": seen.method.as_str(),
            "path": seen.path,
            "query": seen.query,
            "range": seen.range.as_ref().map(|range| [range.start, range.end]),
            "authorization": seen.authorization,
            "bytes_sent": seen.bytes_sent,
            "status": seen.status,
        })
    };
    Value::from(requests.iter().map(told).collect::<Vec<_>>()).to_string()
}
