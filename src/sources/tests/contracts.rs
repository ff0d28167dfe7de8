//! Which rows count: deletions, filters, versions, every rule, and what happens to bad rows.

use super::*;
use crate::sources::Action;

fn items() -> Bench {
    let bench = Bench::new();
    bench.polars(
        "2026/a.parquet",
        df!(
            "id" => [Some("i1"), Some("i2"), Some("i2"), Some("i3"), None, None],
            "customer" => [Some("c1"), Some("c2"), Some("c2"), Some("c9"), Some("c1"), None],
            "qty" => [Some(1i64), Some(2), Some(3), Some(0), Some(5), Some(6)],
            "updated" => [1i64, 1, 2, 1, 1, 1],
            "gone" => [Some(false), Some(false), None, Some(false), Some(true), Some(false)],
            "live" => [Some(true), Some(true), Some(true), Some(true), Some(true), None],
        )
        .unwrap(),
    );
    bench
}

fn text(more: &[&str]) -> String {
    let mut text = String::from(
        "timezone: UTC\nsources:\n  items:\n    path: 2026\n    columns:\n      id: {type: string}\n      qty: {type: int}\n      updated: {type: int}\n      gone: {type: bool}\n      live: {type: bool}\n",
    );
    for line in more {
        text.push_str(&format!("    {line}\n"));
    }
    text
}

#[test]
fn deleted_and_filtered_rows_are_counted_once() {
    let loaded = items().one(&text(&["deleted: gone", "filters: {production: live, some: 'qty > 0'}"]));
    assert_eq!(rows(&loaded.frame.select(["id", "qty"]).unwrap()), ["i1|1", "i2|2", "i2|3"]);
    assert_eq!(reasons(&loaded), ["deleted x 1", "filter(production) x 1", "filter(some) x 1"]);
    assert_eq!(loaded.attrition.read, 6);
    assert!(!loaded.rejected());
}

#[test]
fn the_latest_version_is_kept_and_null_keys_stay() {
    let loaded = items().one(&text(&["deduplicate: {key: [id], order_by: [updated]}"]));
    assert_eq!(rows(&loaded.frame.select(["id", "qty"]).unwrap()), ["i1|1", "i2|3", "i3|0", "-|5", "-|6"]);
    assert_eq!(reasons(&loaded), ["duplicate x 1"]);
}

#[test]
fn equal_versions_fall_to_the_last_row_and_null_is_the_least() {
    let bench = Bench::new();
    bench.polars(
        "a.parquet",
        df!("id" => ["a", "a", "b", "b"], "at" => [Some(1i64), Some(1), None, Some(0)], "v" => [1i64, 2, 3, 4])
            .unwrap(),
    );
    bench.polars("b.parquet", df!("id" => ["a", "b"], "at" => [Some(1i64), None], "v" => [5i64, 6]).unwrap());
    let columns = ["id: {type: string}", "at: {type: int}", "v: {type: int}"];
    let loaded = bench.one(&pipeline(&columns, &["deduplicate: {key: [id], order_by: [at]}"]));
    assert_eq!(rows(&loaded.frame), ["b|0|4", "a|1|5"]);
    assert_eq!(reasons(&loaded), ["duplicate x 4"]);
}

#[test]
fn a_repeated_key_rejects_all_its_rows() {
    let loaded = items().one(&text(&["key: [id]"]));
    assert!(loaded.rejected());
    assert_eq!(broken_rules(&loaded), ["unique(id) x 2"]);
    assert_eq!(loaded.violations[0].action, Action::Fail);
    let samples: Vec<String> = loaded.violations[0].samples.iter().map(ToString::to_string).collect();
    assert_eq!(samples, ["id=i2 (a.parquet, row 2)", "id=i2 (a.parquet, row 3)"]);
}

#[test]
fn every_rule_finds_its_rows() {
    let bench = Bench::new();
    bench.polars(
        "a.parquet",
        df!(
            "a" => [Some("x"), None, Some("y"), Some("z")],
            "b" => [Some("GB"), Some("gb"), None, Some("FR")],
            "c" => [Some(1i64), Some(5), Some(-1), None],
            "d" => [Some(0.5f64), Some(1.5), None, Some(-0.5)],
            "e" => [Some("1"), Some("two"), Some("3"), None],
        )
        .unwrap(),
    );
    let column = |declared: &str| -> Vec<String> {
        let name = &declared[..1];
        let mut columns: Vec<String> = [
            "a: {type: string}",
            "b: {type: string}",
            "c: {type: int}",
            "d: {type: float}",
            "e: {type: int, parse: number}",
        ]
        .map(str::to_owned)
        .to_vec();
        columns.retain(|c| !c.starts_with(name) && !c.starts_with('e'));
        columns.push(declared.to_owned());
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        broken_rules(&bench.one(&pipeline(&columns, &["on_violation: warn"])))
    };
    assert_eq!(column("a: {type: string, not_null: true}"), ["not_null(a) x 1"]);
    assert_eq!(column("a: {type: string, one_of: [x, y]}"), ["one_of(a) x 1"]);
    assert_eq!(column("b: {type: string, matches: '^[A-Z]{2}$'}"), ["matches(b) x 1"]);
    assert_eq!(column("c: {type: int, min: '0'}"), ["min(c) x 1"]);
    assert_eq!(column("c: {type: int, max: '4'}"), ["max(c) x 1"]);
    assert_eq!(column("d: {type: float, min: '0', max: '1'}"), ["min(d) x 1", "max(d) x 1"]);
    assert_eq!(column("c: {type: int, one_of: ['1', '5']}"), ["one_of(c) x 1"]);
    assert_eq!(column("e: {type: int, parse: number}"), ["parse(e) x 1"]);
    assert_eq!(column("b: {type: string, length: {max: 1}}"), ["length(b) x 3"]);
    assert_eq!(column("a: {type: string, length: {min: 2, max: 9}}"), ["length(a) x 3"]);
    // A row counts under every rule that it breaks.
    let columns = ["a: {type: string, not_null: true}", "b: {type: string, matches: '^[A-Z]{2}$'}", "c: {type: int}"];
    let loaded = bench.one(&pipeline(
        &columns,
        &["checks: {small: {expr: 'c < 5', description: five is too many}}", "on_violation: warn"],
    ));
    assert_eq!(broken_rules(&loaded), ["not_null(a) x 1", "matches(b) x 1", "small x 1"]);
    let columns = ["a: {type: string}", "b: {type: string}", "c: {type: int}"];
    let loaded = bench.one(&pipeline(
        &columns,
        &["checks: {small: {expr: 'c < 5', description: five is too many}}", "on_violation: warn"],
    ));
    assert_eq!(broken_rules(&loaded), ["small x 1"]);
    assert_eq!(loaded.violations[0].help.as_deref(), Some("five is too many"));
    assert_eq!(loaded.violations[0].samples[0].to_string(), "c=5 (a.parquet, row 2)");
}

