//! A run that takes more than it may stops by itself, before the system ends it.

use std::fs;

use crate::nightly::{TABLES, changed, nightly_into, table};
use crate::process::{expect_code, mart, result, run, stderr};

/// Less than the sample company takes as soon as it is read.
const TOO_LITTLE: &str = "16MiB";

#[test]
fn too_much_memory_stops_a_run_and_leaves_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let stopped = nightly_into(dir.path(), &["--memory", TOO_LITTLE]);
    expect_code(&stopped, 8);
    let told = stderr(&stopped);
    for words in [
        "error: the run was stopped ",
        " of memory, allowed are 16.0 MiB\n  the limit is `limits.memory`\n",
        "help: nothing was published; the previous tables were kept\n",
        "help: raise `limits: {memory: ..}` or `--memory`",
        "cancelled by memory limit: nothing published",
    ] {
        assert!(told.contains(words), "{words}\n{told}");
    }
    let line = result(&stopped);
    assert_eq!((&line["status"], &line["exit_code"]), (&"cancelled".into(), &8.into()));
    assert_eq!(line["stopped_by"], "memory limit");
    assert!(line["error"].as_str().unwrap().contains("it held"), "{line}");
    let record: serde_json::Value =
        serde_json::from_slice(&fs::read(line["record"].as_str().unwrap()).unwrap()).unwrap();
    assert_eq!(record["errors"][0], line["error"]);
    assert_eq!(record["memory_limit_bytes"], 16 << 20);
    assert!(mart(dir.path()).is_empty());

    // Nothing of it is in the way of the next run, which also brings the history up to date.
    let next = nightly_into(dir.path(), &[]);
    expect_code(&next, 0);
    assert_eq!(mart(dir.path()).len(), TABLES);
    let staging = dir.path().join("_tenure/staging");
    assert_eq!(fs::read_dir(staging).map_or(0, Iterator::count), 0);
    let runs = table(&dir.path().join("_tenure/history/runs.parquet"));
    let codes: Vec<&str> = runs.iter().map(|run| run["exit_code"].as_str()).collect();
    assert_eq!(codes, ["8", "0"]);

    // Tables that are there stay as they are.
    let before = mart(dir.path());
    expect_code(&nightly_into(dir.path(), &["--memory", TOO_LITTLE]), 8);
    assert!(before == mart(dir.path()));
}

#[test]
fn the_limit_of_the_environment_wins_over_that_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = changed(
        dir.path(),
        "environments:\n",
        "limits: {memory: 16MiB, threads: 1}\nenvironments:\n  roomy: {root: out, limits: {memory: 95%}}\n",
    );
    let args = ["run", &file, "--select", "movements"];
    expect_code(&run(&args), 8);
    expect_code(&run(&[&args[..], &["--env", "roomy", "--memory", TOO_LITTLE]].concat()), 8);
    expect_code(&run(&[&args[..], &["--env", "roomy"]].concat()), 0);
    let plan = run(&["plan", &file, "--env", "roomy"]);
    let text = String::from_utf8_lossy(&plan.stdout).into_owned();
    assert!(text.contains(": 95% of the ") && text.contains("\n    threads         1\n"), "{text}");
}
