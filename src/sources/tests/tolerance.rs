//! How rules are meant, and what holds for a source as a whole.

use crate::sources::Enough;
use std::collections::BTreeMap;

use super::*;
use crate::sources::{Action, Measures, Verdict, load_against};

fn ten() -> Bench {
    let bench = Bench::new();
    bench.polars(
        "a.parquet",
        df!(
            "id" => (1..=10).map(|n| format!("i{n}")).collect::<Vec<_>>(),
            "n" => [Some(1i64), Some(-1), None, Some(4), Some(-5), Some(6), Some(7), Some(8), Some(9), Some(10)],
            "t" => ["a", "b", "c", "dd", "ee", "f", "g", "h", "i", "j"],
        )
        .unwrap(),
    );
    bench
}

fn meant(rules: &str, on_violation: &str) -> LoadedSource {
    let columns =
        ["id: {type: string}", "n: {type: int, not_null: true, min: 0}", "t: {type: string, length: {max: 1}}"];
    ten().one(&pipeline(&columns, &[rules, &format!("on_violation: {on_violation}")]))
}

/// `rule x rows action allowed` per violation.
fn actions(loaded: &LoadedSource) -> Vec<String> {
    let word = |action| match action {
        Action::Fail => "fail",
        Action::Warn => "warn",
        Action::Quarantine => "quarantine",
    };
    let told = |v: &crate::sources::ViolationReport| {
        format!("{} x {} {} {}", v.rule, v.rows, word(v.action), v.allowed.as_deref().unwrap_or("-"))
    };
    loaded.violations.iter().map(told).collect()
}

#[test]
fn a_rule_is_an_error_unless_it_is_meant_otherwise() {
    let loaded = meant("rules: {}", "fail");
    assert_eq!(actions(&loaded), ["not_null(n) x 1 fail -", "min(n) x 2 fail -", "length(t) x 2 fail -"]);
    assert!(loaded.rejected());
    let all = "{'not_null(n)': {severity: warn}, 'min(n)': {max_rows: 2}, 'length(t)': {max_share: 20%}}";
    let loaded = meant(&format!("rules: {all}"), "fail");
    assert_eq!(
        actions(&loaded),
        ["not_null(n) x 1 warn -", "min(n) x 2 warn 2 rows", "length(t) x 2 warn 20% of the rows"]
    );
    assert!(!loaded.rejected());
    assert_eq!((loaded.attrition.used, loaded.attrition.reasons.len()), (10, 0));
}

#[test]
fn beyond_its_tolerance_a_rule_is_what_the_source_says() {
    // 2 of 10 rows are 20%: one row more, or a ten-thousandth of a percent less, is too much.
    for (limit, tolerated) in [
        ("max_rows: 2", true),
        ("max_rows: 1", false),
        ("max_share: 20%", true),
        ("max_share: 19.9999%", false),
        ("max_rows: 2, max_share: 19%", false),
        ("max_rows: 0", false),
    ] {
        let rules = format!(
            "rules: {{'not_null(n)': {{severity: warn}}, 'length(t)': {{severity: warn}}, 'min(n)': {{{limit}}}}}"
        );
        let loaded = meant(&rules, "{quarantine: {}}");
        let aside = if tolerated { 0 } else { 2 };
        assert_eq!(loaded.attrition.quarantined(), aside, "{limit}");
        assert_eq!(loaded.attrition.used, 10 - aside, "{limit}");
        assert_eq!(meant(&rules, "fail").rejected(), !tolerated, "{limit}");
    }
}

#[test]
fn a_row_set_aside_names_every_rule_it_breaks() {
    // Row 5 breaks two rules that set aside; in row 3 the only broken rule is a warning.
    let loaded = meant("rules: {'not_null(n)': {severity: warn}}", "{quarantine: {max_rows: 3}}");
    assert_eq!(loaded.exceeded, None);
    let aside = loaded.quarantined.as_ref().unwrap();
    assert_eq!(
        rows(&aside.select(["id", "_rule", "_rules", "_file", "_row"]).unwrap()),
        [
            "i2|min(n)|min(n)|a.parquet|2",
            "i4|length(t)|length(t)|a.parquet|4",
            "i5|min(n)|min(n); length(t)|a.parquet|5"
        ]
    );
    assert_eq!(reasons(&loaded), ["quarantined: min(n) x 2", "quarantined: length(t) x 1"]);
    assert_eq!(broken_rules(&loaded), ["not_null(n) x 1", "min(n) x 2", "length(t) x 2"]);
    let full = meant("rules: {'not_null(n)': {severity: warn}}", "{quarantine: {max_rows: 2}}");
    assert_eq!(full.exceeded.as_deref(), Some("2 rows"));
}

