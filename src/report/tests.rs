use std::collections::BTreeMap;

use indexmap::IndexMap;
use jiff::civil::date;

use super::*;
use crate::diag::{Code, Severity};

fn reason(reason: &str, rows: u64) -> ReasonReport {
    ReasonReport::plain(reason, rows)
}

fn figure(label: &str, currency: &str, shown: &str) -> FigureReport {
    FigureReport {
        label: label.to_owned(),
        currency: currency.to_owned(),
        period_start: Some(date(2026, 6, 1)),
        value: None,
        shown: shown.to_owned(),
    }
}

fn published(name: &str, rows: u64, changed: bool) -> TableReport {
    TableReport {
        name: name.to_owned(),
        ty: "mrr_movements".to_owned(),
        state: "published".to_owned(),
        rows: Some(rows),
        bytes: Some(rows * 40),
        sha256: Some("0".repeat(64)),
        version: Some("2026-06-30-0123456789ab".to_owned()),
        changed: Some(changed),
        uri: Some(format!("file:///data/mart/customer_success/{name}.parquet")),
        ..TableReport::default()
    }
}

fn report(tables: Vec<TableReport>) -> RunReport {
    RunReport {
        schema_version: SCHEMA_VERSION,
        tenure: "0.1.0".to_owned(),
        status: RunStatus::Succeeded,
        exit_code: 0,
        stopped_by: None,
        run_id: "20261122T201455.123Z-1a2b".to_owned(),
        pipeline: "customer_success".to_owned(),
        as_of: date(2026, 6, 30),
        timezone: "Asia/Tokyo".to_owned(),
        currency: Some("JPY".to_owned()),
        environment: Some("dev".to_owned()),
        params: IndexMap::new(),
        labels: BTreeMap::new(),
        root: "/data/mart".to_owned(),
        started: Timestamp::UNIX_EPOCH,
        ended: Timestamp::UNIX_EPOCH,
        duration_s: 1.25,
        peak_memory_bytes: Some(430_000_000),
        memory_limit_bytes: Some(8_000_000_000),
        sources: Vec::new(),
        tables,
        publishing_unfinished: false,
        detached: Vec::new(),
        recovered: Vec::new(),
        errors: Vec::new(),
        warnings: Vec::new(),
    }
}

