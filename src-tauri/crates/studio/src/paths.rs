//! Where things lie: the database, the models, the program of the engine.
//!
//! Found once, at the start, from the environment and from where the running program itself lies. Nothing is created
//! here.

use crate::{Error, ErrorCode};
use hub::{HubSettings, LibraryRoot, RootKind};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use telemetry::Machine;

/// Where things lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The folder of the database; made with mode 0700 when the database is opened.
    pub data_dir: PathBuf,
    /// The folders in which models are looked for; they need not exist.
    pub library_roots: Vec<LibraryRoot>,
    /// The program of the worker.
    pub engine_program: PathBuf,
    /// The hub, and the folder that what comes from there goes to; `None` when nothing says where.
    pub hub: Option<HubSettings>,
}

impl Paths {
    /// Finds them from `WICK_DATA_DIR`, `WICK_MODELS_DIR` and `WICK_ENGINE`; where those are not set or empty, from
    /// the XDG base directories, from the place of the running program and from where Hugging Face keeps its cache.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when there is no home folder and no engine; [`ErrorCode::Internal`] when the running
    /// program can't tell where it lies.
    pub fn from_environment() -> Result<Self, Error> {
        let program = std::env::current_exe().map_err(|error| {
            Error::internal(format!("The running program can't be found: {error}."))
        })?;
        Self::find(&|name| std::env::var_os(name), &program)
    }

    fn find(env: &dyn Fn(&str) -> Option<OsString>, program: &Path) -> Result<Self, Error> {
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        let data_dir = data_dir(&env)?;
        let hub = HubSettings::find(&env);
        let named = env("WICK_MODELS_DIR");
        let plain = match &named {
            Some(folders) => std::env::split_paths(folders)
                .filter(|folder| !folder.as_os_str().is_empty())
                .map(|path| LibraryRoot::new(path, RootKind::ModelsFolder))
                .collect(),
            None => library_roots(&data_dir, program).collect::<Vec<_>>(),
        };
        // What was named is meant to be all there is, but for what Wick brings itself.
        let others = LibraryRoot::of_other_tools(&env).into_iter();
        let others = others.filter(|root| named.is_none() || root.kind == RootKind::HuggingFace);
        Ok(Self {
            data_dir,
            library_roots: plain.into_iter().chain(others).collect(),
            engine_program: engine_program(&env, program)?,
            hub,
        })
    }
}

/// The machine to read: this one, or the recorded one whose folder `WICK_MACHINE` names. What is loaded is loaded on this
/// one all the same; a recorded one is there to be looked at.
pub fn machine_from_environment() -> Machine {
    match std::env::var_os("WICK_MACHINE").filter(|folder| !folder.is_empty()) {
        Some(folder) => Machine::at(folder),
        None => Machine::local(),
    }
}

fn data_dir(env: &dyn Fn(&str) -> Option<OsString>) -> Result<PathBuf, Error> {
    if let Some(folder) = env("WICK_DATA_DIR") {
        return Ok(folder.into());
    }
    // The XDG base directory specification has relative paths ignored.
    let xdg = env("XDG_DATA_HOME").map(PathBuf::from);
    let home = || Some(PathBuf::from(env("HOME")?).join(".local/share"));
    let folder = xdg.filter(|path| path.is_absolute()).or_else(home);
    folder.map(|path| path.join("wick")).ok_or_else(|| {
        Error::new(
            ErrorCode::NotFound,
            "There is no folder for Wick's data: neither HOME nor XDG_DATA_HOME is set.",
        )
        .hint("Set WICK_DATA_DIR to a folder.")
    })
}

fn library_roots(data_dir: &Path, program: &Path) -> impl Iterator<Item = LibraryRoot> {
    let own = LibraryRoot::new(data_dir.join("models"), RootKind::ModelsFolder);
    let with_the_program = models_with(program);
    let with_the_program =
        with_the_program.map(|path| LibraryRoot::new(path, RootKind::CameWithWick));
    [own].into_iter().chain(with_the_program)
}

/// The `models` folder of a checkout that the program was built in, or that of the prefix it was installed to.
fn models_with(program: &Path) -> Option<PathBuf> {
    program.ancestors().skip(1).find_map(|folder| {
        let checkout = folder.join("models");
        let installed = folder.join("share/wick/models");
        if checkout.join("starter.txt").is_file() {
            return Some(checkout);
        }
        installed.is_dir().then_some(installed)
    })
}

