//! Messages about sources, each from a pipeline text and the files behind it.

use std::fs::File;

use indexmap::IndexMap;
use polars::prelude::*;
use tempfile::TempDir;

use super::{Context, money_scale, resolve};
use crate::diag::{Color, Diagnostics};
use crate::sources::{SourceRequest, describe};
use crate::spec::decode::{Place, decode_at};
use crate::spec::pipeline::SourceSpec;
use crate::spec::tree::parse;
use crate::spec::types::{Name, ZoneName};

fn files() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let stamp = |name: &str, zone: Option<TimeZone>| {
        Column::new(name.into(), [1i64]).cast(&DataType::Datetime(TimeUnit::Microseconds, zone)).unwrap()
    };
    let mut frame = df!(
        "id" => ["a"], "amount" => [1i64], "cur" => ["USD"], "text" => ["x"], "flag" => [true], "epoch" => [1i64], "ratio" => [0.5f64],
    )
    .unwrap();
    frame.with_column(stamp("local", None)).unwrap();
    frame.with_column(stamp("instant", Some(TimeZone::UTC))).unwrap();
    frame.with_column(Column::new("day".into(), [1i32]).cast(&DataType::Date).unwrap()).unwrap();
    ParquetWriter::new(File::create(dir.path().join("a.parquet")).unwrap()).finish(&mut frame).unwrap();
    let mut other = df!("id" => [true], "amount" => [1i64]).unwrap();
    ParquetWriter::new(File::create(dir.path().join("b.parquet")).unwrap()).finish(&mut other).unwrap();
    dir
}

/// The titles and help lines for a source `s` over `a.parquet` with these columns and other keys.
fn told_of(path: &str, columns: &[&str], more: &[&str], currency: Option<&str>) -> String {
    let diags = resolved(path, columns, more, currency);
    diags
        .sorted()
        .iter()
        .map(|d| format!("{}: {}\n{}", d.code, d.title, d.help.iter().map(|h| format!("  {h}\n")).collect::<String>()))
        .collect()
}

fn resolved(path: &str, columns: &[&str], more: &[&str], currency: Option<&str>) -> Diagnostics {
    let dir = files();
    let mut text = String::from("timezone: UTC\nsources:\n  s:\n    columns:\n");
    columns.iter().for_each(|column| text.push_str(&format!("      {column}\n")));
    text.push_str(&format!("    path: '{path}'\n"));
    more.iter().for_each(|line| text.push_str(&format!("    {line}\n")));
    let mut diags = Diagnostics::new("p.yml", text.clone());
    let root = parse(&text, &mut diags).unwrap();
    let node = root.at(&["sources", "s"]).unwrap();
    let Some(spec) =
        decode_at::<SourceSpec>(node, &Place::new("sources.s", root.key_span_of(&["sources", "s"])), &mut diags)
    else {
        return diags;
    };
    let zone: ZoneName = "UTC".parse().unwrap();
    let currency = currency.map(|code| code.parse().unwrap());
    let sources: IndexMap<Name, SourceSpec> = [("s".parse().unwrap(), spec.clone())].into_iter().collect();
    let request = SourceRequest { name: "s".to_owned(), path: dir.path().join(path), optional: false };
    let described = describe(&[request]);
    let context = Context {
        zone: &zone,
        currency,
        money_scale: money_scale(currency, sources.values()),
        sources: &sources,
        root: &root,
    };
    let plan = resolve("s", &spec, &described.catalog.sources["s"], context, &mut diags);
    assert_eq!(plan.is_none(), diags.has_errors(), "{}", diags.render(Color::Never, None));
    diags
}

fn check(columns: &[&str], more: &[&str], wanted: &[&str]) {
    let told = told_of("a.parquet", columns, more, Some("USD"));
    let count = told.lines().filter(|line| line.starts_with('T')).count();
    for words in wanted {
        assert!(told.contains(words), "{columns:?} {more:?}\nwanted: {words}\ntold:\n{told}");
    }
    assert_eq!(count, usize::from(!wanted.is_empty()), "{columns:?} {more:?}\n{told}");
}