#[test]
fn a_summary_reads_well() {
    let mut movements = published("movements", 192, true);
    movements.figures = vec![
        figure("MRR", "JPY", "12,345,678"),
        figure("MRR", "USD", "1,234,567.89"),
        figure("paying customers", "USD", "1,812"),
        figure("quick ratio", "USD", "-"),
    ];
    let mut ledger = published("ledger", 18_231, false);
    ledger.attrition = vec![reason("used", 11_800), reason("trial only", 300)];
    let mut report = report(vec![ledger, movements]);
    let source = |name: &str, files, read, used, attrition| SourceReport {
        name: name.to_owned(),
        files,
        read: Some(read),
        used: Some(used),
        attrition,
        ..SourceReport::default()
    };
    report.sources = vec![
        source("customers", 1, 3_000, 2_994, vec![reason("duplicate", 4), reason("deleted", 2)]),
        source(
            "subscription_items",
            4,
            12_345,
            12_300,
            vec![
                reason("filter(test_mode)", 40),
                reason("quarantined: not_null(customer_id)", 2),
                reason("quarantined: ends_after_start", 3),
            ],
        ),
    ];
    let style = Style { color: false, root: "out".to_owned(), record: Some("out/_tenure/runs/x/run.json".to_owned()) };
    let (body, closing) = summary(&report, &style);
    insta::assert_snapshot!(format!("{body}\n{closing}"), @r"
    customer_success (dev) as of 2026-06-30

    read                  files    rows    used  left out
      customers               1   3,000   2,994         6
          duplicate 4, deleted 2
      subscription_items      4  12,345  12,300        45
          filter(test_mode) 40, quarantined 5

    published in out
      ledger     18,231 rows  712.1 KiB  unchanged
          from rows: used 11,800, trial only 300
      movements     192 rows    7.5 KiB

    last complete period
                               JPY           USD  period from
      MRR               12,345,678  1,234,567.89  2026-06-01
      paying customers                     1,812  2026-06-01
      quick ratio                              -  2026-06-01

    succeeded: 2 tables published, 1 of them unchanged, 1.2 s, at most 410.1 MiB of memory
    record: out/_tenure/runs/x/run.json
    ");
}

#[test]
fn tables_that_are_not_published_are_listed_by_reason() {
    let kept = |name: &str, state: &str, reason: &str| TableReport {
        name: name.to_owned(),
        state: state.to_owned(),
        reason: Some(reason.to_owned()),
        ..TableReport::default()
    };
    let mut report = report(vec![
        kept("ledger", "skipped", "the run was stopped"),
        kept("movements", "failed", "overflow\nin the plan"),
        kept("churn", "skipped", "the run was stopped"),
    ]);
    (report.status, report.stopped_by) = (RunStatus::Cancelled, Some("timeout".to_owned()));
    let (body, closing) = summary(&report, &Style::default());
    insta::assert_snapshot!(format!("{body}\n{closing}"), @r"
    customer_success (dev) as of 2026-06-30

    not published
      the run was stopped: ledger, churn
      failed, overflow: movements

    cancelled by timeout: nothing published, 1.2 s, at most 410.1 MiB of memory
    ");
}

#[test]
fn the_result_line_says_everything_when_it_fits() {
    let line =
        result_line(&report(vec![published("movements", 192, true)]), Some("/data/mart/_tenure/runs/x/run.json"));
    assert_eq!(
        line,
        "{\"status\":\"succeeded\",\"exit_code\":0,\"run_id\":\"20261122T201455.123Z-1a2b\",\"pipeline\":\"customer_success\",\
         \"as_of\":\"2026-06-30\",\"tables\":{\"movements\":{\"rows\":192,\"changed\":true,\"bytes\":7680,\
         \"version\":\"2026-06-30-0123456789ab\",\"uri\":\"file:///data/mart/customer_success/movements.parquet\"}},\
         \"checks\":{\"passed\":0,\"failed\":0},\"duration_s\":1.25,\"record\":\"/data/mart/_tenure/runs/x/run.json\"}"
    );
}

#[test]
fn the_result_line_is_always_short_and_always_json() {
    for tables in [0, 1, 5, 20, 40, 100, 1_000] {
        let all =
            (0..tables).map(|n| published(&format!("a_table_with_quite_a_long_name_{n}"), 1 << 30, true)).collect();
        let mut report = report(all);
        report.errors = vec!["\"quoted\"\nand long ".repeat(500)];
        let record = format!("/{}/run.json", "folder".repeat(200));
        let line = result_line(&report, Some(&record));
        assert!(line.len() < LIMIT, "{} bytes", line.len());
        assert!(!line.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["run_id"], report.run_id);
        assert_eq!(value.get("shortened").is_some(), tables > 5, "{line}");
        assert_eq!(value["tables"].get("published").is_some(), tables > 40, "{line}");
    }
    let refused = refused_line(3, "pipelines/nightly.yml", &"x\u{1}".repeat(10_000));
    assert!(refused.len() < LIMIT, "{} bytes", refused.len());
}

#[test]
fn a_block_shows_what_evidence_and_help() {
    let trouble = Trouble {
        severity: Severity::Error,
        code: Some(Code::SourceRejected),
        title: "source `items` rejected: 3 of 8412 rows fail `not_null(customer_id)`".to_owned(),
        details: vec!["item_id=si_1 customer_id=NULL\u{1b}[2J (2026-03.parquet, row 17)".to_owned()],
        help: vec!["repair the export".to_owned()],
    };
    insta::assert_snapshot!(trouble.render(false), @r"
    error[T0402]: source `items` rejected: 3 of 8412 rows fail `not_null(customer_id)`
      item_id=si_1 customer_id=NULL�[2J (2026-03.parquet, row 17)
    help: repair the export
    ");
    assert_eq!(Trouble::error("first\n\nsecond\n").details, ["second"]);
}

#[test]
fn a_record_is_written_once_and_whole() {
    let root = tempfile::tempdir().unwrap();
    let report = report(vec![published("movements", 192, true)]);
    let path = write(root.path(), &report).unwrap();
    assert_eq!(path, folder_of(root.path(), &report.run_id).join("run.json"));
    let value: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!((&value["schema_version"], &value["tables"][0]["rows"]), (&1.into(), &192.into()));
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    assert!(write(root.path(), &report).is_err());
}

#[test]
fn a_rejected_table_says_how_many_rows_of_how_many() {
    let check = crate::engine::CheckOutcome {
        name: "bridge_closes",
        meaning: "opening + movements = closing",
        broken: 7,
        samples: vec!["month=2026-03-01 currency=USD".to_owned()],
    };
    let table = crate::engine::TableOutcome {
        name: "movements".to_owned(),
        ty: "mrr_movements".to_owned(),
        state: crate::engine::TableState::Rejected { rows: 8_412 },
        attrition: Vec::new(),
        checks: vec![check],
        headlines: Vec::new(),
    };
    let told = of_outcome(&RunOutcome { tables: vec![table], ..RunOutcome::default() });
    insta::assert_snapshot!(told[0].render(false), @r"
    error[T0401]: table `movements` (8,412 rows) rejected: 7 rows fail `bridge_closes`
      month=2026-03-01 currency=USD
      6 more
    help: what must hold: opening + movements = closing
    help: the previous table was kept
    ");
}
