//! The promises of a sample: the same bytes, the same customers, the traps, sound references.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, TimestampMicrosecondArray};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::calendar::day;
use super::ids::CustomerKey;
use super::life::Life;
use super::profile::Profile;
use super::{IdStyle, SampleError, SampleOptions, SampleReport, billing, cases, generate, story, tiers};

/// Column name to text; a null has no entry.
type Row = BTreeMap<String, String>;

fn options(out: &Path, customers: u64) -> SampleOptions {
    SampleOptions { customers, seed: 7, out: out.to_owned(), parts: None, events: None, ids: IdStyle::Text }
}

fn make(o: &SampleOptions) -> SampleReport {
    generate(o, &|_, _| {}).unwrap()
}

/// Path below `out` and bytes of every file.
fn files(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for table in fs::read_dir(out).unwrap() {
        for file in fs::read_dir(table.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.strip_prefix(out).unwrap().display().to_string();
            files.insert(name, fs::read(path).unwrap());
        }
    }
    files
}

fn read(path: &Path) -> Vec<Row> {
    let file = File::open(path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let batches = reader.build().unwrap().map(Result::unwrap);
    batches.flat_map(|batch| rows(&batch)).collect()
}

fn rows(batch: &RecordBatch) -> Vec<Row> {
    let schema = batch.schema();
    let options = FormatOptions::default();
    let columns: Vec<ArrayRef> = batch.columns().iter().map(without_zone).collect();
    let texts: Vec<_> = schema
        .fields()
        .iter()
        .zip(&columns)
        .map(|(field, column)| {
            let text = ArrayFormatter::try_new(column.as_ref(), &options).unwrap();
            (field.name(), column, text)
        })
        .collect();
    (0..batch.num_rows())
        .map(|at| {
            texts
                .iter()
                .filter(|(_, column, _)| column.is_valid(at))
                .map(|(name, _, text)| ((*name).clone(), text.value(at).to_string()))
                .collect()
        })
        .collect()
}

/// Named zones cannot be formatted without a zone database in the arrow crate.
fn without_zone(column: &ArrayRef) -> ArrayRef {
    match column.as_any().downcast_ref::<TimestampMicrosecondArray>() {
        Some(instants) => Arc::new(instants.clone().with_timezone_opt(None::<&str>)),
        None => Arc::clone(column),
    }
}

fn table(out: &Path, name: &str) -> Vec<Row> {
    let mut paths: Vec<_> = fs::read_dir(out.join(name)).unwrap().map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().flat_map(|path| read(path)).collect()
}

fn ids(rows: &[Row], column: &str) -> BTreeSet<String> {
    rows.iter().filter_map(|row| row.get(column).cloned()).collect()
}

fn life(index: u64) -> Life {
    let who = Profile::new(7, index);
    match cases::find(index) {
        Some(case) => cases::tell(case, who),
        None => story::tell(who),
    }
}

/// Recurring revenue of a case at the end of a day, in minor units.
fn mrr(index: u64, year: i32, month: i32, date: i32) -> i128 {
    billing::half_even(life(index).mrr_36(day(year, month, date)), 3_600)
}

#[test]
fn the_same_options_give_the_same_bytes_on_any_number_of_threads() {
    let made: Vec<_> = [1, 4, 4]
        .into_iter()
        .map(|threads| {
            let dir = tempfile::tempdir().unwrap();
            let mut o = options(dir.path(), 700);
            o.parts = Some(5);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let report = pool.unwrap().install(|| make(&o));
            (report, files(dir.path()))
        })
        .collect();
    assert_eq!(made[0].1.len(), 22 * 5 + 4);
    assert!(made[0] == made[1], "one thread and four differ");
    assert!(made[1] == made[2], "two runs differ");
}

#[test]
fn a_smaller_company_is_the_beginning_of_a_larger_one() {
    let (small, large) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    make(&options(small.path(), 100));
    make(&options(large.path(), 200));
    for (path, _) in files(small.path()) {
        let (few, many) = (read(&small.path().join(&path)), read(&large.path().join(&path)));
        // Costs follow the revenue of the whole company.
        if !path.starts_with("costs") {
            assert!(many.starts_with(&few), "{path}");
        }
    }
}

#[test]
fn another_seed_is_another_company_with_the_same_cases() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    make(&options(one.path(), 100));
    make(&SampleOptions { seed: 8, ..options(other.path(), 100) });
    let (one, other) = (table(one.path(), "customers"), table(other.path(), "customers"));
    let same = |(a, b): &(&Row, &Row)| a["company_name"] == b["company_name"];
    let kept: Vec<_> = one.iter().zip(&other).filter(same).collect();
    assert!(kept.len() >= cases::all().count() && kept.len() < 60, "{}", kept.len());
    assert_eq!(ids(&one, "customer_id"), ids(&other, "customer_id"));
}

