//! Laws of the files: what may change in the exports without a change in what is published.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;
use proptest::prelude::*;

use super::books::{Book, Dimensions, books, long_books};
use super::export::Layout;
use super::pipeline::{Published, run, run_on};
use super::table::{Row, Value, pick};
use super::{every_table, law};

/// Every published file is the same, byte by byte.
pub fn same_files(a: &Published, b: &Published) -> Result<(), String> {
    for (name, bytes) in &a.files {
        if b.files.get(name) == Some(bytes) {
            continue;
        }
        let (left, right) = (&a.table(name).rows, &b.table(name).rows);
        let differ = left.iter().zip(right).find(|(l, r)| l != r);
        return Err(format!(
            "the files of `{name}` differ: {} and {} rows, first difference {differ:?}",
            left.len(),
            right.len()
        ));
    }
    Ok(())
}

pub fn layouts() -> impl Strategy<Value = Layout> {
    (1..6usize, prop::option::weighted(0.8, any::<u64>()), 1..9usize).prop_map(|(files, shuffle, group)| Layout {
        files,
        shuffle,
        group,
    })
}

#[test]
fn how_rows_lie_in_files_changes_nothing() {
    let strategy = (prop_oneof![2 => books().boxed(), 1 => long_books().boxed()], layouts(), layouts());
    law("layouts", 48, strategy, |(book, one, other)| {
        same_files(&run_on(book, &every_table(book), *one)?, &run_on(book, &every_table(book), *other)?)
    });
}

#[test]
fn running_twice_publishes_the_same_files() {
    law("twice", 48, books(), |book| same_files(&run(book, &every_table(book))?, &run(book, &every_table(book))?));
}

/// Tables whose amounts and counts add up over customers, their grain, and the columns that do not.
const ADDITIVE: [(&str, &[&str], &[&str]); 7] = [
    ("movements", &["period_start", "currency", "is_total", "segment"], &["arpa"]),
    ("weeks", &["period_start", "currency", "is_total", "segment", "country"], &["arpa"]),
    ("churn", &["period_start", "currency", "is_total", "segment", "breakdown", "reason_kind", "churn_reason"], &[]),
    ("retention", &["period_start", "window_months", "method", "currency", "is_total", "segment"], &[]),
    ("cohorts", &["currency", "is_total", "cohort", "measure", "period_offset"], &["period_offset"]),
    ("segments", &["currency", "is_total", "cohort", "measure", "period_offset"], &["period_offset"]),
    ("signups", &["currency", "is_total", "cohort", "measure", "period_offset"], &["period_offset"]),
];

