//! Where the facts come from: the running app, asked over its socket, or else this machine, read by ourselves.
//!
//! Invariant: a look ends within [`PATIENCE`], whatever stands behind the socket, and is never half of one source and
//! half of another.

use serde::Serialize;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use studio::{Machine, MemoryPool, MonitorNow, Snapshot, Status, readings_socket};
use telemetry::{NamedBytes, Program, Reader};

/// The time between two looks.
pub(super) const PERIOD: Duration = Duration::from_millis(250);
/// How long the app may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// An answer is a few kilobytes.
const MOST_ANSWER_BYTES: u64 = 4 << 20;
/// How old the list of programs may be.
const PROGRAMS_AGE: Duration = Duration::from_secs(5);
const MOST_PROGRAMS: usize = 5;
/// How often is looked for a look that lacks nothing.
const TRIES: usize = 4;

/// What was seen at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Seen {
    /// `None` while Wick is not running.
    pub(crate) status: Option<Status>,
    pub(crate) now: MonitorNow,
    #[serde(skip)]
    pub(crate) teller: Teller,
}

/// Who told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Teller {
    /// The running app.
    Wick,
    /// The machine; nobody listens at the app's socket.
    Alone,
    /// The machine; the app is there and says nothing.
    Silent,
    /// The machine; what the app says is not understood.
    Foreign,
    /// A recorded machine, as was asked for.
    Recording,
}

impl Teller {
    /// Why it is not Wick who tells, where one would expect that.
    pub(crate) fn excuse(self) -> Option<&'static str> {
        match self {
            Self::Wick | Self::Recording => None,
            Self::Alone => Some("Wick is not running: only the machine is shown"),
            Self::Silent => Some("Wick does not answer: only the machine is shown"),
            Self::Foreign => Some("Wick is running in another version: only the machine is shown"),
        }
    }
}

impl Seen {
    /// The memory in its parts. Without Wick, programs are one part.
    pub(crate) fn pool(&self) -> MemoryPool {
        let memory = self.now.reading.memory;
        let alone = || memory.map(|memory| MemoryPool::divide(&memory, 0, NamedBytes::default()));
        let status = self.status.as_ref().map(|status| status.memory);
        status.or_else(alone).unwrap_or_default()
    }

    /// Whether it has what only a second look tells.
    fn is_whole(&self) -> bool {
        !self.now.programs.is_empty() && !self.now.reading.cores.is_empty()
    }
}

/// Looks again and again.
#[derive(Debug)]
pub(crate) struct Source {
    app: Option<App>,
    own: Own,
}

impl Source {
    /// Asks the app with this data folder.
    pub(crate) fn of_app(data_dir: &Path) -> Self {
        Self {
            app: Some(App::new(data_dir, PATIENCE)),
            own: Own::new(Machine::local()),
        }
    }

    /// Reads this machine and asks nobody.
    pub(crate) fn of_machine(machine: Machine) -> Self {
        Self {
            app: None,
            own: Own::new(machine),
        }
    }

    pub(crate) fn look(&mut self) -> Seen {
        let Some(app) = &mut self.app else {
            return self.own.look(Teller::Recording);
        };
        match app.ask() {
            Ok(Snapshot { status, now }) => Seen {
                status: Some(status),
                now,
                teller: Teller::Wick,
            },
            Err(error) => self.own.look(match error.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => Teller::Alone,
                ErrorKind::InvalidData => Teller::Foreign,
                _ => Teller::Silent,
            }),
        }
    }

    /// One look that lacks nothing: rates are over the time since a look before, and the app lists programs only while
    /// somebody looks.
    pub(crate) fn look_once(&mut self) -> Seen {
        let mut seen = self.look();
        for _ in 1..TRIES {
            if seen.is_whole() {
                break;
            }
            std::thread::sleep(PERIOD);
            seen = self.look();
        }
        seen
    }
}

/// The app behind its socket.
#[derive(Debug)]
struct App {
    socket: PathBuf,
    patience: Duration,
    connection: Option<Connection>,
}

/// A connection with what has come of an answer. One that is late is waited for at the next look: asking an app that
/// stands still again and again would fill its queue until connecting itself stood still.
#[derive(Debug)]
struct Connection {
    stream: BufReader<UnixStream>,
    asked: bool,
    line: Vec<u8>,
}

impl App {
    fn new(data_dir: &Path, patience: Duration) -> Self {
        Self {
            socket: readings_socket(data_dir),
            patience,
            connection: None,
        }
    }

