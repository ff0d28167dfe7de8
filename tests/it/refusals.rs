//! Settings of a metric that cannot be used: every mistake of a table is told at once.

use std::collections::BTreeMap;

use crate::support::{Grid, plan};

/// Titles of the messages about a pipeline whose sources are empty.
fn refused(yaml: &str, sources: &[(&str, &str)]) -> Vec<String> {
    let grids: BTreeMap<String, Grid> = sources
        .iter()
        .map(|(name, columns)| {
            let header = columns.split(' ').map(str::to_owned).collect();
            ((*name).to_owned(), Grid { header, rows: Vec::new() })
        })
        .collect();
    let text =
        format!("version: 1\npipeline: case\nroot: out\ntimezone: UTC\ncurrency: USD\nas_of: 2026-06-30\n{yaml}");
    let told = plan(&text, &grids).err().unwrap_or_default();
    told.lines()
        .filter_map(|l| l.strip_prefix("error[T")?.split_once(": "))
        .map(|(_, title)| title.to_owned())
        .collect()
}

const DEALS: &str = "
sources:
  deals:
    path: deals.parquet
    columns:
      customer: {type: string}
      kind: {type: string}
      currency: {type: string}
      due: {type: date}
      closed: {type: date}
      amount: {type: money, unit: major}
      won: {type: bool}
";

const DEAL_COLUMNS: &str = "customer kind currency due closed amount won";

#[test]
fn renewals() {
    let titles = |rest: &str| {
        let table = "tables:\n  renewals:\n    type: renewals\n    from: deals\n    customer: customer\n    due: due\n    target: amount\n    decided_on: closed\n    renewed: amount\n";
        refused(&format!("{DEALS}{table}{rest}"), &[("deals", DEAL_COLUMNS)])
    };
    assert_eq!(titles(""), Vec::<String>::new());
    assert_eq!(
        titles(
            "    status: {column: won, renewed: [yes], lost: [yes]}\n    window: {early: 12h, late: 3000d}\n    auto_renew: kind\n"
        ),
        [
            "`yes` is no value of `won`, which is a bool",
            "the value `yes` is both renewed and lost",
            "`yes` is no value of `won`, which is a bool",
            "a window of `12h` cannot be used",
            "a window of `3000d` cannot be used",
            "column `kind` of source `deals` is declared as string, expected bool",
        ]
    );
    assert_eq!(
        titles("    status: {column: kind, renewed: []}\n    by: [kind, kind, currency, due]\n"),
        [
            "`status` names no value that means renewed",
            "the dimension `kind` is given twice",
            "`currency` is a column of this table already",
            "column `due` of source `deals` is declared as date, expected string",
        ]
    );
}