#[test]
fn columns_that_are_not_there_or_something_else() {
    check(&["id: {type: string}"], &[], &[]);
    check(&["idd: {type: string}"], &[], &["source `s` has no column `idd`", "did you mean `id`?"]);
    check(&["x: {from: txet, type: string}"], &[], &["no column `txet`", "did you mean `text`?"]);
    check(&["new: {type: string, optional: true}"], &[], &[]);
    check(&["text: {type: date}"], &[], &["column `text` of `s` is string, expected date", "add `parse: iso_date`"]);
    check(&["text: {type: timestamp}"], &[], &["expected timestamp", "add `parse: iso_timestamp`"]);
    check(&["text: {type: int}"], &[], &["expected int", "add `parse: number`"]);
    check(&["text: {type: bool}"], &[], &["expected bool", "add `parse: flag`"]);
    check(&["epoch: {type: date}"], &[], &["column `epoch` of `s` is int64, expected date", "add `parse: epoch_s`"]);
    check(&["flag: {type: string}"], &[], &["is bool, expected string", "declare it `type: bool`"]);
    check(&["ratio: {type: string}"], &[], &["is float64, expected string"]);
    check(&["ratio: {type: currency}"], &[], &["is float64, expected currency"]);
    check(&["day: {type: timestamp}"], &[], &["is date, expected timestamp", "add the `zone` in which its day begins"]);
    check(&["local: {type: timestamp}"], &[], &["timestamp column `local` of `s` has no time zone", "zone: UTC"]);
    check(&["local: {type: date}"], &[], &["has no time zone"]);
    let told = told_of("*.parquet", &["id: {type: string}"], &[], None);
    assert!(told.contains("column `id` of `s` is string in `a.parquet` and bool in `b.parquet`"), "{told}");
    let told = told_of("*.parquet", &["amount: {type: int}", "text: {type: string}"], &[], None);
    assert!(
        told.contains("column `text` of `s` is missing in 1 of 2 files") && told.contains("optional: true"),
        "{told}"
    );
}

#[test]
fn settings_without_effect() {
    check(&["id: {type: string, parse: number}"], &[], &["`parse` has no effect: the column is `type: string`"]);
    check(&["epoch: {type: int, parse: number}"], &[], &["`parse` has no effect: `epoch` is stored as int64"]);
    check(
        &["instant: {type: date, parse: epoch_s}"],
        &[],
        &["`parse` has no effect: `instant` is stored as timestamp(us, UTC)"],
    );
    check(&["instant: {type: date, zone: UTC}"], &[], &[]);
    check(&["instant: {type: date, zone: Asia/Tokyo}"], &[], &["`zone` has no effect: `instant` holds instants"]);
    check(&["epoch: {type: date, parse: epoch_s, zone: UTC}"], &[], &[]);
    check(&["epoch: {type: date, parse: epoch_s, zone: Asia/Tokyo}"], &[], &["`zone` has no effect"]);
    check(&["day: {type: date, zone: UTC}"], &[], &["`zone` has no effect: `day` holds civil dates"]);
    check(&["id: {type: string, zone: UTC}"], &[], &["`zone` has no effect: the column is `type: string`"]);
    check(&["id: {type: string, unit: minor}"], &[], &["`unit` has no effect"]);
    check(&["id: {type: string, currency: USD}"], &[], &["`currency` has no effect"]);
    check(&["id: {type: string, min: '1'}"], &[], &["`min` has no effect"]);
    check(&["epoch: {type: int, matches: '1'}"], &[], &["`matches` has no effect"]);
    check(&["ratio: {type: float, one_of: ['1']}"], &[], &["`one_of` has no effect"]);
    check(
        &["id: {type: string, null_as: x, not_null: true}"],
        &[],
        &["`not_null` has no effect: `null_as` leaves no NULL"],
    );
    check(&["id: {type: string, unique: true}"], &["key: [id]"], &["`unique` has no effect"]);
}

