mod mistakes;

use super::mistake::FILE;
use super::read::read_text;
use super::*;
use crate::kiosk::view::ConfigProblem;
use proptest::prelude::*;
use std::fs;
use std::path::Path;

const INCLUDED: &str = include_str!("../../scenes/kiosk.toml");
const PNG: &[u8] = b"\x89PNG\r\n\x1a\nrest";

/// A folder with a page, a picture, and files that are not what they seem.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("more")).expect("a folder");
    for (name, content) in [
        ("page.md", &b"# A page"[..]),
        ("more/inner.md", b"# Inner"),
        ("empty.md", b" \n"),
        ("latin.md", b"fine\nna\xefve"),
        ("notes.txt", b"text"),
        ("a.png", PNG),
        ("wrong.png", b"GIF89a"),
        ("film.gif", b"GIF89a"),
    ] {
        fs::write(at(name), content).expect("a file");
    }
    fs::write(at("long.md"), "x".repeat(70_000)).expect("a file");
    let large = fs::File::create(at("large.png")).expect("a file");
    large.set_len((20 << 20) + 1).expect("a size");
    std::os::unix::fs::symlink("/etc/hostname", at("link.png")).expect("a link");
    std::os::unix::fs::symlink("/etc", at("away")).expect("a link");
    folder
}

#[test]
fn what_comes_with_wick_says_what_holds_without_it() {
    let none = Path::new("/nowhere");
    assert_eq!(read_text(INCLUDED, none), Ok(Config::default()));
    assert_eq!(read_text("", none), Ok(Config::default()));
    assert_eq!(read_folder(none), Ok(None));
    assert!(files::picture(none, "machine.svg").is_ok());
}

#[test]
fn each_key_reaches_its_place() {
    let folder = folder();
    let text = r#"
motto = "M"
overlay = "over"
[visitor]
greeting = ""
system_prompt = "S"
cards = []
models = ["a", "org/b"]
max_tokens = 16
max_turns = 200
max_message_characters = 1
idle_seconds = 1
countdown_seconds = 0
keyboard = "off"
layout = "azerty"
[rules]
blocked = ["x"]
blocked_answer = "no"
[[scene]]
type = "slide"
file = "more/inner.md"
picture = "a.png"
seconds = 3600
[[scene]]
type = "title"
heading = "H"
[upkeep]
restart_at = "04:30"
"#;
    let expected = Config {
        motto: "M".into(),
        overlay: Overlay::Over,
        visitor: Visitor {
            greeting: String::new(),
            system_prompt: "S".into(),
            cards: vec![],
            models: vec!["a".into(), "org/b".into()],
            max_tokens: 16,
            max_turns: 200,
            max_message_characters: 1,
            idle: Duration::from_secs(1),
            countdown: Duration::ZERO,
            keyboard: KeyboardMode::Off,
            layout: KeyboardLayout::Azerty,
        },
        rules: Rules {
            blocked: vec!["x".into()],
            blocked_answer: "no".into(),
        },
        scenes: vec![
            Scene::Slide {
                markdown: "# Inner".into(),
                picture: Some("a.png".into()),
                seconds: 3600,
            },
            Scene::Title {
                heading: "H".into(),
                text: String::new(),
                picture: None,
                seconds: 8,
            },
        ],
        restart_at: Some((4, 30)),
    };
    assert_eq!(read_text(text, folder.path()), Ok(expected));
    let unquoted = read_text("[upkeep]\nrestart_at = 23:59:00", folder.path());
    assert_eq!(unquoted.expect("a time").restart_at, Some((23, 59)));
}

#[test]
fn a_kiosk_toml_that_is_no_text_is_a_problem() {
    let check = |content: &[u8], line: Option<u32>, message: &str| {
        let folder = folder();
        fs::write(folder.path().join(FILE), content).expect("a file");
        let found = read_folder(folder.path()).expect_err(message);
        assert_eq!((found.file.as_str(), found.line), (FILE, line), "{found:?}");
        assert!(found.message.contains(message), "{found:?}");
        assert!(!found.remedy.is_empty());
    };
    check(b"motto = \"a\"\n# \xff", Some(2), "no UTF-8");
    check(&vec![b'#'; (256 << 10) + 1], None, "larger than 256 KiB");
    let with_mark = folder();
    fs::write(with_mark.path().join(FILE), "\u{feff}motto = \"m\"").expect("a file");
    let read = read_folder(with_mark.path())
        .expect("a text")
        .expect("there");
    assert_eq!(read.motto, "m");
    let of_folder = folder();
    fs::create_dir(of_folder.path().join(FILE)).expect("a folder");
    let found = read_folder(of_folder.path()).expect_err("a folder");
    assert!(found.message.contains("no regular file"), "{found:?}");
}

#[test]
fn a_blocked_word_is_found_as_a_whole_word_whatever_its_form() {
    let rules = |blocked: &[&str]| Rules {
        blocked: blocked.iter().map(|word| (*word).to_owned()).collect(),
        ..Rules::default()
    };
    let check = |blocked: &[&str], text: &str, expected: bool| {
        assert_eq!(
            rules(blocked).blocks(text),
            expected,
            "{blocked:?} in {text:?}"
        );
    };
    check(&[], "anything", false);
    check(&["ass"], "What an ass!", true);
    check(&["ass"], "Please assist the class.", false);
    check(&["Käse"], "KASE", true);
    check(&["kase"], "ka\u{308}se und Brot", true);
    check(&["strasse"], "Straße", true);
    check(&["two words"], "Two,  WORDS.", true);
    check(&["two words"], "two other words", false);
    check(&["bad"], "b\u{200b}a\u{ad}d", true);
    check(&["bad"], "b\u{202a}a\u{2066}d\u{e0020}", true);
    check(&["bad"], "ｂａｄ", true);
    check(&["bad"], "b**a**d and `ba`d", true);
    check(&["bad"], "a_bad_word", true);
    check(&["bad"], "b * a * d", false);
    check(&["smorrebrod"], "Smørrebrød", true);
    check(&["悪い"], "これは悪いです", true);
    check(&["悪い"], "良い", false);
    check(&["плохо"], "Это ПЛОХО!", true);
    check(&["?!"], "What?!", false);
    let ass = rules(&["ass", "悪"]);
    assert!(!ass.blocks_so_far("an ass"), "it may become assistant");
    assert!(ass.blocks_so_far("an ass "));
    assert!(ass.blocks_so_far("an ass."));
    assert!(ass.blocks_so_far("悪"));
    assert!(!ass.blocks_so_far(""));
}

fn is_told(read: Result<Option<Config>, ConfigProblem>) {
    match read {
        Ok(Some(config)) => assert!(!config.scenes.is_empty()),
        Ok(None) => panic!("it is there"),
        Err(problem) => assert!(!problem.message.is_empty() && !problem.remedy.is_empty()),
    }
}

proptest! {
    #[test]
    fn any_bytes_end_in_a_config_or_a_problem(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(FILE), bytes).expect("a file");
        is_told(read_folder(folder.path()));
    }

    /// What is nearly right goes further than noise does.
    #[test]
    fn any_slip_in_a_good_file_ends_in_a_config_or_a_problem(
        cut in 0..INCLUDED.len(), length in 0..40usize, put in "[\"'\\[\\]{}=\\n.\\-0-9a-zé#\u{0}]{0,6}",
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut bytes = INCLUDED.as_bytes().to_vec();
        let end = (cut + length).min(bytes.len());
        bytes.splice(cut..end, put.bytes());
        fs::write(folder.path().join(FILE), bytes).expect("a file");
        is_told(read_folder(folder.path()));
    }
}
