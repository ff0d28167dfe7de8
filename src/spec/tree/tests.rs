use std::fmt::Write;

use insta::assert_snapshot;

use super::*;
use crate::diag::{Color, Diagnostics};

fn read(text: &str) -> (Option<Node>, Diagnostics) {
    let mut diags = Diagnostics::new("p.yml", text);
    let node = parse(text, &mut diags);
    (node, diags)
}

/// The tree of a text without mistakes.
fn tree(text: &str) -> Node {
    let (node, diags) = read(text);
    assert!(diags.is_empty(), "{}", diags.render(Color::Never, None));
    node.unwrap()
}

/// The messages about a text.
fn told(text: &str) -> String {
    read(text).1.render(Color::Never, None)
}

/// A tree on one line: keys and texts with the source at their spans where that differs.
fn show(text: &str, node: &Node) -> String {
    let source = &text[node.span.start..node.span.end];
    match &node.kind {
        Kind::Null => "null".to_owned(),
        Kind::Scalar { text, plain: true } if text == source => text.clone(),
        Kind::Scalar { text, plain } => {
            format!("{text:?}{}@{source:?}", if *plain { "p" } else { "" })
        }
        Kind::Seq(items) => format!("[{}]", items.iter().map(|item| show(text, item)).collect::<Vec<_>>().join(", ")),
        Kind::Map(entries) => {
            let pair = |entry: &Entry| {
                let written = &text[entry.key_span.start..entry.key_span.end];
                let key = if written == entry.key { entry.key.clone() } else { format!("{}@{written:?}", entry.key) };
                format!("{key}: {}", show(text, &entry.value))
            };
            format!("{{{}}}", entries.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
    }
}

#[test]
fn scalars_keep_their_text_and_place() {
    for (text, shown) in [
        ("a: 1.10\nb: no\nc: 2026-03-31", "{a: 1.10, b: no, c: 2026-03-31}"),
        ("a: 'it''s'\nb: \"x\\ty\"", r#"{a: "it's"@"'it''s'", b: "x\ty"@"\"x\\ty\""}"#),
        ("a: |\n  x\n  y\nb: 1", r#"{a: "x\ny\n"@"x\n  y\n", b: 1}"#),
        ("a: >-\n  x\n  y\n", r#"{a: "x y"@"x\n  y\n"}"#),
        ("a:\nb: ~\nc: null\nd: ''", r#"{a: null, b: null, c: null, d: ""@"''"}"#),
        ("a: [x, {b: c}] # note\n# more\n", "{a: [x, {b: c}]}"),
        ("\u{feff}a: é\r\nb: 日本\r\n", "{a: é, b: 日本}"),
        ("'k': 1\n\"l\": 2", r#"{k@"'k'": 1, l@"\"l\"": 2}"#),
        ("a: ${x}/*.parquet", "{a: ${x}/*.parquet}"),
        ("a: x\n   y", r#"{a: "x y"p@"x\n   y"}"#),
    ] {
        assert_eq!(show(text, &tree(text)), shown, "{text}");
    }
}

#[test]
fn spans_of_lists_and_maps_end_with_their_last_value() {
    let text = "a:\n  b: 1\n  c: [x, y]\n\n# note\nd:\n  - e\n  - f\n";
    let root = tree(text);
    let slice = |path: &[&str]| root.at(path).map(|node| &text[node.span.start..node.span.end]);
    assert_eq!(slice(&["a"]), Some("b: 1\n  c: [x, y]"));
    assert_eq!(slice(&["a", "c"]), Some("[x, y]"));
    assert_eq!(slice(&["d"]), Some("- e\n  - f"));
    assert_eq!(slice(&["d", "1"]), Some("f"));
    assert_eq!(slice(&["d", "2"]), None);
    assert_eq!(slice(&["d", "x"]), None);
}

#[test]
fn a_missing_path_is_shown_at_its_nearest_ancestor() {
    let text = "tables:\n  nps:\n    from: x\n    by: [a]\n    at:\n";
    let root = tree(text);
    for (path, shown) in [
        (&["tables", "nps", "from"][..], "x"),
        (&["tables", "nps"], "nps"),
        (&["tables", "nps", "score"], "nps"),
        (&["tables", "nps", "from", "deeper"], "from"),
        (&["tables", "nps", "by"], "by"),
        (&["tables", "nps", "by", "0"], "a"),
        (&["tables", "nps", "by", "7"], "by"),
        (&["tables", "nps", "at"], "at"),
        (&["nothing"], "tables"),
        (&[], "tables"),
    ] {
        let span = root.span_of(path);
        assert_eq!(&text[span.start..span.end], shown, "{path:?}");
    }
    let span = root.key_span_of(&["tables", "nps", "from"]);
    assert_eq!(&text[span.start..span.end], "from");
    assert_eq!(
        root.get("tables").and_then(|tables| tables.get("nps")).and_then(|nps| nps.get("from")).and_then(Node::text),
        Some("x")
    );
    assert_eq!(root.entry("tables").map(|entry| entry.key_span), Some(Span::new(0, 6)));
}

#[test]
fn aliases_and_merge_keys_are_resolved() {
    for (text, shown) in [
        ("x-a: &a {b: 1}\nc: *a", "{x-a: {b: 1}, c: {b: 1}}"),
        ("x-a: &a {b: 1, c: 2}\nd: {<<: *a, c: 3}", "{x-a: {b: 1, c: 2}, d: {c: 3, b: 1}}"),
        (
            "x-a: &a {b: 1}\nx-c: &c {b: 2, d: 3}\ne: {<<: [*a, *c]}",
            "{x-a: {b: 1}, x-c: {b: 2, d: 3}, e: {b: 1, d: 3}}",
        ),
        ("a: &v x\nb: *v\n", r#"{a: x, b: "x"p@"*v"}"#),
        ("a: &v 1\nb: &v 2\nc: *v\n", r#"{a: 1, b: 2, c: "2"p@"*v"}"#),
        ("a: {'<<': 1}", r#"{a: {<<@"'<<'": 1}}"#),
    ] {
        assert_eq!(show(text, &tree(text)), shown, "{text}");
    }
}

#[test]
fn duplicates_are_reported_and_the_first_is_kept() {
    let text = "tables:\n  nps: 1\n  nps: 2\nversion: 1\ntables: 3\n";
    let (node, diags) = read(text);
    assert_eq!(show(text, &node.unwrap()), "{tables: {nps: 1}, version: 1}");
    assert_snapshot!(diags.render(Color::Never, None), @r"
    error[T0004]: duplicate key `nps`
     --> p.yml:3:3
      |
    2 |   nps: 1
      |   --- first given here
    3 |   nps: 2
      |   ^^^ given again here
    help: rename or remove one of the two

    error[T0004]: duplicate key `tables`
     --> p.yml:5:1
      |
    1 | tables:
      | ------ first given here
    ...
    5 | tables: 3
      | ^^^^^^ given again here
    help: rename or remove one of the two

    error: 2 mistakes in p.yml
    ");
}

#[test]
fn nothing_to_read() {
    assert_snapshot!(told(""), @r"
    error[T0001]: the file is empty
     --> p.yml:1:1
      |
    1 |
      | ^
    help: a pipeline begins with `version: 1` and `pipeline: <name>`

    error: 1 mistake in p.yml
    ");
    assert_eq!(read("# only a comment\n").0, None);
    assert_eq!(read("---\n...\n").0, None);
    assert_eq!(read("~").0, None);
}

#[test]
fn syntax_mistakes_name_the_place_and_the_repair() {
    assert_snapshot!(told("a:\n\tb: 1\n"), @r"
    error[T0003]: a tab is used as indentation
     --> p.yml:2:1
      |
    2 |     b: 1
      | ^
    help: indent with spaces

    error: 1 mistake in p.yml
    ");
    assert_snapshot!(told("a: 1\n  b: 2\n"), @r"
    error[T0002]: unexpected `:`
     --> p.yml:2:4
      |
    2 |   b: 2
      |    ^
    help: compare the indentation of this line with the lines above

    error: 1 mistake in p.yml
    ");
    assert_snapshot!(told("a: what: now\n"), @r"
    error[T0002]: unexpected `:`
     --> p.yml:1:8
      |
    1 | a: what: now
      |        ^
    help: a text that holds `: ` needs quotes

    error: 1 mistake in p.yml
    ");
    assert_snapshot!(told("a: {path: ${exports}/x}\n"), @r"
    error[T0002]: a parameter inside of braces or brackets needs quotes
     --> p.yml:1:12
      |
    1 | a: {path: ${exports}/x}
      |            ^
    help: write `'${name}'`, or put the value on a line of its own

    error: 1 mistake in p.yml
    ");
    assert_snapshot!(told("é: [1, 2\nb: 3\n"), @r"
    error[T0002]: unexpected `:` inside of a list
     --> p.yml:2:2
      |
    2 | b: 3
      |  ^
    help: check whether the `[` before it is closed

    error: 1 mistake in p.yml
    ");
    assert_snapshot!(told("matches: \"\\d+\"\n"), @r#"
    error[T0002]: unknown escape in a text in double quotes
     --> p.yml:1:10
      |
    1 | matches: "\d+"
      |          ^
    help: single quotes keep backslashes as they are: `'\d+'`

    error: 1 mistake in p.yml
    "#);
    assert_snapshot!(told("a: 'open\nb: 2\n"), @r"
    error[T0002]: a quote is not closed
     --> p.yml:1:4
      |
    1 | a: 'open
      |    ^
    help: add the missing quote; inside of `'..'` a quote is written `''`

    error: 1 mistake in p.yml
    ");
    assert_snapshot!(told("a: @daily\n"), @r"
    error[T0002]: a text cannot begin with `@`
     --> p.yml:1:4
      |
    1 | a: @daily
      |    ^
    help: quote the text: `'..'`

    error: 1 mistake in p.yml
    ");
    assert_snapshot!(told("a:\n  b: 1\n c: 2\n"), @r"
    error[T0002]: expected `key: value` at the depth of the keys above
     --> p.yml:3:2
      |
    3 |  c: 2
      |  ^
    help: compare the indentation of this line with the lines above

    error: 1 mistake in p.yml
    ");
    assert_snapshot!(told("a: 1\nb\n"), @r"
    error[T0002]: expected `:` behind a key
     --> p.yml:2:1
      |
    2 | b
      | ^
    help: write `key: value` on one line, with a space behind the colon

    error: 1 mistake in p.yml
    ");
    assert_snapshot!(told("a: [1"), @r"
    error[T0002]: `[` is not closed
     --> p.yml:1:4
      |
    1 | a: [1
      |    ^
    help: add the missing `]`

    error: 1 mistake in p.yml
    ");
}

#[test]
fn parts_of_yaml_that_are_not_supported() {
    assert_snapshot!(told("a: !!str 1\nb: !include {c: d}\n"), @r"
    error[T0006]: YAML tag `!!str` is not supported
     --> p.yml:1:4
      |
    1 | a: !!str 1
      |    ^^^^^
    help: remove the tag; the type of a value follows from its key

    error[T0006]: YAML tag `!include` is not supported
     --> p.yml:2:4
      |
    2 | b: !include {c: d}
      |    ^^^^^^^^
    help: remove the tag; the type of a value follows from its key

    error: 2 mistakes in p.yml
    ");
    assert_snapshot!(told("a: 1\n---\nb: 2\n"), @r"
    error[T0007]: a second YAML document begins here
     --> p.yml:2:1
      |
    2 | ---
      | ^^^
    help: write one pipeline per file; remove this `---`

    error: 1 mistake in p.yml
    ");
    assert_snapshot!(told("{a: 1}: x\n? [b]\n: y\n: z\n"), @r"
    error[T0005]: a key must be a text
     --> p.yml:1:1
      |
    1 | {a: 1}: x
      | ^^^^^^
    help: write `name: value`; a text that begins with `{`, `[` or `*` needs quotes

    error[T0005]: a key must be a text
     --> p.yml:2:3
      |
    2 | ? [b]
      |   ^^^
    help: write `name: value`; a text that begins with `{`, `[` or `*` needs quotes

    error[T0005]: a key must be a text
     --> p.yml:4:1
      |
    4 | : z
      | ^
    help: write `name: value`; a text that begins with `{`, `[` or `*` needs quotes

    error: 3 mistakes in p.yml
    ");
    assert_snapshot!(told("%YAML 1.1\n---\na: 1\n"), @r"
    error[T0002]: YAML directives are not supported
     --> p.yml:1:1
      |
    1 | %YAML 1.1
      | ^
    help: remove the line that begins with `%`

    error: 1 mistake in p.yml
    ");
}

#[test]
fn anchors_that_do_not_resolve() {
    assert_snapshot!(told("a: &defaults 1\nb: *default\n"), @r"
    error[T0008]: no anchor `&default` before this alias
     --> p.yml:2:4
      |
    2 | b: *default
      |    ^^^^^^^^
    help: did you mean `defaults`?

    error: 1 mistake in p.yml
    ");
    assert_snapshot!(told("path: *.parquet\n"), @r"
    error[T0008]: no anchor `&.parquet` before this alias
     --> p.yml:1:7
      |
    1 | path: *.parquet
      |       ^^^^^^^^^
    help: if a text was meant, quote it: `'*.parquet'`

    error: 1 mistake in p.yml
    ");
    assert_snapshot!(told("a: &a\n  b: *a\n"), @r"
    error[T0009]: alias `*a` contains itself
     --> p.yml:2:6
      |
    2 |   b: *a
      |      ^^
    help: move the alias out of the value that `&a` names

    error: 1 mistake in p.yml
    ");
    assert_snapshot!(told("a: &a 1\nb: {<<: *a}\n"), @r"
    error[T0012]: a merge key `<<` takes a map or a list of maps
     --> p.yml:2:5
      |
    2 | b: {<<: *a}
      |     ^^
    help: write `<<: *anchor`, where the anchor names a map

    error: 1 mistake in p.yml
    ");
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let before = format!("*a{}", level - 1);
        let items = vec![before; 10].join(", ");
        writeln!(text, "a{level}: &a{level} [{items}]").unwrap();
    }
    let (node, diags) = read(&text);
    assert_eq!(node, None);
    assert_eq!(diags.sorted()[0].code.id(), "T0010");
    assert_snapshot!(told(&text).lines().next().unwrap(), @"error[T0010]: aliases expand to too many values");

    // Long texts count too, not only many values.
    let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), ["*a"; 8].join(", "));
    assert_eq!(read(&text).1.sorted()[0].code.id(), "T0010");
}

#[test]
fn deep_nesting_is_refused() {
    let flow = format!("a: {}{}", "[".repeat(80), "]".repeat(80));
    assert_snapshot!(told(&flow), @r"
    error[T0011]: values are nested more than 64 deep
     --> p.yml:1:67
      |
    1 | a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]...
      |                                                                   ^
    help: no setting is that deep; check the indentation and brackets above

    error: 1 mistake in p.yml
    ");
    let mut steps = String::new();
    for depth in 0..300 {
        writeln!(steps, "{}a:", " ".repeat(depth)).unwrap();
    }
    assert_eq!(read(&steps).1.sorted()[0].code.id(), "T0011");
    // Aliases do not lead deeper either.
    let mut chain = String::from("a0: &a0 [[[[[[[[[[x]]]]]]]]]]\n");
    for level in 1..9 {
        let before = level - 1;
        writeln!(chain, "a{level}: &a{level} [[[[[[[[[[*a{before}]]]]]]]]]]").unwrap();
    }
    assert_eq!(read(&chain).1.sorted()[0].code.id(), "T0011");
}
