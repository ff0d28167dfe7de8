//! What earlier runs recorded, as far as this one is measured against it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Rows that each of these sources had in the last run of `pipeline` that succeeded and read it.
///
/// A record that cannot be read counts for nothing, as if there had been no such run.
pub(super) fn rows(root: &Path, pipeline: &str, sources: &[&str]) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    if sources.is_empty() {
        return found;
    }
    let Ok(entries) = fs::read_dir(root.join("_tenure").join("runs")) else { return found };
    let mut records: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path().join("run.json")).collect();
    // Names of runs are in the order of time; most of the time the last one tells it all.
    records.sort_unstable();
    for record in records.iter().rev() {
        let run: Option<Value> = File::open(record).ok().and_then(|f| serde_json::from_reader(BufReader::new(f)).ok());
        let Some(run) = run.filter(|run| run["status"] == "succeeded" && run["pipeline"] == pipeline) else { continue };
        for source in run["sources"].as_array().into_iter().flatten() {
            let Some((name, rows)) = source["name"].as_str().zip(source["read"].as_u64()) else { continue };
            if sources.contains(&name) {
                found.entry(name.to_owned()).or_insert(rows);
            }
        }
        if found.len() == sources.len() {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_success_of_the_same_pipeline_counts() {
        let dir = tempfile::tempdir().unwrap();
        let record = |id: &str, text: &str| {
            let folder = dir.path().join("_tenure/runs").join(id);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("run.json"), text).unwrap();
        };
        let before = || rows(dir.path(), "p", &["a", "b"]);
        assert!(before().is_empty());
        record(
            "1",
            r#"{"status": "succeeded", "pipeline": "p", "sources": [{"name": "a", "read": 10}, {"name": "b", "read": 5}]}"#,
        );
        record(
            "2",
            r#"{"status": "succeeded", "pipeline": "p", "sources": [{"name": "a", "read": 20}, {"name": "b", "read": null}]}"#,
        );
        record("3", r#"{"status": "rejected", "pipeline": "p", "sources": [{"name": "a", "read": 1}]}"#);
        record("4", r#"{"status": "succeeded", "pipeline": "q", "sources": [{"name": "a", "read": 2}]}"#);
        record("5", "{");
        assert_eq!(before(), BTreeMap::from([("a".to_owned(), 20), ("b".to_owned(), 5)]));
    }
}
