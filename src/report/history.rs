//! The history of all runs as Parquet, so that BI can chart rows, checks and durations by night.
//!
//! `<root>/_tenure/history/` holds `runs`, `sources`, `tables`, `checks`, `violations` (rules that
//! rows of a source broke) and `attrition` (where the rows of a source or a table went; those of a
//! source add up to the rows read), one row per run and thing. They are made anew from the run
//! records after every run, so nothing is ever appended twice and a lost file comes back.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

use super::record::{RecordError, replace};

/// How a column is read from a record.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Whole,
    Float,
    Flag,
    Day,
    Instant,
}

use Kind::{Day, Flag, Float, Instant, Text, Whole};

/// Columns of the run itself: name in the table, key in the record, kind.
const RUN: &[(&str, &str, Kind)] = &[
    ("run_id", "run_id", Text),
    ("pipeline", "pipeline", Text),
    ("environment", "environment", Text),
    ("as_of", "as_of", Day),
    ("started_at", "started", Instant),
    ("ended_at", "ended", Instant),
    ("duration_seconds", "duration_s", Float),
    ("status", "status", Text),
    ("exit_code", "exit_code", Whole),
    ("peak_memory_bytes", "peak_memory_bytes", Whole),
    ("memory_limit_bytes", "memory_limit_bytes", Whole),
    ("program_version", "tenure", Text),
];

const SOURCE: &[(&str, &str, Kind)] = &[
    ("source", "name", Text),
    ("files", "files", Whole),
    ("bytes", "bytes", Whole),
    ("rows_read", "read", Whole),
    ("rows_used", "used", Whole),
];

const TABLE: &[(&str, &str, Kind)] = &[
    ("table_name", "name", Text),
    ("type", "type", Text),
    ("state", "state", Text),
    ("rows", "rows", Whole),
    ("bytes", "bytes", Whole),
    ("sha256", "sha256", Text),
    ("version", "version", Text),
    ("changed", "changed", Flag),
];

const CHECK: &[(&str, &str, Kind)] =
    &[("check_name", "name", Text), ("meaning", "meaning", Text), ("broken_rows", "broken", Whole)];

const VIOLATION: &[(&str, &str, Kind)] = &[("rule", "rule", Text), ("rows", "rows", Whole), ("action", "action", Text)];

const NAMED: &[(&str, &str, Kind)] = &[("relation", "relation", Text), ("name", "name", Text)];

const REASON: &[(&str, &str, Kind)] = &[("reason", "kind", Text), ("rule", "rule", Text), ("rows", "rows", Whole)];

/// Makes the history of a root anew from its run records.
///
/// A record that cannot be read is left out; the others still count.
///
/// # Errors
///
/// When the records cannot be listed or a file cannot be written.
pub fn refresh(root: &Path) -> Result<(), RecordError> {
    let own = root.join("_tenure");
    let runs = records(&own.join("runs"))?;
    let folder = own.join("history");
    fs::create_dir_all(&folder).map_err(|source| RecordError { path: folder.clone(), source })?;
    let of = |key: &'static str| {
        let parts = move |run: &Value| run[key].as_array().cloned().unwrap_or_default();
        runs.iter().flat_map(move |run| parts(run).into_iter().map(move |part| (run.clone(), part))).collect::<Vec<_>>()
    };
    let sources: Vec<Vec<Value>> = of("sources").into_iter().map(|(run, source)| vec![run, source]).collect();
    let tables = of("tables");
    let attrition: Vec<Vec<Value>> = runs.iter().flat_map(attrition).collect();
    let violations = of("sources").into_iter().flat_map(|(run, source)| {
        let all = source["violations"].as_array().cloned().unwrap_or_default();
        all.into_iter().map(move |violation| vec![run.clone(), source.clone(), violation])
    });
    let violations: Vec<Vec<Value>> = violations.collect();
    let checks = tables.iter().flat_map(|(run, table)| {
        let all = table["checks"].as_array().cloned().unwrap_or_default();
        all.into_iter().map(|check| vec![run.clone(), table.clone(), check])
    });
    let checks: Vec<Vec<Value>> = checks.collect();
    let tables: Vec<Vec<Value>> = tables.into_iter().map(|(run, table)| vec![run, table]).collect();
    let whole: Vec<Vec<Value>> = runs.into_iter().map(|run| vec![run]).collect();
    write(&folder.join("runs.parquet"), &whole, &[RUN])?;
    write(&folder.join("sources.parquet"), &sources, &[&RUN[..5], SOURCE])?;
    write(&folder.join("tables.parquet"), &tables, &[&RUN[..5], TABLE])?;
    write(&folder.join("checks.parquet"), &checks, &[&RUN[..5], &TABLE[..2], CHECK])?;
    write(&folder.join("violations.parquet"), &violations, &[&RUN[..5], &SOURCE[..1], VIOLATION])?;
    write(&folder.join("attrition.parquet"), &attrition, &[&RUN[..5], NAMED, REASON])
}

