//! What each message looks like, of those that are not told by reading a file.

use insta::assert_snapshot;

use super::*;

const TEXT: &str = "sources:
  customers:
    path: exports/customers/*.parquet
    key: [custmer_id]
    columns:
      mrr: {type: money}
      顧客: {type: timestamp}
tables:
  movements: {type: mrr_movments, from: ledger}
  ledger: {type: mrr_ledger, from: movements}
publish:
  together: [movements, ledgr]
";

/// What one message looks like; its places are the first and second `word` of the sample.
fn told(report: impl FnOnce(&mut Diagnostics, &dyn Fn(&str) -> Span)) -> String {
    let mut diags = Diagnostics::new("pipelines/growth.yml", TEXT);
    report(&mut diags, &|word| {
        let start = TEXT.find(word).unwrap();
        Span::new(start, start + word.len())
    });
    assert_eq!(diags.sorted().len(), 1);
    diags.render_one(diags.sorted()[0], Color::Never, None)
}

#[test]
fn messages_about_settings() {
    assert_snapshot!(told(|d, at| d.unknown_metric(at("mrr_movments"), "mrr_movments", &["churn", "mrr_movements"])), @r"
    error[T0101]: unknown metric `mrr_movments`
     --> pipelines/growth.yml:9:21
      |
    9 |   movements: {type: mrr_movments, from: ledger}
      |                     ^^^^^^^^^^^^
    help: a metric with a similar name exists: `mrr_movements`
    ");
    assert_snapshot!(told(|d, at| d.unknown_metric(at("mrr_movments"), "hats", &["churn"])), @r"
    error[T0101]: unknown metric `hats`
     --> pipelines/growth.yml:9:21
      |
    9 |   movements: {type: mrr_movments, from: ledger}
      |                     ^^^^^^^^^^^^
    help: `tenure metrics` lists them all
    ");
    assert_snapshot!(told(|d, at| d.exclusive_options(at("key"), "key", "path", at("path"))), @r"
    error[T0114]: `key` and `path` exclude each other
     --> pipelines/growth.yml:4:5
      |
    3 |     path: exports/customers/*.parquet
      |     ---- given here
    4 |     key: [custmer_id]
      |     ^^^
    help: remove one of the two
    ");
    assert_snapshot!(told(|d, at| d.no_effect(at("key"), "key", "`optional` is `true`")), @r"
    error[T0115]: `key` has no effect: `optional` is `true`
     --> pipelines/growth.yml:4:5
      |
    4 |     key: [custmer_id]
      |     ^^^
    help: remove `key`
    ");
    assert_snapshot!(told(|d, at| d.reserved_name(at("customers"), "customers", "the attrition table")), @r"
    error[T0116]: `customers` is a reserved name
     --> pipelines/growth.yml:2:3
      |
    2 |   customers:
      |   ^^^^^^^^^
    help: choose another name; it is used for the attrition table
    ");
    assert_snapshot!(told(|d, at| d.invalid_regex(at("customers"), "[A-Z", "unclosed character class")), @r"
    error[T0117]: `[A-Z` is not a valid regular expression: unclosed character class
     --> pipelines/growth.yml:2:3
      |
    2 |   customers:
      |   ^^^^^^^^^
    help: single quotes keep backslashes as they are: `matches: '^[A-Z]{2}$'`
    ");
    assert_snapshot!(told(|d, at| d.invalid_expression(at("customers"), "expected an operand after `>`", Some("columns are `id`, `at`".into()))), @r"
    error[T0118]: invalid expression: expected an operand after `>`
     --> pipelines/growth.yml:2:3
      |
    2 |   customers:
      |   ^^^^^^^^^
    help: columns are `id`, `at`
    ");
}

#[test]
fn messages_about_sources() {
    let customers = Relation::Source("customers");
    assert_snapshot!(told(|d, at| d.unknown_column(at("custmer_id"), "custmer_id", customers, &["segment", "customer_id"])), @r"
    error[T0201]: source `customers` has no column `custmer_id`
     --> pipelines/growth.yml:4:11
      |
    4 |     key: [custmer_id]
      |           ^^^^^^^^^^
    help: did you mean `customer_id`?
    ");
    assert_snapshot!(told(|d, at| d.unknown_column(at("ledger"), "price", Relation::Table("ledger"), &["customer", "mrr"])), @r"
    error[T0201]: table `ledger` has no column `price`
     --> pipelines/growth.yml:9:41
      |
    9 |   movements: {type: mrr_movments, from: ledger}
      |                                         ^^^^^^
    help: its columns: `customer`, `mrr`
    ");
    assert_snapshot!(told(|d, at| d.column_type(at("mrr"), "mrr", "customers", "string", "money", Some("add `parse: decimal` to the column".into()))), @r"
    error[T0202]: column `mrr` of `customers` is string, expected money
     --> pipelines/growth.yml:6:7
      |
    6 |       mrr: {type: money}
      |       ^^^
    help: add `parse: decimal` to the column
    ");
    assert_snapshot!(told(|d, at| d.unsupported_type(at("mrr"), "mrr", "customers", "map<string, int64>")), @r"
    error[T0203]: column `mrr` of `customers` has the unsupported type map<string, int64>
     --> pipelines/growth.yml:6:7
      |
    6 |       mrr: {type: money}
      |       ^^^
    help: remove the column here, or export it as a flat column
    ");
    assert_snapshot!(told(|d, at| d.conflicting_types(at("mrr"), "mrr", "customers", ("a/1.parquet", "int64"), ("a/2.parquet", "string"))), @r"
    error[T0204]: column `mrr` of `customers` is int64 in `a/1.parquet` and string in `a/2.parquet`
     --> pipelines/growth.yml:6:7
      |
    6 |       mrr: {type: money}
      |       ^^^
    help: export the files again with one schema, or narrow the path to the files that agree
    ");
    assert_snapshot!(told(|d, at| d.no_files(at("exports/customers/*.parquet"), "customers", "/data/exports/customers/*.parquet", Some("/data"))), @r"
    error[T0205]: source `customers`: no file matches `/data/exports/customers/*.parquet`
     --> pipelines/growth.yml:3:11
      |
    3 |     path: exports/customers/*.parquet
      |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^
    help: the nearest folder that exists is `/data`
    help: write `optional: true` if the export may be absent
    ");
    assert_snapshot!(told(|d, at| d.money_without_currency(at("mrr"), "mrr", "customers")), @r"
    error[T0206]: money column `mrr` of `customers` has no currency
     --> pipelines/growth.yml:6:7
      |
    6 |       mrr: {type: money}
      |       ^^^
    help: name a code or the column that holds it: `currency: USD` or `currency: currency_code`
    ");
    assert_snapshot!(told(|d, at| d.money_without_unit(at("mrr"), "mrr", "customers")), @r"
    error[T0207]: money column `mrr` of `customers` has no unit
     --> pipelines/growth.yml:6:7
      |
    6 |       mrr: {type: money}
      |       ^^^
    help: write `unit: minor` if 1999 means 19.99, `unit: major` if 19.99 is written as such
    ");
    assert_snapshot!(told(|d, at| d.timestamp_without_zone(at("{type: timestamp}"), "顧客", "customers")), @r"
    error[T0208]: timestamp column `顧客` of `customers` has no time zone
     --> pipelines/growth.yml:7:11
      |
    7 |       顧客: {type: timestamp}
      |             ^^^^^^^^^^^^^^^^^
    help: say in which zone the export writes it: `zone: UTC`
    ");
    assert_snapshot!(told(|d, at| d.key_not_declared(at("custmer_id"), "custmer_id", "customers", &["mrr"])), @r"
    error[T0209]: key column `custmer_id` of `customers` is not declared
     --> pipelines/growth.yml:4:11
      |
    4 |     key: [custmer_id]
      |           ^^^^^^^^^^
    help: declared columns: `mrr`
    ");
    assert_snapshot!(told(|d, at| d.unknown_reference(at("mrr"), "customer.id", &["customers.id"])), @r"
    error[T0210]: `references` names `customer.id`, which does not exist
     --> pipelines/growth.yml:6:7
      |
    6 |       mrr: {type: money}
      |       ^^^
    help: did you mean `customers.id`?
    ");
    assert_snapshot!(told(|d, at| d.unused_source(at("customers"), "customers", &[])), @r"
    warning[T0211]: source `customers` is read by no table
     --> pipelines/growth.yml:2:3
      |
    2 |   customers:
      |   ^^^^^^^^^
    help: remove it, or add a table that reads it
    ");
}

#[test]
fn messages_about_tables() {
    assert_snapshot!(told(|d, at| d.unknown_input(at("ledger"), "ledgr", &["customers", "ledger"])), @r"
    error[T0301]: no source or table is named `ledgr`
     --> pipelines/growth.yml:9:41
      |
    9 |   movements: {type: mrr_movments, from: ledger}
      |                                         ^^^^^^
    help: did you mean `ledger`?
    ");
    assert_snapshot!(told(|d, at| d.cycle(at("movements"), &["movements", "ledger"])), @r"
    error[T0302]: tables read from each other: `movements -> ledger -> movements`
     --> pipelines/growth.yml:9:3
      |
    9 |   movements: {type: mrr_movments, from: ledger}
      |   ^^^^^^^^^
    help: let one of `movements`, `ledger` read from a source instead
    ");
    assert_snapshot!(told(|d, at| d.duplicate_output(at("ledger"), "out/ledger", at("movements"))), @r"
    error[T0303]: two tables publish to `out/ledger`
     --> pipelines/growth.yml:9:41
      |
    9 |   movements: {type: mrr_movments, from: ledger}
      |   --------- already published here      ^^^^^^
    help: give one of them another name or path
    ");
    assert_snapshot!(told(|d, at| d.output_overlaps_source(at("movements"), "exports/customers", "customers", "exports")), @r"
    error[T0304]: output `exports/customers` overlaps the files of source `customers`
     --> pipelines/growth.yml:9:3
      |
    9 |   movements: {type: mrr_movments, from: ledger}
      |   ^^^^^^^^^
    help: choose a `root` outside of `exports`
    ");
    assert_snapshot!(told(|d, _| d.as_of_missing()), @r"
    error[T0305]: no `as_of` date is given
    help: give `--as-of 2026-06-30`, or write `as_of: 2026-06-30` at the top level; a result never depends on the clock
    ");
    assert_snapshot!(told(|d, _| d.unknown_environment("prd", &["dev", "prod"])), @r"
    error[T0306]: environment `prd` is not defined
    help: did you mean `prod`?
    ");
    assert_snapshot!(told(|d, _| d.unknown_environment("prod", &[])), @r"
    error[T0306]: environment `prod` is not defined
    help: the file has no `environments`
    ");
    assert_snapshot!(told(|d, _| d.unknown_selection("--select", "+legder", &["movements", "ledger"])), @r"
    error[T0307]: `--select +legder` matches no table
    help: did you mean `ledger`?
    ");
    assert_snapshot!(told(|d, at| d.unknown_group_member(at("ledgr"), "together", "ledgr", &["movements", "ledger"])), @r"
    error[T0308]: publish group `together` names the unknown table `ledgr`
      --> pipelines/growth.yml:12:25
       |
    12 |   together: [movements, ledgr]
       |                         ^^^^^
    help: did you mean `ledger`?
    ");
    assert_snapshot!(told(|d, at| d.table_in_two_groups(at("ledgr"), "ledger", at("movements"))), @r"
    error[T0309]: table `ledger` is in two publish groups
      --> pipelines/growth.yml:12:25
       |
     9 |   movements: {type: mrr_movments, from: ledger}
       |   --------- already listed here
    ...
    12 |   together: [movements, ledgr]
       |                         ^^^^^
    help: a table becomes visible with one group; merge the groups or remove it from one
    ");
}

#[test]
fn messages_about_settings_of_tables() {
    assert_snapshot!(told(|d, at| d.setting(at("mrr_movments"), "`windows` holds 0", "write months from 1 to 60")), @r"
    error[T0310]: `windows` holds 0
     --> pipelines/growth.yml:9:21
      |
    9 |   movements: {type: mrr_movments, from: ledger}
      |                     ^^^^^^^^^^^^
    help: write months from 1 to 60
    ");
    assert_snapshot!(told(|d, at| d.declared_type(at("mrr"), "mrr", "customers", "money", "string")), @r"
    error[T0212]: column `mrr` of source `customers` is declared as money, expected string
     --> pipelines/growth.yml:6:7
      |
    6 |       mrr: {type: money}
      |       ^^^
    help: name another column, or declare `mrr` with the expected type
    ");
    assert_snapshot!(told(|d, at| d.unknown_dimension(at("movements"), "segmnt", &["segment"])), @r"
    error[T0311]: the ledger has no dimension `segmnt`
     --> pipelines/growth.yml:9:3
      |
    9 |   movements: {type: mrr_movments, from: ledger}
      |   ^^^^^^^^^
    help: did you mean `segment`?
    ");
    assert_snapshot!(told(|d, at| d.unknown_dimension(at("movements"), "segment", &[])), @r"
    error[T0311]: the ledger has no dimension `segment`
     --> pipelines/growth.yml:9:3
      |
    9 |   movements: {type: mrr_movments, from: ledger}
      |   ^^^^^^^^^
    help: add `dimensions: {from: .., columns: [..]}` to the ledger
    ");
    assert_snapshot!(told(|d, at| d.root_missing(at("publish"))), @r"
    error[T0312]: no folder is given for the tables
      --> pipelines/growth.yml:11:1
       |
    11 | publish:
       | ^^^^^^^
    help: add `root: ../out` at the top level or to the environment, or give `--root`
    ");
}

#[test]
fn messages_about_data() {
    let samples = || vec!["customer_id=1042 month=2025-03-01 (2 rows)".to_owned(), "1 more".to_owned()];
    assert_snapshot!(told(|d, _| d.table_rejected("mrr_movements", 3, 8412, "unique(customer_id, month)", samples(), "the export holds overlapping rows for these customers")), @r"
    error[T0401]: table `mrr_movements` rejected: 3 of 8412 rows fail `unique(customer_id, month)`
      customer_id=1042 month=2025-03-01 (2 rows), 1 more
    help: the export holds overlapping rows for these customers; the previous table was kept
    ");
    assert_snapshot!(told(|d, _| d.source_rejected("customers", (3, 8412), "not_null(customer_id)", None, Vec::new())), @r"
    error[T0402]: source `customers` rejected: 3 of 8412 rows fail `not_null(customer_id)`
    help: repair the export, or set such rows aside: `on_violation: {quarantine: {max_rows: 500}}`
    ");
    assert_snapshot!(told(|d, _| d.source_rejected("customers", (3, 8412), "one_of(country)", Some("2 rows"), Vec::new())), @r"
    error[T0402]: source `customers` rejected: 3 of 8412 rows fail `one_of(country)`, allowed are 2 rows
    help: repair the export, or set such rows aside: `on_violation: {quarantine: {max_rows: 500}}`
    ");
    assert_snapshot!(told(|d, _| d.quarantine_exceeded("customers", 812, 8412, "500 rows")), @r"
    error[T0403]: source `customers`: 812 of 8412 rows quarantined, allowed are 500 rows
    help: look at the quarantined rows first; raise the limit only if they are as expected
    ");
    let old = "its newest `updated_at` is 2026-06-28T01:10:00Z, 3d 2h before the cut-off 2026-07-01T04:00:00Z";
    assert_snapshot!(told(|d, _| d.source_stale("customers", old, "`error_after` is 50h")), @r"
    error[T0404]: source `customers` is stale: its newest `updated_at` is 2026-06-28T01:10:00Z, 3d 2h before the cut-off 2026-07-01T04:00:00Z
    help: `error_after` is 50h
    help: nothing was published; run again when the export is there
    ");
    let few = "its files hold 40 rows after 8,412 in the run before";
    assert_snapshot!(told(|d, _| d.source_check("customers", "row_count.change", few, "at most 20% fewer", Severity::Error)), @r"
    error[T0407]: source `customers` rejected by `row_count.change`: its files hold 40 rows after 8,412 in the run before
    help: at most 20% fewer
    help: nothing was published; the previous tables were kept
    ");
    assert_snapshot!(told(|d, _| d.source_check("customers", "some_paid", "`sum(amount) > 0` is false for its 12 used rows", "a free month is no month", Severity::Warning)), @r"
    warning[T0407]: source `customers` is not as `some_paid` expects: `sum(amount) > 0` is false for its 12 used rows
    help: a free month is no month
    ");
    assert_snapshot!(told(|d, _| d.rows_quarantined("customers", 12, 8412, "out/_quarantine/customers")), @r"
    warning[T0405]: source `customers`: 12 of 8412 rows quarantined
    help: the rows and their reasons are in `out/_quarantine/customers`
    ");
    assert_snapshot!(told(|d, _| d.source_late("customers", old, "`warn_after` is 26h, `error_after` is 90h")), @r"
    warning[T0406]: source `customers` is late: its newest `updated_at` is 2026-06-28T01:10:00Z, 3d 2h before the cut-off 2026-07-01T04:00:00Z
    help: `warn_after` is 26h, `error_after` is 90h
    help: check that the export of the night ran
    ");
}

#[test]
fn messages_about_files() {
    assert_snapshot!(told(|d, at| d.column_lacking(at("mrr"), "mrr", "customers", &["2024.parquet"], 3, 5)), @r"
    error[T0221]: column `mrr` of `customers` is missing in 3 of 5 files
     --> pipelines/growth.yml:6:7
      |
    6 |       mrr: {type: money}
      |       ^^^
      `2024.parquet` and 2 more
    help: write `optional: true` if these rows have no value
    ");
    assert_snapshot!(told(|d, at| d.no_partition(at("mrr"), "mrr", "customers", "a/b.parquet", &[])), @r"
    error[T0222]: source `customers`: no folder of `a/b.parquet` is named like `mrr=..`
     --> pipelines/growth.yml:6:7
      |
    6 |       mrr: {type: money}
      |       ^^^
    help: remove `hive` if the column is in the files
    ");
    assert_snapshot!(told(|d, at| d.partition_value(at("mrr"), "year", "customers", "year=x/b.parquet", "x", "int")), @r"
    error[T0223]: source `customers`: the folder `year=x` of `year=x/b.parquet` does not spell a value of type int
     --> pipelines/growth.yml:6:7
      |
    6 |       mrr: {type: money}
      |       ^^^
    help: declare the column `type: string`, or another type that fits every folder
    ");
    assert_snapshot!(told(|d, at| d.partition_collision(at("mrr"), "mrr", "customers")), @r"
    error[T0224]: column `mrr` of `customers` is spelled by the folders as well
     --> pipelines/growth.yml:6:7
      |
    6 |       mrr: {type: money}
      |       ^^^
    help: add `hive: true` to it, since other columns are read from the folders
    ");
    assert_snapshot!(told(|d, at| d.undeclared_columns(at("customers"), "customers", &["email"], Severity::Warning)), @r"
    warning[T0225]: source `customers` holds undeclared columns: `email`
     --> pipelines/growth.yml:2:3
      |
    2 |   customers:
      |   ^^^^^^^^^
    help: declare them, or write `extra_columns: ignore`
    ");
}

#[test]
fn messages_about_queries() {
    assert_snapshot!(told(|d, at| d.sql_query(at("ledger"), "expected an expression, found the end of the query", Some("only SELECT is allowed"))), @r"
    error[T0320]: the query cannot be used: expected an expression, found the end of the query
     --> pipelines/growth.yml:9:41
      |
    9 |   movements: {type: mrr_movments, from: ledger}
      |                                         ^^^^^^
    help: only SELECT is allowed
    ");
    assert_snapshot!(told(|d, at| d.sql_result(at("ledger"), "age", "it is a length of time, whose unit nobody would know", "name it after its unit")), @r"
    error[T0321]: column `age` of the result cannot be published: it is a length of time, whose unit nobody would know
     --> pipelines/growth.yml:9:41
      |
    9 |   movements: {type: mrr_movments, from: ledger}
      |                                         ^^^^^^
    help: name it after its unit
    ");
    assert_snapshot!(told(|d, at| d.unbound_param(at("ledger"), "flor", &["as_of", "floor"])), @r"
    error[T0322]: the query uses `:flor`, which is not under `params`
     --> pipelines/growth.yml:9:41
      |
    9 |   movements: {type: mrr_movments, from: ledger}
      |                                         ^^^^^^
    help: did you mean `floor`?
    help: bind a value: `params: {flor: ..}`, which may be `${..}` of the pipeline
    ");
    assert_snapshot!(told(|d, at| d.idle_param(at("key"), "floor")), @r"
    error[T0323]: the query does not use the parameter `floor`
     --> pipelines/growth.yml:4:5
      |
    4 |     key: [custmer_id]
      |     ^^^
    help: write `:floor` in it, or remove it
    ");
}

#[test]
fn messages_about_tests() {
    assert_snapshot!(told(|d, at| d.case(at("ledger"), "the test expects nothing", "add `expect: {TABLE: ..}` or `broken: [..]`")), @r"
    error[T0330]: the test expects nothing
     --> pipelines/growth.yml:9:41
      |
    9 |   movements: {type: mrr_movments, from: ledger}
      |                                         ^^^^^^
    help: add `expect: {TABLE: ..}` or `broken: [..]`
    ");
    assert_snapshot!(told(|d, at| d.case_value(at("ledger"), "ended_on", "soon", "date", "2026-03-31")), @r"
    error[T0331]: `soon` is no value of `ended_on`, which is date
     --> pipelines/growth.yml:9:41
      |
    9 |   movements: {type: mrr_movments, from: ledger}
      |                                         ^^^^^^
    help: write it as it is after reading, like `2026-03-31`; `NULL` for no value
    ");
}
