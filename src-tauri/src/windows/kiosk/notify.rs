//! What a supervisor is told (systemd, or whatever speaks its protocol): that the kiosk runs, that it is still well, that
//! it ends. See `sd_notify(3)`. Without a supervisor nobody is told, and that is no error.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The supervisor that started this program.
#[derive(Debug, Default)]
pub(super) struct Supervisor {
    ear: Option<(UnixDatagram, SocketAddr)>,
}

impl Supervisor {
    /// The one that the environment names.
    pub(super) fn from_environment() -> Self {
        let named = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let ear = named.and_then(|name| {
            reach(name.as_bytes())
                .inspect_err(|error| tracing::warn!(%error, "the supervisor can't be reached"))
                .ok()
        });
        Self { ear }
    }

    /// Tells a state, such as `READY=1`.
    pub(super) fn tell(&self, state: &str) {
        let Some((socket, ear)) = &self.ear else {
            return;
        };
        if let Err(error) = socket.send_to_addr(state.as_bytes(), ear) {
            tracing::warn!(%error, state, "the supervisor was not told");
        }
    }
}

fn reach(name: &[u8]) -> io::Result<(UnixDatagram, SocketAddr)> {
    let ear = match name {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        name => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
    };
    let socket = UnixDatagram::unbound()?;
    // A supervisor that does not listen must not hold the kiosk up.
    socket.set_nonblocking(true)?;
    Ok((socket, ear))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_sockets_hear() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let hidden = format!("wick-notify-{}", std::process::id());
        let abstract_name = SocketAddr::from_abstract_name(&hidden).expect("an address");
        for (ear, name) in [
            (
                UnixDatagram::bind(&path),
                path.to_string_lossy().into_owned(),
            ),
            (
                UnixDatagram::bind_addr(&abstract_name),
                format!("@{hidden}"),
            ),
        ] {
            let ear = ear.expect("a socket");
            let supervisor = Supervisor {
                ear: Some(reach(name.as_bytes()).expect("it is there")),
            };
            supervisor.tell("READY=1");
            let mut heard = [0; 16];
            let length = ear.recv(&mut heard).expect("it was told");
            assert_eq!(&heard[..length], b"READY=1");
        }
    }

    #[test]
    fn without_a_supervisor_nothing_happens() {
        Supervisor::default().tell("READY=1");
    }
}
