//! The result line: one JSON object on one line, short enough for what orchestrators keep of it.

use serde_json::{Map, Value, json};

use super::{RunReport, TableReport};

/// A result line is shorter than this, its line break included.
pub const LIMIT: usize = 4096;

/// Most characters of an error message in it.
const MESSAGE: usize = 400;

/// Longest path in it, in bytes; a longer one is left out, because half a path helps nobody.
const PATH: usize = 1024;

/// How much is said about tables.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    Everything,
    WithoutUri,
    Rows,
    Counts,
}

/// The result line of a run, without a line break. `record` is the path of `run.json`.
///
/// Keys: `status`, `exit_code`, `run_id`, `pipeline`, `as_of`, `tables` (by name: `rows`, `bytes`,
/// `version`, `changed`, `uri`, or `state` where it is not published), `checks` (`passed`,
/// `failed`), `duration_s`, `record`; `error` where the run did not succeed. Where all tables do
/// not fit, `shortened` is true, and first `uri`, then `bytes` and `version`, then the names of the
/// tables are left out: `tables` is then a map of states with their number.
#[must_use]
pub fn result_line(report: &RunReport, record: Option<&str>) -> String {
    let mut line = String::new();
    for detail in [Detail::Everything, Detail::WithoutUri, Detail::Rows, Detail::Counts] {
        line = build(report, record, detail).to_string();
        if line.len() + 1 < LIMIT {
            break;
        }
    }
    line
}

/// The result line where no run came about: the pipeline or what it reads was refused.
#[must_use]
pub fn refused_line(exit_code: u8, pipeline: &str, error: &str) -> String {
    json!({"status": "refused", "exit_code": exit_code, "pipeline_file": clip(pipeline), "error": clip(error)})
        .to_string()
}

fn build(report: &RunReport, record: Option<&str>, detail: Detail) -> Value {
    let (passed, failed) = report.checks();
    let mut out = json!({
        "status": report.status.word(),
        "exit_code": report.exit_code,
        "run_id": report.run_id,
        "pipeline": report.pipeline,
        "as_of": report.as_of.to_string(),
        "tables": tables(report, detail),
        "checks": {"passed": passed, "failed": failed},
        "duration_s": (report.duration_s * 1000.0).round() / 1000.0,
        "record": record.filter(|path| path.len() <= PATH),
    });
    let Some(map) = out.as_object_mut() else { return out };
    if let Some(error) = report.errors.first() {
        map.insert("error".to_owned(), json!(clip(error)));
    }
    if let Some(by) = &report.stopped_by {
        map.insert("stopped_by".to_owned(), json!(by));
    }
    if detail != Detail::Everything {
        map.insert("shortened".to_owned(), json!(true));
    }
    out
}

fn tables(report: &RunReport, detail: Detail) -> Value {
    if detail == Detail::Counts {
        let mut counts: Map<String, Value> = Map::new();
        for table in &report.tables {
            let so_far = counts.get(&table.state).and_then(Value::as_u64).unwrap_or(0);
            counts.insert(table.state.clone(), json!(so_far + 1));
        }
        return Value::Object(counts);
    }
    let told = report.tables.iter().filter(|table| table.state != "helper");
    Value::Object(told.map(|table| (table.name.clone(), one(table, detail))).collect())
}

fn one(table: &TableReport, detail: Detail) -> Value {
    if table.state != "published" {
        return json!({"state": table.state});
    }
    let mut out = json!({"rows": table.rows, "changed": table.changed});
    if let Some(map) = out.as_object_mut() {
        if detail != Detail::Rows {
            map.insert("bytes".to_owned(), json!(table.bytes));
            map.insert("version".to_owned(), json!(table.version));
        }
        if detail == Detail::Everything {
            map.insert("uri".to_owned(), json!(table.uri));
        }
    }
    out
}

fn clip(text: &str) -> String {
    // Escapes make a character up to six bytes; control characters do not belong in one line.
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if flat.chars().count() <= MESSAGE {
        return flat;
    }
    let mut out: String = flat.chars().take(MESSAGE).collect();
    out.push_str("...");
    out
}
