//! `wick verify`: whether the files of models are what they should be.

use crate::choice;
use crate::figures::as_f64;
use crate::interrupt::Interrupt;
use crate::output::{harmless, note, progress, stdout};
use crate::session::runtime;
use crate::stop::Stop;
use hub::{Checked, FileState, Model};
use studio::Paths;

#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// A model of the library (`wick list`), or a path; without one, all of the library
    #[arg(value_name = "MODEL")]
    model: Option<String>,
}

pub(crate) fn verify(args: &VerifyArgs) -> Result<(), Stop> {
    let paths = Paths::from_environment()?;
    let library = choice::library(&paths);
    let models = if let Some(name) = &args.model {
        vec![choice::named(&library, name)?]
    } else {
        let looked = library.look();
        for left in &looked.left_out {
            let (path, reason) = (one_line(&left.path), one_line(&left.reason));
            note(&format!("wick: {path} is left out: {reason}"));
        }
        looked.models
    };
    let mut damaged = 0;
    for model in &models {
        let checked = check(model)?;
        progress("");
        damaged += checked.iter().filter(|file| !is_well(file)).count();
        stdout().write(&in_words(model, &checked))?;
    }
    if damaged == 0 {
        return Ok(());
    }
    let hint = "Delete it with `wick rm` and bring it again with `wick pull`, or repair it in the Models view.";
    Err(Stop::failed(
        format!("Files that are damaged or missing: {damaged}."),
        hint,
    ))
}

/// Reads gently, on a thread of its own, so that Ctrl+C ends it.
fn check(model: &Model) -> Result<Vec<Checked>, Stop> {
    let (reading, name) = (model.clone(), model.file_name.clone());
    runtime()?.block_on(async {
        let interrupt = Interrupt::listen();
        let watched = interrupt.clone();
        let show = move |done: hub::VerifyProgress| {
            let percent = 100.0 * as_f64(done.done_bytes) / as_f64(done.total_bytes.max(1));
            progress(&format!("reading {name} {percent:.0} %"));
        };
        let checked =
            tokio::task::spawn_blocking(move || reading.verify(show, || watched.has_come())).await;
        match checked {
            Ok(Ok(checked)) => Ok(checked),
            Ok(Err(hub::Error::Stopped)) => Err(Stop::Interrupted),
            Ok(Err(error)) => Err(error.into()),
            Err(error) => Err(Stop::failed(
                format!("It could not be read: {error}."),
                "Try again.",
            )),
        }
    })
}

/// A name for a line of its own, that commands no terminal, whatever is in it.
fn one_line(text: &str) -> String {
    harmless(text).replace(['\n', '\t'], "\u{fffd}")
}

fn is_well(file: &Checked) -> bool {
    matches!(file.state, FileState::Whole | FileState::Unknown)
}

fn in_words(model: &Model, checked: &[Checked]) -> String {
    let line = |file: &Checked| {
        let name = one_line(&file.name);
        match &file.state {
            FileState::Whole => format!("whole    {name}\n"),
            FileState::Missing => format!("missing  {name}\n"),
            FileState::Unknown => format!("unknown  {name}: nothing tells what it should be\n"),
            FileState::Damaged { expected, found } => {
                format!("damaged  {name}: its hash should be {expected} and is {found}\n")
            }
        }
    };
    if checked.is_empty() {
        note(&format!("wick: {} has no files.", model.file_name));
    }
    checked.iter().map(line).collect()
}