#[test]
fn an_unreadable_value_cannot_hide_behind_a_filter() {
    let bench = Bench::new();
    bench.polars("a.parquet", df!("n" => [Some("1"), Some("x"), None, Some("-1")]).unwrap());
    let loaded = bench.one(&pipeline(
        &["n: {type: int, parse: number}"],
        &["filters: {positive: 'n > 0'}", "on_violation: {quarantine: {}}"],
    ));
    assert_eq!(reasons(&loaded), ["filter(positive) x 2", "quarantined: parse(n) x 1"]);
}

const TWO: &str = "timezone: UTC
sources:
  items:
    path: 2026
    columns:
      id: {type: string}
      customer: {type: string, references: customers.id}
    on_violation: {quarantine: {}}
  customers:
    path: customers
    columns:
      id: {type: string}
      segment: {type: string, not_null: true}
    on_violation: {quarantine: {}}
";

#[test]
fn references_look_at_used_rows() {
    let bench = items();
    bench.polars(
        "customers/c.parquet",
        df!("id" => ["c1", "c2", "c2"], "segment" => [Some("smb"), None, None]).unwrap(),
    );
    let plans = bench.plans(TWO).unwrap();
    let loaded = load(&plans, &[(0, vec!["id".to_owned()])], &mut Silent).unwrap();
    // `customers` is read because `items` refers to it, and its own contract counts.
    assert_eq!(loaded.iter().map(|l| l.name.as_str()).collect::<Vec<_>>(), ["items", "customers"]);
    assert_eq!(rows(&loaded[0].frame), ["i1", "-", "-"]);
    assert_eq!(reasons(&loaded[0]), ["quarantined: references(customer) x 3"]);
    assert_eq!(reasons(&loaded[1]), ["quarantined: not_null(segment) x 2"]);
    assert_eq!(loaded[1].frame.width(), 0);
    assert_eq!(loaded[1].attrition.used, 1);
}

#[test]
fn quarantined_rows_are_kept_as_stored() {
    let bench = Bench::new();
    bench.polars("a.parquet", df!("id" => ["a", "b"], "n" => ["1", "one"]).unwrap());
    bench.polars("b.parquet", df!("n" => [3i64, -4], "id" => ["c", "d"], "extra" => [true, false]).unwrap());
    let columns = ["id: {type: string}", "n: {type: int, parse: number, min: '0'}"];
    let loaded = bench.one(&pipeline(&columns, &["on_violation: {quarantine: {max_rows: 2}}"]));
    assert_eq!(rows(&loaded.frame), ["a|1", "c|3"]);
    assert_eq!(loaded.exceeded, None);
    let aside = loaded.quarantined.unwrap();
    let names = aside.get_column_names();
    assert_eq!(names, ["id", "n", "extra", "_rule", "_rules", "_file", "_row"]);
    assert_eq!(rows(&aside), ["b|one|-|parse(n)|parse(n)|a.parquet|2", "d|-4|false|min(n)|min(n)|b.parquet|2"]);
    crate::sources::quarantine::write(&aside, &bench.path("out/q.parquet")).unwrap();
    assert!(bench.path("out/q.parquet").metadata().unwrap().len() > 0);
}

#[test]
fn a_full_quarantine_is_a_rejection() {
    let bench = Bench::new();
    bench.polars("a.parquet", df!("n" => [Some(1i64), None, None, Some(2)]).unwrap());
    let column = ["n: {type: int, not_null: true}"];
    for (caps, exceeded) in [
        ("max_rows: 2", None),
        ("max_rows: 1", Some("1 row")),
        ("max_share: 50%", None),
        ("max_share: 49%", Some("49% of the rows")),
    ] {
        let loaded = bench.one(&pipeline(&column, &[&format!("on_violation: {{quarantine: {{{caps}}}}}")]));
        assert_eq!(loaded.exceeded.as_deref(), exceeded, "{caps}");
        assert_eq!(loaded.rejected(), exceeded.is_some());
    }
}

#[test]
fn only_wanted_columns_come_back_in_the_wanted_order() {
    let bench = items();
    let plans = bench.plans(&text(&["key: [id, updated]"])).unwrap();
    let loaded = load(&plans, &[(0, vec!["qty".to_owned(), "id".to_owned()])], &mut Silent).unwrap();
    assert_eq!(loaded[0].frame.get_column_names(), ["qty", "id"]);
    assert!(load(&plans, &[], &mut Silent).unwrap().is_empty());
}
