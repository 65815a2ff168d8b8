//! Cells, lines and files of an export. What a studio puts into them is tested with the studio.

use super::*;
use crate::throughput::tests::answer;
use engine_api::InterToken;
use proptest::prelude::*;

/// The cells of a CSV text by line, read as RFC 4180 says.
fn read(text: &str) -> Vec<Vec<String>> {
    let (mut lines, mut line, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '"' if quoted && rest.peek() == Some(&'"') => cell.extend(rest.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => line.push(std::mem::take(&mut cell)),
            '\r' if !quoted && rest.peek() == Some(&'\n') => {
                rest.next();
                line.push(std::mem::take(&mut cell));
                lines.push(std::mem::take(&mut line));
            }
            other => cell.push(other),
        }
    }
    assert!(!quoted && line.is_empty() && cell.is_empty(), "{text:?}");
    lines
}

fn titled(title: &str) -> AnswerThroughput {
    AnswerThroughput {
        title: title.into(),
        ..answer(Some("m"), Some(12.5))
    }
}

#[test]
fn a_cell_is_quoted_where_it_must_be_and_never_a_formula() {
    let check = |text: &str, expected: &str| {
        assert_eq!(Cell::Text(text.into()).written(), expected, "{text:?}");
    };
    check("Hello", "Hello");
    check("", "");
    check("a, b", "\"a, b\"");
    check("say \"hi\"", "\"say \"\"hi\"\"\"");
    check("two\nlines", "\"two\nlines\"");
    check("=1+1", "'=1+1");
    check("+1", "'+1");
    check("-1", "'-1");
    check("@SUM(A1)", "'@SUM(A1)");
    check("=HYPERLINK(\"x\",1)", "\"'=HYPERLINK(\"\"x\"\",1)\"");
    check("\t=1", "'\t=1");
    check("a=1", "a=1");
    let number = |value| Cell::Number(value).written();
    assert_eq!(
        [number(Some(-1.5)), number(Some(1e-7)), number(None)],
        ["-1.5", "0.0000001", ""]
    );
}

#[test]
fn a_line_has_every_figure_under_its_name() {
    let mut one = titled("=cmd, \"x\"");
    one.at_ms = 1_764_547_081_123;
    let timings = one.timings.as_mut().expect("timings");
    timings.inter_token = Some(InterToken {
        median_ms: 1.5,
        p95_ms: 2.5,
        worst_ms: 40.0,
    });
    one.measured = Some(Measured {
        energy_joules_per_token: Some(0.25),
        limit_share: None,
    });
    let lines = read(&csv(&COLUMNS, &[one, answer(None, None)]));
    let cell = |line: usize, name: &str| {
        let column = lines[0].iter().position(|header| header == name);
        lines[line][column.expect("a column")].clone()
    };
    let check = |name: &str, expected: [&str; 2]| {
        assert_eq!([cell(1, name), cell(2, name)], expected, "{name}");
    };
    check("title", ["'=cmd, \"x\"", "A talk"]);
    check(
        "begun_utc",
        ["2025-11-30T23:58:01.123Z", "1970-01-01T00:00:00.000Z"],
    );
    check("model", ["m", ""]);
    check("state", ["complete", "complete"]);
    check("generated_tokens", ["2", ""]);
    check("decode_tokens_per_second", ["12.5", ""]);
    check("inter_token_worst_ms", ["40", ""]);
    check("energy_joules_per_token", ["0.25", ""]);
    check("limit_share_0_to_1", ["", ""]);
}

proptest! {
    #[test]
    fn any_title_stays_in_its_cell_and_starts_no_formula(title in "(?s).{0,40}") {
        let lines = read(&csv(&COLUMNS, &[titled(&title), titled("end")]));
        prop_assert_eq!(lines.len(), 3);
        for line in &lines {
            prop_assert_eq!(line.len(), COLUMNS.len());
        }
        let found = &lines[1][1];
        prop_assert_eq!(found.strip_prefix('\'').filter(|_| *found != title).unwrap_or(found), &title);
        prop_assert!(!found.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']));
    }
}

#[test]
fn a_file_that_is_there_is_never_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("made");
    let write = |text: &str| {
        let path = write_new(&inner, "w", "csv", text.as_bytes()).expect("a file");
        path.file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned()
    };
    assert_eq!([write("one"), write("two")], ["w.csv", "w (2).csv"]);
    let read = |name: &str| std::fs::read_to_string(inner.join(name)).expect("a file");
    assert_eq!([read("w.csv"), read("w (2).csv")], ["one", "two"]);
    let left = std::fs::read_dir(&inner).expect("a folder").count();
    assert_eq!(left, 2, "nothing unfinished is left");
}

#[test]
fn a_folder_that_takes_no_file_is_told() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let error = write_new(file.path(), "w", "csv", b"x").expect_err("no folder");
    let told = unwritten("Nothing was exported", file.path(), &error);
    assert_eq!(told.code, ErrorCode::Internal);
    assert!(told.hint.is_some());
    let full = unwritten(
        "Nothing was exported",
        file.path(),
        &ErrorKind::StorageFull.into(),
    );
    assert_eq!(full.code, ErrorCode::DiskFull);
}
