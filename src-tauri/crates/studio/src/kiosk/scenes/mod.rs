//! The scenes that come with Wick: part of the program, so that a kiosk without a folder has them too, and written into
//! one to be edited.
//!
//! Invariant: the `kiosk.toml` that comes with Wick says exactly what holds without one; a test keeps it.

use super::view::Scene;

/// The files, in the order in which they are written: what names others comes last.
pub(super) const FILES: [(&str, &[u8]); 3] = [
    ("machine.md", include_bytes!("machine.md")),
    ("machine.svg", include_bytes!("machine.svg")),
    ("kiosk.toml", include_bytes!("kiosk.toml")),
];

/// The content of a file that comes with Wick.
pub(super) fn included(name: &str) -> Option<&'static [u8]> {
    let mut files = FILES.into_iter();
    files.find_map(|(known, bytes)| (known == name).then_some(bytes))
}

/// The attract loop that comes with Wick.
pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::Title {
            heading: "Hello. I think right here.".into(),
            text: "Touch the screen and ask me something.".into(),
            picture: None,
            seconds: 8,
        },
        Scene::Slide {
            markdown: include_str!("machine.md").into(),
            picture: Some("machine.svg".into()),
            seconds: 20,
        },
        Scene::Live {
            prompt: "Why is the sky orange at sunset?".into(),
            seconds: 10,
        },
    ]
}
