//! Amounts of more than eighteen digits are published, and only their column is wider.

use std::collections::BTreeMap;
use std::fs::File;

use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::support::{Grid, plan};

const PIPELINE: &str = "
version: 1
pipeline: wide
timezone: UTC
currency: USD
as_of: 2025-01-31
root: out
sources:
  items:
    path: items.parquet
    columns: {customer: {type: string}, starts: {type: date}, price: {type: money, unit: major}}
tables:
  ledger: {type: mrr_ledger, from: items, customer: customer, start: starts, amount: {price: price}}
  movements: {type: mrr_movements, from: ledger}
";

/// Columns of a published table with the precision of each amount, and the footer's entry on wide ones.
fn amounts(path: &std::path::Path) -> (BTreeMap<String, i32>, Option<String>) {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let footer = reader.metadata().file_metadata();
    let columns = footer.schema_descr().columns().iter();
    let precision = columns.filter(|c| c.type_precision() > 0).map(|c| (c.name().to_owned(), c.type_precision()));
    let entries = footer.key_value_metadata().into_iter().flatten();
    let wide = entries.clone().find(|entry| entry.key == "tenure.wide_amounts").and_then(|entry| entry.value.clone());
    (precision.collect(), wide)
}

/// The amounts of these tables, when a customer pays so much a month.
fn published<const N: usize>(price: &str, tables: [&str; N]) -> [(BTreeMap<String, i32>, Option<String>); N] {
    let items = Grid {
        header: ["customer", "starts", "price"].map(str::to_owned).to_vec(),
        rows: vec![["a", "2025-01-01", price].map(str::to_owned).to_vec()],
    };
    let only = PIPELINE.lines().filter(|line| !line.starts_with("  movements") || tables.contains(&"movements"));
    let pipeline = only.collect::<Vec<_>>().join("\n");
    let ran = plan(&pipeline, &BTreeMap::from([("items".to_owned(), items)])).unwrap().run().unwrap();
    assert!(ran.broken().is_empty(), "{:?}", ran.broken());
    tables.map(|table| amounts(&ran.path(table)))
}

#[test]
fn only_what_needs_more_digits_has_them() {
    // Six decimals leave twelve digits before the point.
    let [ledger, movements] = published("100000000000", ["ledger", "movements"]);
    assert_eq!((ledger.0["mrr_after"], ledger.1), (18, None));
    assert_eq!((movements.0["closing_mrr"], movements.0["closing_arr"]), (18, 38));
    assert_eq!(movements.1.as_deref(), Some("closing_arr"));

    let [ledger] = published("1000000000000", ["ledger"]);
    assert_eq!((ledger.0["mrr_before"], ledger.0["mrr_after"]), (18, 38));
    assert_eq!(ledger.1.as_deref(), Some("mrr_delta,mrr_after"));
}
