//! `wick pull`: brings one variant of a repository, verified, into the cache that Hugging Face's tools share.

use super::{hub, wait};
use crate::figures::{bytes, milliseconds};
use crate::interrupt::Interrupt;
use crate::output::{note, progress, stdout};
use crate::session::runtime;
use crate::stop::Stop;
use crate::table::{Column, table};
use hub::{Hub, Phase, Progress, Repo, RepoId, SpeedLimit, TransferOptions, Variant, Wanted};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use studio::{Judge, Judged, Paths, Room, SettingsFile, Verdict};
use tokio::sync::watch;

#[derive(Debug, clap::Args)]
pub(crate) struct PullArgs {
    /// `ORG/NAME`, or `ORG/NAME:Q4_K_M`; without a quantization the best one that fits this machine
    #[arg(value_name = "REPOSITORY")]
    repository: String,
    /// A branch, a tag or a commit
    #[arg(long, default_value = "main")]
    revision: String,
    /// Bring the projector (mmproj) too, with which the model sees or hears
    #[arg(long)]
    projector: bool,
    /// Tell what there is and whether it fits; bring nothing
    #[arg(long)]
    plan: bool,
    /// The context window to judge with, in tokens
    #[arg(short, long, value_name = "TOKENS")]
    context: Option<u32>,
    /// The most MiB a second
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
}

pub(crate) fn pull(args: &PullArgs) -> Result<(), Stop> {
    let paths = Paths::from_environment()?;
    let hub = hub(&paths)?;
    let (id, label) = split(&args.repository)?;
    let repo = wait(async { Ok(hub.repo(&id, &args.revision).await?) })?;
    if args.plan {
        let (verdicts, best) = judged(&hub, &paths, &repo, args.context)?;
        return stdout().write(&as_table(&repo, &verdicts, best.as_deref()));
    }
    let variant = match label {
        Some(label) => named(&repo, label)?,
        None => best(&hub, &paths, &repo, args)?,
    };
    if args.projector && repo.projectors.is_empty() {
        note(&format!("wick: {} has no projector.", repo.id));
    }
    let wanted = wanted(&repo, variant, args.projector);
    note(&format!(
        "wick: {} {} at {}, {} in {} files",
        repo.id,
        variant.label,
        &repo.commit.as_str()[..8],
        bytes(wanted.total_bytes()),
        wanted.files.len()
    ));
    let snapshot = fetch(&hub, &paths, &wanted, args.limit)?;
    let first = snapshot.join(&variant.key);
    stdout().write(&format!("{}\n", first.display()))
}

/// `ORG/NAME:LABEL` in two.
fn split(text: &str) -> Result<(RepoId, Option<&str>), Stop> {
    let pages = [
        "https://huggingface.co/",
        "https://hf.co/",
        "huggingface.co/",
        "hf.co/",
    ];
    let text = pages
        .iter()
        .find_map(|page| text.strip_prefix(page))
        .unwrap_or(text);
    let (id, label) = match text.split_once(':') {
        Some((id, label)) => (id, Some(label)),
        None => (text, None),
    };
    let id = id
        .parse::<RepoId>()
        .map_err(|error| Stop::Usage(format!("{error}.")))?;
    Ok((id, label))
}

fn named<'a>(repo: &'a Repo, label: &str) -> Result<&'a Variant, Stop> {
    let fits = |variant: &&Variant| {
        variant.label.eq_ignore_ascii_case(label)
            || variant.key == label
            || variant
                .quantization
                .as_deref()
                .is_some_and(|name| name.eq_ignore_ascii_case(label))
    };
    let labels = || {
        repo.variants
            .iter()
            .map(|variant| variant.label.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    repo.variants.iter().find(fits).ok_or_else(|| {
        let hint = format!("There are {}. Nothing was brought.", labels());
        Stop::failed(format!("{} has no {label:?}.", repo.id), &hint)
    })
}

fn best<'a>(
    hub: &Hub,
    paths: &Paths,
    repo: &'a Repo,
    args: &PullArgs,
) -> Result<&'a Variant, Stop> {
    if let [only] = &repo.variants[..] {
        return Ok(only);
    }
    if repo.variants.is_empty() {
        return Err(Stop::failed(
            format!("{} holds no model that Wick knows.", repo.id),
            "Look for a repository with GGUF or safetensors files.",
        ));
    }
    let (verdicts, best) = judged(hub, paths, repo, args.context)?;
    let found = best.and_then(|key| repo.variants.iter().find(|variant| variant.key == key));
    found.ok_or_else(|| {
        note(&as_table(repo, &verdicts, None));
        let hint = format!(
            "To bring one all the same, name it: wick pull {}:LABEL",
            repo.id
        );
        Stop::failed(
            "None of these fits this machine. Nothing was brought.",
            &hint,
        )
    })
}