#[test]
fn two_halves_of_the_customers_add_up_to_the_whole() {
    law("halves", 48, (books(), any::<u16>()), |(book, side)| {
        let half = |this: bool| {
            let mut half = book.clone();
            half.customers.retain(|c| (side >> (c.id % 16) & 1 == 1) == this);
            run(&half, &every_table(&half))
        };
        let (whole, one, other) = (run(book, &every_table(book))?, half(true)?, half(false)?);
        for (name, grain, except) in ADDITIVE {
            let mut halves = sums(&one, name, grain, except);
            for (key, amount) in sums(&other, name, grain, except) {
                *halves.entry(key).or_default() += amount;
            }
            halves.retain(|_, amount| *amount != 0);
            let mut expected = sums(&whole, name, grain, except);
            expected.retain(|_, amount| *amount != 0);
            if halves != expected {
                let keys = halves.keys().chain(expected.keys()).find(|k| halves.get(*k) != expected.get(*k));
                let shown = keys.map(|k| format!("{k}: halves {:?}, whole {:?}", halves.get(k), expected.get(k)));
                return Err(format!("{name}: {}", shown.unwrap_or_default()));
            }
        }
        let mut rows: Vec<&Row> = one.table("ledger").rows.iter().chain(&other.table("ledger").rows).collect();
        rows.sort_by(|a, b| {
            let keys = ["customer_id", "currency", "effective_on", "sequence"];
            keys.iter().map(|k| a[*k].order(&b[*k])).find(|o| o.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
        });
        if rows.into_iter().eq(&whole.table("ledger").rows) {
            Ok(())
        } else {
            Err("the ledgers of both halves are not that of the whole".to_owned())
        }
    });
}

/// Amounts and counts by row and column.
fn sums(published: &Published, name: &str, grain: &[&str], except: &[&str]) -> BTreeMap<String, i128> {
    let mut out = BTreeMap::new();
    for row in &published.table(name).rows {
        // The product of rates adds up to nothing.
        if row.get("method") == Some(&Value::from("chained")) {
            continue;
        }
        let key = pick(row, grain).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        // A reason stands beside the base of all customers, and only where somebody gave it.
        let of_reason = row.get("breakdown") == Some(&Value::from("reason"));
        let additive = |(name, value): &(&String, &Value)| {
            let counted =
                matches!(value, Value::Money(_) | Value::Int(_)) && !(of_reason && name.starts_with("opening_"));
            counted && !grain.contains(&name.as_str()) && !except.contains(&name.as_str())
        };
        for (column, value) in row.iter().filter(additive) {
            out.insert(format!("{key} {column}"), value.money());
        }
    }
    out
}

#[test]
fn what_comes_after_as_of_changes_nothing() {
    let strategy = (books(), prop::collection::vec(prop::option::weighted(0.7, 1..80i64), 1..12));
    law("after_as_of", 64, strategy, |(book, changes)| {
        let (now, later) =
            (run(book, &every_table(book))?, run(&with_another_future(book, changes), &every_table(book))?);
        same_files(&now, &later)?;
        nothing_is_dated_later(book, &now)
    });
}

/// The book with everything that is dated after `as_of` dropped or changed.
fn with_another_future(book: &Book, changes: &[Option<i64>]) -> Book {
    let mut book = book.clone();
    let as_of = book.as_of;
    let mut changes = changes.iter().cycle();
    let mut next = move || changes.next().copied().flatten().map(|days| as_of + days.days());
    let later = |day: Date| day > as_of;
    for customer in &mut book.customers {
        if customer.signed_up.is_some_and(later) {
            customer.signed_up = next();
        }
        if book.dimensions != Dimensions::Fixed {
            // One version stays, so that the customer does; which one comes from no day of the past.
            let past = customer.versions.iter().filter(|v| !later(v.from)).count();
            if past > 0 && next().is_none() {
                customer.versions.truncate(past);
            }
            for version in customer.versions.iter_mut().filter(|v| later(v.from)) {
                version.values = [Some("later"), None];
            }
        }
        customer.items.retain_mut(|item| {
            if later(item.start) {
                let Some(start) = next() else { return false };
                item.start = start;
                item.price += 1;
            }
            if item.end.is_none_or(later) {
                item.end = next();
                item.reason = Some("closed");
            }
            if item.trial_end.is_some_and(later) {
                item.trial_end = next().or(item.trial_end);
                item.price += 3;
            }
            true
        });
    }
    book.costs.retain_mut(|cost| {
        if later(cost.day) {
            let Some(day) = next() else { return false };
            cost.day = day;
            cost.amount += 1;
        }
        true
    });
    book
}

fn nothing_is_dated_later(book: &Book, published: &Published) -> Result<(), String> {
    for (name, table) in &published.tables {
        for row in &table.rows {
            // Cells of a triangle that lie in the future have no values.
            let future_cell = row.get("is_mature") == Some(&Value::Bool(false));
            for (column, value) in row.iter().filter(|(c, _)| !(future_cell && *c == "period_start")) {
                if matches!(value, Value::Date(day) if *day > book.as_of) {
                    return Err(format!("{name}: {column} is {value}, after {}", book.as_of));
                }
            }
        }
    }
    Ok(())
}
