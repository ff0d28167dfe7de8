use insta::assert_snapshot;

use super::*;
use crate::diag::Color;
use crate::spec::tree::parse;

const PARAMS: &str = "params:\n  exports: {type: path, default: s3://lake/exports/}\n  day: {type: date, default: 2026-06-30}\n  rows: {type: int, default: 5}\n";

/// The tree after parameters were put in, and the messages.
fn put_in(text: &str, given: &[Given<'_>]) -> (Node, Diagnostics) {
    let mut diags = Diagnostics::new("p.yml", text);
    let mut file = parse(text, &mut diags).unwrap();
    if let Some(specs) = declared(&file, &mut diags) {
        let values = values(&file, &specs, given, &mut diags);
        substitute(&mut file, &values, &mut diags);
    }
    (file, diags)
}

fn told(text: &str) -> String {
    let (_, diags) = put_in(text, &[]);
    diags.render(Color::Never, None)
}

fn spec(kind: ParamType) -> ParamSpec {
    ParamSpec { kind, default: None, description: None }
}

#[test]
fn whole_values_and_segments_are_replaced() {
    let text = format!(
        "{PARAMS}a: ${{rows}}\nb: '${{day}}'\nc: {{path: '${{exports}}/x/${{day}}/*.parquet'}}\nd: {{root: '${{exports}}'}}\nx-note: \"a ${{free}} text\"\n"
    );
    let flag = Origin::Outside("`--param`");
    let given = [Given { name: "rows", text: "6", origin: flag }, Given { name: "rows", text: "7", origin: flag }];
    let (file, diags) = put_in(&text, &given);
    assert!(diags.is_empty(), "{}", diags.render(Color::Never, None));
    assert_eq!(file.get("a").unwrap().kind, Kind::Scalar { text: "7".into(), plain: true });
    assert_eq!(file.get("b").and_then(Node::text), Some("2026-06-30"));
    assert_eq!(file.at(&["c", "path"]).and_then(Node::text), Some("s3://lake/exports/x/2026-06-30/*.parquet"));
    assert_eq!(file.at(&["d", "root"]).and_then(Node::text), Some("s3://lake/exports/"));
    assert_eq!(file.get("x-note").and_then(Node::text), Some("a ${free} text"));
    let span = file.get("a").unwrap().span;
    assert_eq!(&text[span.start..span.end], "${rows}");
}

#[test]
fn nothing_else_is_a_template() {
    assert_snapshot!(told("params: {day: {type: date, default: 2026-06-30}}\na: {path: 'x/day_${day}/y'}\nb: as of ${day}\nc: {query: 'SELECT ${day}'}\n${day}: x\nd: ${day}\n"), @r"
    error[T0122]: `${..}` cannot stand in `x/day_${day}/y`
     --> p.yml:2:11
      |
    2 | a: {path: 'x/day_${day}/y'}
      |           ^^^^^^^^^^^^^^^^
    help: in a path, `${name}` is a whole segment between two `/`

    error[T0122]: `${..}` cannot stand in `as of ${day}`
     --> p.yml:3:4
      |
    3 | b: as of ${day}
      |    ^^^^^^^^^^^^
    help: `${name}` stands for a whole value, or for a segment of a `path`

    error[T0122]: `${..}` cannot stand in `SELECT ${day}`
     --> p.yml:4:12
      |
    4 | c: {query: 'SELECT ${day}'}
      |            ^^^^^^^^^^^^^^^
    help: bind the value instead: write `:name`, and `name` under `params` of this table

    error[T0122]: `${..}` cannot stand in `${day}`
     --> p.yml:5:1
      |
    5 | ${day}: x
      | ^^^^^^
    help: write the name of the key in full

    error: 4 mistakes in p.yml
    ");
    assert_snapshot!(told("params: {a: {type: path, default: x}, b: {type: path, default: '${a}/y'}}\nc: {path: '${a}/${b}'}\n"), @r"
    error[T0122]: `${..}` cannot stand in `${a}/y`
     --> p.yml:1:64
      |
    1 | params: {a: {type: path, default: x}, b: {type: path, default: '${a}/y'}}
      |                                                                ^^^^^^^^
    help: a parameter cannot be made of others; write its value in full

    error: 1 mistake in p.yml
    ");
}

#[test]
fn unknown_unused_and_without_a_value() {
    assert_snapshot!(told("params: {exports: {type: path}, never: {type: int, default: 1}}\na: ${export}\nb: ${exports}\n"), @r"
    error[T0123]: parameter `never` is never used
     --> p.yml:1:33
      |
    1 | params: {exports: {type: path}, never: {type: int, default: 1}}
      |                                 ^^^^^
    help: use it as `${never}`, or remove it

    error[T0120]: unknown parameter `export`
     --> p.yml:2:4
      |
    2 | a: ${export}
      |    ^^^^^^^^^
    help: did you mean `exports`?

    error[T0121]: parameter `exports` has no value
     --> p.yml:3:4
      |
    1 | params: {exports: {type: path}, never: {type: int, default: 1}}
      |          ------- declared here without a default
    2 | a: ${export}
    3 | b: ${exports}
      |    ^^^^^^^^^^
    help: give `--param exports=..`, set `TENURE_PARAM_EXPORTS`, or add a `default`

    error: 3 mistakes in p.yml
    ");
    assert_snapshot!(told("a: ${exports}\n"), @r"
    error[T0120]: unknown parameter `exports`
     --> p.yml:1:4
      |
    1 | a: ${exports}
      |    ^^^^^^^^^^
    help: declare it: `params: {exports: {type: string}}`

    error: 1 mistake in p.yml
    ");
}

#[test]
fn a_segment_is_one_segment() {
    assert_snapshot!(told("params: {team: {type: string, default: ../other}}\na: {path: 'out/${team}/x'}\n"), @r"
    error[T0125]: parameter `team` is `../other`, which is not one path segment
     --> p.yml:2:11
      |
    2 | a: {path: 'out/${team}/x'}
      |           ^^^^^^^^^^^^^^^
    help: declare the parameter as `type: path` if it holds folders

    error: 1 mistake in p.yml
    ");
}

#[test]
fn values_are_of_their_type() {
    assert_snapshot!(told("params:\n  window: {type: duration, default: 90}\n  rows: {type: int, default: many}\na: ['${window}', '${rows}']\n"), @r"
    error[T0124]: parameter `window`: duration `90` has no unit
     --> p.yml:2:37
      |
    2 |   window: {type: duration, default: 90}
      |                                     ^^
    help: units are s, m, h, d and w: write `90d` if days are meant

    error[T0124]: parameter `rows`: expected a whole number, found `many`
     --> p.yml:3:30
      |
    3 |   rows: {type: int, default: many}
      |                              ^^^^
    help: write a whole number, or declare another `type`

    error: 2 mistakes in p.yml
    ");
    assert_snapshot!(told("params:\n  kind: {type: number, default: 1}\na: '${kind}'\n"), @r"
    error[T0106]: unknown value `number` for `type`
     --> p.yml:2:16
      |
    2 |   kind: {type: number, default: 1}
      |                ^^^^^^
    help: allowed values: `string`, `int`, `float`, `bool`, `date`, `duration`, `path`, `percent`

    error: 1 mistake in p.yml
    ");
    let text = "params: {rows: {type: int}}\nenvironments: {prod: {params: {rows: lots}}}\na: ${rows}\n";
    let at = text.find("lots").unwrap();
    let given = [
        Given { name: "rows", text: "lots", origin: Origin::File(Span::new(at, at + 4)) },
        Given { name: "rows", text: "1.5", origin: Origin::Outside("`TENURE_PARAM_ROWS`") },
        Given { name: "row", text: "1", origin: Origin::Outside("`--param`") },
    ];
    assert_snapshot!(put_in(text, &given).1.render(Color::Never, None), @r"
    error[T0124]: parameter `rows`: expected a whole number, found `lots`
     --> p.yml:2:38
      |
    2 | environments: {prod: {params: {rows: lots}}}
      |                                      ^^^^
    help: write a whole number, or declare another `type`

    error[T0124]: parameter `rows` from `TENURE_PARAM_ROWS`: expected a whole number, found `1.5`
    help: write a whole number, or declare another `type`

    error[T0120]: unknown parameter `row`
    help: did you mean `rows`?

    error: 3 mistakes in p.yml
    ");
}

#[test]
fn a_parameter_of_another_type_is_told_where_it_is_used() {
    #[derive(Debug, Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "read for its messages")]
    struct File {
        params: Named<ParamSpec>,
        a: u32,
    }
    let (file, mut diags) = put_in("params: {x: {type: string, default: 5}}\na: ${x}\n", &[]);
    assert!(crate::spec::decode::decode::<File>(&file, &mut diags).is_none());
    assert_snapshot!(diags.render(Color::Never, None), @r"
    error[T0104]: `a` must be a whole number, found the text `5`
     --> p.yml:2:4
      |
    2 | a: ${x}
      |    ^^^^ expected a whole number
    help: the value comes from a parameter; compare its `type`

    error: 1 mistake in p.yml
    ");
}

#[test]
fn every_type_reads_its_values() {
    for (kind, text, shown) in [
        (ParamType::String, "1.10", Ok("1.10")),
        (ParamType::Int, "-5", Ok("-5")),
        (ParamType::Int, "1.5", Err("expected a whole number, found `1.5`")),
        (ParamType::Float, "1.50", Ok("1.5")),
        (ParamType::Float, "nan", Err("expected a number, found `nan`")),
        (ParamType::Bool, "true", Ok("true")),
        (ParamType::Bool, "yes", Err("expected `true` or `false`, found `yes`")),
        (ParamType::Date, "2026-06-30", Ok("2026-06-30")),
        (ParamType::Date, "June", Err("`June` is not a date")),
        (ParamType::Duration, "26h", Ok("26h")),
        (ParamType::Path, "s3://x/y", Ok("s3://x/y")),
        (ParamType::Percent, "80%", Ok("80%")),
        (ParamType::Percent, "80", Err("`80` has no percent sign")),
    ] {
        let read = parse_param(text, &spec(kind)).map(|value| value.to_string());
        let read = read.as_deref().map_err(|refusal| refusal.title.as_str());
        assert_eq!(read, shown, "{kind:?}");
    }
}