fn judged(
    hub: &Hub,
    paths: &Paths,
    repo: &Repo,
    context: Option<u32>,
) -> Result<(Vec<Verdict>, Option<String>), Stop> {
    let judge = Judge::new(hub.clone(), paths.engine_program.clone(), &paths.data_dir);
    let memory = telemetry::Machine::local().memory().ok();
    let (total, available) = memory.map_or((0, 0), |memory| {
        (memory.total_bytes, memory.available_bytes)
    });
    let room = Room::new(total, available, telemetry::read_bandwidth());
    let found = Mutex::new((Vec::new(), None));
    wait(async {
        let all = repo.variants.len();
        let tell = |judged| {
            let Ok(mut found) = found.lock() else { return };
            match judged {
                Judged::Verdict { verdict } => {
                    found.0.push(verdict);
                    progress(&format!("looking at headers: {} of {all}", found.0.len()));
                }
                Judged::Recommended { key } => found.1 = key,
            }
        };
        Ok(judge.all(repo, context, room, tell).await?)
    })?;
    progress("");
    Ok(found.into_inner().unwrap_or_default())
}

fn wanted(repo: &Repo, variant: &Variant, projector: bool) -> Wanted {
    let projector = repo.projectors.first().filter(|_| projector);
    Wanted {
        repo: repo.id.clone(),
        revision: repo.revision.clone(),
        commit: repo.commit.clone(),
        files: variant.files.iter().chain(projector).cloned().collect(),
    }
}

/// Brings it. Ctrl+C stops it; the next `wick pull` goes on where it was.
fn fetch(hub: &Hub, paths: &Paths, wanted: &Wanted, limit: Option<u32>) -> Result<PathBuf, Stop> {
    let settings = SettingsFile::open(&paths.data_dir).get().downloads;
    let speed = SpeedLimit::default();
    speed.set(
        limit
            .map(|mib| u64::from(mib) << 20)
            .or(settings.speed_limit_bytes),
    );
    let options = TransferOptions {
        segments: settings.segments,
        speed,
        reserve_bytes: settings.reserve_bytes,
    };
    let begin = Progress {
        done_bytes: 0,
        total_bytes: wanted.total_bytes(),
        phase: Phase::Starting,
        note: None,
    };
    runtime()?.block_on(async {
        let mut interrupt = Interrupt::listen();
        studio::within_budget(hub, wanted, settings.budget_bytes).await?;
        let (tell, told) = watch::channel(begin);
        let (stop, stopped) = watch::channel(false);
        let mut fetching = std::pin::pin!(hub.fetch(wanted, &options, &tell, hub::Stop(stopped)));
        let mut showing = std::pin::pin!(show(told));
        let fetched = loop {
            tokio::select! {
                fetched = &mut fetching => break fetched,
                () = &mut showing => {}
                () = interrupt.comes(), if !*stop.borrow() => drop(stop.send_replace(true)),
            }
        };
        progress("");
        match fetched {
            Err(hub::Error::Stopped) => {
                note("wick: Stopped. What was fetched is kept: the same command goes on.");
                Err(Stop::Interrupted)
            }
            fetched => Ok(fetched?),
        }
    })
}

