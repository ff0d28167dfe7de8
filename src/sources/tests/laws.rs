//! Laws under random data.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::sources::Action;

type Row = (Option<u8>, i64, Option<i64>, Option<bool>, Option<String>);

fn some_row() -> impl Strategy<Value = Row> {
    let text = prop::option::of(prop_oneof!["[0-9]{1,3}", Just("bad".to_owned())]);
    (
        prop::option::weighted(0.9, 0..12u8),
        0..4i64,
        prop::option::weighted(0.8, -3..9i64),
        prop::option::weighted(0.9, prop::bool::weighted(0.1)),
        text,
    )
}

const COLUMNS: [&str; 5] = [
    "id: {type: string}",
    "at: {type: int}",
    "n: {type: int, min: '0'}",
    "gone: {type: bool}",
    "t: {type: int, parse: number}",
];
const MORE: [&str; 4] = [
    "deleted: gone",
    "filters: {small: 'n < 7', dated: 'at >= 1'}",
    "deduplicate: {key: [id], order_by: [at, n, t]}",
    "on_violation: {quarantine: {}}",
];

fn write(bench: &Bench, name: &str, rows: &[Row]) {
    let frame = df!(
        "id" => rows.iter().map(|r| r.0.map(|id| format!("i{id}"))).collect::<Vec<_>>(),
        "at" => rows.iter().map(|r| r.1).collect::<Vec<_>>(),
        "n" => rows.iter().map(|r| r.2).collect::<Vec<_>>(),
        "gone" => rows.iter().map(|r| r.3).collect::<Vec<_>>(),
        "t" => rows.iter().map(|r| r.4.clone()).collect::<Vec<_>>(),
    )
    .unwrap();
    bench.polars(name, frame);
}

fn content(loaded: &LoadedSource) -> (Vec<String>, Vec<String>) {
    let mut content = rows(&loaded.frame);
    content.sort();
    (content, reasons(loaded))
}

