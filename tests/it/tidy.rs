//! Rules of the code base that no compiler knows.

use std::fs;
use std::path::{Path, PathBuf};

fn rust_files(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut out = Vec::new();
    let mut folders = vec![root.clone()];
    if root.is_file() {
        return vec![(root.clone(), fs::read_to_string(root).unwrap())];
    }
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                out.push((path, text));
            }
        }
    }
    assert!(!out.is_empty(), "no file below {folder}");
    out
}

/// The code of a file: without its tests and without comments.
fn code(text: &str) -> String {
    let before_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    before_tests.lines().map(|l| l.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn is_test(path: &Path) -> bool {
    path.components().any(|c| c.as_os_str() == "tests") || path.file_name().is_some_and(|n| n == "tests.rs")
}

fn forbid(folders: &[&str], words: &[&str], why: &str) {
    let mut found = Vec::new();
    for (path, text) in folders.iter().flat_map(|f| rust_files(f)).filter(|(p, _)| !is_test(p)) {
        for word in words {
            if code(&text).contains(word) {
                found.push(format!("{} says `{word}`", path.display()));
            }
        }
    }
    assert!(found.is_empty(), "{why}:\n{}", found.join("\n"));
}

#[test]
fn the_file_as_written_knows_nothing_of_polars() {
    forbid(
        &["src/spec", "src/diag", "src/schema.rs", "src/money.rs", "src/report", "src/cli"],
        &["polars"],
        "Polars is named where it must not be",
    );
}

#[test]
fn queries_stay_plans() {
    let words =
        [".collect_with", "collect_all", ".map_many", ".apply(", ".fetch(", "scan_parquet", "std::fs", "DataFrame"];
    forbid(&["src/metrics", "src/expr"], &words, "a metric is a pure function from lazy frames to a lazy frame");
}

#[test]
fn only_the_command_line_asks_the_clock_and_the_environment() {
    let folders = [
        "src/spec",
        "src/diag",
        "src/plan",
        "src/sources",
        "src/checks",
        "src/metrics",
        "src/expr",
        "src/engine",
        "src/publish",
        "src/sample",
    ];
    forbid(
        &folders,
        &["Timestamp::now", "SystemTime::now", "Instant::now", "env::var", "Zoned::now"],
        "a result never depends on the clock",
    );
}

#[test]
fn plans_are_resolved_without_io() {
    forbid(&["src/plan"], &["std::fs", "File::", "read_dir"], "`plan::resolve` does no I/O");
}

#[test]
fn files_stay_readable() {
    let long: Vec<_> = rust_files("src")
        .into_iter()
        .filter(|(path, _)| !is_test(path))
        .map(|(path, text)| (code(&text).lines().count(), path))
        .filter(|(lines, _)| *lines > 700)
        .collect();
    assert!(long.is_empty(), "files above 700 lines: {long:?}");
}
