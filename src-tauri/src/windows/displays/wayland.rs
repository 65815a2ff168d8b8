//! The outputs' names, asked of the Wayland compositor directly, since GDK 3 keeps them to itself.
//!
//! It speaks just enough of Wayland's wire (<https://wayland.freedesktop.org/docs/html/ch04.html>) for that one question, on
//! a connection of its own that it closes again. It knows no window. Names come with `wl_output` 4 (wlroots 0.15, Mutter 43,
//! `KWin` 5.24). *Invariant:* whatever the compositor writes, the answer is a list or an error, within a second.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(1);
/// The version of `wl_output` that has names.
const WITH_NAMES: u32 = 4;

// Objects by the numbers that this connection gives them: in order, without a gap.
const DISPLAY: u32 = 1;
const REGISTRY: u32 = 2;
const FIRST_SYNC: u32 = 3;
const FIRST_OUTPUT: u32 = 4;

/// What a compositor tells of an output.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    /// Width and height of its mode, before it is turned.
    pub(super) pixels: Option<(i32, i32)>,
}

/// All outputs, in the order in which the compositor announces them.
pub(super) fn outputs() -> io::Result<Vec<Told>> {
    let mut stream = UnixStream::connect(socket().ok_or(io::ErrorKind::NotFound)?)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    ask(&mut stream)
}

fn socket() -> Option<PathBuf> {
    let name = std::env::var_os("WAYLAND_DISPLAY").filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| "wayland-0".into());
    // An absolute name takes the folder's place.
    Some(PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?).join(name))
}

fn ask(stream: &mut (impl Read + Write)) -> io::Result<Vec<Told>> {
    // wl_display.get_registry, then wl_display.sync: answered when all is announced.
    request(stream, DISPLAY, 1, &REGISTRY.to_ne_bytes())?;
    request(stream, DISPLAY, 0, &FIRST_SYNC.to_ne_bytes())?;
    let mut found: Vec<(u32, u32)> = Vec::new();
    events_until(stream, FIRST_SYNC, |object, event, body| {
        if (object, event) == (REGISTRY, 0) {
            let mut body = Body(body);
            let (name, interface, version) = (body.number()?, body.text()?, body.number()?);
            if interface == "wl_output" {
                found.push((name, version.min(WITH_NAMES)));
            }
        }
        Some(())
    })?;
    let mut told: BTreeMap<u32, Told> = BTreeMap::new();
    let mut next = FIRST_OUTPUT;
    for (name, version) in found {
        request(stream, REGISTRY, 0, &bind(name, version, next))?;
        told.insert(next, Told::default());
        next += 1;
    }
    request(stream, DISPLAY, 0, &next.to_ne_bytes())?;
    events_until(stream, next, |object, event, body| {
        told.get_mut(&object)
            .map_or(Some(()), |told| told.take(event, Body(body)))
    })?;
    Ok(told.into_values().collect())
}

/// The arguments of `wl_registry.bind`.
fn bind(name: u32, version: u32, object: u32) -> Vec<u8> {
    let mut body = name.to_ne_bytes().to_vec();
    body.extend(text("wl_output"));
    body.extend(version.to_ne_bytes());
    body.extend(object.to_ne_bytes());
    body
}

impl Told {
    /// An event of `wl_output`: 1 is a mode, 4 the name, 5 the description.
    fn take(&mut self, event: u16, mut body: Body<'_>) -> Option<()> {
        match event {
            1 if body.number()? & 1 == 1 => {
                let (width, height) = (body.number()?, body.number()?);
                self.pixels = Some((width.try_into().ok()?, height.try_into().ok()?));
            }
            4 => self.name = Some(body.text()?),
            5 => self.description = Some(body.text()?),
            _ => {}
        }
        Some(())
    }
}

fn request(stream: &mut impl Write, object: u32, opcode: u16, body: &[u8]) -> io::Result<()> {
    let size = u32::try_from(8 + body.len()).map_err(io::Error::other)?;
    let mut message = object.to_ne_bytes().to_vec();
    message.extend((size << 16 | u32::from(opcode)).to_ne_bytes());
    message.extend(body);
    stream.write_all(&message)
}