#[test]
fn every_reference_is_found_except_the_broken_ones() {
    let dir = tempfile::tempdir().unwrap();
    make(&options(dir.path(), 1_000));
    let customers = ids(&table(dir.path(), "customers"), "customer_id");
    assert_eq!(customers.len(), 1_000);
    let items = table(dir.path(), "subscription_items");
    let invoices = ids(&table(dir.path(), "invoices"), "invoice_id");
    let subscriptions = ids(&items, "subscription_id");
    let mut strangers = Vec::new();
    for name in fs::read_dir(dir.path()).unwrap() {
        let name = name.unwrap().file_name().into_string().unwrap();
        for row in table(dir.path(), &name) {
            for column in ["customer_id", "parent_id"] {
                if row.get(column).is_some_and(|id| !customers.contains(id)) {
                    strangers.push((name.clone(), row["item_id"].clone()));
                }
            }
            if let Some(id) = row.get("invoice_id") {
                assert!(invoices.contains(id), "{name}: {row:?}");
            }
            if let Some(id) = row.get("subscription_id") {
                assert!(subscriptions.contains(id), "{name}: {row:?}");
            }
        }
    }
    let broken = CustomerKey::new(cases::BROKEN_ROWS);
    let stranger = broken.nth("si_broken_", 6).to_string();
    let in_items = |(name, _): &&(String, String)| name == "subscription_items";
    assert_eq!(strangers.iter().filter(in_items).collect::<Vec<_>>(), [&("subscription_items".to_owned(), stranger)]);
    // Two accounts of the other billing system, with four terms each.
    assert_eq!(strangers.len(), 1 + 8);
    assert!(strangers.iter().all(|(name, _)| name == "subscription_items" || name == "tiered_items"));
    let nobody = items.iter().filter(|row| !row.contains_key("customer_id"));
    assert_eq!(nobody.count(), 1);
}

#[test]
fn keys_are_unique_once_copies_and_older_versions_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    make(&options(dir.path(), 1_500));
    for (name, key, copies) in [
        ("customers", "customer_id", false),
        ("discounts", "discount_id", false),
        ("invoice_lines", "line_id", false),
        ("tiered_items", "item_id", false),
        ("invoices", "invoice_id", false),
        ("refunds", "refund_id", false),
        ("sessions", "session_id", false),
        ("trials", "trial_id", false),
        ("tickets", "ticket_id", false),
        ("survey_responses", "response_id", false),
        ("reviews", "review_id", false),
        ("opportunities", "id", false),
        ("meetings", "meeting_id", false),
        ("usage_events", "event_id", true),
    ] {
        let rows = table(dir.path(), name);
        let distinct: BTreeSet<_> = rows.iter().collect();
        assert!(rows.len() > 10, "{name}");
        assert_eq!(distinct.len() < rows.len(), copies, "{name}");
        assert_eq!(ids(&rows, key).len(), distinct.len(), "{name}");
    }
    let items = table(dir.path(), "subscription_items");
    let versions: BTreeSet<_> = items.iter().map(|row| (&row["item_id"], &row["recorded_at"])).collect();
    let distinct: BTreeSet<_> = items.iter().collect();
    assert_eq!(versions.len(), distinct.len(), "a version is told by its time");
    assert!(distinct.len() < items.len(), "there are exact copies");
    assert!(ids(&items, "item_id").len() < versions.len(), "there are older versions");
}

