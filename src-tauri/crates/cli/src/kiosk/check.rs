//! `wick kiosk check`: whether `kiosk.toml` and what it names are good, and what would be shown.

use crate::choice::library;
use crate::output::{note, stdout};
use crate::stop::Stop;
use crate::table::{Column, table};
use hub::Library;
use std::path::{Path, PathBuf};
use studio::{ConfigProblem, KioskFolder, Paths, Scene, look_into_kiosk_folder};

const FILE: &str = "kiosk.toml";

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The folder with kiosk.toml in it; without one, that of this Wick
    folder: Option<PathBuf>,
}

pub(crate) fn check(args: &CheckArgs) -> Result<(), Stop> {
    let paths = Paths::from_environment()?;
    let own = paths.data_dir.join("kiosk");
    let folder = args.folder.as_ref().unwrap_or(&own);
    let found = proven(folder)?;
    if !found.has_file && args.folder.is_some() {
        return Err(Stop::failed(
            format!("There is no {FILE} in {}.", folder.display()),
            "Name the folder in which it lies.",
        ));
    }
    for missing in missing_models(&library(&paths), &found.models) {
        note(&missing);
    }
    stdout().write(&report(folder, &found))
}

/// What a folder says, if it is good.
pub(crate) fn proven(folder: &Path) -> Result<KioskFolder, Stop> {
    look_into_kiosk_folder(folder).map_err(|problem| told(folder, &problem))
}

/// `file:line: message`, as compilers tell it.
fn told(folder: &Path, problem: &ConfigProblem) -> Stop {
    let file = folder.join(&problem.file);
    let line = problem
        .line
        .map_or_else(String::new, |line| format!("{line}:"));
    let message = format!("{}:{line} {}", file.display(), problem.message);
    Stop::failed(message, &problem.remedy)
}

/// What is to be said of models that are not there. The kiosk goes on with the next one, so that it is no mistake.
fn missing_models(library: &Library, models: &[String]) -> Vec<String> {
    let missing = models
        .iter()
        .filter_map(|name| library.find(name).err().map(|_| name));
    missing
        .map(|name| {
            format!(
                "wick: The model {name} is not in the library.\n      `wick list` shows what is there."
            )
        })
        .collect()
}

fn report(folder: &Path, found: &KioskFolder) -> String {
    let first = if found.has_file {
        format!("{} is good.", folder.join(FILE).display())
    } else {
        let folder = folder.display();
        format!("There is no {FILE} in {folder}. What comes with Wick is shown.")
    };
    let models = match found.models.as_slice() {
        [] => "the one used last".to_owned(),
        models => models.join(", "),
    };
    let rows: Vec<_> = (1..).zip(&found.scenes).map(row).collect();
    let scenes = table(
        [Column::Right, Column::Left, Column::Right, Column::Left],
        &rows,
    );
    format!("{first}\n\nScenes:\n{scenes}\nModels: {models}\n")
}

fn row((number, scene): (usize, &Scene)) -> [String; 4] {
    let (kind, seconds, words) = match scene {
        Scene::Title {
            heading, seconds, ..
        } => ("title", seconds, heading.as_str()),
        Scene::Slide {
            markdown, seconds, ..
        } => ("slide", seconds, first_line(markdown)),
        Scene::Live { prompt, seconds } => ("live", seconds, first_line(prompt)),
    };
    let seconds = format!("{seconds} s");
    [number.to_string(), kind.into(), seconds, words.into()]
}

fn first_line(text: &str) -> &str {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .next()
        .unwrap_or_default()
        .trim_start_matches(['#', ' '])
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub::{LibraryRoot, RootKind};
    use std::fs;

    fn folder(content: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(FILE), content).expect("a file");
        folder
    }

    #[test]
    fn a_good_folder_is_told_with_its_scenes_and_models() {
        let folder = folder(
            "[visitor]\nmodels = [\"a\", \"b\"]\n[[scene]]\ntype = \"live\"\nprompt = \"\\nWhy?\"\n\
             [[scene]]\ntype = \"slide\"\nfile = \"machine.md\"\nseconds = 12",
        );
        let found = proven(folder.path()).expect("good");
        let file = folder.path().join(FILE);
        let expected = format!(
            "{} is good.\n\nScenes:\n1  live   10 s  Why?\n2  slide  12 s  Inside this machine\n\nModels: a, b\n",
            file.display()
        );
        assert_eq!(report(folder.path(), &found), expected);
        let none = tempfile::tempdir().expect("a folder");
        let found = proven(none.path()).expect("nothing wrong");
        let text = report(none.path(), &found);
        assert!(text.contains("What comes with Wick is shown."), "{text}");
        assert!(text.contains("Models: the one used last"), "{text}");
    }

    #[test]
    fn a_mistake_is_told_as_compilers_do() {
        let folder = folder("motto = \"m\"\nmoto = 1");
        let Err(Stop::Failed { message, hint }) = proven(folder.path()) else {
            panic!("a mistake");
        };
        let begins = format!("{}:2: kiosk.toml knows", folder.path().join(FILE).display());
        assert!(message.starts_with(&begins), "{message}");
        assert_eq!(hint.as_deref(), Some("Did you mean `motto`?"));
    }

    #[test]
    fn models_that_are_not_there_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("here-Q4_0.gguf"), b"GGUF").expect("a file");
        let root = LibraryRoot::new(folder.path().to_owned(), RootKind::ModelsFolder);
        let library = Library::new(vec![root]);
        let missing = missing_models(&library, &["here".into(), "gone".into()]);
        assert_eq!(missing.len(), 1);
        assert!(
            missing[0].contains("gone is not in the library"),
            "{missing:?}"
        );
    }
}
