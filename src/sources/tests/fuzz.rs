//! Broken bytes and strange values: never a panic, never a value that is silently lost.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::{Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};
use proptest::prelude::*;

use super::*;
use crate::sources::SourceErrorClass;

/// Files of several kinds of pages: dictionaries and plain values, NULLs, two row groups, with and without compression.
fn valid(kind: usize) -> Vec<u8> {
    let n = 600_i64;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", array((0..n).map(|i| Some(format!("si_{i:06}"))).collect::<StringArray>())),
        ("kind", array((0..n).map(|i| (i % 5 != 0).then(|| format!("k{}", i % 7))).collect::<StringArray>())),
        ("n", array((0..n).map(|i| (i % 11 != 0).then_some(i * 37)).collect::<Int64Array>())),
        ("amount", array((0..n).map(|i| Some(format!("{}.{:02}", i, i % 100))).collect::<StringArray>())),
        ("ratio", array((0..n).map(|i| Some(f64::from(i32::try_from(i).unwrap()) / 7.0)).collect::<Float64Array>())),
        (
            "at",
            array(
                (0..n)
                    .map(|i| Some(1_700_000_000_000_000 + i * 1_000_000))
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            ),
        ),
    ];
    let compression =
        [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(ZstdLevel::try_new(3).unwrap())][kind % 3];
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_dictionary_enabled(kind < 3)
        .set_writer_version(if kind.is_multiple_of(2) {
            WriterVersion::PARQUET_1_0
        } else {
            WriterVersion::PARQUET_2_0
        })
        .set_max_row_group_row_count(Some(400))
        .build();
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

const COLUMNS: [&str; 6] = [
    "id: {type: string, not_null: true, unique: true}",
    "kind: {type: string, one_of: [k0, k1, k2, k3, k4, k5, k6]}",
    "n: {type: int, min: 0}",
    "amount: {type: money, unit: major, parse: number}",
    "ratio: {type: float}",
    "at: {type: timestamp}",
];

#[derive(Clone, Debug)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Fill(prop::sample::Index, u8, u8),
    Cut(prop::sample::Index),
    /// Near the end, where the footer is.
    FlipFooter(prop::sample::Index, u8),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        4 => (at(), 1..=255_u8).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        2 => (at(), 1..40_u8, any::<u8>()).prop_map(|(at, length, byte)| Damage::Fill(at, length, byte)),
        1 => at().prop_map(Damage::Cut),
        4 => (at(), 1..=255_u8).prop_map(|(at, bits)| Damage::FlipFooter(at, bits)),
    ]
}

fn apply(bytes: &mut Vec<u8>, damage: &Damage) {
    if bytes.is_empty() {
        return;
    }
    match damage {
        Damage::Flip(at, bits) => {
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
        }
        Damage::Fill(at, length, byte) => {
            let at = at.index(bytes.len());
            let end = (at + usize::from(*length)).min(bytes.len());
            bytes[at..end].fill(*byte);
        }
        Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Damage::FlipFooter(at, bits) => {
            let footer = bytes.len().min(3_000);
            let at = bytes.len() - footer + at.index(footer);
            bytes[at] ^= bits;
        }
    }
}

/// Describes, resolves and loads; what went wrong, in one word.
fn outcome(bytes: &[u8]) -> &'static str {
    let bench = Bench::new();
    fs::write(bench.path("a.parquet"), bytes).unwrap();
    let request = SourceRequest { name: "s".to_owned(), path: bench.path("a.parquet"), optional: false };
    let described = describe(&[request]);
    if !described.problems.is_empty() {
        assert!(!described.problems.is_transient(), "{}", described.problems);
        return "footer";
    }
    let text = pipeline(&COLUMNS, &["on_violation: {quarantine: {}}"]);
    // A footer may describe other columns now; that is a mistake of plan and file together.
    let Ok(plans) = bench.plans(&text) else { return "plan" };
    let wanted = vec![(0, plans[0].columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>())];
    match load(&plans, &wanted, &mut Silent) {
        Ok(loaded) => {
            assert!(loaded[0].attrition.adds_up());
            "read"
        }
        Err(error) => {
            // Never as if it could pass by itself, and never as a fault of tenure.
            assert!(matches!(error.class(), SourceErrorClass::Incomplete), "class {:?} of {error}", error.class());
            assert!(error.to_string().contains("a.parquet"), "{error}");
            "data"
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_are_errors_that_name_them(kind in 0..6_usize, damages in prop::collection::vec(damage(), 1..4)) {
        let mut bytes = valid(kind);
        for damage in &damages {
            apply(&mut bytes, damage);
        }
        let ended = catch_unwind(AssertUnwindSafe(|| outcome(&bytes)));
        prop_assert!(ended.is_ok(), "a panic came through");
    }
}

#[test]
fn damage_is_found_in_every_part() {
    // Without this the law above could pass on files that nothing damages.
    let bytes = valid(1);
    assert_eq!(outcome(&bytes), "read");
    assert_eq!(outcome(&bytes[..bytes.len() / 2]), "footer");
    let mut data = bytes.clone();
    data[4..80].fill(0xff);
    assert_eq!(outcome(&data), "data");
}

fn texts() -> impl Strategy<Value = Option<String>> {
    let date = (0..3_000_i32, 0..15_u32, 0..40_u32).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}"));
    let time = (date.clone(), 0..30_u32, 0..70_u32, 0..70_u32, "(Z|\\+0[0-9]:30|-11|)")
        .prop_map(|(day, h, m, s, zone)| format!("{day}T{h:02}:{m:02}:{s:02}{zone}"));
    prop::option::weighted(
        0.9,
        prop_oneof![
            any::<String>(),
            "[-+0-9. ,eE]{0,24}",
            "-?[0-9]{1,40}(\\.[0-9]{0,12})?",
            "(true|FALSE|yes|no|1|0|t| F |maybe)",
            "(inf|nan|NaN|-Infinity|1e400|0x1F|١٢٣|−5)",
            date,
            time,
        ],
    )
}