#[test]
fn cases_are_what_their_names_say() {
    assert_eq!((mrr(1, 2025, 1, 31), life(1).pauses.len()), (29_000, 1));
    assert_eq!((mrr(2, 2025, 9, 14), mrr(2, 2025, 9, 15)), (0, 25_600));
    assert_eq!(life(3).first_paid(), None);
    assert_eq!((mrr(4, 2024, 11, 9), mrr(4, 2024, 11, 10)), (98_000, 114_000));
    assert_eq!((mrr(5, 2025, 8, 14), mrr(5, 2025, 8, 15)), (181_800, 147_000));
    // 100 seats at 27 months' price for 36 months: 592,500.00 and no remainder.
    assert_eq!(mrr(6, 2024, 1, 1), 592_500);
    assert_eq!(mrr(7, 2024, 2, 1), 165_000);
    assert_eq!((mrr(8, 2025, 7, 30), mrr(8, 2025, 7, 31)), (19_200, 0));
    assert_eq!((mrr(9, 2025, 7, 31), mrr(9, 2025, 8, 1)), (19_200, 0));
    assert_eq!((mrr(12, 2025, 3, 12), mrr(12, 2025, 3, 13)), (0, 25_600));
    assert_eq!((mrr(13, 2025, 8, 20), mrr(13, 2025, 8, 21)), (0, 25_600));
    assert_eq!(mrr(15, 2025, 11, 12) - mrr(15, 2025, 11, 11), 40_000 - 14_500);
    assert_eq!(mrr(16, 2025, 12, 1), mrr(16, 2025, 12, 2));
    assert_eq!(mrr(17, 2025, 12, 31), 12_800);
    assert_eq!((mrr(25, 2025, 5, 19), mrr(25, 2025, 5, 20)), (0, 4_800));
    assert_eq!(mrr(26, 2026, 1, 1), 97_200);
    // 4,001 calls at 12.5 cents are 500.125 dollars, halves to the even cent.
    assert_eq!(mrr(27, 2026, 1, 1), 86_400 + 50_012);
    assert_eq!((mrr(29, 2026, 5, 5), mrr(29, 2026, 5, 6)), (19_200, 0));
    assert_eq!(mrr(34, 2026, 6, 30), 24_000);
    assert_eq!(mrr(35, 2026, 6, 30), 106_000);
    assert_eq!(mrr(46, 2026, 6, 30), 0);
}

#[test]
fn boundary_instants_fall_on_the_intended_day() {
    let ended = |index: u64| life(index).items[0].ended_at.unwrap();
    let utc = |second| Timestamp::from_second(second).unwrap().to_string();
    assert_eq!(utc(ended(8)), "2025-08-01T03:59:59Z");
    assert_eq!(utc(ended(9)), "2025-08-01T04:00:00Z");
}

#[test]
fn there_is_one_broken_row_of_each_kind_and_more_in_a_larger_company() {
    let dir = tempfile::tempdir().unwrap();
    make(&options(dir.path(), 100));
    let items = table(dir.path(), "subscription_items");
    let is_broken = |row: &&Row| row["item_id"].starts_with("si_broken_");
    let broken: Vec<_> = items.iter().filter(is_broken).collect();
    assert_eq!(broken.len(), 8);
    let has = |column: &str, value: &str| broken.iter().any(|row| row[column] == value);
    assert!(has("currency", "xxq") && has("billing_interval", "fortnight"));
    assert!(has("quantity", "-3") && has("interval_count", "0"));
}

/// Works the snapshots out from the exported rows alone, with another calendar.
#[test]
fn snapshots_equal_the_items() {
    let dir = tempfile::tempdir().unwrap();
    make(&options(dir.path(), 1_000));
    let new_york = TimeZone::get("America/New_York").unwrap();
    let mut latest: BTreeMap<String, Row> = BTreeMap::new();
    for row in table(dir.path(), "subscription_items") {
        let known = latest.entry(row["item_id"].clone()).or_insert_with(|| row.clone());
        if known["recorded_at"] < row["recorded_at"] {
            *known = row;
        }
    }
    let number = |row: &Row, column: &str| row[column].parse::<i128>().unwrap();
    let date = |row: &Row, column: &str| row.get(column).map(|d| d.parse::<Date>().unwrap());
    let paying: Vec<_> = latest
        .values()
        .filter(|row| row["livemode"] == "true" && row["is_deleted"] == "false")
        .filter(|row| row["usage_type"] == "licensed" && row["status"] != "unpaid")
        .filter(|row| !row["item_id"].starts_with("si_broken_"))
        .map(|row| {
            let end = row.get("ended_at").map(|second| {
                let instant = Timestamp::from_second(second.parse().unwrap()).unwrap();
                instant.to_zoned(new_york.clone()).date()
            });
            let from = date(row, "trial_end").or(date(row, "start_date")).unwrap();
            (row, from, end)
        })
        .collect();

    let snapshots = table(dir.path(), "mrr_snapshots");
    assert!(snapshots.len() > 500);
    let mut total = 0;
    for snapshot in &snapshots {
        let month = date(snapshot, "snapshot_month").unwrap();
        let last = month.checked_add(1.month()).unwrap().yesterday().unwrap();
        // Thousandths of a minor unit, a thirty-sixth of each.
        let parts = paying
            .iter()
            .filter(|(row, from, end)| {
                row.get("customer_id") == snapshot.get("customer_id")
                    && row["plan"] == snapshot["plan"]
                    && *from <= last
                    && end.is_none_or(|end| end > last)
            })
            .map(|(row, _, _)| {
                let (whole, part) =
                    row["unit_amount_decimal"].split_once('.').unwrap_or((&row["unit_amount_decimal"], "0"));
                let price: i128 = format!("{whole}{part:0<3}").parse().unwrap();
                let units = row.get("quantity").map_or(1, |q| q.parse().unwrap());
                let months = match row["billing_interval"].as_str() {
                    "day" => 365 * 3,
                    "week" => 52 * 3,
                    "month" => 36,
                    _ => 3,
                };
                price * units * months / number(row, "interval_count")
            });
        let minor_units = if snapshot["currency"] == "jpy" { 100 } else { 1 };
        let cents = billing::half_even(parts.sum::<i128>() * minor_units, 36_000);
        let exported: i128 = snapshot["mrr"].replace('.', "").parse().unwrap();
        assert_eq!(exported, cents, "{snapshot:?}");
        total += cents;
    }
    assert!(total > 0);
}

