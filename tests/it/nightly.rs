//! The main job on the sample company, and what its users rely on: exit codes, reruns, selection, records.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use parquet::file::reader::SerializedFileReader;

use crate::process::{expect_code, mart, project, result, run, stderr, tenure};

/// Tables of the nightly pipeline.
pub const TABLES: usize = 18;

/// The nightly pipeline.
pub fn nightly() -> String {
    project().join("pipelines/nightly.yml").to_string_lossy().into_owned()
}

/// A run of the nightly pipeline into a root, with more flags.
pub fn nightly_into(root: &Path, more: &[&str]) -> std::process::Output {
    let file = nightly();
    let root = root.to_string_lossy().into_owned();
    let mut args = vec!["run", &file, "--root", &root];
    args.extend(more);
    run(&args)
}

/// A copy of the nightly pipeline with a change, beside a link to the sample data.
pub fn changed(folder: &Path, from: &str, to: &str) -> String {
    let text = fs::read_to_string(nightly()).unwrap();
    assert!(text.contains(from), "the pipeline no longer says {from}");
    let path = folder.join("changed.yml");
    let exports = project().join("sample_data");
    fs::write(
        &path,
        text.replace(from, to)
            .replace("../sample_data", &exports.to_string_lossy())
            .replace("root: ../out", "root: out"),
    )
    .unwrap();
    path.to_string_lossy().into_owned()
}

/// Its identities would hold as well if the walk always left them to the queries.
#[test]
fn a_walk_over_the_written_ledger_proves_it() {
    let dir = tempfile::tempdir().unwrap();
    let out = nightly_into(dir.path(), &["--select", "ledger", "--log-level", "debug", "--log-format", "json"]);
    let log = stderr(&out);
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let walks: Vec<_> = lines.filter(|line| line["message"] == "walked").collect();
    assert_eq!(walks.len(), 1, "{log}");
    assert_eq!((&walks[0]["table"], &walks[0]["proven"]), (&"ledger".into(), &true.into()), "{log}");
}

#[test]
fn two_runs_publish_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let first = nightly_into(&dir.path().join("a"), &[]);
    expect_code(&first, 0);
    let line = result(&first);
    assert_eq!(line["status"], "succeeded");
    assert_eq!(line["as_of"], "2026-06-30");
    assert_eq!(line["tables"].as_object().unwrap().len(), TABLES);
    let one_thread = nightly_into(&dir.path().join("b"), &["--threads", "1"]);
    expect_code(&one_thread, 0);
    let (a, b) = (mart(&dir.path().join("a")), mart(&dir.path().join("b")));
    assert_eq!(a.len(), TABLES);
    for (table, bytes) in &a {
        assert!(b[table] == *bytes, "`{table}` differs between two runs");
    }
    // A rerun in the same place changes nothing and says so.
    let again = nightly_into(&dir.path().join("a"), &[]);
    expect_code(&again, 0);
    for (table, entry) in result(&again)["tables"].as_object().unwrap() {
        assert_eq!(entry["changed"], false, "`{table}`");
    }
}

#[test]
fn records_of_a_run_stay() {
    let dir = tempfile::tempdir().unwrap();
    let output = nightly_into(dir.path(), &[]);
    expect_code(&output, 0);
    let runs: Vec<_> = fs::read_dir(dir.path().join("_tenure/runs")).unwrap().collect();
    assert_eq!(runs.len(), 1);
    let record = fs::read_to_string(runs[0].as_ref().unwrap().path().join("run.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    for source in record["sources"].as_array().unwrap() {
        let left_out: u64 = source["attrition"].as_object().map_or_else(
            || source["attrition"].as_array().unwrap().iter().map(|r| r["rows"].as_u64().unwrap()).sum(),
            |m| m.values().filter_map(serde_json::Value::as_u64).sum(),
        );
        assert_eq!(source["read"].as_u64().unwrap(), source["used"].as_u64().unwrap() + left_out, "{source}");
    }
    assert!(dir.path().join("_tenure/quarantine/subscription_items").is_dir());
    for table in ["runs", "sources", "tables", "checks", "violations", "attrition"] {
        assert!(dir.path().join(format!("_tenure/history/{table}.parquet")).is_file(), "{table}");
    }
    // Nothing but tables where readers look.
    for entry in fs::read_dir(dir.path()).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        assert!(Path::new(&name).extension().is_some_and(|e| e == "parquet") || name == "_tenure", "{name}");
    }
}

