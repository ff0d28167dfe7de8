//! Every stored form of text, numbers and flags.

use arrow::array::{
    BinaryArray, BooleanArray, Decimal128Array, DictionaryArray, Float32Array, Float64Array, Int16Array, Int32Array,
    Int64Array, StringArray, UInt8Array, UInt64Array,
};
use arrow::datatypes::Int32Type;

use super::*;

/// Reads one stored column as declared; rows as text, then broken rules.
fn read(column: ArrayRef, declared: &str) -> (Vec<String>, Vec<String>) {
    let bench = Bench::new();
    bench.arrow("a.parquet", vec![("x", column)]);
    let loaded = bench.one(&pipeline(&[&format!("x: {{{declared}}}")], &["on_violation: warn"]));
    (rows(&loaded.frame), broken_rules(&loaded))
}

fn check(column: ArrayRef, declared: &str, values: &[&str], unread: usize) {
    let (got, rules) = read(column, declared);
    assert_eq!(got, values, "{declared}");
    let want: Vec<String> = if unread == 0 { vec![] } else { vec![format!("parse(x) x {unread}")] };
    assert_eq!(rules, want, "{declared}");
}

#[test]
fn text() {
    check(array(StringArray::from(vec![Some(" a"), None, Some("")])), "type: string", &[" a", "-", ""], 0);
    check(array(Int64Array::from(vec![Some(-7), None])), "type: string", &["-7", "-"], 0);
    check(array(UInt64Array::from(vec![u64::MAX])), "type: string", &["18446744073709551615"], 0);
    let bytes: Vec<Option<&[u8]>> = vec![Some(b"in_1"), None, Some(&[0xff, 0xfe])];
    check(array(BinaryArray::from(bytes)), "type: string", &["in_1", "-", "-"], 1);
    let big = Decimal128Array::from(vec![Some(12_345_678_901_234), None]).with_precision_and_scale(38, 0).unwrap();
    check(array(big), "type: string", &["12345678901234", "-"], 0);
}

#[test]
fn text_as_dictionary() {
    let words: DictionaryArray<Int32Type> = vec![Some("a"), None, Some("b"), Some("a")].into_iter().collect();
    check(array(words), "type: string", &["a", "-", "b", "a"], 0);
}

#[test]
fn whole_numbers() {
    check(array(Int16Array::from(vec![Some(-3), None])), "type: int", &["-3", "-"], 0);
    check(array(UInt8Array::from(vec![255])), "type: int", &["255"], 0);
    check(array(UInt64Array::from(vec![7, u64::MAX])), "type: int", &["7", "-"], 1);
    check(
        array(Float64Array::from(vec![Some(3.0), Some(2.5), Some(f64::NAN), None, Some(1e300)])),
        "type: int",
        &["3", "-", "-", "-", "-"],
        2,
    );
    let whole = Decimal128Array::from(vec![Some(42), None]).with_precision_and_scale(38, 0).unwrap();
    check(array(whole), "type: int", &["42", "-"], 0);
    let cents = Decimal128Array::from(vec![4200, 4250]).with_precision_and_scale(10, 2).unwrap();
    check(array(cents), "type: int", &["42", "-"], 1);
    let texts = StringArray::from(vec![
        Some("12"),
        Some(" -7 "),
        Some("3.0"),
        Some("3.5"),
        Some(""),
        Some("1e3"),
        Some("99999999999999999999"),
        None,
    ]);
    check(array(texts), "type: int, parse: number", &["12", "-7", "3", "-", "-", "-", "-", "-"], 4);
    let limits = StringArray::from(vec!["9223372036854775807", "-9223372036854775807", "9223372036854775808"]);
    check(array(limits), "type: int, parse: number", &["9223372036854775807", "-9223372036854775807", "-"], 1);
}

#[test]
fn numbers_with_a_fraction() {
    check(array(Float32Array::from(vec![Some(0.5), None])), "type: float", &["0.5", "-"], 0);
    check(array(Float64Array::from(vec![f64::NAN, f64::INFINITY, 1.25])), "type: float", &["-", "-", "1.25"], 1);
    check(array(Int32Array::from(vec![2])), "type: float", &["2.0"], 0);
    let cents = Decimal128Array::from(vec![4250]).with_precision_and_scale(10, 2).unwrap();
    check(array(cents), "type: float", &["42.5"], 0);
    let texts = StringArray::from(vec!["1.5", "1e3", " .5", "inf", "abc", "1,5"]);
    check(array(texts), "type: float, parse: number", &["1.5", "1000.0", "0.5", "-", "-", "-"], 3);
}

#[test]
fn flags() {
    check(array(BooleanArray::from(vec![Some(true), None])), "type: bool", &["true", "-"], 0);
    check(
        array(Int32Array::from(vec![Some(1), Some(0), Some(2), None])),
        "type: bool, parse: flag",
        &["true", "false", "-", "-"],
        1,
    );
    let words = StringArray::from(vec!["TRUE", "f", "Yes", "0", "maybe"]);
    check(array(words), "type: bool, parse: flag", &["true", "false", "true", "false", "-"], 1);
}

#[test]
fn currencies() {
    let codes = StringArray::from(vec![Some("usd"), Some(" EUR "), None]);
    check(array(codes), "type: currency", &["USD", "EUR", "-"], 0);
    let (got, rules) = read(array(StringArray::from(vec!["usd", "BTC", "HRK", "KWD"])), "type: currency");
    assert_eq!(got, ["USD", "BTC", "HRK", "KWD"]);
    assert_eq!(rules, ["currency(x) x 1"]);
}

#[test]
fn null_gets_its_value_and_unread_does_not_hide_behind_it() {
    let (got, rules) =
        read(array(StringArray::from(vec![Some("4"), None, Some("four")])), "type: int, parse: number, null_as: 1");
    assert_eq!(got, ["4", "1", "1"]);
    assert_eq!(rules, ["parse(x) x 1"]);
}

#[test]
fn samples_show_what_is_stored() {
    let bench = Bench::new();
    bench.arrow(
        "a.parquet",
        vec![("id", array(StringArray::from(vec!["i1", "i2"]))), ("x", array(StringArray::from(vec!["1", "soon"])))],
    );
    let loaded = bench.one(&pipeline(
        &["id: {type: string}", "n: {from: x, type: int, parse: number}"],
        &["key: [id]", "on_violation: warn"],
    ));
    assert_eq!(loaded.violations[0].samples[0].to_string(), "id=i2 n=soon (a.parquet, row 2)");
}
