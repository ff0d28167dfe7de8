//! What we rely on in the engine.

use super::*;
use crate::sources::scan_plan;

fn some() -> (Bench, Vec<SourcePlan>) {
    let bench = Bench::new();
    for file in 0..3 {
        bench.polars(&format!("{file}.parquet"), df!("n" => (0..50_000).map(|i| i % 7).collect::<Vec<i64>>(), "gone" => (0..50_000).map(|i| i % 10 == 0).collect::<Vec<bool>>(), "unused" => vec![0i64; 50_000]).unwrap());
    }
    let text = pipeline(
        &["n: {type: int}", "gone: {type: bool}", "unused: {type: int}"],
        &["deleted: gone", "filters: {odd: 'n % 2 = 1'}"],
    );
    let plans = bench.plans(&text).unwrap();
    (bench, plans)
}

#[test]
fn unwanted_columns_are_not_read() {
    let (_bench, plans) = some();
    let explained = scan_plan(&plans[0], &["n"]).unwrap().explain(true).unwrap();
    assert!(explained.contains("PROJECT 2/"), "{explained}");
}

#[test]
fn rows_are_numbered_through_all_files() {
    let (_bench, plans) = some();
    let loaded = load_all(&plans).remove(0);
    assert_eq!(loaded.attrition.read, 150_000);
    assert!(loaded.attrition.used > 0);
}

#[test]
fn ten_thousand_footers_are_read() {
    let bench = Bench::new();
    bench.polars("d/0.parquet", df!("n" => [1i64], "t" => ["x"]).unwrap());
    let first = bench.path("d/0.parquet");
    for index in 1..10_000 {
        fs::copy(&first, bench.path(&format!("d/{index}.parquet"))).unwrap();
    }
    let found =
        describe(&[SourceRequest { name: "s".to_owned(), path: bench.root().join("d/*.parquet"), optional: false }]);
    assert_eq!(found.catalog.sources["s"].files.len(), 10_000);
}

/// Not a law: `cargo test --release -- --ignored speed --nocapture` shows what a load costs.
#[test]
#[ignore = "a measurement"]
fn speed() {
    const ROWS: i64 = 3_000_000;
    let bench = Bench::new();
    for file in 0..4 {
        let from = file * ROWS / 4;
        let numbers: Vec<i64> = (from..from + ROWS / 4).collect();
        bench.polars(
            &format!("{file}.parquet"),
            df!(
                "id" => numbers.iter().map(|n| format!("si_{n:09}")).collect::<Vec<_>>(),
                "customer" => numbers.iter().map(|n| format!("cus_{:08}", n % 1_000_000)).collect::<Vec<_>>(),
                "amount" => numbers.iter().map(|n| n % 100_000).collect::<Vec<_>>(),
                "text" => numbers.iter().map(|n| format!("{}.{:02}", n % 1000, n % 100)).collect::<Vec<_>>(),
                "cur" => numbers.iter().map(|n| if n % 5 == 0 { "jpy" } else { "usd" }).collect::<Vec<_>>(),
                "at" => numbers.iter().map(|n| 1_600_000_000 + n * 31).collect::<Vec<_>>(),
                "gone" => numbers.iter().map(|n| n % 50 == 0).collect::<Vec<_>>(),
                "updated" => numbers.clone(),
            )
            .unwrap(),
        );
    }
    let columns = [
        "id: {type: string, not_null: true}",
        "customer: {type: string, not_null: true, references: c.id}",
        "amount: {type: money, unit: minor, currency: cur, min: '0'}",
        "text: {type: money, unit: major, parse: number}",
        "cur: {type: currency, one_of: [USD, JPY]}",
        "at: {type: date, parse: epoch_s}",
        "gone: {type: bool}",
        "updated: {type: int}",
    ];
    bench
        .polars("c/c.parquet", df!("id" => (0..1_000_000).map(|n| format!("cus_{n:08}")).collect::<Vec<_>>()).unwrap());
    let recent = "filters: {recent: \"at >= DATE '1990-01-01'\"}";
    for more in [
        vec!["deleted: gone", recent],
        vec!["deleted: gone", recent, "key: [id]"],
        vec!["deleted: gone", recent, "deduplicate: {key: [id], order_by: [updated]}"],
    ] {
        for reference in [", references: c.id", ""] {
            let columns = columns.map(|c| c.replace(", references: c.id", reference));
            let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
            let mut text = zoned("America/New_York", &columns, &more);
            text.push_str(
                "  c:\n    path: 'c/*.parquet'\n    columns: {id: {type: string, not_null: true}}\n    key: [id]\n",
            );
            let plans = bench.plans(&text).unwrap();
            let names: Vec<String> = plans[0].columns.iter().map(|c| c.name.clone()).collect();
            let begun = std::time::Instant::now();
            let loaded = load(&plans, &[(0, names)], &mut Silent).unwrap();
            eprintln!(
                "{:?}{reference}: {} of {} rows in {:?}",
                more.last(),
                loaded[0].attrition.used,
                loaded[0].attrition.read,
                begun.elapsed()
            );
        }
    }
}
