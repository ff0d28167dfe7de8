//! What footers prove, and what they do not.

use arrow::array::{
    BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, UInt32Array,
};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::*;
use crate::sources::scan::needed;
use crate::sources::scan_plan;

/// The rules that are proven, then those that are left, of the reading of values left out.
fn proven(bench: &Bench, columns: &[&str]) -> (Vec<String>, Vec<String>) {
    let plans = bench.plans(&pipeline(columns, &[])).unwrap_or_else(|messages| panic!("{messages}"));
    let names = |rules: &[crate::checks::RowRule]| {
        rules
            .iter()
            .map(ToString::to_string)
            .filter(|r| !r.starts_with("parse(") && !r.starts_with("currency("))
            .collect()
    };
    (names(&plans[0].proven), names(&plans[0].rules))
}

fn yes(bench: &Bench, column: &str, rule: &str) {
    assert_eq!(proven(bench, &[column]), (vec![rule.to_owned()], vec![]), "{column}");
}

fn no(bench: &Bench, column: &str, rule: &str) {
    assert_eq!(proven(bench, &[column]), (vec![], vec![rule.to_owned()]), "{column}");
}

fn one(column: ArrayRef) -> Bench {
    let bench = Bench::new();
    bench.arrow("a.parquet", vec![("x", column)]);
    bench
}

