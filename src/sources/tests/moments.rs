//! Every stored form of instants and dates, at the borders of days and clocks.

use arrow::array::{
    Date32Array, Decimal128Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
};
use parquet::data_type::{Int96, Int96Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::*;

/// 2026-03-31T23:15:00Z.
const LATE: i64 = 1_774_998_900;

fn load(zone: &str, column: ArrayRef, declared: &str) -> LoadedSource {
    let bench = Bench::new();
    bench.arrow("a.parquet", vec![("x", column)]);
    bench.one(&zoned(zone, &[&format!("x: {{{declared}}}")], &["on_violation: warn"]))
}

fn check(zone: &str, column: ArrayRef, declared: &str, values: &[&str], unread: usize) {
    let loaded = load(zone, column, declared);
    assert_eq!(rows(&loaded.frame), values, "{zone}: {declared}");
    let want: Vec<String> = if unread == 0 { vec![] } else { vec![format!("parse(x) x {unread}")] };
    assert_eq!(broken_rules(&loaded), want, "{zone}: {declared}");
}

#[test]
fn precisions_and_epochs_give_one_instant() {
    let forms: Vec<(ArrayRef, &str)> = vec![
        (array(TimestampSecondArray::from(vec![LATE]).with_timezone("UTC")), ""),
        (array(TimestampMillisecondArray::from(vec![LATE * 1000]).with_timezone("UTC")), ""),
        (array(TimestampMicrosecondArray::from(vec![LATE * 1_000_000]).with_timezone("America/New_York")), ""),
        (array(TimestampNanosecondArray::from(vec![LATE * 1_000_000_000]).with_timezone("+00:00")), ", zone: UTC"),
        (array(TimestampSecondArray::from(vec![LATE])), ", zone: UTC"),
        (array(TimestampMillisecondArray::from(vec![LATE * 1000])), ", zone: UTC"),
        (array(TimestampMicrosecondArray::from(vec![(LATE + 9 * 3600) * 1_000_000])), ", zone: Asia/Tokyo"),
        (
            array(TimestampNanosecondArray::from(vec![(LATE - 4 * 3600) * 1_000_000_000 + 999])),
            ", zone: America/New_York",
        ),
        (array(Int64Array::from(vec![LATE])), ", parse: epoch_s"),
        (array(Int32Array::from(vec![i32::try_from(LATE).unwrap()])), ", parse: epoch_s, zone: UTC"),
        (array(Int64Array::from(vec![LATE * 1000])), ", parse: epoch_ms"),
        (array(Int64Array::from(vec![LATE * 1_000_000])), ", parse: epoch_us"),
        (
            array(Decimal128Array::from(vec![i128::from(LATE)]).with_precision_and_scale(38, 0).unwrap()),
            ", parse: epoch_s",
        ),
        (array(StringArray::from(vec!["2026-03-31T23:15:00Z"])), ", parse: iso_timestamp"),
        (array(StringArray::from(vec!["2026-03-31 23:15:00.000 UTC"])), ", parse: iso_timestamp"),
        (array(StringArray::from(vec!["2026-04-01T08:15:00+09:00"])), ", parse: iso_timestamp"),
        (array(StringArray::from(vec!["2026-04-01 04:45:00.000000+0530"])), ", parse: iso_timestamp"),
        (array(StringArray::from(vec!["2026-03-31T19:15:00-04"])), ", parse: iso_timestamp"),
        (array(StringArray::from(vec!["2026-04-01T08:15:00"])), ", parse: iso_timestamp, zone: Asia/Tokyo"),
    ];
    for (column, declared) in forms {
        let kind = format!("{:?}{declared}", column.data_type());
        let stamp = load("UTC", Arc::clone(&column), &format!("type: timestamp{declared}"));
        let got = stamp.frame.column("x").unwrap().cast(&DataType::Int64).unwrap();
        assert_eq!(got.i64().unwrap().get(0), Some(LATE * 1_000_000), "{kind}");
        assert_eq!(
            stamp.frame.column("x").unwrap().dtype(),
            &crate::checks::canonical_type(crate::schema::ColumnType::Timestamp)
        );
        for (zone, day) in [("UTC", "2026-03-31"), ("Asia/Tokyo", "2026-04-01"), ("America/New_York", "2026-03-31")] {
            let date = load(zone, Arc::clone(&column), &format!("type: date{declared}"));
            assert_eq!(rows(&date.frame), [day], "{kind} in {zone}");
        }
    }
}

#[test]
fn int96_is_read_as_local_time() {
    let bench = Bench::new();
    let schema = parse_message_type("message s { optional int96 x; }").unwrap();
    let file = File::create(bench.path("a.parquet")).unwrap();
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(WriterProperties::new())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let mut value = Int96::new();
    // Nanoseconds of the day, then the Julian day; 2440588 is 1970-01-01.
    let nanos = 83_700_000_000_000_u64;
    value.set_data(
        u32::try_from(nanos & 0xffff_ffff).unwrap(),
        u32::try_from(nanos >> 32).unwrap(),
        2_440_588 + 20_543,
    );
    column.typed::<Int96Type>().write_batch(&[value], Some(&[1, 0]), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    // Ours marks the newer order of INT96 (field 3 of the union), which others do not write.
    let mut bytes = fs::read(bench.path("a.parquet")).unwrap();
    let marks: Vec<usize> = (0..bytes.len() - 3).filter(|at| bytes[*at..at + 3] == [0x3c, 0, 0]).collect();
    assert_eq!(marks.len(), 1);
    let newer =
        describe(&[SourceRequest { name: "s".to_owned(), path: bench.path("a.parquet"), optional: false }]).problems;
    assert!(newer.to_string().contains("INT96 column order"), "{newer}");
    bytes[marks[0]] = 0x1c;
    fs::write(bench.path("a.parquet"), &bytes).unwrap();
    let loaded = bench.one(&zoned(
        "Asia/Tokyo",
        &["at: {from: x, type: timestamp, zone: UTC}", "on_day: {from: x, type: date, zone: UTC}"],
        &[],
    ));
    assert_eq!(rows(&loaded.frame), ["2026-03-31 23:15:00 UTC|2026-04-01", "-|-"]);
    let messages = bench.plans(&pipeline(&["at: {from: x, type: timestamp}"], &[])).unwrap_err();
    assert!(messages.contains("has no time zone"), "{messages}");
}

#[test]
fn dates() {
    check("Asia/Tokyo", array(Date32Array::from(vec![Some(20_543), None])), "type: date", &["2026-03-31", "-"], 0);
    let texts = StringArray::from(vec!["2026-03-31", " 2026-02-28 ", "2026-02-30", "31.03.2026", "2026-3-1", ""]);
    check(
        "Asia/Tokyo",
        array(texts),
        "type: date, parse: iso_date",
        &["2026-03-31", "2026-02-28", "-", "-", "-", "-"],
        4,
    );
    check(
        "UTC",
        array(Date32Array::from(vec![20_543])),
        "type: timestamp, zone: Asia/Tokyo",
        &["2026-03-30 15:00:00 UTC"],
        0,
    );
}

#[test]
fn infinity_is_no_date() {
    let bench = Bench::new();
    bench.arrow("a.parquet", vec![("x", array(Date32Array::from(vec![i32::MAX, i32::MIN, 2_932_896, -719_162])))]);
    let loaded = bench.one(&zoned("UTC", &["x: {type: date}"], &["on_violation: {quarantine: {}}"]));
    assert_eq!(rows(&loaded.frame), ["9999-12-31", "0001-01-01"]);
    assert_eq!(loaded.violations[0].samples[0].to_string(), "x=2147483647 days (a.parquet, row 1)");
}

#[test]
fn the_day_begins_where_the_pipeline_is() {
    // 04:59:59 and 05:00:00 UTC are the two sides of midnight in New York in winter.
    let border = || array(Int64Array::from(vec![1_768_280_399, 1_768_280_400]));
    check("America/New_York", border(), "type: date, parse: epoch_s", &["2026-01-12", "2026-01-13"], 0);
    // 14:59:59 and 15:00:00 UTC in Tokyo.
    let border = || array(Int64Array::from(vec![1_768_316_399, 1_768_316_400]));
    check("Asia/Tokyo", border(), "type: date, parse: epoch_s", &["2026-01-13", "2026-01-14"], 0);
}

#[test]
fn days_on_which_clocks_move() {
    // New York, 2026-03-08: 03:59:59Z is 22:59:59 the day before, 05:00Z midnight; 2026-03-09T03:59:59Z the last second.
    let spring = array(Int64Array::from(vec![1_772_945_999, 1_772_946_000, 1_773_028_799, 1_773_028_800]));
    check(
        "America/New_York",
        spring,
        "type: date, parse: epoch_s",
        &["2026-03-07", "2026-03-08", "2026-03-08", "2026-03-09"],
        0,
    );
    // Local 02:30 does not exist on 2026-03-08 and is read as 03:30 EDT; 01:30 on 2026-11-01 exists twice, the first is taken.
    let local = array(StringArray::from(vec!["2026-03-08T02:30:00", "2026-11-01T01:30:00"]));
    check(
        "UTC",
        local,
        "type: timestamp, parse: iso_timestamp, zone: America/New_York",
        &["2026-03-08 07:30:00 UTC", "2026-11-01 05:30:00 UTC"],
        0,
    );
    // A day that Samoa left out.
    let skipped = array(StringArray::from(vec!["2011-12-30T12:00:00"]));
    check("UTC", skipped, "type: timestamp, parse: iso_timestamp, zone: Pacific/Apia", &["2011-12-30 22:00:00 UTC"], 0);
}

#[test]
fn a_local_time_keeps_its_date_in_its_own_zone() {
    let local = array(TimestampMicrosecondArray::from(vec![1_325_246_400_000_000]));
    check("Pacific/Apia", local, "type: date, zone: Pacific/Apia", &["2011-12-30"], 0);
}

#[test]
fn milliseconds_read_as_seconds_are_refused() {
    check(
        "UTC",
        array(Int64Array::from(vec![LATE * 1000, LATE])),
        "type: date, parse: epoch_s",
        &["-", "2026-03-31"],
        1,
    );
    check("UTC", array(Int64Array::from(vec![i64::MAX, i64::MIN])), "type: timestamp, parse: epoch_us", &["-", "-"], 2);
    let far = array(TimestampMicrosecondArray::from(vec![i64::MAX]).with_timezone("UTC"));
    check("Asia/Tokyo", far, "type: date", &["-"], 1);
}

#[test]
fn odd_texts_are_refused() {
    let texts = StringArray::from(vec![
        "2026-03-31T23:15:00.123456789Z",
        "2026-03-31T23:15Z",
        "2026-03-31",
        "2026-13-31T00:00:00Z",
        "2026-03-31T25:00:00Z",
        "2026-03-31T23:15:00",
        "1969-12-31T23:59:59.5Z",
        "2026-03-31T23:15:00+99:00",
    ]);
    check(
        "UTC",
        array(texts),
        "type: timestamp, parse: iso_timestamp",
        &["2026-03-31 23:15:00.123456 UTC", "-", "-", "-", "-", "-", "1969-12-31 23:59:59.500 UTC", "-"],
        6,
    );
}
