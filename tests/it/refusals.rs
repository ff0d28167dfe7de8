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

#[test]
fn expansion() {
    let titles = |product: &str, rest: &str| {
        let items = "  items:\n    path: items.parquet\n    columns:\n      customer: {type: string}\n      product: {type: string}\n      starts: {type: date}\n      price: {type: money, unit: major}\n";
        let ledger = format!(
            "tables:\n  ledger: {{type: mrr_ledger, from: items, customer: customer, start: starts, amount: {{price: price}}{product}}}\n"
        );
        let table = "  expansion:\n    type: expansion\n    from: ledger\n";
        let yaml = format!("{DEALS}{items}{ledger}{table}{rest}");
        refused(&yaml, &[("deals", DEAL_COLUMNS), ("items", "customer product starts price")])
    };
    let proposals = "    proposals: {from: deals, type: kind, created: due, closed: closed, won: won";
    let sound = format!("{proposals}, upsell: [more]}}\n");
    assert_eq!(titles(", product: product", &sound), Vec::<String>::new());
    assert_eq!(titles("", &sound), ["`expansion` needs a ledger that takes changes apart, and `ledger` does not"]);
    assert_eq!(
        titles(", product: product", &format!("    upsell: [plan, plan]\n{proposals}}}\n")),
        ["the part `plan` is given twice", "`proposals` names no type"]
    );
    assert_eq!(
        titles(
            ", product: product",
            &format!(
                "    upsell: []\n{proposals}, upsell: [more], cross_sell: [more], by: {{segment: kind}}, is_closed: kind}}\n"
            )
        ),
        [
            "`upsell` is empty",
            "the type `more` is both upsell and cross-sell",
            "`segment` is not in `by` of this table",
            "column `kind` of source `deals` is declared as string, expected bool",
        ]
    );
}

const EVENTS: &str = "
sources:
  events:
    path: events.parquet
    columns:
      who: {type: string}
      of: {type: int}
      what: {type: string}
      active: {type: string}
      score: {type: float}
      at: {type: timestamp}
  items:
    path: items.parquet
    columns:
      customer: {type: string}
      starts: {type: date}
      price: {type: money, unit: major}
tables:
  ledger: {type: mrr_ledger, from: items, customer: customer, start: starts, amount: {price: price}}
";

const USAGE: [(&str, &str); 2] = [("events", "who of what active score at"), ("items", "customer starts price")];

#[test]
fn active_users() {
    let titles =
        |rest: &str| refused(&format!("{EVENTS}  users: {{type: active_users, from: events, {rest}}}\n"), &USAGE);
    assert_eq!(titles("at: at, user: who, event: what, events: [a, b], by: [what]"), Vec::<String>::new());
    assert_eq!(titles("at: at"), ["neither `user` nor `customer` is given"]);
    assert_eq!(
        titles("at: what, user: score, events: [a, a], by: [active, what, what, at]"),
        [
            "column `what` of source `events` is declared as string, expected timestamp or date",
            "column `score` of source `events` is declared as float, expected string or int",
            "`events` has no effect without `event`",
            "the event `a` is given twice",
            "`active` is a column of this table already",
            "the dimension `what` is given twice",
            "column `at` of source `events` is declared as timestamp, expected string",
        ]
    );
    assert_eq!(
        titles("at: at, user: who, event: what, grains: [], windows: [0, 7, 7, 367], eligible: {ledger: ledger}"),
        [
            "`event` has no effect without `events`",
            "`grains` is empty",
            "a window of 0 days is out of range",
            "the window of 7 days is given twice",
            "a window of 367 days is out of range",
            "`eligible` has no effect without `customer`",
        ]
    );
    assert_eq!(
        titles("at: at, customer: of, grains: [day, day], eligible: {ledger: ledger}"),
        ["the grain `day` is given twice", "customers are int in `events` and string in the ledger `ledger`"]
    );
    assert_eq!(titles("at: at, customer: who, eligible: {ledger: events}"), ["`events` is no ledger"]);
}

#[test]
fn usage_cohorts() {
    let titles = |rest: &str| {
        refused(&format!("{EVENTS}  cohorts: {{type: usage_cohorts, from: events, at: at, {rest}}}\n"), &USAGE)
    };
    assert_eq!(titles("user: who, customer: of"), Vec::<String>::new());
    assert_eq!(titles("customer: of, horizon: 0"), ["`user` is missing", "a horizon of 0 is out of range"]);
    assert_eq!(
        titles("user: who, unit: customer, grain: day, horizon: 1101"),
        ["`customer` is missing", "a horizon of 1101 is out of range"]
    );
}
