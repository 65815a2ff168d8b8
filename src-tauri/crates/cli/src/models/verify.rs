//! `wick verify`: whether the files of models are what they should be.

use crate::choice;
use crate::figures::as_f64;
use crate::interrupt::Interrupt;
use crate::output::{note, progress, stdout};
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
    let models = match &args.model {
        Some(name) => vec![choice::named(&library, name)?],
        None => library.models()?,
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
    let hint = "`wick pull` of its repository brings them again once they are deleted; the Models view repairs them.";
    Err(Stop::failed(
        format!("{damaged} files are damaged or missing."),
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

fn is_well(file: &Checked) -> bool {
    matches!(file.state, FileState::Whole | FileState::Unknown)
}

fn in_words(model: &Model, checked: &[Checked]) -> String {
    let line = |file: &Checked| match &file.state {
        FileState::Whole => format!("whole    {}\n", file.name),
        FileState::Missing => format!("missing  {}\n", file.name),
        FileState::Unknown => format!("unknown  {}: nothing tells what it should be\n", file.name),
        FileState::Damaged { expected, found } => {
            format!(
                "damaged  {}: its hash should be {expected} and is {found}\n",
                file.name
            )
        }
    };
    if checked.is_empty() {
        note(&format!("wick: {} has no files.", model.file_name));
    }
    checked.iter().map(line).collect()
}
