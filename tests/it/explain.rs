//! `tenure explain`: every formula and every sum holds, and what is told about a row is what stands in the files.

use std::fs;
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use tenure::diag::Diagnostics;
use tenure::engine::explain::{Explainer, Explanation, number};
use tenure::schema::Cell;
use tenure::spec::file::{Overrides, read};

use crate::casebook::runs;
use crate::process::{expect_code, project, run, stderr};
use crate::support::{Grid, write_source};

/// What is wrong with the explanation of a row; the number of formulas and sums that hold.
fn wrong(explained: &Explanation) -> (Vec<String>, usize) {
    let mut out = Vec::new();
    let mut sound = 0;
    for cell in &explained.cells {
        let Some((formula, reads)) = &cell.formula else { continue };
        let look = |name: &str, back: u32| {
            reads.iter().find(|r| r.column == name && r.back == back).and_then(|r| number(&r.value))
        };
        let value = formula.term.value(&look);
        let right = match cell.holds {
            Some(holds) => holds,
            // Either nothing can be computed, or the formula says when there is nothing all the same.
            None => cell.value == Cell::Null && (value.is_none() || formula.unless.is_some()),
        };
        if right {
            sound += usize::from(cell.holds.is_some());
        } else {
            out.push(format!("{} is {:?}, its formula gives {value:?}", cell.column.name, cell.value));
        }
    }
    for summed in explained.behind.iter().flat_map(|set| &set.sums) {
        if summed.equal {
            sound += 1;
        } else {
            out.push(format!("{} has {:?} behind it", summed.column.name, summed.value));
        }
    }
    (out, sound)
}

