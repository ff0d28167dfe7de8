//! A source that is condensed while it is read says what the whole one says.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::expr::condense::{Values, condensed};
use crate::sources::{Enough, Keys, Measures, load_against};

const TEXT: &str = "
sources:
  events:
    path: events
    deleted: gone
    filters: {live: live, small: 'n < 7'}
    columns:
      customer: {type: string, references: customers.id}
      user: {type: int, min: '0'}
      n: {type: int, parse: number, not_null: true}
      day: {type: date}
      live: {type: bool}
      gone: {type: bool}
    row_count: {min: 3, severity: warn}
    freshness: {column: day, warn_after: 1d, error_after: 3d}
    on_violation: {quarantine: {max_rows: 2}}
  customers:
    path: customers
    columns:
      id: {type: string, not_null: true}
    on_violation: {quarantine: {}}
";

type Row = (Option<u8>, Option<i64>, Option<&'static str>, Option<bool>, Option<bool>);

/// A row that is sound for the most part; `odd` makes it break a rule.
fn some_row(odd: f64) -> impl Strategy<Value = Row> {
    (
        prop::option::weighted(0.9, prop_oneof![20 => 0..3u8, 1 => Just(if odd > 0.0 { 9 } else { 0 })]),
        prop::option::weighted(0.9, prop_oneof![20 => 0..4i64, 1 => Just(if odd > 0.0 { -1 } else { 1 })]),
        prop::option::weighted(0.95, prop_oneof![Just("1"), Just("8"), Just(if odd > 0.0 { "two" } else { "2" })]),
        prop::option::weighted(0.9, prop::bool::weighted(0.9)),
        prop::option::weighted(0.9, prop::bool::weighted(0.1)),
    )
}

fn bench(rows: &[Row]) -> Bench {
    let bench = Bench::new();
    for (name, rows) in [("1", &rows[..rows.len() / 2]), ("2", &rows[rows.len() / 2..])] {
        let frame = df!(
            "customer" => rows.iter().map(|r| r.0.map(|id| format!("c{id}"))).collect::<Vec<_>>(),
            "user" => rows.iter().map(|r| r.1).collect::<Vec<_>>(),
            // Three days up to the cut-off, and one after it.
            "day" => rows.iter().map(|r| r.1.and_then(|user| Some(20_000 + i32::try_from(user).ok()?))).collect::<Vec<_>>(),
            "n" => rows.iter().map(|r| r.2).collect::<Vec<_>>(),
            "live" => rows.iter().map(|r| r.3).collect::<Vec<_>>(),
            "gone" => rows.iter().map(|r| r.4).collect::<Vec<_>>(),
        );
        let frame = frame.unwrap().lazy().with_column(col("day").cast(DataType::Date)).collect().unwrap();
        bench.polars(&format!("events/{name}.parquet"), frame);
    }
    bench.polars("customers/c.parquet", df!("id" => [Some("c0"), Some("c1"), Some("c2"), None]).unwrap());
    bench
}

fn keys() -> Keys {
    vec![("customer".to_owned(), col("customer")), ("#odd:user".to_owned(), (col("user") % lit(2)).eq(lit(1)))]
}

/// Both ways of loading, the whole one first.
fn both(plans: &[SourcePlan], keys: Keys) -> [Vec<LoadedSource>; 2] {
    let condensed = Enough { condensed: BTreeMap::from([(0, keys)]), ..Enough::default() };
    [Enough::default(), condensed].map(|enough| loaded(plans, &enough))
}

fn loaded(plans: &[SourcePlan], enough: &Enough) -> Vec<LoadedSource> {
    let wanted = [(0, vec!["customer".to_owned(), "user".to_owned()])];
    let measures = Measures { cutoff: Some("2024-10-06T12:00:00Z".parse().unwrap()), ..Measures::default() };
    load_against(plans, &wanted, enough, &measures, &mut Silent).unwrap()
}

fn sorted(frame: LazyFrame) -> Vec<String> {
    let mut out = rows(&frame.collect().unwrap());
    out.sort();
    out
}

fn same(rows: &[Row]) -> bool {
    let bench = bench(rows);
    let [whole, brief] = both(&bench.plans(TEXT).unwrap(), keys());
    same_outcome(&whole, &brief);
    let (whole, brief) = (&whole[0], &brief[0]);
    assert!(!whole.is_condensed);
    // Rows that broke a rule have to be shown.
    assert_eq!(brief.is_condensed, whole.violations.is_empty());
    let expected = condensed(whole.frame.clone().lazy(), &keys(), &[]);
    let tally = brief.tally.as_ref().unwrap();
    assert_eq!(sorted(tally.lazy().unwrap()), sorted(expected));
    assert_eq!(tally.rows(), brief.attrition.used);
    brief.is_condensed
}

/// Values of each row, one of them under the name of another column.
fn values() -> Values {
    let helpers = vec![vec![(col("user") + lit(1)).alias("#next")], vec![(col("#next") + col("user")).alias("#both")]];
    Values { helpers, keys: vec![("user".to_owned(), col("customer")), ("odd".to_owned(), col("#both"))] }
}

/// Whether values of each row are what the whole rows give; `more` is said of the source.
fn same_projected(rows: &[Row], more: &str) {
    let bench = bench(rows);
    let text = TEXT.replace("deleted: gone", &format!("deleted: gone\n    {more}"));
    let plans = bench.plans(&text).unwrap();
    let whole = loaded(&plans, &Enough::default());
    let brief = loaded(&plans, &Enough { projected: BTreeMap::from([(0, values())]), ..Enough::default() });
    same_outcome(&whole, &brief);
    assert!(brief[0].is_projected && !whole[0].is_projected);
    let twice_and_one = (col("user") * lit(2) + lit(1)).alias("odd");
    let expected = whole[0].frame.clone().lazy().select([col("customer").alias("user"), twice_and_one]);
    let expected = expected.collect().unwrap();
    assert_eq!(super::rows(&brief[0].frame), super::rows(&expected));
}

fn same_outcome(whole: &[LoadedSource], brief: &[LoadedSource]) {
    assert_eq!(whole.len(), brief.len());
    for (whole, brief) in whole.iter().zip(brief) {
        assert_eq!(whole.name, brief.name);
        assert_eq!(whole.attrition, brief.attrition);
        assert_eq!(whole.violations, brief.violations);
        assert_eq!(whole.findings, brief.findings);
        assert_eq!(whole.proven, brief.proven);
        assert_eq!(whole.exceeded, brief.exceeded);
        assert_eq!(whole.quarantined.as_ref().map(super::rows), brief.quarantined.as_ref().map(super::rows));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn sound_rows_are_condensed(rows in prop::collection::vec(some_row(0.0), 0..60)) {
        prop_assert!(same(&rows));
    }

    #[test]
    fn projected_values_are_those_of_the_rows(
        rows in prop::collection::vec(some_row(0.03), 0..60),
        more in prop::sample::select(&[
            "",
            "key: [customer, user]",
            "deduplicate: {key: [customer], order_by: [user]}",
            "checks: {some: {aggregate: count(*) > 5}}",
        ][..]),
    ) {
        same_projected(&rows, more);
    }

    #[test]
    fn broken_rows_are_told_as_ever(rows in prop::collection::vec(some_row(0.03), 0..40)) {
        same(&rows);
    }
}

#[test]
fn what_needs_rows_is_loaded_whole() {
    let bench = bench(&[(Some(1), Some(1), Some("1"), Some(true), Some(false)); 4]);
    let is_condensed = |text: &str, keys: Keys| {
        let [_, brief] = both(&bench.plans(text).unwrap(), keys);
        brief[0].is_condensed
    };
    assert!(is_condensed(TEXT, keys()));
    for more in
        ["deduplicate: {key: [customer], order_by: [n]}", "key: [n]", "checks: {some: {aggregate: count(*) > 0}}"]
    {
        let text = TEXT.replace("deleted: gone", &format!("deleted: gone\n    {more}"));
        assert!(!is_condensed(&text, keys()), "{more}");
    }
    // A reference is checked on the values that are kept.
    assert!(!is_condensed(TEXT, keys().split_off(1)));
}
