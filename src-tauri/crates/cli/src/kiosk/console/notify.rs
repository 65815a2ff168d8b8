//! Both ends of `sd_notify(3)`: datagrams of lines `NAME=value`.

use rustix::process::Pid;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

/// Where the socket is named.
pub(super) const VARIABLE: &str = "NOTIFY_SOCKET";
/// `X_` begins what systemd leaves to others.
const ID: &str = "X_WICK_ID=";
const CODE: &str = "X_WICK_CODE=";
/// Longer words are cut; systemd reads no more either.
const LONGEST: usize = 4096;

/// What the app, or who started it, has said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The app is this process.
    Id(Pid),
    /// The app has ended with this code.
    Code(u8),
    /// Something for systemd.
    Word(Vec<u8>),
}

/// Hears.
pub(super) struct Ear(tokio::net::UnixDatagram);

impl Ear {
    /// At a path where nobody else listens.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        // One that was killed has left it.
        let _ = std::fs::remove_file(path);
        tokio::net::UnixDatagram::bind(path).map(Self)
    }

    /// The next word.
    pub(super) async fn hear(&self) -> Heard {
        let mut word = vec![0; LONGEST];
        loop {
            if let Ok(length) = self.0.recv(&mut word).await {
                return understood(&word[..length]);
            }
        }
    }
}

fn understood(word: &[u8]) -> Heard {
    let text = std::str::from_utf8(word).unwrap_or_default().trim_end();
    let id = text
        .strip_prefix(ID)
        .and_then(|id| Pid::from_raw(id.parse().ok()?));
    let code = text.strip_prefix(CODE).and_then(|code| code.parse().ok());
    match (id, code) {
        (Some(id), _) => Heard::Id(id),
        (_, Some(code)) => Heard::Code(code),
        _ => Heard::Word(word.to_owned()),
    }
}

/// Speaks to whoever listens at `NOTIFY_SOCKET`; to nobody where that is not set.
pub(super) struct Mouth(Option<(UnixDatagram, SocketAddr)>);

impl Mouth {
    /// As the environment says.
    pub(super) fn of_systemd() -> Self {
        let named = std::env::var_os(VARIABLE);
        let address = named.and_then(|name| match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name).ok(),
            name => SocketAddr::from_pathname(Path::new(std::ffi::OsStr::from_bytes(name))).ok(),
        });
        Self(UnixDatagram::unbound().ok().zip(address))
    }

    pub(super) fn say(&self, word: &[u8]) {
        if let Some((socket, address)) = &self.0
            && let Err(error) = socket.send_to_addr(word, address)
        {
            tracing::warn!(%error, "systemd was not told");
        }
    }

    pub(super) fn say_id(&self, id: u32) {
        self.say(format!("{ID}{id}").as_bytes());
    }

    pub(super) fn say_code(&self, code: u8) {
        self.say(format!("{CODE}{code}").as_bytes());
    }
}
