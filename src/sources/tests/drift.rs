//! Files that disagree, folders that spell values, and files cut in other ways.

use super::*;
use crate::sources::empty;

#[test]
fn added_reordered_and_widened_columns() {
    let bench = Bench::new();
    bench.polars("1.parquet", df!("id" => [1i32, 2], "n" => [10i32, 20]).unwrap());
    bench.polars("2.parquet", df!("n" => [30i64], "id" => [3i64], "new" => ["x"]).unwrap());
    bench.polars("3.parquet", df!("id" => ["4"], "n" => [40.0f64], "new" => [None::<&str>]).unwrap());
    bench.polars("4.parquet", df!("id" => [5i32], "n" => [50i32]).unwrap());
    bench.polars(
        "5.parquet",
        DataFrame::new(1, vec![Column::new("id".into(), [6i32]), Column::full_null("n".into(), 1, &DataType::Null)])
            .unwrap(),
    );
    let columns = ["id: {type: string}", "n: {type: int}", "new: {type: string, optional: true}"];
    let loaded = bench.one(&pipeline(&columns, &[]));
    let mut got = rows(&loaded.frame);
    got.sort();
    assert_eq!(got, ["1|10|-", "2|20|-", "3|30|x", "4|40|-", "5|50|-", "6|-|-"]);
    let messages =
        bench.plans(&pipeline(&["id: {type: string}", "n: {type: int}", "new: {type: string}"], &[])).unwrap_err();
    assert!(messages.contains("column `new` of `s` is missing in 3 of 5 files"), "{messages}");
    assert!(messages.contains("optional: true"), "{messages}");
}

#[test]
fn rows_are_located_across_layouts() {
    let bench = Bench::new();
    bench.polars("1.parquet", df!("n" => [1i64, 2]).unwrap());
    bench.polars("2.parquet", df!("n" => [3i64, -4], "x" => [0i64, 0]).unwrap());
    bench.polars("3.parquet", df!("n" => [5i64, 6, -7]).unwrap());
    let loaded = bench.one(&pipeline(&["n: {type: int, min: '0'}"], &["on_violation: warn"]));
    let samples: Vec<String> = loaded.violations[0].samples.iter().map(ToString::to_string).collect();
    assert_eq!(samples, ["n=-7 (3.parquet, row 3)", "n=-4 (2.parquet, row 2)"]);
}

#[test]
fn folders_spell_typed_values() {
    let bench = Bench::new();
    for (folder, n) in [
        ("year=2025/day=2025-12-31/eu=true", 1i64),
        ("year=2026/day=2026-01-01/eu=false", 2),
        ("year=2026/day=__HIVE_DEFAULT_PARTITION__/eu=true", 3),
    ] {
        bench.polars(&format!("{folder}/part.parquet"), df!("n" => [n]).unwrap());
    }
    let text = "timezone: UTC\nsources:\n  s:\n    path: 'year=*/**/*.parquet'\n    columns:\n      n: {type: int}\n      y: {from: year, type: int, parse: number, hive: true}\n      day: {type: date, hive: true}\n      eu: {type: bool, parse: flag, hive: true}\n";
    let loaded = bench.one(text);
    assert_eq!(rows(&loaded.frame), ["1|2025|2025-12-31|true", "2|2026|2026-01-01|false", "3|2026|-|true"]);
    let wrong = text.replace("day: {type: date", "day: {type: int");
    let messages = bench.plans(&wrong).unwrap_err();
    assert!(messages.contains("does not spell a value of type int"), "{messages}");
    let lacking = text.replace("from: year", "from: yaer");
    let messages = bench.plans(&lacking).unwrap_err();
    assert!(messages.contains("named like `yaer=..`") && messages.contains("did you mean `year`?"), "{messages}");
}

#[test]
fn a_column_in_files_and_folders_is_asked_about() {
    let bench = Bench::new();
    bench.polars("m=1/k=2/a.parquet", df!("m" => [7i64], "n" => [1i64]).unwrap());
    let text = "timezone: UTC\nsources:\n  s:\n    path: 'm=*'\n    columns: {m: {type: int}, k: {type: int, hive: true, parse: number}}\n";
    let text = text.replace("'m=*'", "'m=*/*/*.parquet'");
    let messages = bench.plans(&text).unwrap_err();
    assert!(messages.contains("spelled by the folders as well"), "{messages}");
    // Without any column from the folders, the file's own is read.
    let loaded =
        bench.one("timezone: UTC\nsources:\n  s:\n    path: 'm=*/*/*.parquet'\n    columns: {m: {type: int}}\n");
    assert_eq!(rows(&loaded.frame), ["7"]);
}

