//! Copies of recorded machines, and what may happen to their files and to a driver's answers.

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::fs;
use std::path::{Path, PathBuf};
use telemetry::{Machine, Reader};
use tempfile::TempDir;

/// A copy of a recorded machine that may be damaged.
pub(crate) struct Copy {
    pub(crate) folder: TempDir,
    pub(crate) files: Vec<PathBuf>,
}

impl Copy {
    pub(crate) fn of(name: &str) -> Self {
        let from = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures")
            .join(name);
        let folder = tempfile::tempdir().expect("a folder");
        let mut files = Vec::new();
        copy(&from, folder.path(), &mut files);
        files.sort();
        assert!(files.len() > 10, "{name} is there");
        Self { folder, files }
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader::new(Machine::at(self.folder.path()))
    }
}

fn copy(from: &Path, to: &Path, files: &mut Vec<PathBuf>) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from)
        .expect("a folder")
        .map(|entry| entry.expect("an entry"))
    {
        let (path, copied) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &copied, files);
        } else {
            fs::copy(&path, &copied).expect("a file");
            files.push(copied);
        }
    }
}

/// What may happen to a file.
#[derive(Debug, Clone)]
pub(crate) enum Damage {
    Replaced(Vec<u8>),
    /// Cut after so many thousandths.
    Cut(usize),
    /// Each number is another.
    Numbers(String),
    /// One number is another.
    Number(prop::sample::Index, String),
    Missing,
}

impl Damage {
    pub(crate) fn of(&self, content: &[u8]) -> Option<Vec<u8>> {
        Some(match self {
            Self::Replaced(bytes) => bytes.clone(),
            Self::Cut(thousandths) => content[..content.len() * thousandths / 1000].to_vec(),
            Self::Numbers(number) => with_numbers(content, number, None),
            Self::Number(place, number) => with_numbers(content, number, Some(place)),
            Self::Missing => return None,
        })
    }
}

const SEPARATORS: [char; 5] = [' ', '\n', '=', ',', '\t'];

/// The content with another number in the place of one, or of each.
fn with_numbers(content: &[u8], number: &str, place: Option<&prop::sample::Index>) -> Vec<u8> {
    let text = String::from_utf8_lossy(content);
    let mut pieces: Vec<&str> = text.split_inclusive(SEPARATORS).collect();
    let digits = |piece: &str| piece.trim_end_matches(SEPARATORS).parse::<f64>().is_ok();
    let mut places: Vec<usize> = (0..pieces.len())
        .filter(|place| digits(pieces[*place]))
        .collect();
    if let (Some(place), false) = (place, places.is_empty()) {
        places = vec![*place.get(&places)];
    }
    let number = format!("{number} ");
    for place in places {
        pieces[place] = &number;
    }
    pieces.concat().into_bytes()
}

pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    let numbers = [
        "-1",
        "18446744073709551615",
        "18446744073709551616",
        "NaN",
        "1e300",
        "0",
        "4294967295",
    ];
    prop_oneof![
        any::<Vec<u8>>().prop_map(Damage::Replaced),
        any::<String>().prop_map(|text| Damage::Replaced(text.into_bytes())),
        (0..1000_usize).prop_map(Damage::Cut),
        prop::sample::select(numbers.to_vec()).prop_map(|number| Damage::Numbers(number.into())),
        any::<u64>().prop_map(|number| Damage::Numbers(number.to_string())),
        (any::<prop::sample::Index>(), 0..1_u64 << 40)
            .prop_map(|(place, number)| Damage::Number(place, number.to_string())),
        Just(Damage::Missing),
    ]
}

pub(crate) fn any_json() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!({"error": "GpuLost"})),
        Just(json!({"error": 7})),
    ]
}

/// Where in the document there is a value.
pub(crate) fn places(value: &Json, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Json::Object(fields) => fields
            .iter()
            .for_each(|(name, of)| places(of, &format!("{at}/{name}"), found)),
        Json::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(i, of)| places(of, &format!("{at}/{i}"), found)),
        _ => {}
    }
}
