//! `tenure reconcile` on the sample: exports of a system that counts in another way.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{NULL, read_table, scaled};

/// Decimal places of published amounts of the sample.
const PLACES: usize = 6;

fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Exit code, stdout and stderr of a command.
fn tenure(args: &[&str]) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = tenure::cli::run(std::iter::once("tenure").chain(args.iter().copied()), &mut out, &mut err);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

/// The nightly pipeline with other words in it, in a folder of its own.
fn pipeline(folder: &Path, changes: &[(&str, &str)]) -> String {
    let mut text = fs::read_to_string(project().join("pipelines/nightly.yml")).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "the pipeline no longer says `{from}`");
        text = text.replace(from, to);
    }
    let exports = project().join("sample_data");
    text = text.replace("default: ../sample_data", &format!("default: {}", exports.display()));
    let path = folder.join("pipeline.yml");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// The published ledger of a pipeline: customer, currency, day, kind, change in millionths.
fn ledger(pipeline: &str, folder: &Path) -> Vec<(String, String, String, String, i128)> {
    let root = folder.join("out");
    let (code, _, err) =
        tenure(&["run", pipeline, "--root", &root.display().to_string(), "--result", "none", "--select", "ledger"]);
    assert_eq!(code, 0, "{err}");
    let grid = read_table(&root.join("ledger.parquet"));
    let at = |name: &str| grid.column(name).unwrap();
    let columns = ["customer_id", "currency", "effective_on", "kind", "mrr_delta"].map(at);
    grid.rows
        .iter()
        .map(|row| {
            let [customer, currency, day, kind, delta] = columns.map(|c| row[c].clone());
            let delta = scaled(&delta, PLACES).unwrap();
            (customer, currency, day, kind, delta)
        })
        .collect()
}

/// Half-even at two decimals, as text.
fn cents(millionths: i128) -> String {
    let (whole, rest) = (millionths.div_euclid(10_000), millionths.rem_euclid(10_000));
    let up = rest > 5_000 || (rest == 5_000 && whole.rem_euclid(2) == 1);
    let cents = whole + i128::from(up);
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100)
}

/// The balances at the end of a day as another system would export them.
fn balances(rows: &[(String, String, String, String, i128)], at: &str) -> BTreeMap<(String, String), i128> {
    let mut out = BTreeMap::new();
    for (customer, currency, _, _, delta) in rows.iter().filter(|r| r.2.as_str() <= at) {
        *out.entry((customer.clone(), currency.clone())).or_insert(0) += delta;
    }
    out.retain(|_, amount| *amount != 0);
    out
}

fn csv(book: &BTreeMap<(String, String), i128>, month: &str) -> String {
    let mut out = "Customer ID,Month,MRR,Currency\n".to_owned();
    for ((customer, currency), amount) in book {
        let _ = writeln!(out, "{customer},{month},{},{}", cents(*amount), currency.to_lowercase());
    }
    out
}

/// Runs `reconcile` on the nightly pipeline and gives its code and its document.
fn reconcile(pipeline: &str, against: &Path, more: &[&str]) -> (u8, Value) {
    let against = against.display().to_string();
    let mut args = vec!["reconcile", pipeline, "--against", &against, "--format", "json"];
    args.extend(more);
    let (code, out, err) = tenure(&args);
    let document = serde_json::from_str(&out).unwrap_or_else(|_| panic!("exit {code}: {err}"));
    (code, document)
}

fn units(value: &Value) -> i128 {
    scaled(value.as_str().unwrap(), PLACES).unwrap()
}

/// Every bridge leads exactly from the ledger to the export.
fn adds_up(document: &Value) {
    for bridge in document["currencies"].as_array().unwrap() {
        let lines: i128 = bridge["lines"].as_array().unwrap().iter().map(|line| units(&line["amount"])).sum();
        let difference = units(&bridge["export"]["amount"]) - units(&bridge["ledger"]["amount"]);
        assert_eq!(lines, difference, "{bridge}");
        assert_eq!(units(&bridge["difference"]), difference);
    }
}

/// Reasons of a document with their customers, by currency; rounding left out.
fn reasons(document: &Value) -> Vec<(String, String, u64)> {
    let bridges = document["currencies"].as_array().unwrap().iter();
    let line = |b: &Value, l: &Value| {
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        (text(&b["currency"]), text(&l["reason"]), l["customers"].as_u64().unwrap())
    };
    bridges
        .flat_map(|b| b["lines"].as_array().unwrap().iter().map(move |l| line(b, l)))
        .filter(|(_, reason, _)| reason != "rounding")
        .collect()
}