/// A Parquet file as rows of text by column.
pub fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
    let cells = |row: parquet::record::Row| {
        row.get_column_iter()
            .map(|(name, value)| (name.clone(), value.to_string().trim_matches('"').to_owned()))
            .collect()
    };
    reader.into_iter().map(|row| cells(row.unwrap())).collect()
}

#[test]
fn exactly_the_planted_rows_are_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    expect_code(&nightly_into(dir.path(), &["--select", "movements"]), 0);
    let folder = dir.path().join("_tenure/quarantine");
    let sources: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(sources, ["subscription_items"]);
    let file = fs::read_dir(folder.join("subscription_items")).unwrap().next().unwrap().unwrap().path();
    let rows = table(&file);
    let mut found: Vec<(&str, &str, &str)> =
        rows.iter().map(|row| (row["item_id"].as_str(), row["_rule"].as_str(), row["_rules"].as_str())).collect();
    found.sort_unstable();
    // The list in sample_data/README.md.
    let planted = [
        ("si_broken_yWviQNx200", "ends_after_start", "ends_after_start"),
        ("si_broken_yWviQNx201", "ends_after_start", "ends_after_start"),
        ("si_broken_yWviQNx202", "currency(currency)", "currency(currency); one_of(currency)"),
        ("si_broken_yWviQNx203", "min(quantity)", "min(quantity)"),
        ("si_broken_yWviQNx204", "not_null(customer_id)", "not_null(customer_id)"),
        ("si_broken_yWviQNx205", "one_of(billing_interval)", "one_of(billing_interval)"),
        ("si_broken_yWviQNx206", "references(customer_id)", "references(customer_id)"),
        ("si_broken_yWviQNx207", "min(interval_count)", "min(interval_count)"),
    ];
    assert_eq!(found, planted);
    // Each says where it stands.
    for row in &rows {
        let export = table(&project().join("sample_data/subscription_items").join(&row["_file"]));
        let place: usize = row["_row"].parse().unwrap();
        assert_eq!(export[place - 1]["item_id"], row["item_id"], "{row:?}");
    }
}

#[test]
fn attrition_adds_up_night_by_night() {
    let dir = tempfile::tempdir().unwrap();
    for day in ["2026-05-31", "2026-06-30"] {
        expect_code(&nightly_into(dir.path(), &["--as-of", day]), 0);
    }
    let history = dir.path().join("_tenure/history");
    let attrition = table(&history.join("attrition.parquet"));
    let sources = table(&history.join("sources.parquet"));
    let read: Vec<_> = sources.iter().filter(|row| row["rows_read"] != "null").collect();
    // Every source is read in each of the two nights.
    let names: BTreeSet<&str> = read.iter().map(|row| row["source"].as_str()).collect();
    assert!(names.contains("subscription_items"));
    assert_eq!(read.len(), 2 * names.len());
    for source in read {
        let of = |row: &&BTreeMap<String, String>| {
            row["run_id"] == source["run_id"] && row["relation"] == "source" && row["name"] == source["source"]
        };
        let rows: u64 = attrition.iter().filter(of).map(|row| row["rows"].parse::<u64>().unwrap()).sum();
        assert_eq!(rows.to_string(), source["rows_read"], "{source:?}");
    }
    let last = sources.last().unwrap()["run_id"].clone();
    let rows = |kind: &str, rule: &str| {
        let found = attrition.iter().find(|row| {
            row["run_id"] == last && row["name"] == "subscription_items" && row["reason"] == kind && row["rule"] == rule
        });
        found.map(|row| row["rows"].clone())
    };
    assert_eq!(rows("quarantined", "ends_after_start").as_deref(), Some("2"));
    assert_eq!(rows("quarantined", "references(customer_id)").as_deref(), Some("1"));
    assert!(rows("filtered", "test_mode").is_some() && rows("deleted", "null").is_some());
    assert!(attrition.iter().any(|row| row["relation"] == "table" && row["name"] == "ledger"), "the ledger's own");
}

