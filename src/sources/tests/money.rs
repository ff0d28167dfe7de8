//! Every stored form of money, in several currencies.

use arrow::array::{Decimal128Array, Float64Array, Int32Array, Int64Array, StringArray};

use super::*;

fn check(column: ArrayRef, declared: &str, values: &[&str], unread: usize) {
    let bench = Bench::new();
    bench.arrow("a.parquet", vec![("x", column)]);
    let loaded = bench.one(&pipeline(&[&format!("x: {{type: money, {declared}}}")], &["on_violation: warn"]));
    assert_eq!(rows(&loaded.frame), values, "{declared}");
    let want: Vec<String> = if unread == 0 { vec![] } else { vec![format!("parse(x) x {unread}")] };
    assert_eq!(broken_rules(&loaded), want, "{declared}");
}

fn decimal(values: Vec<i128>, precision: u8, scale: i8) -> ArrayRef {
    array(Decimal128Array::from(values).with_precision_and_scale(precision, scale).unwrap())
}

#[test]
fn minor_units() {
    // Scale 6: a cent is 10,000 units.
    check(array(Int64Array::from(vec![Some(1999), Some(-1), None])), "unit: minor", &["19990000", "-10000", "-"], 0);
    check(array(Int32Array::from(vec![5])), "unit: minor, currency: USD", &["50000"], 0);
    let limit = i64::MAX / 10_000;
    check(
        array(Int64Array::from(vec![limit, limit + 1, -limit, i64::MIN])),
        "unit: minor",
        &["9223372036854770000", "-", "-9223372036854770000", "-"],
        2,
    );
    check(decimal(vec![199_900, 12_345_678], 12, 2), "unit: minor", &["19990000", "1234567800"], 0);
    check(decimal(vec![1_999_123_456_789], 38, 9), "unit: minor", &["-"], 1);
    check(
        array(StringArray::from(vec!["1999", "0.1234", "0.12345", "12.5", "-3"])),
        "unit: minor, parse: number",
        &["19990000", "1234", "-", "125000", "-30000"],
        1,
    );
    check(
        array(Float64Array::from(vec![1999.0, 0.1 + 0.2, f64::NAN, 1e300])),
        "unit: minor",
        &["19990000", "3000", "-", "-"],
        1,
    );
}

#[test]
fn major_units() {
    check(array(Int64Array::from(vec![19, -3])), "unit: major", &["19000000", "-3000000"], 0);
    check(decimal(vec![1999, -1], 12, 2), "unit: major", &["19990000", "-10000"], 0);
    check(decimal(vec![19_990_000_000, 19_990_000_001], 38, 9), "unit: major", &["19990000", "-"], 1);
    check(decimal(vec![i128::from(i64::MAX) + 1], 38, 6), "unit: major", &["-"], 1);
    let texts = StringArray::from(vec![
        "12.5",
        "-1234.5678",
        "0.000001",
        "0.0000001",
        "9223372036854.775807",
        "9223372036854.775808",
        "1,000",
        " 7 ",
        "-.5",
        "5.",
        ".",
    ]);
    let want =
        ["12500000", "-1234567800", "1", "-", "9223372036854775807", "-", "-", "7000000", "-500000", "5000000", "-"];
    check(array(texts), "unit: major, parse: number", &want, 4);
    check(
        array(Float64Array::from(vec![19.99, 0.1, 1.0 / 3.0, -2.5])),
        "unit: major",
        &["19990000", "100000", "333333", "-2500000"],
        0,
    );
}

#[test]
fn the_currency_of_the_row_decides() {
    let bench = Bench::new();
    bench.arrow(
        "a.parquet",
        vec![
            ("x", array(Int64Array::from(vec![Some(1999), Some(1999), Some(1999), Some(5), Some(5), Some(5), None]))),
            (
                "cur",
                array(StringArray::from(vec![
                    Some("usd"),
                    Some("jpy"),
                    Some("KWD"),
                    Some("XXQ"),
                    None,
                    Some("CLF"),
                    None,
                ])),
            ),
        ],
    );
    let columns = ["x: {type: money, unit: minor, currency: cur}", "cur: {type: currency, one_of: [USD, JPY, KWD]}"];
    let loaded = bench.one(&pipeline(&columns, &["on_violation: warn"]));
    // Scale 7, because a dinar has three places.
    assert_eq!(
        rows(&loaded.frame),
        ["199900000|USD", "19990000000|JPY", "19990000|KWD", "-|XXQ", "-|-", "-|CLF", "-|-"]
    );
    assert_eq!(broken_rules(&loaded), ["currency(cur) x 2", "currency(x) x 1", "one_of(cur) x 2"]);
    let help = loaded.violations[0].help.clone().unwrap();
    assert!(help.contains("one_of"), "{help}");
}