#[test]
fn money_and_currencies() {
    check(&["amount: {type: money, unit: minor}"], &[], &[]);
    check(
        &["amount: {type: money}"],
        &[],
        &["money column `amount` of `s` has no unit", "`unit: minor` if 1999 means 19.99"],
    );
    check(&["amount: {type: money, unit: minor, currency: cur}", "cur: {type: currency}"], &[], &[]);
    check(
        &["amount: {type: money, unit: minor, currency: crr}", "cur: {type: currency}"],
        &[],
        &["no column `crr`", "did you mean `cur`?"],
    );
    check(&["amount: {type: money, unit: minor, currency: ABC}"], &[], &["`ABC` is not an ISO 4217 code"]);
    check(
        &["amount: {type: money, unit: minor, currency: text}", "text: {type: string}"],
        &[],
        &["`text` of `s` is string, expected currency"],
    );
    check(&["amount: {type: money, unit: minor, min: a lot}"], &[], &["`a lot` is not a value of type money", "19.99"]);
    check(&["cur: {type: currency, one_of: [USD, BTC]}"], &[], &["`BTC` is not a value of type currency"]);
    let told = told_of("a.parquet", &["amount: {type: money, unit: minor}"], &[], None);
    assert!(told.contains("money column `amount` of `s` has no currency"), "{told}");
}

#[test]
fn contracts() {
    check(&["epoch: {type: int, null_as: one}"], &[], &["`one` is not a value of type int"]);
    check(&["epoch: {type: int, min: '3', max: '2'}"], &[], &["`max` is less than `min`"]);
    check(&["day: {type: date, max: 2026-02-30}"], &[], &["`2026-02-30` is not a value of type date"]);
    check(&["id: {type: string, matches: '(a'}"], &[], &["`(a` is not a valid regular expression"]);
    check(&["id: {type: string, one_of: []}"], &[], &["`one_of` lists no value"]);
    check(&["id: {type: string}"], &["key: [idd]"], &["key column `idd` of `s` is not declared", "did you mean `id`?"]);
    check(&["id: {type: string}"], &["key: [id, id]"], &["`id` is listed twice"]);
    check(&["id: {type: string}"], &["deduplicate: {key: [id], order_by: [at]}"], &["no column `at`"]);
    check(&["id: {type: string}"], &["deduplicate: {key: [], order_by: [id]}"], &["`deduplicate.key` names no column"]);
    check(&["id: {type: string}"], &["deleted: gone"], &["no column `gone`"]);
    check(&["id: {type: string}"], &["deleted: id"], &["`id` of `s` is string, expected bool", "deleted_at IS NULL"]);
    check(
        &["id: {type: string, references: customers.id}"],
        &[],
        &["`references` names `customers.id`, which does not exist"],
    );
    check(&["id: {type: string, references: s.epoch}", "epoch: {type: int}"], &[], &["is int, expected string"]);
    check(&["x: {from: id, type: string}", "y: {from: id, type: string}"], &[], &["`id` is listed twice in `from`"]);
    check(&["id: {type: string}"], &["extra_columns: error"], &["source `s` holds undeclared columns: `amount`"]);
    let told = told_of("a.parquet", &["id: {type: string}"], &["extra_columns: warn"], None);
    assert!(told.contains("undeclared"), "{told}");
}