fn engine_program(
    env: &dyn Fn(&str) -> Option<OsString>,
    program: &Path,
) -> Result<PathBuf, Error> {
    if let Some(engine) = env("WICK_ENGINE").map(PathBuf::from) {
        if engine.is_file() {
            return Ok(engine);
        }
        let named = engine.display();
        return Err(no_engine(&format!(
            "WICK_ENGINE says {named}, where there is none"
        )));
    }
    let beside = program.parent();
    // Test programs lie in `deps`, one folder below.
    let above = beside
        .filter(|folder| folder.ends_with("deps"))
        .and_then(Path::parent);
    // A package keeps what nobody starts by hand out of everybody's PATH.
    let private = beside.filter(|folder| folder.ends_with("bin"));
    let private = private
        .and_then(Path::parent)
        .map(|prefix| prefix.join("lib/wick"));
    let folders = [beside, above].into_iter().flatten().map(Path::to_owned);
    folders
        .chain(private)
        .map(|folder| folder.join("wick-engine"))
        .find(|engine| engine.is_file())
        .map(|engine| for_gpu(&engine).unwrap_or(engine))
        .ok_or_else(|| no_engine(&format!("it should lie beside {}", program.display())))
}

/// The worker for GPUs, where it was installed beside the other one. It says itself what it computes on, and computes on the
/// processor where there is no GPU. One that was built before the other, as in a checkout that went on, is left alone.
fn for_gpu(engine: &Path) -> Option<PathBuf> {
    let for_gpu = engine.with_file_name("wick-engine-cuda");
    let changed = |path: &Path| std::fs::metadata(path).and_then(|it| it.modified()).ok();
    let is_stale = changed(&for_gpu)? < changed(engine)?;
    if is_stale {
        tracing::warn!("wick-engine-cuda is older than wick-engine and not used: `make cuda`");
    }
    (!is_stale).then_some(for_gpu)
}

/// The programs of the engine that are installed.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Workers {
    /// The one that is started; `None` where there is none.
    pub chosen: Option<PathBuf>,
    /// The one that was built for GPUs, if it is there.
    pub for_gpu: Option<PathBuf>,
}

impl Workers {
    /// Those beside the one that was chosen.
    pub(crate) fn beside(chosen: &Path) -> Self {
        let for_gpu = chosen.with_file_name("wick-engine-cuda");
        Self {
            chosen: Some(chosen.to_owned()),
            for_gpu: for_gpu.is_file().then_some(for_gpu),
        }
    }
}

