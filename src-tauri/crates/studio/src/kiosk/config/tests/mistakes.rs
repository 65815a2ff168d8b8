//! Mistakes in `kiosk.toml`, and what is said of each.

use super::*;

/// The mistake stands in this line, and the words say what is wrong and what to do.
fn check(text: &str, line: u32, message: &str, remedy: &str) {
    let found = problem(text);
    assert_eq!(
        (found.file.as_str(), found.line),
        (FILE, Some(line)),
        "{text}: {found:?}"
    );
    assert!(found.message.contains(message), "{text}: {found:?}");
    assert!(found.remedy.contains(remedy), "{text}: {found:?}");
}

fn problem(text: &str) -> ConfigProblem {
    let folder = folder();
    read_text(text, folder.path()).expect_err(text)
}

#[test]
fn what_is_not_toml_is_named_with_its_line() {
    check("motto = \"a\"\noverlay = \"beside", 2, "TOML", "quote");
    check("motto", 1, "TOML", "equals sign");
    check("a = 1\na = 2", 2, "TOML", "Take one of the two out");
    check("[scene]\n[scene]", 2, "TOML", "[[scene]]");
    let deep = format!("motto = {}", "[".repeat(100_000));
    check(&deep, 1, "TOML", "bracket");
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_known() {
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
}

#[test]
fn a_value_of_another_type_is_named_with_its_line() {
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
}

#[test]
fn a_value_out_of_its_range_is_named_with_its_line() {
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
}

#[test]
fn a_scene_that_lacks_something_is_named_with_its_line() {
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