    /// One question. After an error the next one begins with a new connection, unless the answer is only late.
    fn ask(&mut self) -> io::Result<Snapshot> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.socket, self.patience)?,
        };
        let answer = connection.answer();
        let is_late = |error: &io::Error| error.kind() == ErrorKind::WouldBlock;
        if answer.as_ref().map_or_else(is_late, |_| true) {
            self.connection = Some(connection);
        }
        answer
    }
}

impl Connection {
    fn open(socket: &Path, patience: Duration) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self {
            stream: BufReader::new(stream),
            asked: false,
            line: Vec::new(),
        })
    }

    fn answer(&mut self) -> io::Result<Snapshot> {
        if !self.asked {
            self.stream.get_mut().write_all(b"\n")?;
            self.asked = true;
        }
        let mut rest = (&mut self.stream).take(MOST_ANSWER_BYTES);
        rest.read_until(b'\n', &mut self.line)?;
        if self.line.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.asked = false;
        let line = std::mem::take(&mut self.line);
        serde_json::from_slice(&line).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
    }
}

/// A machine that is read here.
#[derive(Debug)]
struct Own {
    reader: Reader,
    began: Instant,
    programs: Vec<Program>,
    programs_read: Option<Instant>,
}

impl Own {
    fn new(machine: Machine) -> Self {
        Self {
            reader: Reader::new(machine),
            began: Instant::now(),
            programs: Vec::new(),
            programs_read: None,
        }
    }

    fn look(&mut self, teller: Teller) -> Seen {
        if self
            .programs_read
            .is_none_or(|at| at.elapsed() >= PROGRAMS_AGE)
        {
            let ours = [std::process::id()];
            self.programs = self.reader.programs(&ours, MOST_PROGRAMS);
            self.programs_read = Some(Instant::now());
        }
        let now = MonitorNow {
            reading: self.reader.read(self.began.elapsed()),
            programs: self.programs.clone(),
            ..MonitorNow::default()
        };
        Seen {
            status: None,
            now,
            teller,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use std::thread;

    /// Answers each question of one client with the next of these lines, then hangs up.
    fn app(folder: &Path, lines: Vec<String>) {
        let listener = UnixListener::bind(readings_socket(folder)).expect("a socket");
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.expect("a client"));
                for line in &lines {
                    let mut question = String::new();
                    stream.read_line(&mut question).expect("a question");
                    let answered = stream.get_mut().write_all(line.as_bytes());
                    answered.expect("it listens");
                }
            }
        });
    }

    fn snapshot() -> String {
        format!("{}\n", crate::top::tests::snapshot_json())
    }

    #[test]
    fn who_tells_depends_on_what_is_there() {
        let check = |lines: Option<&[&str]>, expected: &[Teller]| {
            let folder = tempfile::tempdir().expect("a folder");
            if let Some(lines) = lines {
                app(
                    folder.path(),
                    lines.iter().map(ToString::to_string).collect(),
                );
            }
            let mut source = Source::of_app(folder.path());
            let found: Vec<_> = expected.iter().map(|_| source.look().teller).collect();
            assert_eq!(found, expected, "{lines:?}");
        };
        let snapshot = snapshot();
        check(None, &[Teller::Alone]);
        check(Some(&[&snapshot, &snapshot]), &[Teller::Wick, Teller::Wick]);
        check(Some(&["{\"status\":7}\n"]), &[Teller::Foreign]);
        // It hangs up after an answer, and is asked anew.
        check(
            Some(&[&snapshot]),
            &[Teller::Wick, Teller::Silent, Teller::Wick],
        );
    }

    #[test]
    fn a_late_answer_is_taken_when_it_comes() {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(readings_socket(folder.path())).expect("a socket");
        let mut app = App::new(folder.path(), Duration::from_millis(20));
        let ask = |app: &mut App| app.ask().map_err(|error| error.kind());
        assert_eq!(ask(&mut app), Err(ErrorKind::WouldBlock));
        let (mut stream, _) = listener.accept().expect("it has connected");
        let (begun, rest) = (&snapshot()[..9], &snapshot()[9..]);
        stream.write_all(begun.as_bytes()).expect("it listens");
        assert_eq!(ask(&mut app), Err(ErrorKind::WouldBlock));
        stream.write_all(rest.as_bytes()).expect("it listens");
        assert!(ask(&mut app).is_ok());
        // It was asked once in all.
        let mut questions = [0; 9];
        assert_eq!(stream.read(&mut questions).expect("a question"), 1);
    }

    #[test]
    fn what_only_a_second_look_tells_is_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let seen = Source::of_app(folder.path()).look_once();
        assert!(seen.is_whole(), "{seen:?}");
        assert_eq!((seen.teller, seen.status.is_none()), (Teller::Alone, true));
    }
}
