//! A run that is killed at any step of publishing leaves the old mart or the new one, whole, and the next run repairs it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use crate::process::{expect_code, footer, mart, project, result, run, stderr};

const GROUP: [&str; 3] = ["ledger", "movements", "churn"];
const SINGLE: &str = "alone";

fn pipeline(folder: &Path) -> String {
    let sample = project().join("sample_data");
    let text = format!(
        "version: 1
pipeline: crash
timezone: America/New_York
currency: USD
root: out
sources:
  items:
    path: {}/subscription_items/*.parquet
    deduplicate: {{key: [item_id], order_by: [recorded_at]}}
    filters: {{metered: usage_type = 'licensed', known: \"billing_interval IN ('day','week','month','year') AND quantity >= 0 AND interval_count > 0\"}}
    columns:
      item_id: {{type: string}}
      customer_id: {{type: string, not_null: true}}
      started_on: {{from: start_date, type: date}}
      ended_on: {{from: ended_at, type: date, parse: epoch_s}}
      unit_price: {{from: unit_amount_decimal, type: money, unit: minor, parse: number, currency: currency}}
      currency: {{type: currency, one_of: [USD, JPY]}}
      quantity: {{type: int, null_as: 1}}
      billing_interval: {{type: string}}
      interval_count: {{type: int, null_as: 1}}
      usage_type: {{type: string}}
      recorded_at: {{type: timestamp}}
    on_violation: {{quarantine: {{max_rows: 100}}}}
tables:
  ledger:
    type: mrr_ledger
    from: items
    customer: customer_id
    amount: {{price: unit_price, quantity: quantity, interval: billing_interval, count: interval_count}}
    start: started_on
    end: ended_on
  movements: {{type: mrr_movements, from: ledger}}
  churn: {{type: churn, from: ledger}}
  {SINGLE}: {{type: mrr_movements, from: ledger, grain: year}}
publish: {{together: [ledger, movements, churn]}}
",
        sample.display()
    );
    let path = folder.join("crash.yml");
    fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

/// What a reader finds: `as_of` of every table it can open, read through the published paths.
fn seen(root: &Path, tables: &[&str]) -> BTreeSet<Option<String>> {
    tables.iter().map(|t| footer(&root.join(format!("{t}.parquet"))).map(|f| f["tenure.as_of"].clone())).collect()
}

#[test]
fn a_killed_publish_is_whole_and_repaired() {
    let old = Some("2026-05-31".to_owned());
    let new = Some("2026-06-30".to_owned());
    let mut reached = 0;
    for failpoint in tenure::publish::FAILPOINTS {
        let dir = tempfile::tempdir().unwrap();
        let file = pipeline(dir.path());
        let root = dir.path().join("out");
        expect_code(&run(&["run", &file, "--as-of", "2026-05-31"]), 0);
        assert_eq!(seen(&root, &GROUP), BTreeSet::from([old.clone()]));

        let killed = run(&["run", &file, "--as-of", "2026-06-30", "--failpoint", failpoint]);
        if killed.status.signal() == Some(9) {
            reached += 1;
            let group = seen(&root, &GROUP);
            assert_eq!(group.len(), 1, "{failpoint}: readers see a mix: {group:?}");
            assert!(group.contains(&old) || group.contains(&new), "{failpoint}: {group:?}");
            let single = seen(&root, &[SINGLE]);
            assert!(single.contains(&old) || single.contains(&new), "{failpoint}: {single:?}");
        } else {
            // Steps that this publish does not take, such as giving a table back to itself.
            expect_code(&killed, 0);
        }

        let repaired = run(&["run", &file, "--as-of", "2026-06-30"]);
        expect_code(&repaired, 0);
        assert_eq!(result(&repaired)["status"], "succeeded");
        let all: Vec<&str> = GROUP.iter().copied().chain([SINGLE]).collect();
        assert_eq!(seen(&root, &all), BTreeSet::from([new.clone()]), "{failpoint}: {}", stderr(&repaired));
        let staging = root.join("_tenure/staging");
        let left = fs::read_dir(&staging).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{failpoint}: staging is not empty");
    }
    assert!(reached >= 10, "only {reached} failpoints were reached");
}

#[test]
fn the_first_publish_shows_nothing_or_everything() {
    for failpoint in tenure::publish::FAILPOINTS {
        let dir = tempfile::tempdir().unwrap();
        let file = pipeline(dir.path());
        let root = dir.path().join("out");
        run(&["run", &file, "--as-of", "2026-06-30", "--failpoint", failpoint]);
        let group = seen(&root, &GROUP);
        assert_eq!(group.len(), 1, "{failpoint}: readers see a part of the group: {group:?}");
        expect_code(&run(&["run", &file, "--as-of", "2026-06-30"]), 0);
        assert_eq!(mart(&root).len(), 4, "{failpoint}");
    }
}