fn whole(row: &Row, column: &str) -> i64 {
    row[column].parse().unwrap()
}

/// The sum of the events of every item is what the item brings a month, in minor units.
#[test]
fn events_add_up_to_the_items() {
    let dir = tempfile::tempdir().unwrap();
    make(&options(dir.path(), 1_000));
    let events = table(dir.path(), "subscription_item_change_events");
    assert!(events.len() > 200);
    let mut balance: BTreeMap<(String, String), i64> = BTreeMap::new();
    let mut last = BTreeMap::new();
    for event in &events {
        let (starts, change) = (event["event_type"] == "ACTIVE_START", whole(event, "mrr_change"));
        assert!(starts == (change > 0) && change != 0, "{event:?}");
        assert_eq!(starts, whole(event, "quantity_change") > 0, "{event:?}");
        let instant: Timestamp = format!("{}Z", event["event_timestamp"].trim_end_matches('Z')).parse().unwrap();
        let local = instant.to_zoned(TimeZone::get("America/New_York").unwrap()).datetime();
        assert_eq!(event["local_event_timestamp"], local.to_string(), "{event:?}");
        let before = last.insert(&event["customer_id"], instant);
        assert!(before.is_none_or(|before| before <= instant), "{event:?}");
        let key = (event["customer_id"].clone(), event["currency"].clone());
        *balance.entry(key).or_default() += change;
    }
    let mut paying = 0;
    for index in (0..1_000).step_by(10) {
        let life = life(index);
        let mut expected: BTreeMap<&str, i128> = BTreeMap::new();
        for item in life.items.iter().filter(|item| item.pays_on(day(2026, 6, 30))) {
            *expected.entry(item.currency.code()).or_default() += billing::half_even(item.monthly_36(), 3_600);
        }
        for currency in ["usd", "jpy"] {
            let key = (format!("cus_{}", life.who.key.code()), currency.to_owned());
            let found = balance.remove(&key).unwrap_or(0);
            let wanted = expected.get(currency).copied().unwrap_or(0);
            assert_eq!(i128::from(found), wanted, "{key:?}");
            paying += usize::from(wanted > 0);
        }
    }
    assert!(paying > 30 && balance.is_empty(), "{paying} pay, {balance:?} are left");
}