fn no_engine(why: &str) -> Error {
    Error::new(
        ErrorCode::NotFound,
        format!("The engine, the program wick-engine, is missing: {why}."),
    )
    .hint("Build it with `make run` or `make wick`, or set WICK_ENGINE to its path.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Place {
        folder: tempfile::TempDir,
        program: PathBuf,
    }

    /// A checkout with a built program and an engine beside it.
    fn checkout() -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("target/release/wick");
        let models = folder.path().join("models");
        for path in [
            &program,
            &program.with_file_name("wick-engine"),
            &models.join("starter.txt"),
        ] {
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, "").expect("a file");
        }
        Place { folder, program }
    }

    impl Place {
        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn find(&self, env: &[(&str, &str)]) -> Result<Paths, Error> {
            let env = |name: &str| {
                let found = env.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| OsString::from(*value))
            };
            Paths::find(&env, &self.program)
        }
    }

    #[test]
    fn data_lies_where_the_environment_says() {
        let check = |env: &[(&str, &str)], expected: &str| {
            let paths = checkout().find(env).expect("paths");
            assert_eq!(paths.data_dir, Path::new(expected), "{env:?}");
        };
        let home = ("HOME", "/home/a");
        check(&[home], "/home/a/.local/share/wick");
        check(&[home, ("XDG_DATA_HOME", "/x")], "/x/wick");
        check(&[home, ("XDG_DATA_HOME", "x")], "/home/a/.local/share/wick");
        check(&[home, ("XDG_DATA_HOME", "")], "/home/a/.local/share/wick");
        check(
            &[home, ("XDG_DATA_HOME", "/x"), ("WICK_DATA_DIR", "/w")],
            "/w",
        );
        let error = checkout().find(&[]).expect_err("no home");
        assert_eq!(error.code, ErrorCode::NotFound);
    }

    #[test]
    fn models_lie_in_the_data_and_in_the_checkout() {
        let place = checkout();
        let folders = |env| {
            let paths = place.find(env).expect("paths");
            let roots = paths.library_roots.into_iter();
            // The machine that the tests run on may have Ollama's service.
            let roots = roots.filter(|root| root.kind != RootKind::Ollama);
            roots.map(|root| root.path).collect::<Vec<_>>()
        };
        let default = folders(&[("WICK_DATA_DIR", "/w")]);
        assert_eq!(default, [PathBuf::from("/w/models"), place.path("models")]);
        let cache = |env: &[(&str, &str)]| {
            let env = [&[("WICK_DATA_DIR", "/w")], env].concat();
            let roots = place.find(&env).expect("paths").library_roots;
            let mut roots = roots.into_iter();
            let cache = roots.find(|root| root.kind == RootKind::HuggingFace);
            cache.map(|root| root.path)
        };
        let home = ("HOME", "/home/a");
        let check = |env: &[(&str, &str)], expected: &str| {
            assert_eq!(cache(env).as_deref(), Some(Path::new(expected)), "{env:?}");
        };
        check(&[home], "/home/a/.cache/huggingface/hub");
        check(&[home, ("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub");
        check(&[home, ("HF_HOME", "/h")], "/h/hub");
        check(&[home, ("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c")], "/c");
        check(
            &[home, ("WICK_MODELS_DIR", "/a")],
            "/home/a/.cache/huggingface/hub",
        );
        let named = folders(&[("WICK_DATA_DIR", "/w"), ("WICK_MODELS_DIR", "/a::/b")]);
        assert_eq!(named, [PathBuf::from("/a"), PathBuf::from("/b")]);
        fs::remove_file(place.path("models/starter.txt")).expect("a file");
        assert_eq!(
            folders(&[("WICK_DATA_DIR", "/w")]).len(),
            1,
            "any folder called models"
        );
        let installed = place.path("share/wick/models");
        fs::create_dir_all(&installed).expect("a folder");
        assert_eq!(folders(&[("WICK_DATA_DIR", "/w")])[1], installed);
    }

    #[test]
    fn the_engine_lies_beside_the_program() {
        let mut place = checkout();
        let home = ("HOME", "/home/a");
        let beside = place.path("target/release/wick-engine");
        assert_eq!(place.find(&[home]).expect("paths").engine_program, beside);
        place.program = place.path("target/release/deps/studio-0123");
        assert_eq!(place.find(&[home]).expect("paths").engine_program, beside);
        let named = place.path("target/release/wick");
        let env = [home, ("WICK_ENGINE", named.to_str().expect("UTF-8"))];
        assert_eq!(place.find(&env).expect("paths").engine_program, named);
        let missing = [home, ("WICK_ENGINE", "/nowhere/wick-engine")];
        assert!(
            place
                .find(&missing)
                .expect_err("no engine")
                .message
                .contains("/nowhere")
        );
        fs::remove_file(&beside).expect("a file");
        let error = place.find(&[home]).expect_err("no engine");
        assert!(error.message.contains("wick-engine"), "{error}");
    }

    #[test]
    fn a_package_keeps_the_engine_out_of_the_path() {
        let mut place = checkout();
        place.program = place.path("usr/bin/wick");
        let engine = place.path("usr/lib/wick/wick-engine");
        fs::create_dir_all(place.path("usr/lib/wick")).expect("a folder");
        fs::write(&engine, "").expect("a file");
        let found = place.find(&[("HOME", "/home/ann")]).expect("paths");
        assert_eq!(found.engine_program, engine);
    }

    #[test]
    fn the_worker_for_gpus_is_taken_where_it_is_as_new_as_the_other() {
        let place = checkout();
        let engine = place.program.with_file_name("wick-engine");
        let for_gpu = place.program.with_file_name("wick-engine-cuda");
        let home = ("HOME", "/home/ann");
        fs::write(&for_gpu, "").expect("a file");
        let found = || place.find(&[home]).expect("paths").engine_program;
        let age = |path: &Path, seconds: u64| {
            let file = fs::File::options().write(true).open(path).expect("a file");
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            file.set_modified(time).expect("a time");
        };
        age(&engine, 1000);
        age(&for_gpu, 1000);
        assert_eq!(found(), for_gpu);
        age(&for_gpu, 999);
        assert_eq!(found(), engine);
    }
}