#[test]
fn conditions() {
    check(&["epoch: {type: int}"], &["filters: {f: 'epoch > 0'}"], &[]);
    check(&["epoch: {type: int}"], &["filters: {f: 'epohc > 0'}"], &["no column `epohc`", "did you mean `epoch`?"]);
    check(
        &["epoch: {type: int}"],
        &["filters: {f: 'epoch + 1'}"],
        &["invalid expression: it gives i64, expected true or false"],
    );
    check(&["epoch: {type: int}"], &["filters: {f: 'epoch >'}"], &["invalid expression"]);
    check(&["epoch: {type: int}"], &["filters: {f: '1 = 1'}"], &["`f` has no effect: it reads no column"]);
    check(&["epoch: {type: int}"], &["checks: {c: {expr: 'SUM(epoch) > 0'}}"], &["it looks at more than one row"]);
    check(
        &["id: {type: string}", "epoch: {type: int}"],
        &["checks: {c: {expr: 'id > epoch'}}"],
        &["invalid expression"],
    );
}

#[test]
fn the_scale_of_money() {
    let scale = |columns: &[&str], currency: Option<&str>| {
        let mut text = String::from("path: x\ncolumns:\n");
        columns.iter().for_each(|column| text.push_str(&format!("  {column}\n")));
        let mut diags = Diagnostics::new("p.yml", text.clone());
        let root = parse(&text, &mut diags).unwrap();
        let spec: SourceSpec = decode_at(&root, &Place::root(), &mut diags).unwrap();
        money_scale(currency.map(|code| code.parse().unwrap()), [&spec])
    };
    assert_eq!(scale(&["a: {type: int}"], None), 6);
    assert_eq!(scale(&["a: {type: int}"], Some("JPY")), 4);
    assert_eq!(scale(&["a: {type: money, currency: KWD}"], Some("USD")), 7);
    assert_eq!(scale(&["c: {type: currency}"], Some("JPY")), 6);
    assert_eq!(scale(&["c: {type: currency, one_of: [JPY, CLF]}"], Some("USD")), 8);
}

#[test]
fn tolerances_and_contracts_of_the_whole_source() {
    let id = ["id: {type: string, not_null: true, length: {min: 1}}"];
    check(&id, &["rules: {'not_null(id)': {severity: warn}, 'length(id)': {max_rows: 3, max_share: 0.1%}}"], &[]);
    check(
        &id,
        &["rules: {'notnull(id)': {severity: warn}}"],
        &["unknown key `notnull(id)` in `sources.s.rules`", "did you mean `not_null(id)`?"],
    );
    check(
        &id,
        &["rules: {zzz: {severity: warn}}"],
        &["unknown key `zzz`", "allowed keys: `not_null(id)`, `length(id)`, `parse(id)`"],
    );
    check(
        &id,
        &["rules: {'not_null(id)': {}}"],
        &["`not_null(id)` has no effect: a rule is an error without tolerance"],
    );
    check(
        &id,
        &["rules: {'not_null(id)': {severity: warn, max_rows: 3}}"],
        &["`max_rows` has no effect: `severity: warn` lets any number of rows pass"],
    );
    check(&id, &["rules: {'not_null(id)': {max_share: 101%}}"], &["out of range for `max_share`", "0% to 100%"]);
    check(&id, &["rules: {'not_null(id)': {max_share: '-1%'}}"], &["`less than 0%` is out of range"]);
    let named = |check: &str| format!("checks: {{c: {{{check}}}}}");
    check(&id, &[&named("expr: \"id <> ''\", severity: warn")], &[]);
    check(&id, &[&named("aggregate: count(*) > 0, severity: warn")], &[]);
    check(
        &id,
        &[&named("expr: \"id <> ''\""), "rules: {c: {severity: warn}}"],
        &["`c` has no effect: `severity` and limits of this check stand in `checks.c`"],
    );
    check(&id, &[&named("severity: warn")], &["`c` takes exactly one kind, found none", "`expr`, `aggregate`"]);
    check(&id, &[&named("expr: \"id <> ''\", aggregate: count(*) > 0")], &["found `expr`, `aggregate`"]);
    check(
        &id,
        &[&named("aggregate: \"id <> ''\"")],
        &["no condition on totals", "a condition on each row is an `expr`"],
    );
    check(&id, &[&named("expr: count(*) > 0")], &["more than one row", "totals of all rows are an `aggregate`"]);
    check(&id, &[&named("aggregate: count(*) > 0, max_rows: 1")], &["`max_rows` has no effect: totals are no rows"]);
    check(&["amount: {type: int, length: {max: 3}}"], &[], &["`length` has no effect: the column is `type: int`"]);
    check(&["id: {type: string, length: {}}"], &[], &["`length` has no effect: it sets neither"]);
    check(&["id: {type: string, length: {min: 3, max: 2}}"], &[], &["no text is allowed"]);
}