/// Prorations and fees are kept in the lines alone.
#[test]
fn lines_add_up_to_the_invoices() {
    let dir = tempfile::tempdir().unwrap();
    make(&options(dir.path(), 1_000));
    let lines = table(dir.path(), "invoice_lines");
    let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
    let (mut credits, mut fees) = (0, 0);
    for line in &lines {
        let (subscription, proration) = (line["type"] == "subscription", line["proration"] == "true");
        let (amount, off) = (whole(line, "amount"), whole(line, "discount_amount"));
        assert!((0..=amount.max(0)).contains(&off) && whole(line, "net_amount") == amount - off, "{line:?}");
        let sum = sums.entry(line["invoice_id"].as_str()).or_default();
        if subscription {
            *sum += amount - off;
        } else if proration {
            credits += usize::from(amount < 0);
        } else {
            fees += 1;
        }
        let instantaneous = line["period_start"] == line["period_end"];
        assert_eq!(instantaneous, !subscription && !proration, "{line:?}");
        assert!(line["period_start"] <= line["period_end"] && (amount > 0 || proration), "{line:?}");
    }
    assert!(credits > 5 && fees > 0, "{credits} credits, {fees} fees");
    for invoice in table(dir.path(), "invoices") {
        let found = sums.remove(invoice["invoice_id"].as_str());
        assert_eq!(found, Some(whole(&invoice, "subtotal")), "{invoice:?}");
    }
    assert!(sums.is_empty(), "{sums:?}");
}

#[test]
fn an_upgrade_within_a_period_is_charged_on_the_next_invoice() {
    let dir = tempfile::tempdir().unwrap();
    make(&options(dir.path(), 60));
    // 30 and 29 days of November and December: every one of these is billed from the first.
    let lines = table(dir.path(), "invoice_lines");
    let id = format!("cus_{}", CustomerKey::new(16).code());
    let prorated: Vec<_> = lines
        .iter()
        .filter(|line| line["customer_id"] == id && line["proration"] == "true")
        .map(|line| (line["product"].as_str(), whole(line, "amount")))
        .collect();
    assert_eq!(prorated, [], "a change on the first day of a period needs no proration: {prorated:?}");
    let id = format!("cus_{}", CustomerKey::new(15).code());
    let prorated: Vec<_> = lines
        .iter()
        .filter(|line| line["customer_id"] == id && line["proration"] == "true")
        .map(|line| {
            (line["plan"].as_str(), whole(line, "amount"), &line["period_start"][..10], &line["period_end"][..10])
        })
        .collect();
    // 19 of the 30 days from 1 November to 1 December: 580.00 back and 980.00 charged for the
    // first subscription, 435.00 back and 290.00 charged for the second.
    assert_eq!(
        prorated,
        [
            ("core_team", -36_733, "2025-11-12", "2025-12-01"),
            ("core_business", 62_067, "2025-11-12", "2025-12-01"),
            ("core_team", -27_550, "2025-11-12", "2025-12-01"),
            ("core_team", 18_367, "2025-11-12", "2025-12-01"),
        ]
    );
}

#[test]
fn tiered_accounts_merges_and_usage_are_as_the_readme_tells() {
    let dir = tempfile::tempdir().unwrap();
    make(&options(dir.path(), 60));
    let id = |index: u64| format!("cus_{}", CustomerKey::new(index).code());
    let terms = |account: usize| -> Vec<(String, i64)> {
        let id = id(tiers::ACCOUNTS[account].key);
        let rows = table(dir.path(), "tiered_items");
        let own = rows.iter().filter(|row| row["customer_id"] == id);
        own.map(|row| (row["started_on"].clone(), whole(row, "quantity"))).collect()
    };
    let days = |terms: &[(&str, i64)]| terms.iter().map(|(d, q)| ((*d).to_owned(), *q)).collect::<Vec<_>>();
    assert_eq!(terms(0), days(&[("2025-02-10", 80), ("2025-06-10", 100), ("2025-09-10", 120), ("2026-01-10", 1_200)]));
    assert_eq!(terms(1), days(&[("2025-03-20", 8), ("2025-07-20", 50), ("2025-11-20", 160), ("2026-03-20", 100)]));

    let prices = table(dir.path(), "price_tiers");
    assert_eq!(prices.len(), 2 * 2 * 3);
    let open: Vec<_> = prices.iter().filter(|row| !row.contains_key("up_to")).collect();
    assert_eq!(open.len(), 4, "each price list ends with a tier without an end");

    let merges: Vec<_> = table(dir.path(), "identity_map")
        .into_iter()
        .map(|row| (row["old_customer_id"].clone(), row["customer_id"].clone(), row["merged_on"].clone()))
        .collect();
    let merge = |old, new, on: &str| (id(old), id(new), on.to_owned());
    assert_eq!(
        merges,
        [
            merge(25, 2, "2026-01-10"),
            merge(2, 45, "2026-03-02"),
            merge(38, 35, "2026-05-04"),
            merge(tiers::ACCOUNTS[0].key, 27, "2026-02-02"),
        ]
    );

    let usage = table(dir.path(), "usage_charges");
    let metered: Vec<_> = usage.iter().filter(|row| row["customer_id"] == id(26)).collect();
    assert_eq!(metered.len(), 16);
    assert!(metered.iter().all(|row| row["committed_amount"] == "20000"));
    assert_eq!((metered[4]["month"].as_str(), whole(metered[4], "amount")), ("2025-07-01", 0));
    assert_eq!((metered[0]["month"].as_str(), whole(metered[0], "amount")), ("2025-03-01", 12_000));
}