#[test]
fn one_broken_value_is_one_broken_rule() {
    let bench = Bench::new();
    bench.polars(
        "a.parquet",
        df!(
            "a" => [Some("x"), None, Some("1.00"), Some("1.00"), Some("oops")],
            "cur" => [Some("USD"), Some("USD"), None, Some("QQQ"), None],
        )
        .unwrap(),
    );
    let columns =
        ["a: {type: money, unit: major, parse: number, currency: cur, not_null: true}", "cur: {type: currency}"];
    let loaded = bench.one(&pipeline(&columns, &["on_violation: {quarantine: {}}"]));
    let aside = loaded.quarantined.unwrap();
    assert_eq!(
        rows(&aside.select(["_row", "_rules"]).unwrap()),
        ["1|parse(a)", "2|not_null(a)", "3|currency(a)", "4|currency(cur)", "5|currency(a)"]
    );
}

fn verdicts(loaded: &LoadedSource) -> Vec<(String, Verdict)> {
    loaded.findings.iter().map(|f| (f.rule.clone(), f.verdict)).collect()
}

fn against(bench: &Bench, text: &str, measures: &Measures) -> LoadedSource {
    let plans = bench.plans(text).unwrap_or_else(|messages| panic!("{messages}"));
    load_against(&plans, &[(0, Vec::new())], &Enough::default(), measures, &mut Silent).unwrap().remove(0)
}

#[test]
fn totals_are_of_the_used_rows_and_amounts_in_major_units() {
    let bench = Bench::new();
    bench.polars("a.parquet", df!("m" => [1050i64, 2000, -1], "live" => [true, true, false]).unwrap());
    let columns = ["m: {type: money, unit: minor}", "live: {type: bool}"];
    let verdict = |check: &str| {
        let more = [format!("checks: {{c: {{{check}}}}}"), "filters: {live: live}".to_owned()];
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let loaded = bench.one(&pipeline(&columns, &more));
        assert_eq!(loaded.rejected(), loaded.findings[0].verdict == Verdict::Failed);
        loaded.findings.into_iter().map(|f| (f.verdict, f.said)).collect::<Vec<_>>()
    };
    // 10.50 + 20.00; the third row is filtered.
    assert_eq!(verdict("aggregate: sum(m) = 30.5")[0].0, Verdict::Held);
    assert_eq!(verdict("aggregate: min(m) > 0 AND count(*) = 2")[0].0, Verdict::Held);
    let (failed, said) = verdict("aggregate: sum(m) > 31").remove(0);
    assert_eq!((failed, said.as_str()), (Verdict::Failed, "`sum(m) > 31` is false for its 2 used rows"));
    assert_eq!(verdict("aggregate: sum(m) > 31, severity: warn")[0].0, Verdict::Warned);
    assert_eq!(verdict("aggregate: max(m) > NULL")[0].0, Verdict::Held);
}

#[test]
fn counts_are_compared_with_limits_and_with_the_run_before() {
    let bench = ten();
    let with = |row_count: &str, before: Option<u64>| {
        let rows_before = before.map(|rows| ("s".to_owned(), rows)).into_iter().collect::<BTreeMap<_, _>>();
        let text = pipeline(&["id: {type: string}"], &[&format!("row_count: {{{row_count}}}")]);
        let loaded = against(&bench, &text, &Measures { cutoff: None, rows_before });
        loaded.findings.into_iter().map(|f| f.verdict).collect::<Vec<_>>()
    };
    assert_eq!(with("min: 10", None), [Verdict::Held]);
    assert_eq!(with("min: 11", None), [Verdict::Failed]);
    assert_eq!(with("max: 10", None), [Verdict::Held]);
    assert_eq!(with("max: 9, severity: warn", None), [Verdict::Warned]);
    let change = "change: {max_drop: 20%, max_rise: 100%}";
    assert_eq!(with(change, None), [Verdict::Unchecked]);
    // 80% of 12 is 9.6 and of 13 is 10.4; twice 5 is 10, twice 4 is 8.
    for (before, verdict) in [
        (12, Verdict::Held),
        (13, Verdict::Failed),
        (5, Verdict::Held),
        (4, Verdict::Failed),
        (0, Verdict::Failed),
        (10, Verdict::Held),
    ] {
        assert_eq!(with(change, Some(before)), [verdict], "{before}");
    }
    let text = pipeline(&["id: {type: string}"], &["row_count: {min: 11, change: {max_drop: 0%}}"]);
    let loaded = against(&bench, &text, &Measures { cutoff: None, rows_before: [("s".to_owned(), 11)].into() });
    let said: Vec<String> = loaded.findings.iter().map(|f| format!("{}: {} ({})", f.rule, f.said, f.allowed)).collect();
    assert_eq!(
        said,
        [
            "row_count: its files hold 10 rows (at least 11 rows)",
            "row_count.change: its files hold 10 rows after 11 in the run before (at most 0% fewer)"
        ]
    );
}