/// Shows how far it is, and never returns.
async fn show(mut told: watch::Receiver<Progress>) {
    let mut line = Line::new();
    loop {
        let now = told.borrow_and_update().clone();
        line.show(&now, Instant::now());
        if told.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        // As often as anybody can read it.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The line at the terminal; where there is none, a line for what a log should hold.
#[derive(Debug)]
struct Line {
    is_terminal: bool,
    started: Option<(Instant, u64)>,
    told: Option<String>,
}

impl Line {
    fn new() -> Self {
        Self {
            is_terminal: std::io::stderr().is_terminal(),
            started: None,
            told: None,
        }
    }

    fn show(&mut self, now: &Progress, time: Instant) {
        let word = match &now.phase {
            Phase::Starting => "starting".to_owned(),
            Phase::Fetching => "fetching".into(),
            Phase::Verifying => "verifying".into(),
            Phase::Waiting { reason, .. } => format!("waiting: {reason}"),
        };
        let note_now = now
            .note
            .clone()
            .or_else(|| matches!(now.phase, Phase::Waiting { .. }).then(|| word.clone()));
        if let Some(text) = note_now.filter(|text| self.told.as_ref() != Some(text)) {
            progress("");
            note(&format!("wick: {text}"));
            self.told = Some(text);
        }
        if self.is_terminal {
            progress(&format!("{word} {}", self.figures(now, time)));
        }
    }

    fn figures(&mut self, now: &Progress, time: Instant) -> String {
        if now.phase != Phase::Fetching {
            // What comes after a pause is measured anew, and what was there before is no rate.
            self.started = None;
        }
        let (start, before) = *self.started.get_or_insert((time, now.done_bytes));
        let seconds = time.duration_since(start).as_secs_f64();
        let of = format!("{} of {}", bytes(now.done_bytes), bytes(now.total_bytes));
        if now.phase != Phase::Fetching || seconds < 1.0 || now.done_bytes == before {
            return of;
        }
        let rate = crate::figures::as_f64(now.done_bytes - before) / seconds;
        let left = crate::figures::as_f64(now.total_bytes.saturating_sub(now.done_bytes)) / rate;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate for the eye"
        )]
        let shown = bytes(rate as u64);
        format!("{of} · {shown}/s · {} left", milliseconds(left * 1000.0))
    }
}

fn as_table(repo: &Repo, verdicts: &[Verdict], best: Option<&str>) -> String {
    let header = ["VARIANT", "SIZE", "FITS", "MEMORY", "TOKENS/S", ""].map(String::from);
    let row = |verdict: &Verdict| {
        let variant = repo
            .variants
            .iter()
            .find(|variant| variant.key == verdict.key);
        let is_best = best == Some(verdict.key.as_str());
        let word = match verdict.fit {
            studio::Fit::Fits => "fits",
            studio::Fit::Tight => "tight",
            studio::Fit::TooLarge => "too large",
            studio::Fit::Unsupported => "can't be run",
            studio::Fit::Unknown => "unknown",
        };
        let is_known = verdict.total_bytes > 0;
        [
            variant.map_or_else(|| verdict.key.clone(), |variant| variant.label.clone()),
            variant.map_or_else(String::new, |variant| bytes(variant.size_bytes)),
            word.into(),
            if is_known {
                bytes(verdict.total_bytes)
            } else {
                "?".into()
            },
            verdict
                .decode_tokens_per_second
                .map_or_else(|| "?".into(), |rate| format!("{rate:.1}")),
            if is_best {
                "the best that fits".into()
            } else {
                why(verdict)
            },
        ]
    };
    let rows: Vec<_> = [header]
        .into_iter()
        .chain(verdicts.iter().map(row))
        .collect();
    let columns = [
        Column::Left,
        Column::Right,
        Column::Left,
        Column::Right,
        Column::Right,
        Column::Left,
    ];
    table(columns, &rows)
}

/// Said only of what is not plain from the word.
fn why(verdict: &Verdict) -> String {
    match verdict.fit {
        studio::Fit::Fits | studio::Fit::TooLarge => String::new(),
        _ => verdict.reason.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_and_its_quantization_are_told_apart() {
        let check = |text: &str, id: &str, label: Option<&str>| {
            let (found, found_label) = split(text).expect(text);
            assert_eq!((found.as_str(), found_label), (id, label));
        };
        check("org/name", "org/name", None);
        check("org/name:Q4_K_M", "org/name", Some("Q4_K_M"));
        check("https://huggingface.co/org/name", "org/name", None);
        for text in ["", "a/b/c", "../x", "org/name/", "org name"] {
            assert!(matches!(split(text), Err(Stop::Usage(_))), "{text}");
        }
    }
}