#[test]
fn too_many_rows_set_aside_are_a_failure_that_names_them() {
    let dir = tempfile::tempdir().unwrap();
    let file = changed(dir.path(), "max_rows: 500, max_share: 1%", "max_rows: 7");
    let output = run(&["run", &file]);
    expect_code(&output, 4);
    let told = stderr(&output);
    let folder = dir.path().join("out/_tenure/quarantine/subscription_items");
    for words in [
        "T0403",
        "8 of ",
        "allowed are 7 rows",
        "ends_after_start: 2 rows, such as item_id=si_broken_",
        &format!("are in `{}", folder.display()),
    ] {
        assert!(told.contains(words), "{words}\n{told}");
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    assert!(mart(&dir.path().join("out")).is_empty());
}

#[test]
fn a_stale_source_waits_for_its_next_export() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("m");
    let output = nightly_into(&root, &["--as-of", "2026-07-31"]);
    expect_code(&output, 5);
    let told = stderr(&output);
    for words in
        ["T0404", "source `subscription_items` is stale", "`error_after` is 4d", "run again", "a source is stale"]
    {
        assert!(told.contains(words), "{words}\n{told}");
    }
    assert!(mart(&root).is_empty());
}

#[test]
fn a_count_is_compared_with_the_last_success() {
    let dir = tempfile::tempdir().unwrap();
    let file = changed(dir.path(), "max_drop: 20%", "max_drop: 0%");
    let args = ["run", &file, "--select", "movements"];
    let first = run(&args);
    expect_code(&first, 0);
    assert!(stderr(&first).contains("row_count.change is not checked"), "{}", stderr(&first));
    let second = run(&args);
    expect_code(&second, 0);
    assert!(!stderr(&second).contains("not checked"), "{}", stderr(&second));
    // One file less is many rows less.
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("/subscription_items/*.parquet", "/subscription_items/v2-*.parquet")).unwrap();
    let fewer = run(&args);
    expect_code(&fewer, 4);
    let told = stderr(&fewer);
    assert!(told.contains("rejected by `row_count.change`") && told.contains("at most 0% fewer"), "{told}");
}

#[test]
fn a_selection_publishes_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    expect_code(&nightly_into(dir.path(), &["--select", "movements*"]), 0);
    assert_eq!(mart(dir.path()).into_keys().collect::<Vec<_>>(), ["movements", "movements_daily"]);
    let unknown = nightly_into(dir.path(), &["--select", "movments"]);
    expect_code(&unknown, 2);
    assert!(stderr(&unknown).contains("did you mean `movements`"), "{}", stderr(&unknown));
}

#[test]
fn a_part_of_a_group_never_stands_beside_another_day() {
    let dir = tempfile::tempdir().unwrap();
    expect_code(&nightly_into(dir.path(), &[]), 0);
    let before = mart(dir.path());
    let other_day = nightly_into(dir.path(), &["--select", "movements", "--as-of", "2026-05-31"]);
    expect_code(&other_day, 2);
    assert!(stderr(&other_day).contains("select the whole group"), "{}", stderr(&other_day));
    assert!(before == mart(dir.path()));
    expect_code(&nightly_into(dir.path(), &["--select", "movements"]), 0);
    assert!(before == mart(dir.path()));
}