#[test]
fn counts_and_ages() {
    let columns = ["id: {type: string}", "instant: {type: timestamp}", "day: {type: date}"];
    let check = |more: &str, wanted: &[&str]| check(&columns, &[more], wanted);
    check("row_count: {min: 1, max: 1, change: {max_drop: 20%, max_rise: 200%}, severity: warn}", &[]);
    check("row_count: {}", &["`row_count` has no effect: it sets no `min`, `max` or `change`"]);
    check("row_count: {min: 2, max: 1}", &["`max` is less than `min`, so that no count is allowed"]);
    check("row_count: {change: {}}", &["`change` has no effect: it sets neither `max_drop` nor `max_rise`"]);
    check("row_count: {change: {max_drop: 120%}}", &["`more than 100%` is out of range for `max_drop`"]);
    check("row_count: {change: {max_rise: '-5%'}}", &["`less than 0%` is out of range for `max_rise`"]);
    check("freshness: {column: instant, warn_after: 26h, error_after: 50h}", &[]);
    check("freshness: {column: day, warn_after: 2d}", &[]);
    check("freshness: {column: dya, warn_after: 2d}", &["source `s` has no column `dya`", "did you mean `day`?"]);
    check("freshness: {column: id, warn_after: 2d}", &["column `id` of `s` is string, expected date or timestamp"]);
    check("freshness: {column: day}", &["missing key `error_after` in `sources.s.freshness`", "`warn_after: 26h`"]);
    check("freshness: {column: day, warn_after: 48h, error_after: 2d}", &["it never warns"]);
}

#[test]
fn new_mistakes_are_told_where_they_stand() {
    let diags = resolved(
        "a.parquet",
        &["id: {type: string, not_null: true, length: {min: 3, max: 2}}"],
        &[
            "rules: {'notnull(id)': {severity: warn}}",
            "checks: {all: {aggregate: id = 'x'}}",
            "row_count: {change: {max_drop: 120%}}",
            "freshness: {column: id, error_after: 2d}",
        ],
        None,
    );
    insta::assert_snapshot!(diags.render(Color::Never, None), @r"
    error[T0108]: `max` is less than `min`, so that no text is allowed
     --> p.yml:5:64
      |
    5 |       id: {type: string, not_null: true, length: {min: 3, max: 2}}
      |                                                                ^ value of `max`

    error[T0102]: unknown key `notnull(id)` in `sources.s.rules`
     --> p.yml:7:13
      |
    7 |     rules: {'notnull(id)': {severity: warn}}
      |             ^^^^^^^^^^^^^
    help: did you mean `not_null(id)`?

    error[T0118]: invalid expression: it is no condition on totals of all rows
     --> p.yml:8:31
      |
    8 |     checks: {all: {aggregate: id = 'x'}}
      |                               ^^^^^^^^
    help: write totals, as in `sum(amount) > 0`; a condition on each row is an `expr`

    error[T0110]: `more than 100%` is out of range for `max_drop`
     --> p.yml:9:36
      |
    9 |     row_count: {change: {max_drop: 120%}}
      |                                    ^^^^
    help: allowed: 0% to 100%

    error[T0202]: column `id` of `s` is string, expected date or timestamp
      --> p.yml:10:25
       |
    10 |     freshness: {column: id, error_after: 2d}
       |                         ^^
    help: name the column that says when a row came about

    error: 5 mistakes in p.yml
    ");
}