#[test]
fn the_same_book_has_no_difference_but_rounding() {
    let folder = tempfile::tempdir().unwrap();
    let file = pipeline(folder.path(), &[]);
    let rows = ledger(&file, folder.path());
    let export = folder.path().join("export.csv");
    fs::write(&export, csv(&balances(&rows, "2026-05-31"), "2026-05")).unwrap();
    let (code, document) = reconcile(&file, &export, &[]);
    assert_eq!((code, &document["at"], &document["unexplained"]), (0, &"2026-05-31".into(), &0.into()));
    assert_eq!(reasons(&document), []);
    adds_up(&document);
    // The published ledger of the same run is an export too: as balances, and movement by movement.
    let published = folder.path().join("out/ledger.parquet");
    for (more, compares) in [(&["--compare", "balances"][..], "balances"), (&[], "movements")] {
        let (code, document) = reconcile(&file, &published, more);
        assert_eq!((code, &document["compares"]), (0, &compares.into()));
        assert_eq!(document["form"], "ledger of tenure");
        assert_eq!(document["differing"], 0, "{document}");
    }
}

#[test]
fn another_length_of_a_week_is_found_and_what_nobody_explains_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = pipeline(folder.path(), &[]);
    let theirs = folder.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    let paddle = pipeline(
        &theirs,
        &[("    trial_end: trial_end\n", "    trial_end: trial_end\n    interval_factors: paddle\n")],
    );
    let mut book = balances(&ledger(&paddle, &theirs), "2026-05-31");
    let usd = |customer: &str| (customer.to_owned(), "USD".to_owned());
    // Weekly Inc: 3 x 3.69 x 4.33 = 47.9331, and Daily Inc: 5 x 0.52 x 30 = 78.
    assert_eq!((book[&usd("cus_HxapNJwv")], book[&usd("cus_TzHxnazR")]), (47_933_100, 78_000_000));
    book.remove(&usd("cus_NLf4HyuC")).unwrap();
    book.insert(usd("cus_nobody"), 5_000_000);
    *book.get_mut(&usd("cus_h9rxhvqw")).unwrap() += 1_000_000;
    let export = folder.path().join("export.csv");
    fs::write(&export, csv(&book, "2026-05")).unwrap();
    let list = folder.path().join("list.csv");
    let (code, document) = reconcile(&file, &export, &["--out", &list.display().to_string()]);
    assert_eq!((code, &document["unexplained"]), (10, &3.into()));
    adds_up(&document);
    let found = reasons(&document);
    for expected in ["unexplained, only in the ledger", "unexplained, only in the export", "unexplained"] {
        assert!(found.contains(&("USD".to_owned(), expected.to_owned(), 1)), "{found:?}");
    }
    let rules: Vec<&str> = found.iter().map(|(_, r, _)| r.as_str()).filter(|r| !r.starts_with("unexplained")).collect();
    // Thirty days are as in other presets too; weeks of 4.33 are only Paddle's.
    assert_eq!(rules, ["interval_factors: paddle"]);
    let list = fs::read_to_string(list).unwrap();
    // 3 x 3.69 x 52/12 = 47.97 of ours, 47.93 as they write it.
    assert!(list.contains("cus_HxapNJwv,USD,,,47.970000,47.930000,-0.040000,interval_factors: paddle,"), "{list}");
    assert!(
        list.contains("cus_nobody,USD,,,0.000000,5.000000,5.000000,\"unexplained, only in the export\","),
        "{list}"
    );
    assert!(!list.contains(NULL));
}

/// Columns that options of a ledger read and the nightly one does not.
const COLUMNS: &str = "      requested_on:     {from: cancel_requested_at, type: date, optional: true}
      period_ends_on:   {from: cancel_period_end, type: date, optional: true}
      past_due_since:   {type: date, optional: true}
      status:           {type: string}
";

/// The nightly pipeline with every option of the ledger: `past_due` and `rate` are its own, or the vendor's.
fn full(folder: &Path, past_due: &str, rate: &str, top: &str) -> String {
    let options =
        format!("    trial_end: trial_end\n    requested: requested_on\n    period_end: period_ends_on\n{past_due}");
    pipeline(
        folder,
        &[
            (
                "timezone: America/New_York       # what \"day\" and \"month\" mean\n",
                &format!("timezone: America/New_York\n{top}"),
            ),
            ("      status:           {type: string}\n", COLUMNS),
            ("    trial_end: trial_end\n", &options),
            (", rate_of: last_day}", &format!("{rate}}}")),
        ],
    )
}