#[test]
fn formulas_and_sums_hold_in_the_rows_of_every_case() {
    let mut failed = Vec::new();
    let mut sound = std::collections::BTreeMap::new();
    for (case, ran) in runs() {
        for table in &ran.plan.tables {
            let explainer = Explainer::load(&ran.plan, &table.name).unwrap();
            // Of a long table every few rows.
            for at in (0..explainer.height()).step_by(1 + explainer.height() / 50) {
                let explained = explainer.cells(at, &[], 2).unwrap();
                let (bad, good) = wrong(&explained);
                *sound.entry(table.ty.clone()).or_insert(0) += good;
                if !bad.is_empty() {
                    let row: Vec<String> = explained.grain.iter().map(|(c, v)| format!("{}={v:?}", c.name)).collect();
                    failed.push(format!("{case}, `{}` {}\n    {}", table.name, row.join(" "), bad.join("\n    ")));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{} rows:\n{}", failed.len(), failed.join("\n"));
    let explained = [
        "active_users",
        "churn",
        "cohort_retention",
        "ltv",
        "mrr_ledger",
        "mrr_movements",
        "revenue_retention",
        "usage_cohorts",
    ];
    for metric in explained {
        assert!(sound.get(metric).is_some_and(|n| *n >= 20), "{metric}: {sound:?}");
    }
}

const COMPANY: &str = "\
version: 1
pipeline: company
timezone: UTC
currency: USD
as_of: 2025-03-31
root: out
sources:
  items:
    path: items/*.parquet
    deduplicate: {key: [item], order_by: [version]}
    deleted: gone
    filters: {live: live}
    columns:
      item: {type: string}
      version: {type: int}
      customer: {type: string}
      starts: {type: date}
      ends: {type: date}
      price: {type: money, unit: major}
      live: {type: bool}
      gone: {type: bool}
    checks: {ends_after_start: {expr: ends IS NULL OR ends > starts}}
    on_violation: {quarantine: {max_rows: 5}}
tables:
  ledger: {type: mrr_ledger, from: items, customer: customer, start: starts, end: ends, amount: {price: price}}
  movements: {type: mrr_movements, from: ledger}
";

/// Two exports: an expansion by a closed and an opened row, and one row of every kind that is left out.
fn company(folder: &Path) -> String {
    let file = folder.join("pipeline.yml");
    fs::write(&file, COMPANY).unwrap();
    let spec = read(COMPANY, &Overrides::default(), &mut Diagnostics::new("", COMPANY)).unwrap();
    let columns = &spec.sources.values().next().unwrap().columns;
    let header = ["item", "version", "customer", "starts", "ends", "price", "live", "gone"];
    let exports: [(&str, &[[&str; 8]]); 2] = [
        (
            "2025-01.parquet",
            &[
                ["i1", "1", "a", "2025-01-01", "2025-02-15", "100", "true", "false"],
                ["i2", "1", "b", "2025-01-15", "2025-03-20", "60", "true", "false"],
                ["i9", "1", "a", "2025-01-01", "NULL", "5", "false", "false"],
            ],
        ),
        (
            "2025-02.parquet",
            &[
                ["i3", "1", "a", "2025-02-15", "NULL", "120", "true", "false"],
                ["i3", "2", "a", "2025-02-15", "NULL", "130", "true", "false"],
                ["i4", "1", "a", "2025-02-20", "NULL", "7", "true", "true"],
                ["i5", "1", "a", "2025-03-02", "2025-03-01", "9", "true", "false"],
            ],
        ),
    ];
    fs::create_dir(folder.join("items")).unwrap();
    for (name, rows) in exports {
        let rows = rows.iter().map(|r| r.iter().map(|c| (*c).to_owned()).collect()).collect();
        let grid = Grid { header: header.iter().map(|h| (*h).to_owned()).collect(), rows };
        write_source(&folder.join("items").join(name), columns, &grid).unwrap();
    }
    file.to_string_lossy().into_owned()
}

fn stdout(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_cell_is_traced_to_the_rows_of_the_exports() {
    let folder = tempfile::tempdir().unwrap();
    let file = company(folder.path());
    let output = run(&["explain", &file, "movements", "--where", "month = 2025-02-01", "--column", "expansion_mrr"]);
    expect_code(&output, 0);
    assert_eq!(stderr(&output), "");
    let shown = stdout(&output).replace(&*folder.path().to_string_lossy(), "DIR");
    // Customer a paid 100 until 14 February and 130 from then on: 30 more, the only expansion.
    let expected = "\
movements (mrr_movements) of company as of 2025-03-31
  period_start = 2025-02-01, currency = USD, is_total = true
  not published yet at DIR/out/movements.parquet

expansion_mrr  30.00 USD  change by customers of kind `expansion`; losses are negative (per month)

customers whose revenue moved in the period: 1
  customer_id  kind       before   after  amount
  a            expansion  100.00  130.00   30.00
  expansion_mrr  sum of 1 customer  30.00  equals the cell

their rows in `ledger` from 2025-02-01 to 2025-02-28: 1
  customer_id  effective_on  kind       mrr_before  mrr_delta  mrr_after  first_paid_on
  a            2025-02-15    expansion      100.00      30.00     130.00  2025-01-01

their rows in the source `items`, DIR/items: 6
  file             row  what became of it              customer  item  version  starts      ends         price
  2025-01.parquet    1  used                           a         i1    1        2025-01-01  2025-02-15  100.00
  2025-01.parquet    3  filter(live)                   a         i9    1        2025-01-01  NULL          5.00
  2025-02.parquet    1  duplicate                      a         i3    1        2025-02-15  NULL        120.00
  2025-02.parquet    2  used                           a         i3    2        2025-02-15  NULL        130.00
  2025-02.parquet    3  deleted                        a         i4    1        2025-02-20  NULL          7.00
  2025-02.parquet    4  quarantined: ends_after_start  a         i5    1        2025-03-02  2025-03-01    9.00
";
    assert_eq!(shown, expected);
    assert!(!folder.path().join("out").exists(), "explaining writes nothing");
}

#[test]
fn formulas_are_told_with_their_values() {
    let folder = tempfile::tempdir().unwrap();
    let file = company(folder.path());
    let output = run(&[
        "explain",
        "--pipeline",
        &file,
        "movements",
        "--where",
        "month = '2025-03'",
        "--column",
        "arpa,quick_ratio",
    ]);
    expect_code(&output, 0);
    let shown = stdout(&output);
    // March: 190 opening, b leaves with 60; a alone pays 130, and nothing was gained.
    for told in [
        "= closing_mrr / closing_customers\n",
        "= 130.00 / 1\n",
        "= opening_mrr + new_mrr",
        "= 190.00 + 0.00 + ",
        " - 60.00 + ",
        "= 0.00 / 60.00\n",
        "churned_mrr        sum of 1 customer  -60.00  equals the cell",
    ] {
        assert!(shown.contains(told), "no `{told}` in:\n{shown}");
    }
}

fn nightly() -> String {
    project().join("pipelines/nightly.yml").to_string_lossy().into_owned()
}

fn json(args: &[&str]) -> Value {
    let file = nightly();
    let mut all = vec!["explain", &file, "--format", "json"];
    all.extend(args);
    let output = run(&all);
    expect_code(&output, 0);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A text column of a row of an export, read without any of our code.
fn stored(path: &Path, column: &str, row: u64) -> Option<String> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap().build().unwrap();
    let mut before = 0;
    for batch in reader {
        let batch = batch.unwrap();
        let rows = batch.num_rows() as u64;
        if row <= before + rows {
            let values = arrow::compute::cast(batch.column_by_name(column).unwrap(), &arrow::datatypes::DataType::Utf8);
            let values = values.unwrap();
            let at = usize::try_from(row - before - 1).unwrap();
            return (!values.is_null(at)).then(|| values.as_string::<i32>().value(at).to_owned());
        }
        before += rows;
    }
    None
}

#[test]
fn cells_of_the_sample_company_are_traced() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().to_string_lossy().into_owned();
    for (table, condition) in [
        ("movements", "month = 2026-03-01 and segment = 'smb'"),
        ("movements_daily", "day = 2026-03-18"),
        ("churn", "month = 2026-03-01 and breakdown = 'total'"),
        ("churn", "month = 2026-03-01 and churn_reason = 'price'"),
        ("churn", "month = 2026-03-01 and segment = 'mid_market'"),
        ("retention", "month = 2026-03-01 and segment = 'smb' and window_months = 12 and method = 'cohort'"),
        ("retention", "month = 2026-03-01 and window_months = 3 and method = 'flow'"),
        ("retention", "month = 2026-03-01 and window_months = 3 and method = 'chained'"),
        ("cohorts", "cohort = 2025-03-01 and period_offset = 6 and measure = 'gross_revenue'"),
        ("cohorts", "is_total and period_offset = 6 and measure = 'customers'"),
        ("cohort_matrix", "month = 2025-03-01"),
        ("signup_cohorts", "quarter = 2025-01-01 and period_offset = 4"),
        ("ltv", "month = 2026-03-01"),
        ("ltv_cohorts", "month = 2025-03-01 and period_offset = 6"),
    ] {
        let told = json(&[table, "--where", condition, "--root", &root, "--limit", "3"]);
        let here = format!("{table}: {condition}");
        assert!(told["published"].is_null(), "{here}");
        for cell in told["cells"].as_array().unwrap() {
            assert_ne!(cell["formula"]["holds"], Value::Bool(false), "{here}: {cell}");
        }
        let sums: Vec<&Value> =
            told["behind"].as_array().unwrap().iter().flat_map(|s| s["adds_up_to"].as_array().unwrap()).collect();
        assert!(!sums.is_empty() || condition.contains("chained"), "{here}: nothing adds up");
        assert!(sums.iter().all(|s| s["equals_cell"] == true), "{here}: {sums:?}");
        if condition.contains("chained") {
            continue;
        }
        let sources = told["sources"].as_array().unwrap();
        assert!(!sources.is_empty(), "{here}: no source");
        for source in sources {
            let folder = PathBuf::from(source["folder"].as_str().unwrap());
            for row in source["rows"].as_array().unwrap() {
                let path = folder.join(row["_file"].as_str().unwrap());
                let key = if row["customer_id"].is_string() { "customer_id" } else { "subscription_id" };
                let found = stored(&path, key, row["_row"].as_u64().unwrap());
                assert_eq!(found.as_deref(), row[key].as_str(), "{here}: {row}");
                assert!(found.is_some(), "{here}: {row}");
            }
        }
    }
}

#[test]
fn the_rows_behind_a_sum_are_all_there() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().to_string_lossy().into_owned();
    let args = ["movements", "--where", "month = 2026-03-01 and segment = 'smb'", "--column", "churned_mrr"];
    let told = json(&[&args[..], &["--root", &root, "--limit", "10000"]].concat());
    let set = &told["behind"][0];
    let micros = |v: &Value| v.as_str().unwrap().replace('.', "").parse::<i64>().unwrap();
    let sum: i64 = set["rows"].as_array().unwrap().iter().map(|r| micros(&r["amount"])).sum();
    assert_eq!(sum, micros(&told["cells"][0]["value"]));
    assert_eq!(set["rows"].as_array().unwrap().len() as u64, set["total"].as_u64().unwrap());
    // What the ledger says of them in that month comes to the same; nobody came back within it.
    let ledger: i64 = set["ledger"]["rows"].as_array().unwrap().iter().map(|r| micros(&r["mrr_delta"])).sum();
    assert_eq!(ledger, sum);
    // The same figure from the exports: every customer lost in March has a row that ended in March.
    let ended = told["sources"][0]["rows"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|r| r["_fate"] == "used" && r["ended_on"].as_str().is_some_and(|d| d.starts_with("2026-03")));
    let ended: std::collections::BTreeSet<&str> = ended.filter_map(|r| r["customer_id"].as_str()).collect();
    let lost: std::collections::BTreeSet<&str> =
        set["rows"].as_array().unwrap().iter().filter_map(|r| r["customer_id"].as_str()).collect();
    assert_eq!(ended, lost);
}

#[test]
fn what_readers_see_is_told_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = company(folder.path());
    let explain = |more: &[&str]| {
        let mut args = vec!["explain", &file, "movements", "--where", "month = 2025-02", "--column", "closing_mrr"];
        args.extend(more);
        let output = run(&args);
        expect_code(&output, 0);
        stdout(&output)
    };
    expect_code(&run(&["run", &file, "--as-of", "2025-02-28", "-q"]), 0);
    // The published day is taken, not that of the file.
    let same = explain(&[]);
    assert!(same.contains("as of 2025-02-28") && same.contains("published with the same values"), "{same}");
    let other = explain(&["--as-of", "2025-03-31"]);
    assert!(other.contains("published as of 2025-02-28, another day"), "{other}");
    // The export of January is delivered again, with another price.
    let path = folder.path().join("items/2025-01.parquet");
    let spec = read(COMPANY, &Overrides::default(), &mut Diagnostics::new("", COMPANY)).unwrap();
    let header = ["item", "version", "customer", "starts", "ends", "price", "live", "gone"].map(str::to_owned).to_vec();
    let row = ["i2", "1", "b", "2025-01-15", "2025-03-20", "61", "true", "false"].map(str::to_owned).to_vec();
    write_source(&path, &spec.sources.values().next().unwrap().columns, &Grid { header, rows: vec![row] }).unwrap();
    let changed = explain(&[]);
    assert!(changed.contains("published with other values (") && changed.contains("closing_mrr = 190.00"), "{changed}");
    let text = COMPANY
        .replace("type: mrr_movements, from: ledger", "type: mrr_movements, from: ledger, drop_incomplete: true");
    fs::write(&file, text).unwrap();
    assert!(explain(&[]).contains("published with another definition"));
}

#[test]
fn conditions_that_name_no_single_row_are_refused_with_the_next_step() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().to_string_lossy().into_owned();
    let file = nightly();
    for (args, words) in [
        (vec!["movments", "--where", "month = 2026-03"], vec!["no table `movments`", "did you mean `movements`?"]),
        (vec!["movements", "--where", "segmnt = 'smb'"], vec!["no column `segmnt`", "did you mean `segment`?"]),
        (
            vec!["movements", "--where", "month = 2026-03", "--column", "churn_mrr"],
            vec!["no column `churn_mrr`", "did you mean `churned_mrr`?"],
        ),
        (vec!["movements", "--where", "month = 1999-01-01"], vec!["no row of `movements`", "period_start: 20"]),
        (
            vec!["movements", "--where", "month = 2026-03-01 and segment = 'sbm'"],
            vec!["no row of `movements`", "segment: 'enterprise', 'mid_market', 'smb', NULL"],
        ),
        (
            vec!["movements", "--where", "segment = 'smb'"],
            vec!["rows of `movements` meet the condition", "add `and period_start = "],
        ),
        (
            vec!["retention", "--where", "month = 2026-03-01 and window_months = 12"],
            vec!["3 rows of `retention`", "add `and method = 'chained'` or another of 'chained', 'cohort', 'flow'"],
        ),
        (vec!["movements", "--where", "sum(new_mrr) > 1"], vec!["several rows at once"]),
        (vec!["movements", "--where", "month ="], vec!["is no condition"]),
        (vec![], vec!["--where"]),
    ] {
        let mut all = vec!["explain", &file];
        all.extend(args.iter());
        all.extend(["--root", &root]);
        let output = run(&all);
        expect_code(&output, 2);
        let told = stderr(&output);
        assert!(words.iter().all(|w| told.contains(w)), "{args:?}:\n{told}");
        assert_eq!(stdout(&output), "", "{args:?}");
    }
}