#[test]
fn a_zero_row_file_and_an_absent_optional_source_are_empty() {
    let bench = Bench::new();
    bench.polars("a.parquet", df!("n" => Vec::<i64>::new(), "m" => Vec::<i64>::new()).unwrap());
    let columns = ["n: {type: int}", "m: {type: money, unit: minor}", "t: {type: timestamp, optional: true}"];
    let loaded = bench
        .one(&pipeline(&columns, &["filters: {f: 'n > 0'}", "key: [n]", "deduplicate: {key: [n], order_by: [m]}"]));
    assert_eq!((loaded.frame.height(), loaded.attrition.read), (0, 0));
    let text =
        pipeline(&columns, &["filters: {f: 'n > 0'}", "optional: true"]).replace("'*.parquet'", "'none/*.parquet'");
    let plans = bench.plans(&text).unwrap();
    let absent = load_all(&plans).remove(0);
    assert_eq!(absent.frame.schema(), loaded.frame.schema());
    assert_eq!(empty(&plans[0], &["n", "m", "t"]).collect_schema().unwrap(), *loaded.frame.schema());
}

#[test]
fn nested_and_unknown_columns_do_not_disturb() {
    let bench = Bench::new();
    let list = Series::new("tags".into(), [Series::new("".into(), [1i64, 2])]);
    let frame = DataFrame::new(
        1,
        vec![
            Column::new("n".into(), [1i64]),
            list.into(),
            Column::new("t".into(), [1i64]).cast(&DataType::Time).unwrap(),
        ],
    )
    .unwrap();
    bench.polars("a.parquet", frame);
    assert_eq!(rows(&bench.one(&pipeline(&["n: {type: int}"], &[])).frame), ["1"]);
    let messages = bench.plans(&pipeline(&["n: {type: int}", "tags: {type: string}"], &[])).unwrap_err();
    assert!(messages.contains("unsupported type list"), "{messages}");
}

#[test]
fn types_of_other_writers_do_not_disturb() {
    use arrow::array::{
        DurationSecondArray, FixedSizeBinaryArray, FixedSizeListArray, Float16Array, Float32Array, Int64Array,
    };
    use arrow::datatypes::{Field as ArrowField, Float32Type, Schema as ArrowSchema};

    let embedding = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>([Some(vec![Some(1.0), Some(2.0)])], 2);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("embedding", array(embedding)),
        ("took", array(DurationSecondArray::from(vec![1]))),
        ("single", array(Float32Array::from(vec![1.0]))),
        ("raw", array(FixedSizeBinaryArray::try_from_iter([[0u8; 16]].into_iter()).unwrap())),
    ];
    for (name, column) in columns {
        let bench = Bench::new();
        bench.arrow("a.parquet", vec![("n", array(Int64Array::from(vec![1]))), (name, column)]);
        assert_eq!(rows(&bench.one(&pipeline(&["n: {type: int}"], &[])).frame), ["1"], "{name}");
    }
    let bench = Bench::new();
    bench.arrow(
        "a.parquet",
        vec![("n", array(Int64Array::from(vec![1]))), ("half", array(Float16Array::from(vec![None])))],
    );
    let found =
        describe(&[SourceRequest { name: "s".to_owned(), path: bench.root().to_owned(), optional: false }]).problems;
    assert!(found.to_string().contains("column `half` is of type Float16"), "{found}");
    let bench = Bench::new();
    let uuid = ArrowField::new("u", arrow::datatypes::DataType::FixedSizeBinary(16), false).with_metadata(
        [("ARROW:extension:name".to_owned(), "arrow.uuid".to_owned())]
            .into_iter()
            .collect::<std::collections::HashMap<_, _>>(),
    );
    let schema = ArrowSchema::new(vec![ArrowField::new("n", arrow::datatypes::DataType::Int64, false), uuid]);
    let ids = FixedSizeBinaryArray::try_from_iter([[0u8; 16]].into_iter()).unwrap();
    let batch = RecordBatch::try_new(Arc::new(schema), vec![array(Int64Array::from(vec![1])), array(ids)]).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(bench.path("a.parquet")).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let found =
        describe(&[SourceRequest { name: "s".to_owned(), path: bench.root().to_owned(), optional: false }]).problems;
    assert!(found.to_string().contains("column `u` is of type extension `arrow.uuid`"), "{found}");
}