/// Hands out events until the callback with this number is done. `None` from `take` means that it made no sense.
fn events_until(
    stream: &mut impl Read,
    done: u32,
    mut take: impl FnMut(u32, u16, &[u8]) -> Option<()>,
) -> io::Result<()> {
    let nonsense = || io::Error::from(io::ErrorKind::InvalidData);
    loop {
        let mut head = [0; 8];
        stream.read_exact(&mut head)?;
        let mut head = Body(&head);
        let (object, word) = head.number().zip(head.number()).ok_or_else(nonsense)?;
        let (size, event) = (word >> 16, (word & 0xffff) as u16);
        let mut body = vec![0; size.checked_sub(8).ok_or_else(nonsense)? as usize];
        stream.read_exact(&mut body)?;
        match (object, event) {
            (DISPLAY, 0) => return Err(nonsense()),
            (object, 0) if object == done => return Ok(()),
            _ => take(object, event, &body).ok_or_else(nonsense)?,
        }
    }
}

/// A text as arguments have it: its length with the zero at its end, then both, filled up to four bytes.
fn text(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len() + 1).unwrap_or_default();
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes.resize(4 + (text.len() + 1).next_multiple_of(4), 0);
    bytes
}

/// The arguments that were not read yet.
struct Body<'a>(&'a [u8]);

impl Body<'_> {
    fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_ne_bytes(*number))
    }

    fn text(&mut self) -> Option<String> {
        let length = self.number()? as usize;
        let (bytes, rest) = self.0.split_at_checked(length.next_multiple_of(4))?;
        self.0 = rest;
        let bytes = bytes.get(..length.checked_sub(1)?)?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    /// A compositor that has written all that it will ever say.
    struct Compositor {
        says: Cursor<Vec<u8>>,
        heard: Vec<u8>,
    }

    impl Read for Compositor {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.says.read(buffer)
        }
    }

    impl Write for Compositor {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.heard.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn compositor(says: Vec<u8>) -> Compositor {
        Compositor {
            says: Cursor::new(says),
            heard: Vec::new(),
        }
    }

    fn event(says: &mut Vec<u8>, object: u32, event: u16, body: &[&[u8]]) {
        request(says, object, event, &body.concat()).expect("memory");
    }

    #[test]
    fn outputs_are_told_in_order() {
        let mut says = Vec::new();
        let number = u32::to_ne_bytes;
        let global = |name, interface, version| {
            [
                number(name).to_vec(),
                text(interface),
                number(version).to_vec(),
            ]
            .concat()
        };
        event(&mut says, REGISTRY, 0, &[&global(7, "wl_output", 4)]);
        event(&mut says, REGISTRY, 0, &[&global(8, "wl_seat", 8)]);
        event(&mut says, REGISTRY, 0, &[&global(9, "wl_output", 3)]);
        event(&mut says, FIRST_SYNC, 0, &[&number(1)]);
        event(&mut says, DISPLAY, 1, &[&number(FIRST_SYNC)]);
        let mode = |flags, width, height| {
            [number(flags), number(width), number(height), number(60_000)].concat()
        };
        event(&mut says, 4, 1, &[&mode(1, 3840, 2160)]);
        event(&mut says, 4, 1, &[&mode(2, 640, 480)]);
        event(&mut says, 4, 4, &[&text("HDMI-A-1")]);
        event(&mut says, 4, 5, &[&text("A television")]);
        event(&mut says, 5, 1, &[&mode(3, 1280, 720)]);
        event(&mut says, 6, 0, &[&number(1)]);
        let mut compositor = compositor(says);
        let told = ask(&mut compositor).expect("it answers");
        let (first, second) = (
            Told {
                name: Some("HDMI-A-1".into()),
                description: Some("A television".into()),
                pixels: Some((3840, 2160)),
            },
            Told {
                pixels: Some((1280, 720)),
                ..Told::default()
            },
        );
        assert_eq!(told, [first, second]);
        let asked = [bind(7, 4, 4), bind(9, 3, 5)];
        for asked in asked {
            let heard = &compositor.heard;
            assert!(heard.windows(asked.len()).any(|part| part == asked));
        }
    }

    proptest! {
        #[test]
        fn whatever_it_says_there_is_an_answer(mut says in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = ask(&mut compositor(says.clone()));
            // The same behind a beginning that makes sense.
            let mut sense = Vec::new();
            event(&mut sense, FIRST_SYNC, 0, &[&[0; 4]]);
            sense.append(&mut says);
            let _ = ask(&mut compositor(sense));
        }
    }
}