#[test]
fn every_dialect_differs_from_the_house_only_by_its_options() {
    let folder = tempfile::tempdir().unwrap();
    let past_due = "    past_due: {since: past_due_since, grace: 60d}\n";
    let house = full(folder.path(), past_due, ", rate_of: last_day", "");
    let mut rules = BTreeMap::new();
    for dialect in tenure::dialect::Dialect::ALL {
        let theirs = folder.path().join(dialect.name());
        fs::create_dir(&theirs).unwrap();
        // A vendor without a grace ends nothing by it.
        let graced = dialect.choices().iter().any(|c| c.key() == "past_due.grace" && c.value.is_some());
        let past_due = if graced { "    past_due: {since: past_due_since}\n" } else { "" };
        let file = full(&theirs, past_due, "", &format!("dialect: {}\n", dialect.name()));
        let export = theirs.join("export.csv");
        fs::write(&export, csv(&balances(&ledger(&file, &theirs), "2026-05-31"), "2026-05")).unwrap();
        let (code, document) = reconcile(&house, &export, &[]);
        adds_up(&document);
        let found = reasons(&document);
        assert_eq!((code, &document["unexplained"]), (0, &0.into()), "{}: {found:?}", dialect.name());
        // Every rule is an option that the preset sets, or a whole preset.
        let keys: Vec<&str> = dialect.for_table("mrr_ledger").map(tenure::dialect::Choice::key).collect();
        for part in found.iter().flat_map(|(_, rule, _)| rule.split(" and ")) {
            let key = part.strip_prefix("without ").unwrap_or(part).split(':').next().unwrap();
            let known = key == "dialect" || keys.iter().any(|k| *k == key || k.split('.').next() == Some(key));
            assert!(known, "{}: {part}", dialect.name());
        }
        rules.insert(dialect.name(), found);
        // Beside itself a preset has nothing to explain.
        let (code, document) = reconcile(&file, &export, &[]);
        assert_eq!((code, reasons(&document)), (0, Vec::new()), "{}", dialect.name());
    }
    let named = |dialect: &str, rule: &str| rules[dialect].iter().any(|(_, r, _)| r == rule);
    // Coupon Forever Inc is in both policies, coupons with an end only in the house's.
    assert!(named("stripe", "discounts.policy: forever"), "{rules:?}");
    // Paused Now Inc pays nothing at the end of May, but where a pause goes on counting.
    assert!(named("maxio", "pauses.as: keep") && named("chartmogul", "pauses.as: keep"), "{rules:?}");
    // Cancels At Period End Inc and others have asked for it before the end of May.
    assert!(named("maxio", "churn_at: request"), "{rules:?}");
}

#[test]
fn a_plan_shows_what_a_dialect_sets() {
    let folder = tempfile::tempdir().unwrap();
    let file = pipeline(
        folder.path(),
        &[
            (
                "currency: USD                    # currency of money columns that do not name one\n",
                "currency: USD\ndialect: stripe\n",
            ),
            ("    grain: day\n", "    grain: day\n    dialect: maxio\n"),
        ],
    );
    let (code, out, err) = tenure(&["plan", &file, "--format", "json"]);
    assert_eq!(code, 0, "{err}");
    let plan: Value = serde_json::from_str(&out).unwrap();
    let of =
        |name: &str| plan["tables"].as_array().unwrap().iter().find(|t| t["name"] == name).unwrap()["dialect"].clone();
    assert_eq!(
        (&of("ledger")["name"], &of("ledger")["sets"]["interval_factors"]),
        (&"stripe".into(), &"stripe".into())
    );
    // No column of this ledger says when a cancellation was asked for, and it writes which day's rate holds.
    assert_eq!(of("ledger")["sets"]["discounts.policy"], "forever");
    assert_eq!(of("ledger")["sets"]["churn_at"], Value::Null);
    assert_eq!(of("ledger")["sets"]["fx.rate_of"], Value::Null);
    assert_eq!(of("churn")["sets"]["logo_base"], "opening_and_new");
    // Visits cannot be broken down by reason, so this table goes without.
    assert_eq!(of("churn")["sets"]["same_period"], Value::Null);
    // The grain and the methods are written, and win.
    assert_eq!(
        (&of("movements_daily")["name"], &of("movements_daily")["sets"]["grain"]),
        (&"maxio".into(), &Value::Null)
    );
    assert_eq!(of("retention")["sets"]["methods"], Value::Null);
    let (code, out, _) = tenure(&["dialects", "stripe"]);
    assert!(code == 0 && out.contains("| `mrr_ledger.discounts.policy` | `forever` | documented |"), "{out}");
    let (code, _, err) = tenure(&["dialects", "strype"]);
    assert!(code == 2 && err.contains("did you mean `stripe`?"), "{err}");
}
