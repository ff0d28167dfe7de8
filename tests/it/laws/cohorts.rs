//! Laws of the cohort triangle.

use std::collections::BTreeMap;

use super::books::{Book, books};
use super::law;
use super::pipeline::{ledger, run};
use super::reference::World;
use super::reference::calendar::{GRAINS, Grain};
use super::reference::cohorts::{GRAIN, Key, Triangle};
use super::table::{Row, Value, compare, pick, shown};

const MEASURES: [&str; 3] = ["customers", "gross_revenue", "net_revenue"];

/// A table of cohorts under a name.
fn table(name: &str, triangle: Triangle, layout: &str) -> String {
    let cohort = match triangle.key {
        Key::FirstPaid => "first_paid",
        Key::Segment => "{dimension: segment}",
        Key::SignedUp => "{date: {from: customers, customer: customer_id, date: signed_up_on}}",
    };
    let returning = if triangle.or_after { "on_or_after" } else { "on" };
    let gross = if triangle.ratchet { ", gross: ratchet" } else { "" };
    format!(
        "  {name}: {{type: cohort_retention, from: ledger, grain: {}, cohort: {cohort}, horizon: {}, measures: [{}], returning: {returning}{gross}, \
         min_customers: {}, layout: {layout}}}\n",
        triangle.grain.name(),
        triangle.horizon,
        measures(triangle).join(", "),
        triangle.min_customers,
    )
}

fn measures(triangle: Triangle) -> &'static [&'static str] {
    if triangle.or_after { &MEASURES[..1] } else { &MEASURES }
}

/// Offsets that reach some way past what a book covers.
fn horizon(grain: Grain) -> usize {
    match grain {
        Grain::Day => 45,
        Grain::Week => 30,
        Grain::Month => 22,
        Grain::Quarter => 8,
        Grain::Year => 3,
    }
}

/// Tables of one kind of cohort at every grain: bounded, bounded with the ratchet, unbounded.
fn triangles(key: Key, min_customers: i64) -> Vec<(String, Triangle)> {
    let kinds = [("on", false, false), ("ratchet", false, true), ("or_after", true, false)];
    let of = |grain: Grain| {
        kinds.map(|(kind, or_after, ratchet)| {
            (
                format!("{}_{kind}", grain.name()),
                Triangle { grain, key, horizon: horizon(grain), or_after, ratchet, min_customers },
            )
        })
    };
    GRAINS.into_iter().flat_map(of).collect()
}

fn equal_to_the_reference(book: &Book, key: Key, min_customers: i64) -> Result<(), String> {
    let triangles = triangles(key, min_customers);
    let text: String = triangles.iter().map(|(name, t)| table(name, *t, "long")).collect();
    let published = run(book, &format!("{}{text}", ledger(book)))?;
    let world = World::of(book);
    triangles
        .iter()
        .try_for_each(|(name, t)| compare(name, published.table(name), t.rows(&world, measures(*t)), &GRAIN))
}

#[test]
fn cohorts_by_first_payment_are_what_their_customers_pay_later() {
    law("first_paid", 48, (books(), 0..4i64), |(book, min)| equal_to_the_reference(book, Key::FirstPaid, *min));
}

#[test]
fn cohorts_by_segment_are_what_their_customers_pay_later() {
    law("by_segment", 48, (books(), 0..4i64), |(book, min)| equal_to_the_reference(book, Key::Segment, *min));
}

#[test]
fn cohorts_by_signup_are_what_their_customers_pay_later() {
    law("signed_up", 48, (books(), 0..4i64), |(book, min)| equal_to_the_reference(book, Key::SignedUp, *min));
}

#[test]
fn retention_begins_at_one_and_cohorts_are_all_customers() {
    law("begins_at_one", 48, books(), |book| {
        let triangles: Vec<_> =
            triangles(Key::FirstPaid, 0).into_iter().chain([("segments_on".to_owned(), segments())]).collect();
        let text: String = triangles.iter().map(|(name, t)| table(name, *t, "long")).collect();
        let published = run(book, &format!("{}{text}", ledger(book)))?;
        let world = World::of(book);
        for (name, _) in &triangles {
            let rows = &published.table(name).rows;
            for row in rows.iter().filter(|r| r["period_offset"] == Value::Int(0)) {
                if row["is_mature"] == Value::Bool(true) && row["rate"] != Value::Float(1.0) {
                    return Err(format!("{name}: offset 0 is not 1 in {}", shown(row)));
                }
            }
            for row in rows.iter().filter(|r| r["is_mature"] == Value::Bool(false)) {
                if row["rate"] != Value::Null
                    || row["retained_customers"] != Value::Null
                    || row["retained_mrr"] != Value::Null
                {
                    return Err(format!("{name}: an immature cell has a value in {}", shown(row)));
                }
            }
            for currency in world.currencies() {
                let at_entry = |r: &&Row| {
                    pick(r, &["currency", "period_offset", "measure"])
                        == [currency.into(), 0.into(), "customers".into()]
                };
                let size = |total: bool| {
                    let rows = rows.iter().filter(at_entry).filter(|r| r["is_total"] == Value::Bool(total));
                    rows.map(|r| r["cohort_size"].money()).sum::<i128>()
                };
                let paid = world.lives.iter().filter(|l| l.currency == currency).count() as i128;
                if size(false) != paid || size(true) != paid {
                    return Err(format!(
                        "{name}: {paid} customers paid in {currency}, cohorts hold {}, all together {}",
                        size(false),
                        size(true)
                    ));
                }
            }
        }
        Ok(())
    });
}

fn segments() -> Triangle {
    Triangle { grain: Grain::Month, key: Key::Segment, horizon: 3, or_after: false, ratchet: false, min_customers: 0 }
}

#[test]
fn the_wide_layout_holds_the_rates_of_the_long_one() {
    let strategy = (
        books(),
        proptest::sample::select(&MEASURES[..]),
        proptest::sample::select(&[Key::FirstPaid, Key::Segment, Key::SignedUp][..]),
    );
    law("wide", 32, strategy, |(book, measure, key)| {
        let triangle =
            Triangle { grain: Grain::Month, key: *key, horizon: 9, or_after: false, ratchet: false, min_customers: 0 };
        let one = |name: &str, layout: &str| table(name, triangle, layout).replace(&MEASURES.join(", "), measure);
        let published = run(book, &format!("{}{}{}", ledger(book), one("long", "long"), one("wide", "wide")))?;
        let mut expected: BTreeMap<String, Row> = BTreeMap::new();
        for row in &published.table("long").rows {
            let key = ["currency", "is_total", "cohort", "cohort_size"];
            let line = expected.entry(format!("{:?}", pick(row, &key))).or_default();
            line.extend(key.map(|k| (k.to_owned(), row[k].clone())));
            line.insert(format!("offset_{}", row["period_offset"]), row["rate"].clone());
        }
        compare("wide", published.table("wide"), expected.into_values().collect(), &["currency", "is_total", "cohort"])
    });
}
