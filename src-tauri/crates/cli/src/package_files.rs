//! `wick package-files`: what a distribution's package brings beside the programs. Made from the same declarations as the
//! commands themselves, so that neither completions nor pages nor units can say something else.

use crate::args::Args;
use crate::kiosk::packaged_units;
use crate::stop::Stop;
use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate};
use clap_mangen::Man;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct PackageFilesArgs {
    /// The folder that stands for `/`
    root: PathBuf,
}

/// Where a file lies below `/`, and what stands in it.
type File = (PathBuf, Vec<u8>);

pub(crate) fn package_files(args: &PackageFilesArgs) -> Result<(), Stop> {
    let write = |(path, bytes): &File| {
        let path = args.root.join(path);
        let folder = path.parent().unwrap_or(&args.root);
        std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, bytes))
    };
    let written = files().and_then(|files| files.iter().try_for_each(write));
    written.map_err(|error| {
        Stop::failed(
            format!("The files of a package could not be written: {error}."),
            "Name a folder that can be written to.",
        )
    })
}

fn files() -> io::Result<Vec<File>> {
    let mut files = completions();
    let mut command = shown(&Args::command()).disable_help_subcommand(true);
    // Gives each command its whole name.
    command.build();
    pages(&command, &mut files)?;
    let units = packaged_units().map(|(path, text)| (path.into(), text.into_bytes()));
    files.extend(units);
    Ok(files)
}

fn completions() -> Vec<File> {
    [
        (Shell::Bash, "usr/share/bash-completion/completions/wick"),
        (Shell::Zsh, "usr/share/zsh/vendor-completions/_wick"),
        (Shell::Fish, "usr/share/fish/vendor_completions.d/wick.fish"),
    ]
    .into_iter()
    .map(|(shell, path)| {
        let mut text = Vec::new();
        generate(shell, &mut shown(&Args::command()), "wick", &mut text);
        (path.into(), text)
    })
    .collect()
}

/// The command without what is hidden, which clap's generators don't leave out themselves.
fn shown(command: &Command) -> Command {
    if command.get_subcommands().all(|own| !own.is_hide_set()) {
        return command.clone();
    }
    let own = command.get_subcommands().filter(|own| !own.is_hide_set());
    let mut again = Command::new(command.get_name().to_owned())
        .args(command.get_arguments().cloned())
        .subcommands(own.map(shown));
    if let Some(about) = command.get_about() {
        again = again.about(about.clone());
    }
    match command.get_version() {
        Some(_) => again.version(env!("CARGO_PKG_VERSION")),
        None => again,
    }
}

/// The page of a command, and those of its own commands: `wick-kiosk-pin.1`.
fn pages(command: &Command, files: &mut Vec<File>) -> io::Result<()> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    let name = command.get_display_name().unwrap_or("wick");
    files.push((
        Path::new("usr/share/man/man1").join(format!("{name}.1")),
        page,
    ));
    let mut own = command.get_subcommands().filter(|own| !own.is_hide_set());
    own.try_for_each(|own| pages(own, files))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str) -> String {
        let files = files().expect("written to memory");
        let file = files.into_iter().find(|(at, _)| at == Path::new(path));
        String::from_utf8(file.expect(path).1).expect("UTF-8")
    }

    #[test]
    fn every_command_has_a_page_and_is_completed() {
        let completions = completions();
        for command in Args::command()
            .get_subcommands()
            .filter(|own| !own.is_hide_set())
        {
            let name = command.get_name();
            let page = text(&format!("usr/share/man/man1/wick-{name}.1"));
            let about = command.get_about().expect("what it does").to_string();
            assert!(page.contains(&about), "{name}: {page}");
            for (path, bytes) in &completions {
                let text = String::from_utf8_lossy(bytes);
                assert!(text.contains(name), "{name} in {}", path.display());
            }
        }
        assert!(text("usr/share/man/man1/wick-kiosk-pin.1").contains("PIN"));
    }

    #[test]
    fn what_is_hidden_is_not_offered() {
        for (path, bytes) in files().expect("written to memory") {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains("package-files"), "{}", path.display());
        }
    }

    #[test]
    fn units_start_what_the_package_brings_for_whom_it_is_asked() {
        let console = text("usr/lib/systemd/system/wick-kiosk@.service");
        let command = "ExecStart=/usr/bin/wick kiosk console -- /usr/bin/wick-studio --kiosk\n";
        assert!(console.contains(command), "{console}");
        assert!(console.contains("\nUser=%i\n"), "{console}");
        let session = text("usr/lib/systemd/user/wick-kiosk.service");
        let command = "ExecStart=/usr/bin/wick-studio --kiosk\n";
        assert!(session.contains(command), "{session}");
    }
}
