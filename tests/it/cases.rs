//! `tenure test`: the tests that stand in a pipeline file.

use std::fs;
use std::path::Path;

/// Exit code, stdout and stderr of `tenure test` with these arguments.
fn tenure_test(args: &[&str]) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let args = ["tenure", "test"].iter().chain(args);
    let code = tenure::cli::run(args, &mut out, &mut err);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

const PIPELINE: &str = "version: 1
pipeline: p
timezone: UTC
currency: USD
root: out
sources:
  visits:
    path: nowhere/*.parquet
    key: [id]
    columns:
      id: {type: int, from: visit_id, not_null: true}
      customer: {type: string, references: customers.customer}
      day: {from: ts, type: date, parse: epoch_s}
      spent: {type: money, unit: minor}
    checks:
      not_free: {expr: spent > 0}
  customers:
    path: nowhere_else.parquet
    columns:
      customer: {type: string}
tables:
  months:
    type: sql
    key: [month]
    query: |
      SELECT month_start(day) AS month, 'USD' AS currency, COUNT(*) AS visits, SUM(spent) AS spent,
        CAST(COUNT(*) AS DOUBLE) / 3 AS share
      FROM visits GROUP BY 1, 2
";

/// Writes the pipeline with these tests, and runs them.
fn with(tests: &str) -> (u8, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.yml");
    fs::write(&path, format!("{PIPELINE}tests:\n{tests}")).unwrap();
    let name = path.to_string_lossy().into_owned();
    let (code, out, err) = tenure_test(&[&name]);
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "a test leaves nothing beside the file");
    let shorter = |text: String| text.replace(&*folder.path().to_string_lossy(), "");
    (code, shorter(out), shorter(err))
}

const GIVEN: &str = "    as_of: 2026-03-31
    given:
      visits: |
        | id | customer | day        | spent |
        |----|----------|------------|-------|
        | 1  | a        | 2026-01-31 | 19.99 |
        | 2  | a        | 2026-02-01 | 0.01  |
        | 3  | b        | 2026-02-28 | 5     |
";

#[test]
fn the_tests_of_the_nightly_pipeline_pass() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/nightly.yml");
    let file = file.to_string_lossy().into_owned();
    // Parameters point nowhere: a test reads no export.
    let (code, out, err) = tenure_test(&[&file, "--param", "exports=/nowhere"]);
    assert_eq!(
        (code, out.as_str()),
        (
            0,
            "ok      expansion_then_churn\nok      a_customer_on_trial_is_active_and_not_paying\nok      dollars_at_the_floor\n3 tests passed\n"
        ),
        "{err}"
    );
    let (code, out, _) = tenure_test(&[&file, "--select", "dollars*"]);
    assert_eq!((code, out.as_str()), (0, "ok      dollars_at_the_floor\n1 test passed\n"));
    let (code, _, err) = tenure_test(&[&file, "--select", "dollar_at_the_floor"]);
    assert_eq!(code, 2);
    assert!(err.contains("did you mean `dollars_at_the_floor`?"), "{err}");
}

#[test]
fn rows_agree_in_any_order_and_to_the_places_written() {
    let expect = "    expect:
      months:
        - {month: 2026-02-01, visits: 2, spent: 5.01, share: 0.667}
        - {spent: 19.990, month: 2026-01-01}
";
    let (code, out, err) = with(&format!("  good:\n{GIVEN}{expect}"));
    assert_eq!((code, out.as_str()), (0, "ok      good\n1 test passed\n"), "{err}");
}

#[test]
fn a_difference_is_shown_with_what_was_expected_and_found() {
    let expect = "    expect:
      months: |
        | month      | visits | spent |
        | 2026-01-01 | 1      | 19.98 |
        | 2026-02-01 | 2      | 5.01  |
";
    let (code, out, _) = with(&format!("  bad:\n{GIVEN}{expect}"));
    assert_eq!(code, 1);
    insta::assert_snapshot!(out, @r"
    FAILED  bad (/p.yml:30)
        table `months`: expected 2 rows, found 2, of which 1 agree
            month      | visits | spent
          - 2026-01-01 | 1      | 19.98
          + 2026-01-01 | 1      | 19.990000
            2026-02-01 | 2      | 5.010000
    1 of 1 test failed
    ");
}

#[test]
fn contracts_apply_to_given_rows() {
    let given = GIVEN.replace("0.01 ", "0    ");
    let (code, out, err) = with(&format!("  free:\n{given}    broken: [not_free]\n"));
    assert_eq!((code, out.as_str()), (0, "ok      free\n1 test passed\n"), "{err}");
    let (code, out, _) = with(&format!("  free:\n{given}    expect: {{months: [{{month: 2026-01-01}}]}}\n"));
    assert_eq!(code, 1);
    assert!(out.contains("`not_free` is broken: source `visits`, 1 rows"), "{out}");
    // A reference is checked where the test gives what it refers to.
    let customers = "      customers: [{customer: a}]\n";
    let (code, out, err) = with(&format!("  stranger:\n{GIVEN}{customers}    broken: [references(customer)]\n"));
    assert_eq!((code, out.as_str()), (0, "ok      stranger\n1 test passed\n"), "{err}");
}

#[test]
fn mistakes_in_tests_are_told_at_once_with_their_places() {
    let (code, out, err) = with(
        "  wrong:
    as_of: 2026-03-31
    given:
      visit: []
      visits: |
        | id | custmer | day   |
        | x  | a       | soon  |
        | 1  | a       |
    expect:
      months: [{month: 2026-01-01, visits: many}, {mnth: 1}]
  empty: {as_of: 2026-03-31}
",
    );
    assert_eq!((code, out.as_str()), (3, ""));
    let titles: Vec<&str> = err.lines().filter(|l| l.starts_with("error[")).collect();
    assert_eq!(
        titles,
        [
            "error[T0301]: no source or table is named `visit`",
            "error[T0330]: a row has 2 cells, the table has 3 columns",
            "error[T0330]: the test expects nothing",
        ]
    );
    let (code, _, err) = with(
        "  wrong:
    as_of: 2026-03-31
    given:
      visits: |
        | id | custmer | day   |
        | x  | a       | soon  |
    expect: {months: []}
",
    );
    assert_eq!(code, 3);
    insta::assert_snapshot!(err, @r"
    error[T0201]: source `visits` has no column `custmer`
      --> /p.yml:34:16
       |
    34 |         | id | custmer | day   |
       |                ^^^^^^^
    help: did you mean `customer`?

    error[T0331]: `x` is no value of `id`, which is int
      --> /p.yml:35:11
       |
    35 |         | x  | a       | soon  |
       |           ^
    help: write it as it is after reading, like `3`; `NULL` for no value

    error[T0331]: `soon` is no value of `day`, which is date
      --> /p.yml:35:26
       |
    35 |         | x  | a       | soon  |
       |                          ^^^^
    help: write it as it is after reading, like `2026-03-31`; `NULL` for no value

    error: 3 mistakes in /p.yml
    ");
    let (code, _, err) = with(&format!(
        "  wrong:\n{GIVEN}    expect: {{months: [{{month: 2026-01-01, visits: many}}, {{mnth: 1}}], moths: []}}\n"
    ));
    assert_eq!(code, 3);
    let titles: Vec<&str> = err.lines().filter(|l| l.starts_with("error[")).collect();
    assert_eq!(
        titles,
        [
            "error[T0331]: `many` is no value of `visits`, which is int",
            "error[T0201]: table `months` has no column `mnth`",
            "error[T0301]: no source or table is named `moths`",
        ]
    );
}

#[test]
fn a_file_without_tests_is_a_mistake_of_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.yml");
    fs::write(&path, PIPELINE).unwrap();
    let (code, _, err) = tenure_test(&[&path.to_string_lossy()]);
    assert_eq!(code, 2);
    assert!(err.contains("the pipeline file has no `tests`"), "{err}");
}
