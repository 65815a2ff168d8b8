//! `kiosk.toml` into a [`Config`].
//!
//! Invariant: whatever bytes the file has, the answer is a whole [`Config`] or one [`ConfigProblem`], the first in the
//! file's order of tables; nothing panics.

use super::files::{self, markdown, picture};
use super::mistake::{FILE, Flaw, not_utf8, utf8};
use super::table::{Table, wrong};
use super::words::words;
use super::{Config, Rules, Visitor};
use crate::kiosk::view::{ConfigProblem, KeyboardLayout, KeyboardMode, Overlay, Scene};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;
use toml::de::{DeTable, DeValue};

type Result<T, E = ConfigProblem> = std::result::Result<T, E>;

const FILE_BYTES: u64 = 256 << 10;
/// What fits a line that is read from three metres.
const LINE: usize = 200;
const SCENES: usize = 100;
const SECONDS: std::ops::RangeInclusive<u32> = 1..=3600;

/// The configuration of a folder; `None` if it has no `kiosk.toml`.
pub(crate) fn read_folder(folder: &Path) -> Result<Option<Config>> {
    let read = files::read(&folder.join(FILE), FILE_BYTES);
    let flaw = match read {
        Ok(Some(bytes)) => return read_bytes(bytes, folder).map(Some),
        Ok(None) => Flaw::new(
            "The file is larger than 256 KiB.",
            "Put long texts into Markdown files beside it.",
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == ErrorKind::InvalidInput => Flaw::new(
            "This is no regular file.",
            "Put a file of this name in its place.",
        ),
        Err(error) => Flaw::new(
            format!("The file can't be read: {error}."),
            "Look at the permissions of the file and its folder.",
        ),
    };
    Err(flaw.of_all())
}

fn read_bytes(bytes: Vec<u8>, folder: &Path) -> Result<Config> {
    let text = utf8(bytes).map_err(|line| not_utf8(FILE, line).at("", &(0..0)))?;
    read_text(text.trim_start_matches('\u{feff}'), folder)
}

/// The configuration that a text says, with the files of this folder.
pub(super) fn read_text(text: &str, folder: &Path) -> Result<Config> {
    let whole = DeTable::parse(text).map_err(|error| {
        let message = error.message().lines().next().unwrap_or_default();
        let remedy = if message == "duplicate key" {
            "Take one of the two out. Each scene begins with [[scene]], in two brackets."
        } else {
            "Look for a missing quote, bracket or equals sign in this line and the one before it."
        };
        let flaw = Flaw::new(
            format!("This is not written as TOML wants it: {message}."),
            remedy,
        );
        flaw.at(text, &error.span().unwrap_or(0..0))
    })?;
    let whole = Table::whole(text, &whole);
    whole.has_only(&["motto", "overlay", "visitor", "rules", "scene", "upkeep"])?;
    let usual = Config::default();
    let overlays = [
        ("off", Overlay::Off),
        ("beside", Overlay::Beside),
        ("over", Overlay::Over),
    ];
    Ok(Config {
        motto: whole.text("motto", 0..=LINE)?.unwrap_or(usual.motto),
        overlay: whole.choice("overlay", &overlays, usual.overlay)?,
        visitor: visitor(&whole, usual.visitor)?,
        rules: rules(&whole, usual.rules)?,
        scenes: scenes(&whole, folder)?.unwrap_or(usual.scenes),
        restart_at: upkeep(&whole)?,
    })
}

fn visitor(whole: &Table<'_>, usual: Visitor) -> Result<Visitor> {
    let Some(table) = whole.table("visitor", "[visitor]")? else {
        return Ok(usual);
    };
    table.has_only(&[
        "greeting",
        "system_prompt",
        "cards",
        "models",
        "max_tokens",
        "max_turns",
        "max_message_characters",
        "idle_seconds",
        "countdown_seconds",
        "keyboard",
        "layout",
    ])?;
    let number = |key, range, usual| Ok(table.number(key, range)?.unwrap_or(usual));
    let seconds = |key, range, usual| {
        let read = table.number(key, range)?;
        Ok(read.map_or(usual, |seconds| Duration::from_secs(seconds.into())))
    };
    let modes = [
        ("auto", KeyboardMode::Auto),
        ("on", KeyboardMode::On),
        ("off", KeyboardMode::Off),
    ];
    let layouts = [
        ("qwerty", KeyboardLayout::Qwerty),
        ("qwertz", KeyboardLayout::Qwertz),
        ("azerty", KeyboardLayout::Azerty),
    ];
    Ok(Visitor {
        greeting: table.text("greeting", 0..=LINE)?.unwrap_or(usual.greeting),
        system_prompt: table
            .text("system_prompt", 0..=20_000)?
            .unwrap_or(usual.system_prompt),
        cards: table.texts("cards", 8, LINE)?.unwrap_or(usual.cards),
        models: table.texts("models", 50, 4096)?.unwrap_or(usual.models),
        max_tokens: number("max_tokens", 16..=8192, usual.max_tokens)?,
        max_turns: number("max_turns", 1..=200, usual.max_turns)?,
        max_message_characters: number(
            "max_message_characters",
            1..=20_000,
            usual.max_message_characters,
        )?,
        idle: seconds("idle_seconds", SECONDS, usual.idle)?,
        countdown: seconds("countdown_seconds", 0..=120, usual.countdown)?,
        keyboard: table.choice("keyboard", &modes, usual.keyboard)?,
        layout: table.choice("layout", &layouts, usual.layout)?,
    })
}

fn rules(whole: &Table<'_>, usual: Rules) -> Result<Rules> {
    let Some(table) = whole.table("rules", "[rules]")? else {
        return Ok(usual);
    };
    table.has_only(&["blocked", "blocked_answer"])?;
    let blocked = table.texts("blocked", 5000, LINE)?.unwrap_or_default();
    if let Some(empty) = blocked.iter().find(|entry| words(entry).is_empty()) {
        let message = format!("blocked in [rules] holds \"{empty}\", in which there is no word.");
        return Err(table.problem("blocked", Flaw::new(message, "Take it out.")));
    }
    let answer = table.text("blocked_answer", 1..=2000)?;
    Ok(Rules {
        blocked,
        blocked_answer: answer.unwrap_or(usual.blocked_answer),
    })
}

fn scenes(whole: &Table<'_>, folder: &Path) -> Result<Option<Vec<Scene>>> {
    let Some(tables) = whole.tables("scene", "[[scene]]")? else {
        return Ok(None);
    };
    let flaw = match tables.len() {
        0 => Flaw::new(
            "There is no scene.",
            "Add a [[scene]], or take the line out for those that come with Wick.",
        ),
        1..=SCENES => {
            return tables
                .iter()
                .map(|table| scene(table, folder))
                .collect::<Result<_>>()
                .map(Some);
        }
        count => Flaw::new(
            format!("There are {count} scenes; {SCENES} fit."),
            "Take some out.",
        ),
    };
    Err(whole.problem("scene", flaw))
}

#[derive(Clone, Copy)]
enum Kind {
    Title,
    Slide,
    Live,
}

fn scene(table: &Table<'_>, folder: &Path) -> Result<Scene> {
    let kinds = [
        ("title", Kind::Title),
        ("slide", Kind::Slide),
        ("live", Kind::Live),
    ];
    table.read("type", |_| Ok(()))?.ok_or_else(|| {
        table.lacks(
            "type",
            "Write type = \"title\", \"slide\" or \"live\" under it.",
        )
    })?;
    let seconds = |usual| Ok(table.number("seconds", SECONDS)?.unwrap_or(usual));
    match table.choice("type", &kinds, Kind::Title)? {
        Kind::Title => {
            table.has_only(&["type", "heading", "text", "picture", "seconds"])?;
            Ok(Scene::Title {
                heading: table.needed("heading", 1..=LINE)?,
                text: table.text("text", 0..=500)?.unwrap_or_default(),
                picture: named_picture(table, folder)?,
                seconds: seconds(8)?,
            })
        }
        Kind::Slide => {
            table.has_only(&["type", "file", "picture", "seconds"])?;
            table.needed("file", 1..=LINE)?;
            let page = table.read("file", |value| {
                markdown(folder, value.as_str().unwrap_or_default())
            })?;
            Ok(Scene::Slide {
                markdown: page.unwrap_or_default(),
                picture: named_picture(table, folder)?,
                seconds: seconds(20)?,
            })
        }
        Kind::Live => {
            table.has_only(&["type", "prompt", "seconds"])?;
            Ok(Scene::Live {
                prompt: table.needed("prompt", 1..=2000)?,
                seconds: seconds(10)?,
            })
        }
    }
}

/// The name of a picture that can be shown.
fn named_picture(table: &Table<'_>, folder: &Path) -> Result<Option<String>> {
    let Some(name) = table.text("picture", 1..=LINE)? else {
        return Ok(None);
    };
    table.read("picture", |_| picture(folder, &name).map(drop))?;
    Ok(Some(name))
}

fn upkeep(whole: &Table<'_>) -> Result<Option<(u8, u8)>> {
    let Some(table) = whole.table("upkeep", "[upkeep]")? else {
        return Ok(None);
    };
    table.has_only(&["restart_at"])?;
    table.read("restart_at", |value| {
        let remedy = "Write it in quotes, from \"00:00\" to \"23:59\".";
        match value {
            DeValue::String(text) => {
                hour_and_minute(text).ok_or_else(|| Flaw::new("is no time of a day.", remedy))
            }
            // Without quotes it is a time of TOML's own.
            DeValue::Datetime(toml::value::Datetime {
                date: None,
                time: Some(time),
                offset: None,
            }) => Ok((time.hour, time.minute)),
            other => Err(wrong(other, "a time of the day", remedy)),
        }
    })
}

fn hour_and_minute(text: &str) -> Option<(u8, u8)> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    let (hour, minute) = (
        Some(hour).filter(|part| digits(part))?,
        Some(minute).filter(|part| digits(part))?,
    );
    let (hour, minute) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some((hour, minute))
}