/// The same, row by row; so many rows may be less than zero.
fn slowly(rows: &[Row], tolerated: usize) -> (Vec<String>, u64) {
    let mut kept: Vec<(&Row, Option<i64>, bool)> = Vec::new();
    let mut left_out = 0;
    for row in rows {
        let number = row.4.as_ref().and_then(|t| t.parse::<i64>().ok());
        let bad = row.4.is_some() && number.is_none();
        if row.3 == Some(true) || row.2.is_none_or(|n| n >= 7) || row.1 < 1 {
            left_out += 1;
        } else {
            kept.push((row, number, bad));
        }
    }
    let mut latest: BTreeMap<u8, usize> = BTreeMap::new();
    for (index, (row, number, _)) in kept.iter().enumerate() {
        let Some(id) = row.0 else { continue };
        let version = |i: usize| (kept[i].0.1, kept[i].0.2, kept[i].1, i);
        let best = latest.entry(id).or_insert(index);
        if (row.1, row.2, *number, index) > version(*best) {
            *best = index;
        }
    }
    let superseded = |index: usize| kept[index].0.0.is_some_and(|id| latest[&id] != index);
    let negative = |row: &Row| row.2.is_some_and(|n| n < 0);
    let negatives = (0..kept.len()).filter(|index| !superseded(*index) && negative(kept[*index].0)).count();
    let mut out = Vec::new();
    for (index, (row, number, bad)) in kept.iter().enumerate() {
        if superseded(index) || *bad || (negatives > tolerated && negative(row)) {
            left_out += 1;
            continue;
        }
        let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        out.push(format!(
            "{}|{}|{}|{}|{}",
            text(row.0.map(|id| format!("i{id}"))),
            row.1,
            text(row.2.map(|n| n.to_string())),
            text(row.3.map(|b| b.to_string())),
            text(number.map(|n| n.to_string()))
        ));
    }
    out.sort();
    (out, left_out)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn attrition_adds_up_and_agrees_with_a_row_by_row_reading(rows in prop::collection::vec(some_row(), 0..60), tolerated in 0..8usize) {
        let bench = Bench::new();
        write(&bench, "a.parquet", &rows);
        let rules = format!("rules: {{'min(n)': {{max_rows: {tolerated}}}}}");
        let more: Vec<&str> = MORE.into_iter().chain([rules.as_str()]).collect();
        let loaded = bench.one(&pipeline(&COLUMNS, &more));
        let (content, _) = content(&loaded);
        let (want, left_out) = slowly(&rows, tolerated);
        prop_assert_eq!(content, want);
        prop_assert_eq!(loaded.attrition.read, rows.len() as u64);
        prop_assert_eq!(loaded.attrition.read - loaded.attrition.used, left_out);
        let aside = loaded.quarantined.as_ref().map_or(0, DataFrame::height) as u64;
        prop_assert_eq!(aside, loaded.attrition.quarantined());
        prop_assert_eq!(loaded.attrition.used, loaded.frame.height() as u64);
        // A row may break two rules, and is set aside once.
        let broken: u64 = loaded.violations.iter().filter(|v| v.action == Action::Quarantine).map(|v| v.rows).sum();
        prop_assert!(aside <= broken && broken <= 2 * aside);
    }

    #[test]
    fn cutting_files_in_other_places_changes_nothing(rows in prop::collection::vec(some_row(), 2..60), cut in 0..60usize, other in 0..60usize) {
        let (cut, other) = (cut.min(rows.len()), other.min(rows.len()));
        let (whole, parts) = (Bench::new(), Bench::new());
        write(&whole, "all.parquet", &rows);
        let (first, last) = (cut.min(other), cut.max(other));
        for (name, range) in [("1.parquet", 0..first), ("2.parquet", first..last), ("3.parquet", last..rows.len())] {
            write(&parts, name, &rows[range]);
        }
        let text = pipeline(&COLUMNS, &MORE);
        prop_assert_eq!(content(&whole.one(&text)), content(&parts.one(&text)));
    }

    #[test]
    fn shuffling_rows_changes_nothing_where_versions_have_an_order(rows in prop::collection::vec(some_row(), 2..40), turn in 0..40usize) {
        // Versions that are equal in all they are ordered by are the same row but for the flag.
        let rows: Vec<Row> = rows.into_iter().map(|(id, at, n, _, t)| (id, at, n, Some(false), t)).collect();
        let mut turned = rows.clone();
        turned.rotate_left(turn % rows.len());
        let (one, two) = (Bench::new(), Bench::new());
        write(&one, "a.parquet", &rows);
        write(&two, "a.parquet", &turned);
        let text = pipeline(&COLUMNS, &MORE[1..3]);
        let lenient = format!("{text}    on_violation: warn\n");
        let (a, b) = (content(&one.one(&lenient)), content(&two.one(&lenient)));
        prop_assert_eq!(a, b);
    }

    #[test]
    fn decimal_texts_agree_with_integer_arithmetic(units in -9_000_000_000_000_000_i64..9_000_000_000_000_000, places in 0..7u32) {
        let power = 10_i64.pow(places);
        let sign = if units < 0 { "-" } else { "" };
        let (whole, fraction) = (units.unsigned_abs() / power.unsigned_abs(), units.unsigned_abs() % power.unsigned_abs());
        let text = if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction:0width$}", width = places as usize) };
        let bench = Bench::new();
        bench.polars("a.parquet", df!("x" => [text.as_str()]).unwrap());
        let loaded = bench.one(&pipeline(&["x: {type: money, unit: major, parse: number}"], &["on_violation: warn"]));
        let want = i128::from(units) * 10_i128.pow(6 - places);
        let want = i64::try_from(want).map_or_else(|_| "-".to_owned(), |v| v.to_string());
        prop_assert_eq!(rows(&loaded.frame), vec![want]);
    }
}
