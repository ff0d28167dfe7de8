use std::collections::BTreeSet;

use insta::assert_snapshot;

use super::*;

#[test]
fn messages_are_sorted_by_place_and_counted() {
    let mut diags = Diagnostics::new("p.yml", "a: 1\nb: 2\n");
    assert!(diags.is_empty());
    assert_eq!(diags.render(Color::Never, None), "");
    diags.as_of_missing();
    diags.unused_source(Span::new(5, 6), "b", &["t"]);
    assert!(diags.has_errors());
    diags.unknown_key(Span::new(0, 1), "a", "", &[]);
    diags.unknown_key(Span::new(0, 1), "a", "", &[]);
    assert_eq!((diags.count(Severity::Error), diags.count(Severity::Warning)), (2, 1));
    assert_snapshot!(diags.render(Color::Never, None), @r"
    error[T0102]: unknown key `a` at the top level
     --> p.yml:1:1
      |
    1 | a: 1
      | ^

    warning[T0211]: source `b` is read by no table
     --> p.yml:2:1
      |
    2 | b: 2
      | ^
    help: remove it, or read it in one of `t`

    error[T0305]: no `as_of` date is given
    help: give `--as-of 2026-06-30`, or write `as_of: 2026-06-30` at the top level; a result never depends on the clock

    error: 2 mistakes and 1 warning in p.yml
    ");

    let mut warned = Diagnostics::new("p.yml", "a: 1\n");
    warned.unused_source(Span::new(0, 1), "a", &[]);
    assert!(!warned.has_errors() && !warned.is_empty());
    assert_eq!(warned.summary().as_deref(), Some("warning: 1 warning in p.yml"));

    let mut data = Diagnostics::without_file();
    data.source_stale("a", "x", "1d");
    assert_eq!(data.summary(), None);
}

#[test]
fn columns_count_characters() {
    let text = "\u{feff}é日: x\r\nz: y";
    let diags = Diagnostics::new("p.yml", text);
    for (word, place) in [("é", (1, 1)), ("x", (1, 5)), ("z", (2, 1)), ("y", (2, 4))] {
        assert_eq!(diags.position(text.find(word).unwrap()), place, "{word}");
    }
    assert_eq!(diags.position(9_999), (2, 5));
    let mut diags = diags;
    diags.unknown_key(Span::new(text.find('x').unwrap(), text.find('x').unwrap() + 1), "x", "é日", &[]);
    assert_snapshot!(diags.render(Color::Never, None), @r"
    error[T0102]: unknown key `x` in `é日`
     --> p.yml:1:5
      |
    1 | é日: x
      |      ^

    error: 1 mistake in p.yml
    ");
}

#[test]
fn values_from_the_file_stay_on_their_line() {
    let mut diags = Diagnostics::new("p.yml", "a: 1\n");
    diags.unknown_choice(Span::new(3, 4), "a", &format!("x\n\u{1b}[31m{}", "y".repeat(80)), &[]);
    assert_snapshot!(diags.sorted()[0].title, @r#"unknown value `x\n\u{1b}[31myyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy...` for `a`"#);
}

#[test]
fn colour_only_adds_escapes() {
    let mut diags = Diagnostics::new("p.yml", "a: 1\n");
    diags.unknown_key(Span::new(0, 1), "a", "", &["b"]);
    let colored = diags.render(Color::Always, None);
    assert!(colored.contains("\u{1b}["));
    let mut plain = String::new();
    let mut rest = colored.as_str();
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain += before;
        rest = after.split_once('m').unwrap().1;
    }
    assert_eq!(plain + rest, diags.render(Color::Never, None));
}

#[test]
fn json_has_one_object_per_message() {
    let mut diags = Diagnostics::new("p.yml", "a: 1\nb: 2\n");
    diags.as_of_missing();
    diags.unknown_key(Span::new(5, 6), "b", "", &["a", "c"]);
    let lines: Vec<String> = diags.to_json().iter().map(ToString::to_string).collect();
    assert_snapshot!(lines.join("\n"), @r#"
    {"severity":"error","code":"T0102","title":"unknown key `b` at the top level","file":"p.yml","line":2,"column":1,"details":[],"help":["allowed keys: `a`, `c`"]}
    {"severity":"error","code":"T0305","title":"no `as_of` date is given","file":"p.yml","line":null,"column":null,"details":[],"help":["give `--as-of 2026-06-30`, or write `as_of: 2026-06-30` at the top level; a result never depends on the clock"]}
    "#);
}

#[test]
fn codes_are_unique_and_ascending() {
    let ids: Vec<&str> = Code::ALL.iter().map(|code| code.id()).collect();
    assert!(ids.is_sorted());
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    assert!(ids.iter().all(|id| id.len() == 5 && id.starts_with("T0")));
    let meanings: BTreeSet<&str> = Code::ALL.iter().map(|code| code.meaning()).collect();
    assert_eq!(meanings.len(), ids.len());
    assert!(meanings.iter().all(|meaning| !meaning.ends_with('.')));
}

#[test]
fn each_code_belongs_to_one_method_and_has_a_message_test() {
    let methods = [
        include_str!("syntax.rs"),
        include_str!("structure.rs"),
        include_str!("parameters.rs"),
        include_str!("sources.rs"),
        include_str!("tables.rs"),
        include_str!("contracts.rs"),
        include_str!("settings.rs"),
        include_str!("files.rs"),
        include_str!("sql.rs"),
        include_str!("cases.rs"),
    ]
    .concat();
    let tests = [
        include_str!("messages.rs"),
        include_str!("../spec/tree/tests.rs"),
        include_str!("../spec/decode/messages.rs"),
        include_str!("../spec/decode/tests.rs"),
        include_str!("../spec/params/tests.rs"),
    ]
    .concat();
    for code in Code::ALL {
        let uses = methods.matches(&format!("Code::{code:?},")).count();
        assert_eq!(uses, 1, "{code:?} is used {uses} times");
        let shown = format!("[{}]: ", code.id());
        assert!(tests.contains(&shown), "no test shows a message of {code:?}");
    }
    assert_eq!(methods.matches("pub fn ").count(), Code::ALL.len(), "one code per method");
}
