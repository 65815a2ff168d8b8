//! The folders that the app works in, all in one temporary folder, and the processes that work there.

use super::process::Process;
use crate::{programs::program, starter_model};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, io};

/// What marks every process that belongs to a home.
const MARK: &str = "WICK_DATA_DIR";
/// How long processes may take to follow the app into its end.
const END_PATIENCE: Duration = Duration::from_secs(20);

/// A home folder with nothing in it but what a test put there.
pub struct Home {
    folder: tempfile::TempDir,
    engine: PathBuf,
    temporary: PathBuf,
    endpoint: String,
    /// The folder of a recorded machine; empty for this one.
    machine: PathBuf,
}

impl Home {
    /// A home with the starter model in its library.
    pub fn new() -> Self {
        let home = Self::without_model();
        let model = starter_model();
        let name = model.file_name().expect("a file");
        std::os::unix::fs::symlink(&model, home.models().join(name)).expect("a link");
        home
    }

    /// A home whose engine is the parrot (support/parrot.rs): it says again what it is told, at once.
    pub fn with_parrot() -> Self {
        let mut home = Self::new();
        home.engine = program("wick-parrot");
        home
    }

    /// Where the temporary folder should be, there is none.
    #[must_use]
    pub fn without_temporary_folder(mut self) -> Self {
        self.temporary = self.path("missing");
        self
    }

    /// Its temporary folder is its own, and there for [`Home::finds`].
    #[must_use]
    pub fn with_temporary_folder(mut self) -> Self {
        self.temporary = self.path("tmp");
        fs::create_dir(&self.temporary).expect("a folder");
        self
    }

    /// Its hub is there.
    #[must_use]
    pub fn with_hub(mut self, endpoint: String) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// The app reads a recorded machine of telemetry's fixtures.
    #[must_use]
    pub fn on_machine(mut self, name: &str) -> Self {
        let fixtures = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../src-tauri/crates/telemetry/fixtures"
        );
        self.machine = Path::new(fixtures).join(name);
        self
    }

    /// Makes the parrot say this from now on, whatever it is told.
    pub fn teach(&self, text: &str) {
        fs::write(self.path("says.md"), text).expect("a file");
    }

    /// A home with an empty library.
    pub fn without_model() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Self {
            folder,
            engine: program("wick-engine"),
            temporary: std::env::temp_dir(),
            // Nobody listens there: without a hub of the test's own, this home is offline.
            endpoint: "http://127.0.0.1:9".into(),
            machine: PathBuf::new(),
        };
        for name in ["models", "bin", "run"] {
            fs::create_dir(home.path(name)).expect("a folder");
        }
        home
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of the database.
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// The folder of the library.
    pub fn models(&self) -> PathBuf {
        self.path("models")
    }

    /// Puts a program of this name before all others.
    pub fn add_program(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path("bin").join(name);
        fs::write(&path, script).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    }

    /// The files anywhere below it, with their names, in which these words stand.
    pub fn finds(&self, words: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            // What goes meanwhile has nothing left in it.
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let Ok(kind) = entry.file_type() else {
                    continue;
                };
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() && holds(&path, words.as_bytes()) {
                    found.push(path);
                }
            }
        }
        found
    }

    /// One of our programs, at home here.
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        self.move_in(&mut command);
        command
    }

    /// Makes a program live here and nowhere else.
    pub fn move_in(&self, command: &mut Command) {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = [self.path("bin")]
            .into_iter()
            .chain(std::env::split_paths(&path));
        command
            .env("PATH", std::env::join_paths(folders).expect("no colon"))
            .env(MARK, self.data())
            .env("WICK_MODELS_DIR", self.models())
            .env("WICK_ENGINE", &self.engine)
            .env("WICK_PARROT_SAYS", self.path("says.md"))
            .env("WICK_LOG", "info,studio::sampler=debug")
            .env("WICK_MACHINE", &self.machine)
            .env("HF_ENDPOINT", &self.endpoint)
            .env("HOME", self.folder.path())
            .env("TMPDIR", &self.temporary)
            .env("XDG_RUNTIME_DIR", self.path("run"))
            // No accessibility bus, no settings of the person whose machine this is.
            .env("NO_AT_BRIDGE", "1")
            .env("GSETTINGS_BACKEND", "memory");
        for (name, folder) in [
            ("XDG_DATA_HOME", "share"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_STATE_HOME", "state"),
        ] {
            command.env(name, self.path(folder));
        }
        for name in [
            "HF_HOME",
            "HF_HUB_CACHE",
            "HF_TOKEN",
            "HF_TOKEN_PATH",
            "HF_HUB_OFFLINE",
            "OLLAMA_MODELS",
        ] {
            command.env_remove(name);
        }
    }

    /// The running workers.
    pub fn engines(&self) -> Vec<Process> {
        let name = self.engine.file_name().and_then(|name| name.to_str());
        self.processes(name.expect("a program's name"))
    }

    /// The living processes of this home with this name.
    pub fn processes(&self, name: &str) -> Vec<Process> {
        let all = self.all_processes();
        let named = |process: &Process| {
            let found = fs::read_to_string(format!("/proc/{}/comm", process.id()));
            // The kernel keeps fifteen letters of a name.
            found.is_ok_and(|found| found.trim_end() == &name[..name.len().min(15)])
        };
        all.into_iter().filter(named).collect()
    }

    fn all_processes(&self) -> Vec<Process> {
        let mark = format!("{MARK}={}", self.data().display());
        let entries = fs::read_dir("/proc").expect("a process list");
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(Process::find)
            .filter(|process| is_marked(process.id(), &mark).unwrap_or(false))
            .collect()
    }

    /// Ends every process that is still at home here, and says which those were after they had time to go.
    pub(super) fn end_what_is_left(&self) -> Vec<String> {
        let deadline = Instant::now() + END_PATIENCE;
        let mut left = Vec::new();
        for process in self.all_processes() {
            let time = deadline.saturating_duration_since(Instant::now());
            let words = format!("{process:?}");
            if !process.ends_within(time) {
                process.kill();
                left.push(words);
            }
        }
        left
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

fn holds(path: &Path, words: &[u8]) -> bool {
    let in_name = path.as_os_str().as_encoded_bytes();
    let within = |bytes: &[u8]| bytes.windows(words.len()).any(|part| part == words);
    within(in_name) || fs::read(path).is_ok_and(|content| within(&content))
}

fn is_marked(id: u32, mark: &str) -> io::Result<bool> {
    let environment = fs::read(Path::new("/proc").join(id.to_string()).join("environ"))?;
    Ok(environment
        .split(|byte| *byte == 0)
        .any(|entry| entry == mark.as_bytes()))
}