/// Every stored value is there, or its row is told.
fn told_or_there(columns: &[&str], write: impl Fn(&Bench), given: &[bool]) {
    let bench = Bench::new();
    write(&bench);
    for column in columns {
        let loaded = bench.one(&pipeline(&[column], &["on_violation: {quarantine: {}}"]));
        let aside: Vec<String> =
            loaded.quarantined.as_ref().map(|q| rows(&q.select(["_row"]).unwrap())).unwrap_or_default();
        let mut kept = rows(&loaded.frame).into_iter();
        for (at, given) in given.iter().enumerate() {
            if aside.contains(&(at + 1).to_string()) {
                assert!(*given, "{column}: row {} is NULL and no violation", at + 1);
                continue;
            }
            let value = kept.next().expect("a row for every one that is not set aside");
            assert_eq!(value != "-", *given, "{column}: row {} became {value}", at + 1);
        }
        assert_eq!(kept.next(), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn strange_texts_are_read_or_told(texts in prop::collection::vec(texts(), 1..40)) {
        // A lone dash would look like NULL in the comparison.
        let texts: Vec<Option<String>> = texts.into_iter().map(|t| t.filter(|t| t != "-")).collect();
        let given: Vec<bool> = texts.iter().map(Option::is_some).collect();
        let columns = [
            "x: {type: date, parse: iso_date}",
            "x: {type: date, parse: iso_timestamp, zone: Asia/Tokyo}",
            "x: {type: timestamp, parse: iso_timestamp, zone: America/New_York}",
            "x: {type: int, parse: number}",
            "x: {type: float, parse: number}",
            "x: {type: bool, parse: flag}",
            "x: {type: money, unit: major, parse: number}",
            "x: {type: money, unit: minor, parse: number, currency: JPY}",
            "x: {type: string}",
        ];
        told_or_there(&columns, |bench| { bench.polars("a.parquet", df!("x" => &texts).unwrap()); }, &given);
    }

    #[test]
    fn strange_numbers_are_read_or_told(numbers in prop::collection::vec(prop::option::of(prop_oneof![any::<i64>(), -5..5_i64, Just(i64::MAX), Just(i64::MIN), 1_600_000_000..1_900_000_000_i64, 1_600_000_000_000..1_900_000_000_000_i64]), 1..40)) {
        let given: Vec<bool> = numbers.iter().map(Option::is_some).collect();
        let columns = [
            "x: {type: int}",
            "x: {type: float}",
            "x: {type: date, parse: epoch_s}",
            "x: {type: timestamp, parse: epoch_s}",
            "x: {type: timestamp, parse: epoch_ms}",
            "x: {type: timestamp, parse: epoch_us}",
            "x: {type: bool, parse: flag}",
            "x: {type: money, unit: minor}",
            "x: {type: money, unit: major}",
            "x: {type: money, unit: minor, currency: JPY}",
        ];
        told_or_there(&columns, |bench| { bench.polars("a.parquet", df!("x" => &numbers).unwrap()); }, &given);
    }

    #[test]
    fn strange_floats_are_read_or_told(numbers in prop::collection::vec(prop::option::of(prop_oneof![any::<f64>(), Just(f64::INFINITY), Just(1e18), Just(9.3e18), -10.0..10.0_f64]), 1..40)) {
        // NaN is NULL, as pandas means it.
        let given: Vec<bool> = numbers.iter().map(|n| n.is_some_and(|n| !n.is_nan())).collect();
        let columns = ["x: {type: int}", "x: {type: float}", "x: {type: money, unit: major}", "x: {type: money, unit: minor}"];
        told_or_there(&columns, |bench| { bench.polars("a.parquet", df!("x" => &numbers).unwrap()); }, &given);
    }
}
