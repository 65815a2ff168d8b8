use super::read::read_text;
use super::*;
use crate::kiosk::view::ConfigProblem;
use proptest::prelude::*;
use std::fs;
use std::path::Path;

const INCLUDED: &str = include_str!("../scenes/kiosk.toml");
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

fn problem(text: &str) -> ConfigProblem {
    let folder = folder();
    read_text(text, folder.path()).expect_err(text)
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
fn a_mistake_is_named_with_its_line_and_what_to_do() {
    let check = |text: &str, line: u32, message: &str, remedy: &str| {
        let found = problem(text);
        assert_eq!(
            (found.file.as_str(), found.line),
            (FILE, Some(line)),
            "{text}: {found:?}"
        );
        assert!(found.message.contains(message), "{text}: {found:?}");
        assert!(found.remedy.contains(remedy), "{text}: {found:?}");
    };
    // How it is written.
    check("motto = \"a\"\noverlay = \"beside", 2, "TOML", "quote");
    check("motto", 1, "TOML", "equals sign");
    check("a = 1\na = 2", 2, "TOML", "this line");
    let deep = format!("motto = {}", "[".repeat(100_000));
    check(&deep, 1, "TOML", "bracket");
    // Keys.
    check(
        "motto = \"a\"\nmoto = \"b\"",
        2,
        "kiosk.toml knows no key `moto`",
        "Did you mean `motto`?",
    );
    check(
        "[visitor]\nmax_turn = 3",
        2,
        "[visitor] knows no key `max_turn`",
        "`max_turns`",
    );
    check(
        "[visitor]\ncolour = 3",
        2,
        "`colour`",
        "Known are greeting, system_prompt",
    );
    check("[rules]\n\nblock = []", 3, "[rules]", "`blocked`");
    check("[visitors]", 1, "`visitors`", "`visitor`");
    check(
        "[[scene]]\ntype = \"live\"\nprompt = \"p\"\nfile = \"x\"",
        4,
        "[[scene]] knows no key `file`",
        "Known are type",
    );
    // Types.
    check(
        "motto = 3",
        1,
        "is a whole number, and must be a text",
        "in quotes",
    );
    check(
        "[visitor]\nmax_turns = \"3\"",
        2,
        "is a text, and must be a whole number",
        "from 1 to 200",
    );
    check(
        "[visitor]\nmax_turns = 3.5",
        2,
        "with a fraction",
        "from 1 to 200",
    );
    check(
        "[visitor]\ncards = \"a\"",
        2,
        "a list of texts",
        "in brackets",
    );
    check(
        "[visitor]\ncards = [\n\"a\",\n4]",
        4,
        "An entry of cards is a whole number",
        "quotes",
    );
    check("visitor = 1", 1, "must be a table", "[visitor]");
    check(
        "[scene]\ntype = \"live\"",
        1,
        "must be a list of tables",
        "two brackets",
    );
    check("scene = [1]", 1, "must be a table", "[[scene]]");
    check(
        "overlay = \"under\"",
        1,
        "\"under\"",
        "\"off\", \"beside\", \"over\"",
    );
    check("overlay = true", 1, "true or false", "one of");
    // Ranges.
    check(
        "[visitor]\nmax_tokens = 15",
        2,
        "is 15, which is out of range",
        "from 16 to 8192",
    );
    check("[visitor]\nmax_turns = -1", 2, "is -1", "from 1 to 200");
    check(
        "[visitor]\nmax_turns = 99999999999999999999",
        2,
        "out of range",
        "from 1 to 200",
    );
    check("[visitor]\nidle_seconds = 3601", 2, "3601", "to 3600");
    check(
        "[visitor]\ncountdown_seconds = 121",
        2,
        "121",
        "from 0 to 120",
    );
    check(
        "[visitor]\ncards = [\"a\", \" \"]",
        2,
        "An entry of cards is blank",
        "take it out",
    );
    check(
        &format!("[visitor]\ncards = [{}]", "\"a\",".repeat(9)),
        2,
        "9 entries; 8 fit",
        "out",
    );
    check(
        &format!("motto = \"{}\"", "é".repeat(201)),
        1,
        "201 characters long; 200 fit",
        "Shorten",
    );
    check(
        "[rules]\nblocked = [\"a\", \"?!\"]",
        2,
        "\"?!\", in which there is no word",
        "out",
    );
    check("[rules]\nblocked_answer = \"\"", 2, "is blank", "words");
    for time in ["4:30", "24:00", "12:60", "noon", "+4:30", ""] {
        check(
            &format!("[upkeep]\nrestart_at = \"{time}\""),
            2,
            "no time of a day",
            "\"23:59\"",
        );
    }
    check(
        "[upkeep]\nrestart_at = 430",
        2,
        "must be a time of the day",
        "\"00:00\"",
    );
    check(
        "[upkeep]\nrestart_at = 2026-01-01",
        2,
        "must be a time of the day",
        "\"00:00\"",
    );
    // Scenes.
    check("motto = \"a\"\nscene = []", 2, "no scene", "[[scene]]");
    check(
        &"[[scene]]\ntype = \"live\"\nprompt = \"p\"\n".repeat(101),
        1,
        "101 scenes",
        "out",
    );
    check("[[scene]]\nseconds = 3", 1, "has no type", "\"title\"");
    check("[[scene]]\ntype = \"film\"", 2, "\"film\"", "\"slide\"");
    check(
        "motto = \"a\"\n\n[[scene]]\ntype = \"live\"",
        3,
        "[[scene]] has no prompt",
        "prompt = ",
    );
    check(
        "[[scene]]\ntype = \"live\"\nprompt = \"\"",
        3,
        "is blank",
        "words",
    );
    check(
        "[[scene]]\ntype = \"title\"",
        1,
        "has no heading",
        "heading = ",
    );
    check("[[scene]]\ntype = \"slide\"", 1, "has no file", "file = ");
    check(
        "[[scene]]\ntype = \"live\"\nprompt = \"p\"\nseconds = 0",
        4,
        "is 0",
        "from 1",
    );
}

#[test]
fn a_file_that_is_not_as_it_should_be_is_named_with_its_line() {
    let check = |line: &str, message: &str, remedy: &str| {
        let rest = if line.starts_with("file") {
            ""
        } else {
            "heading = \"h\""
        };
        let kind = if line.starts_with("file") {
            "slide"
        } else {
            "title"
        };
        let text = format!("[[scene]]\ntype = \"{kind}\"\n{line}\n{rest}");
        let found = problem(&text);
        assert_eq!(
            (found.file.as_str(), found.line),
            (FILE, Some(3)),
            "{line}: {found:?}"
        );
        assert!(found.message.contains(message), "{line}: {found:?}");
        assert!(found.remedy.contains(remedy), "{line}: {found:?}");
    };
    check(
        "file = \"none.md\"",
        "file in [[scene]] names none.md, which is not there",
        "beside kiosk.toml",
    );
    check("file = \"notes.txt\"", "no Markdown", ".md");
    check("file = \"long.md\"", "larger than 64 KiB", "smaller");
    check(
        "file = \"../page.md\"",
        "does not lie in the kiosk's folder",
        "only its name",
    );
    check("file = \"/etc/a.md\"", "does not lie", "only its name");
    check("file = \"more\"", "no Markdown", ".md");
    check("picture = \"none.png\"", "not there", "beside");
    check(
        "picture = \"film.gif\"",
        "no picture that can be shown",
        "png, jpg, webp or svg",
    );
    check("picture = \"wrong.png\"", "holds no such picture", "anew");
    check("picture = \"large.png\"", "larger than 20 MiB", "smaller");
    check("picture = \"link.png\"", "does not lie", "copy");
    check("picture = \"away/a.png\"", "does not lie", "copy");
    check("picture = \"../a.png\"", "does not lie", "copy");
    check("picture = \"\"", "is blank", "words");
    let slide = |file: &str| problem(&format!("[[scene]]\ntype = \"slide\"\nfile = \"{file}\""));
    let latin = slide("latin.md");
    assert_eq!((latin.file.as_str(), latin.line), ("latin.md", Some(2)));
    assert!(latin.message.contains("UTF-8"), "{latin:?}");
    let empty = slide("empty.md");
    assert_eq!((empty.file.as_str(), empty.line), ("empty.md", Some(1)));
    assert!(empty.message.starts_with("This page is empty"), "{empty:?}");
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
    check(&["bad"], "ｂａｄ", true);
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