fn written(column: ArrayRef, properties: WriterProperties) -> Bench {
    let bench = Bench::new();
    let batch = RecordBatch::try_from_iter(vec![("x", column)]).unwrap();
    let file = File::create(bench.path("a.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bench
}

#[test]
fn nulls_and_bounds_of_stored_values_are_proven() {
    let ints = one(array(Int64Array::from(vec![3, -2, 7])));
    yes(&ints, "x: {type: int, not_null: true}", "not_null(x)");
    yes(&ints, "x: {type: int, min: '-2'}", "min(x)");
    no(&ints, "x: {type: int, min: '-1'}", "min(x)");
    yes(&ints, "x: {type: int, max: '7'}", "max(x)");
    no(&ints, "x: {type: int, max: '6'}", "max(x)");
    let holes = one(array(Int32Array::from(vec![Some(3), None])));
    no(&holes, "x: {type: int, not_null: true}", "not_null(x)");
    yes(&holes, "x: {type: int, min: 3}", "min(x)");
    // What takes the place of NULL is a value like any other, and is not in the statistics.
    no(&holes, "x: {type: int, min: 3, null_as: '0'}", "min(x)");
    yes(&one(array(Int64Array::from(vec![None::<i64>, None]))), "x: {type: int, min: 3}", "min(x)");
    let days = one(array(Date32Array::from(vec![0, 20_634])));
    yes(&days, "x: {type: date, not_null: true}", "not_null(x)");
    yes(&days, "x: {type: date, max: 2026-06-30}", "max(x)");
    no(&days, "x: {type: date, max: 2026-06-29}", "max(x)");
    yes(&one(array(StringArray::from(vec!["a"]))), "x: {type: string, not_null: true}", "not_null(x)");
    yes(&one(array(BooleanArray::from(vec![true]))), "x: {type: bool, not_null: true}", "not_null(x)");
}

#[test]
fn converted_values_are_not_proven() {
    let text = one(array(StringArray::from(vec!["1", "2"])));
    no(&text, "x: {type: int, parse: number, not_null: true}", "not_null(x)");
    no(&text, "x: {type: money, unit: major, parse: number, not_null: true}", "not_null(x)");
    let epochs = one(array(Int64Array::from(vec![1, 2])));
    no(&epochs, "x: {type: date, parse: epoch_s, not_null: true}", "not_null(x)");
    no(&epochs, "x: {type: date, parse: epoch_s, min: 1970-01-01}", "min(x)");
    no(&epochs, "x: {type: money, unit: minor, min: '0.01'}", "min(x)");
    let instants = one(array(TimestampMicrosecondArray::from(vec![1]).with_timezone("UTC")));
    no(&instants, "x: {type: timestamp, not_null: true}", "not_null(x)");
    no(&instants, "x: {type: date, not_null: true}", "not_null(x)");
    // NaN is NULL, and stands in no statistics.
    no(&one(array(Float64Array::from(vec![f64::NAN]))), "x: {type: float, not_null: true}", "not_null(x)");
    no(&one(array(UInt32Array::from(vec![u32::MAX]))), "x: {type: int, max: '5'}", "max(x)");
    // A database's infinity is a date that cannot be read: the rule that finds it must be asked.
    no(&one(array(Date32Array::from(vec![i32::MAX]))), "x: {type: date, not_null: true}", "not_null(x)");
}

#[test]
fn days_and_instants_of_the_calendar_are_known_to_be_readable() {
    let readable = |bench: &Bench, column: &str| {
        let plan = bench.plans(&pipeline(&[column], &[])).unwrap_or_else(|messages| panic!("{messages}")).remove(0);
        plan.layouts.iter().map(|layout| layout.readable.clone()).collect::<Vec<_>>().concat()
    };
    let micros =
        |at: i64| one(array(TimestampMicrosecondArray::from(vec![Some(0), None, Some(at)]).with_timezone("UTC")));
    let millis = |at: i64| one(array(TimestampMillisecondArray::from(vec![0, at]).with_timezone("UTC")));
    let whole = |at: i64| one(array(Int64Array::from(vec![0, at])));
    // 9999-12-31T23:59:59.999999Z.
    let last = 253_402_300_799_999_999;
    for (bench, column, known) in [
        (micros(last), "x: {type: timestamp}", true),
        (micros(last + 1), "x: {type: timestamp}", false),
        (micros(last), "x: {type: date}", true),
        (millis(last / 1_000), "x: {type: timestamp}", true),
        (millis(last / 1_000 + 1), "x: {type: timestamp}", false),
        (whole(last / 1_000_000), "x: {type: timestamp, parse: epoch_s}", true),
        (whole(last / 1_000_000 + 1), "x: {type: timestamp, parse: epoch_s}", false),
        (whole(last / 1_000), "x: {type: date, parse: epoch_ms}", true),
        (whole(last), "x: {type: timestamp, parse: epoch_us}", true),
        (whole(last + 1), "x: {type: date, parse: epoch_us}", false),
        (one(array(Date32Array::from(vec![20_000]))), "x: {type: date}", true),
        (one(array(Date32Array::from(vec![i32::MAX]))), "x: {type: date}", false),
        // Whatever it is, it has to be parsed.
        (one(array(StringArray::from(vec!["2026-01-01"]))), "x: {type: date, parse: iso_date}", false),
    ] {
        assert_eq!(readable(&bench, column), [known], "{column}");
    }
    // The values are the same whether the footer proves them or not, and so is the one that cannot be read.
    let none = || WriterProperties::builder().set_statistics_enabled(EnabledStatistics::None).build();
    let values = || array(TimestampMicrosecondArray::from(vec![Some(5), None, Some(last)]).with_timezone("UTC"));
    for column in ["x: {type: timestamp}", "x: {type: date}"] {
        let (proven, told) = (one(values()), written(values(), none()));
        assert_eq!((readable(&proven, column), readable(&told, column)), (vec![true], vec![false]));
        let load = |bench: &Bench| bench.load(&pipeline(&[column], &[])).remove(0);
        assert!(load(&proven).frame.equals_missing(&load(&told).frame), "{column}");
    }
    let broken = micros(last + 1).load(&pipeline(&["x: {type: timestamp}"], &[])).remove(0);
    assert_eq!(broken.violations.len(), 1);
}

#[test]
fn footers_without_statistics_prove_nothing() {
    let none = || WriterProperties::builder().set_statistics_enabled(EnabledStatistics::None).build();
    let ints = written(array(Int64Array::from(vec![3, 4])), none());
    no(&ints, "x: {type: int, not_null: true}", "not_null(x)");
    no(&ints, "x: {type: int, min: 3}", "min(x)");
    // One file without them is enough.
    ints.arrow("b.parquet", vec![("x", array(Int64Array::from(vec![5])))]);
    no(&ints, "x: {type: int, not_null: true}", "not_null(x)");
    fs::remove_file(ints.path("a.parquet")).unwrap();
    yes(&ints, "x: {type: int, not_null: true}", "not_null(x)");
    // Bounds of a text may be cut off; no rule on texts rests on them.
    let cut = WriterProperties::builder().set_statistics_truncate_length(Some(2)).build();
    let texts = written(array(StringArray::from(vec!["abcdef"])), cut);
    no(&texts, "x: {type: string, one_of: [ab]}", "one_of(x)");
    // A file that lacks the column holds NULL in every row.
    let bench = one(array(Int64Array::from(vec![1])));
    bench.arrow("b.parquet", vec![("y", array(Int64Array::from(vec![1])))]);
    no(&bench, "x: {type: int, optional: true, not_null: true}", "not_null(x)");
}

#[test]
fn several_row_groups_count_together() {
    let small = || WriterProperties::builder().set_max_row_group_row_count(Some(2)).build();
    let ints = written(array(Int64Array::from(vec![Some(5), Some(6), Some(1), None, None, None])), small());
    no(&ints, "x: {type: int, not_null: true}", "not_null(x)");
    yes(&ints, "x: {type: int, min: 1}", "min(x)");
    no(&ints, "x: {type: int, min: 2}", "min(x)");
    yes(&ints, "x: {type: int, max: 6}", "max(x)");
}

#[test]
fn a_column_that_only_proven_rules_want_is_not_read() {
    let bench = Bench::new();
    bench.arrow(
        "a.parquet",
        vec![("x", array(Int64Array::from(vec![3, 4]))), ("y", array(Int64Array::from(vec![1, 2])))],
    );
    let text = |min: &str| pipeline(&[&format!("x: {{type: int, not_null: true, min: {min}}}"), "y: {type: int}"], &[]);
    let wanted = ["y".to_owned()];
    let plan = bench.plans(&text("3")).unwrap().remove(0);
    assert_eq!(needed(&plan, &wanted).iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["y"]);
    let shown = scan_plan(&plan, &wanted).unwrap().explain(true).unwrap();
    assert!(shown.contains("1/2 COLUMNS") || shown.contains("PROJECT 1/2"), "{shown}");
    let loaded = load(&[plan], &[(0, wanted.to_vec())], &mut Silent).unwrap().remove(0);
    assert_eq!(loaded.proven, ["not_null(x)", "min(x)"]);
    assert!(loaded.violations.is_empty());
    // One value below the limit, and the column is read.
    let plan = bench.plans(&text("4")).unwrap().remove(0);
    assert_eq!(needed(&plan, &wanted).len(), 2);
    let loaded = load(&[plan], &[(0, wanted.to_vec())], &mut Silent).unwrap().remove(0);
    assert_eq!((loaded.proven, loaded.violations.len()), (vec!["not_null(x)".to_owned()], 1));
}