#[test]
fn every_form_in_every_currency_agrees() {
    let bench = Bench::new();
    let cur = || ("cur", array(StringArray::from(vec!["USD", "JPY", "KWD"])));
    let major = ["12.34", "1234", "1.234"];
    let minor = ["1234", "1234", "1234"];
    bench.arrow(
        "a.parquet",
        vec![
            cur(),
            ("major_text", array(StringArray::from(major.to_vec()))),
            ("minor_text", array(StringArray::from(minor.to_vec()))),
            ("minor_int", array(Int64Array::from(vec![1234, 1234, 1234]))),
            ("minor_decimal", decimal(vec![1_234_000, 1_234_000, 1_234_000], 20, 3)),
            ("major_decimal", decimal(vec![12_340, 1_234_000, 1_234], 20, 3)),
            ("major_float", array(Float64Array::from(vec![12.34, 1234.0, 1.234]))),
            ("minor_float", array(Float64Array::from(vec![1234.0, 1234.0, 1234.0]))),
        ],
    );
    let mut columns = vec!["cur: {type: currency, one_of: [USD, JPY, KWD]}".to_owned()];
    for form in
        ["major_text", "minor_text", "minor_int", "minor_decimal", "major_decimal", "major_float", "minor_float"]
    {
        let parse = if form.ends_with("text") { ", parse: number" } else { "" };
        columns.push(format!("{form}: {{type: money, unit: {}, currency: cur{parse}}}", &form[..5]));
    }
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let loaded = bench.one(&pipeline(&columns, &[]));
    let want = |code: &str, units: &str| format!("{code}{}", format!("|{units}").repeat(7));
    assert_eq!(rows(&loaded.frame), [want("USD", "123400000"), want("JPY", "12340000000"), want("KWD", "12340000")]);
    assert!(loaded.violations.is_empty());
}

#[test]
fn floats_are_rounded_where_the_currency_ends() {
    let bench = Bench::new();
    bench.arrow(
        "a.parquet",
        vec![
            ("x", array(Float64Array::from(vec![1_000_000_000.123_45, 0.000_05, 0.000_16]))),
            ("cur", array(StringArray::from(vec!["JPY", "JPY", "JPY"]))),
        ],
    );
    let columns = ["x: {type: money, unit: major, currency: cur}", "cur: {type: currency}"];
    let loaded = bench.one(&pipeline(&columns, &[]));
    assert_eq!(rows(&loaded.frame), ["1000000000123400|JPY", "0|JPY", "200|JPY"]);
}

#[test]
fn a_default_currency_is_used_where_the_row_has_none() {
    let bench = Bench::new();
    bench.arrow(
        "a.parquet",
        vec![("x", array(Int64Array::from(vec![100]))), ("cur", array(StringArray::from(vec![None::<&str>])))],
    );
    let columns =
        ["x: {type: money, unit: minor, currency: cur}", "cur: {type: currency, null_as: JPY, one_of: [USD, JPY]}"];
    let loaded = bench.one(&pipeline(&columns, &[]));
    assert_eq!(rows(&loaded.frame), ["100000000|JPY"]);
}

#[test]
fn conditions_see_major_units_and_bounds_are_written_in_them() {
    let bench = Bench::new();
    bench.arrow("a.parquet", vec![("x", array(Int64Array::from(vec![999, 1000, 1001, 5000])))]);
    let columns = ["x: {type: money, unit: minor, max: '40'}"];
    let loaded = bench.one(&pipeline(
        &columns,
        &["filters: {large: 'x >= 10.00'}", "checks: {below: {expr: 'x <> 10.01'}}", "on_violation: quarantine: {}"]
            .map(|l| if l.starts_with("on") { "on_violation: {quarantine: {}}" } else { l }),
    ));
    assert_eq!(rows(&loaded.frame), ["10000000"]);
    assert_eq!(reasons(&loaded), ["filter(large) x 1", "quarantined: max(x) x 1", "quarantined: below x 1"]);
}