#[test]
fn requests_and_failed_payments_have_their_days() {
    let dir = tempfile::tempdir().unwrap();
    make(&options(dir.path(), 60));
    let items = table(dir.path(), "subscription_items");
    let of = |index: u64, status: &str| {
        let id = format!("cus_{}", CustomerKey::new(index).code());
        let found = items.iter().find(|row| row.get("customer_id") == Some(&id) && row["status"] == status);
        found.cloned().unwrap()
    };
    // Asked for on 20 July, a month from the 15th on; on 11 June, a year from 18 August on.
    assert_eq!(of(5, "canceled")["cancel_period_end"], "2025-08-15");
    assert_eq!(of(34, "active")["cancel_period_end"], "2026-08-18");
    // Ten days before the end, in both versions of the row.
    assert_eq!(of(11, "canceled")["past_due_since"], "2026-02-26");
    assert_eq!(of(11, "past_due")["past_due_since"], "2026-02-26");
    assert!(!of(2, "active").contains_key("past_due_since"));
    assert!(!of(2, "active").contains_key("cancel_period_end"));
}

#[test]
fn customers_whom_the_product_does_not_suit_leave_more_often() {
    let (mut paying, mut left) = ([0_u32; 2], [0_u32; 2]);
    for index in cases::END..4_000 {
        let life = life(index);
        let Some(first) = life.first_paid() else {
            continue;
        };
        if first > day(2025, 6, 1) {
            continue;
        }
        let suits = usize::from(life.who.fit >= 500);
        paying[suits] += 1;
        left[suits] += u32::from(life.mrr_36(first + 365) == 0);
    }
    let share = |at: usize| left[at] * 100 / paying[at];
    assert!(share(0) > share(1) + 10, "{}% and {}%", share(0), share(1));
}

#[test]
fn an_integer_key_is_the_same_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let mut o = options(dir.path(), 60);
    o.ids = IdStyle::Bigint;
    make(&o);
    let customers = ids(&table(dir.path(), "customers"), "customer_id");
    assert_eq!(customers.first().unwrap(), "7000000001");
    assert!(ids(&table(dir.path(), "trials"), "customer_id").is_subset(&customers));
    let users = ids(&table(dir.path(), "usage_events"), "user_id");
    assert!(users.iter().all(|user| customers.contains(&user[..10])), "{users:?}");
    assert!(ids(&table(dir.path(), "sessions"), "user_id").is_subset(&users));
}

#[test]
fn a_folder_with_other_files_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("notes.txt"), "mine").unwrap();
    let refused = generate(&options(dir.path(), 10), &|_, _| {});
    let Err(SampleError::NotEmpty(path)) = refused else {
        panic!("{refused:?}");
    };
    assert!(path.ends_with("notes.txt"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_sample_replaces_an_earlier_one_whole() {
    let (used, fresh) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut many = options(used.path(), 300);
    many.parts = Some(4);
    make(&many);
    make(&options(used.path(), 60));
    make(&options(fresh.path(), 60));
    assert!(files(used.path()) == files(fresh.path()));
}

#[test]
fn the_committed_sample_is_what_the_generator_makes() {
    let dir = tempfile::tempdir().unwrap();
    make(&options(dir.path(), 3_000));
    let made = files(dir.path());
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data");
    for (path, bytes) in &made {
        assert!(fs::read(committed.join(path)).unwrap() == *bytes, "{path}");
    }
    let size: usize = made.values().map(Vec::len).sum();
    assert!(size < 1_500_000, "{size} bytes are much to commit");
}

#[test]
fn the_readme_of_the_sample_names_every_case() {
    let readme = include_str!("../../sample_data/README.md");
    let numbers = cases::all().map(|case| case.index).chain(tiers::ACCOUNTS.iter().map(|account| account.key));
    for number in numbers {
        let id = format!("cus_{}", CustomerKey::new(number).code());
        assert!(readme.contains(&id), "`{id}` (number {number})");
    }
}