#[test]
fn a_cutoff_is_the_last_day_that_is_over() {
    let dir = tempfile::tempdir().unwrap();
    // 03:30Z is still the evening of the 31st in New York, so the 30th is the last day that is over.
    let output = nightly_into(dir.path(), &["--select", "movements", "--cutoff", "2026-04-01T03:30:00+00:00"]);
    expect_code(&output, 0);
    assert_eq!(result(&output)["as_of"], "2026-03-30");
    let dir = tempfile::tempdir().unwrap();
    let output = nightly_into(dir.path(), &["--select", "movements", "--cutoff", "2026-04-01T04:00:00Z"]);
    assert_eq!(result(&output)["as_of"], "2026-03-31");
}

#[test]
fn mistakes_in_the_file_are_all_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = changed(
        dir.path(),
        "customer: customer_id\n    amount: {price: unit_price",
        "customer: customerid\n    amount: {price: unit_prise",
    );
    let output = run(&["check", &file]);
    expect_code(&output, 3);
    let text = stderr(&output);
    assert!(text.contains("did you mean `customer_id`") && text.contains("did you mean `unit_price`"), "{text}");
}

#[test]
fn broken_contracts_publish_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = changed(dir.path(), "on_violation: {quarantine: {max_rows: 500, max_share: 1%}}", "on_violation: fail");
    let output = run(&["run", &file]);
    expect_code(&output, 4);
    assert!(stderr(&output).contains("ends_after_start"), "{}", stderr(&output));
    assert!(mart(&dir.path().join("out")).is_empty());
}

#[test]
fn a_missing_export_says_where_it_was_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let file = changed(dir.path(), "/costs/*.parquet", "/cost/*.parquet");
    let output = run(&["run", &file]);
    expect_code(&output, 5);
    assert!(stderr(&output).contains("costs"), "{}", stderr(&output));
}

#[test]
fn a_second_run_on_the_same_root_has_its_own_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let root = tenure::publish::Root::open(dir.path()).unwrap();
    let holder = tenure::publish::Holder::this_process("other", jiff::Timestamp::UNIX_EPOCH);
    let _lock = root.lock(&holder, std::time::Duration::ZERO, &|| false).unwrap();
    let output = nightly_into(dir.path(), &["--select", "movements"]);
    expect_code(&output, 7);
    assert!(stderr(&output).contains("other"), "{}", stderr(&output));
}

#[test]
fn a_stopped_run_leaves_everything_as_it_was() {
    let file = nightly();
    for (signal, code) in [(rustix::process::Signal::TERM, 143), (rustix::process::Signal::INT, 130)] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_string_lossy().into_owned();
        let mut child = tenure(&["run", &file, "--root", &root])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // The run has begun once it holds the lock of its root.
        while !dir.path().join("_tenure").exists() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
        let status = child.wait().unwrap();
        // A fast machine may be done before the signal arrives; then everything is there.
        assert!(status.code() == Some(code) || status.code() == Some(0), "{status:?}");
        let found = mart(dir.path()).len();
        assert!(found == 0 || found == TABLES, "{found} tables");
        expect_code(&nightly_into(dir.path(), &[]), 0);
    }
}

#[test]
fn every_verb_explains_itself() {
    let listed = run(&["metrics"]);
    expect_code(&listed, 0);
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    for metric in tenure::metrics::REGISTRY {
        assert!(text.contains(metric.name), "{text}");
        let page = run(&["metrics", metric.name]);
        expect_code(&page, 0);
        assert!(String::from_utf8_lossy(&page.stdout).contains(metric.page.lines().next().unwrap()));
    }
    let schema = run(&["schema"]);
    expect_code(&schema, 0);
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).unwrap();
    assert!(schema["properties"]["tables"].is_object());
    expect_code(&run(&["plan", &nightly()]), 0);
    expect_code(&run(&["check", &nightly()]), 0);
    expect_code(&run(&["frobnicate"]), 2);
}