/// Where the rows of every source and table of a run went, those of a source with its used rows.
fn attrition(run: &Value) -> Vec<Vec<Value>> {
    let mut out = Vec::new();
    for (relation, key) in [("source", "sources"), ("table", "tables")] {
        for part in run[key].as_array().into_iter().flatten() {
            let named = json!({"relation": relation, "name": part["name"]});
            if let Some(used) = part["used"].as_u64() {
                out.push(vec![run.clone(), named.clone(), json!({"kind": "used", "rows": used})]);
            }
            for reason in part["attrition"].as_array().into_iter().flatten() {
                let mut reason = reason.clone();
                // Records of earlier versions tell the reason in one text only.
                if reason["kind"].is_null() {
                    reason["kind"] = reason["reason"].clone();
                }
                out.push(vec![run.clone(), named.clone(), reason]);
            }
        }
    }
    out
}

/// Run records in the order of their names, which is that of time.
fn records(folder: &Path) -> Result<Vec<Value>, RecordError> {
    let failed = |source| RecordError { path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(failed)?;
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path().join("run.json")).collect();
    paths.sort();
    Ok(paths.iter().filter_map(|path| serde_json::from_reader(File::open(path).ok()?).ok()).collect())
}

/// Rows of nested records as one Parquet file; `levels` are the columns of each level.
fn write(path: &Path, rows: &[Vec<Value>], levels: &[&[(&str, &str, Kind)]]) -> Result<(), RecordError> {
    let failed = |source: io::Error| RecordError { path: path.to_owned(), source };
    let columns = levels.iter().enumerate().flat_map(|(level, columns)| {
        columns.iter().map(move |(name, key, kind)| {
            let cells: Vec<&Value> = rows.iter().map(|row| &row[level][*key]).collect();
            (*name, array(&cells, *kind), true)
        })
    });
    let batch = RecordBatch::try_from_iter_with_nullable(columns).map_err(|e| failed(io::Error::other(e)))?;
    let mut content = Vec::new();
    let written = ArrowWriter::try_new(&mut content, batch.schema(), None).and_then(|mut writer| {
        writer.write(&batch)?;
        writer.close()
    });
    written.map_err(|e| failed(io::Error::other(e)))?;
    replace(path, &content).map_err(failed)
}

/// A column; what a record does not hold, or holds as something else, is NULL.
fn array(cells: &[&Value], kind: Kind) -> ArrayRef {
    let text = |cell: &Value| cell.as_str().map(str::to_owned);
    let instant = |cell: &Value| cell.as_str()?.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond);
    let day = |cell: &Value| {
        let date: jiff::civil::Date = cell.as_str()?.parse().ok()?;
        Some((date - jiff::civil::date(1970, 1, 1)).get_days())
    };
    let cells = cells.iter().copied();
    match kind {
        Text => Arc::new(cells.map(text).collect::<StringArray>()),
        Whole => Arc::new(cells.map(Value::as_i64).collect::<Int64Array>()),
        Float => Arc::new(cells.map(Value::as_f64).collect::<Float64Array>()),
        Flag => Arc::new(cells.map(Value::as_bool).collect::<BooleanArray>()),
        Day => Arc::new(cells.map(day).collect::<Date32Array>()),
        Instant => Arc::new(cells.map(instant).collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
    }
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    #[test]
    fn every_run_is_one_row_however_often_it_is_refreshed() {
        let dir = tempfile::tempdir().unwrap();
        let record = |id: &str, tables: &str| {
            let folder = dir.path().join("_tenure/runs").join(id);
            fs::create_dir_all(&folder).unwrap();
            let text = format!(
                r#"{{"run_id": "{id}", "as_of": "2026-06-30", "started": "2026-07-01T05:00:00Z", "tables": {tables}}}"#
            );
            fs::write(folder.join("run.json"), text).unwrap();
        };
        record(
            "a",
            r#"[{"name": "t", "rows": 3, "checks": [{"name": "c", "broken": 0}, {"name": "d", "broken": 1}]}]"#,
        );
        record("b", "[]");
        fs::create_dir_all(dir.path().join("_tenure/runs/broken")).unwrap();
        for _ in 0..2 {
            refresh(dir.path()).unwrap();
        }
        let rows = |name: &str| {
            let file = File::open(dir.path().join("_tenure/history").join(name)).unwrap();
            SerializedFileReader::new(file).unwrap().metadata().file_metadata().num_rows()
        };
        assert_eq!(["runs", "sources", "tables", "checks"].map(|t| rows(&format!("{t}.parquet"))), [2, 0, 1, 2]);
    }
}