fn fresh(zone: &str, column: &str, values: ArrayRef, limits: &str, cutoff: &str) -> (Verdict, String) {
    let bench = Bench::new();
    bench.arrow("a.parquet", vec![("at", values)]);
    let text = zoned(zone, &[column], &[&format!("freshness: {{column: at, {limits}}}")]);
    let measures = Measures { cutoff: Some(cutoff.parse().unwrap()), ..Measures::default() };
    let loaded = against(&bench, &text, &measures);
    assert_eq!(loaded.stale(), loaded.findings[0].verdict == Verdict::Stale);
    (loaded.findings[0].verdict, loaded.findings[0].said.clone())
}

#[test]
fn age_is_counted_back_from_the_cutoff() {
    use arrow::array::TimestampMicrosecondArray;
    let instants = |texts: &[&str]| {
        let micros = texts.iter().map(|t| (*t != "-").then(|| t.parse::<jiff::Timestamp>().unwrap().as_microsecond()));
        array(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let at = |values: &[&str], limits: &str| {
        fresh("UTC", "at: {type: timestamp}", instants(values), limits, "2026-07-01T00:00:00Z")
    };
    let both = "warn_after: 26h, error_after: 50h";
    // 26 hours before the cut-off is 22:00 on 29 June, 50 hours before is 22:00 on the 28th.
    assert_eq!(at(&["2026-06-29T22:00:00Z", "2025-01-01T00:00:00Z"], both).0, Verdict::Held);
    let late = at(&["2026-06-29T21:59:59Z"], both);
    let said = "its newest `at` is 2026-06-29T21:59:59Z, 1d 2h before the cut-off 2026-07-01T00:00:00Z";
    assert_eq!(late, (Verdict::Late, said.to_owned()));
    assert_eq!(at(&["2026-06-28T22:00:00Z"], both).0, Verdict::Late);
    assert_eq!(at(&["2026-06-28T21:59:59Z"], both).0, Verdict::Stale);
    assert_eq!(at(&["2026-06-28T21:59:59Z"], "warn_after: 26h").0, Verdict::Late);
    // A row dated into the future does not make the others younger; an export that is all younger is fine.
    assert_eq!(at(&["2026-06-01T00:00:00Z", "2027-01-01T00:00:00Z"], both).0, Verdict::Stale);
    assert_eq!(at(&["2026-07-05T00:00:00Z"], both).0, Verdict::Held);
    // Nothing is never fresh.
    assert_eq!(at(&[], both), (Verdict::Stale, "no row has a `at`".to_owned()));
    assert_eq!(at(&["-"], both).0, Verdict::Stale);
    assert_eq!(at(&[], "warn_after: 26h").0, Verdict::Late);
}

#[test]
fn a_date_counts_as_the_end_of_its_day() {
    use arrow::array::Date32Array;
    // 20,634 days after 1970-01-01 is 2026-06-30.
    let at = |days: i32, cutoff: &str| {
        fresh("America/New_York", "at: {type: date}", array(Date32Array::from(vec![days])), "error_after: 24h", cutoff)
            .0
    };
    // The 30th is over at 04:00Z on 1 July in New York.
    for (cutoff, verdict) in [
        ("2026-06-30T12:00:00Z", Verdict::Held),
        ("2026-07-01T04:00:00Z", Verdict::Held),
        ("2026-07-02T04:00:00Z", Verdict::Held),
        ("2026-07-02T04:00:01Z", Verdict::Stale),
    ] {
        assert_eq!(at(20_634, cutoff), verdict, "{cutoff}");
    }
}

#[test]
fn without_a_cutoff_ages_are_not_checked() {
    let bench = Bench::new();
    bench.polars("a.parquet", df!("at" => [0i64]).unwrap());
    let text = pipeline(&["at: {type: date, parse: epoch_s}"], &["freshness: {column: at, error_after: 1d}"]);
    assert!(verdicts(&bench.one(&text)).is_empty());
}
