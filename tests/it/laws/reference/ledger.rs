//! The ledger: one row per day on which something about a customer's recurring revenue changed.

use jiff::ToSpan;

use super::super::books::{Book, Dimensions, FIRST};
use super::super::table::{Money, Row, row};
use super::{Life, World, days};

/// Grain of the ledger.
pub const GRAIN: [&str; 4] = ["customer_id", "currency", "effective_on", "sequence"];

/// Every row of the ledger.
pub fn ledger(world: &World<'_>, with_attributes: bool) -> Vec<Row> {
    let mut rows: Vec<Row> = world.lives.iter().flat_map(|life| rows_of(world.book, life, with_attributes)).collect();
    if !with_attributes {
        for row in &mut rows {
            row.retain(|name, _| name != "segment" && name != "country");
        }
    }
    rows
}

fn rows_of(book: &Book, life: &Life, with_attributes: bool) -> Vec<Row> {
    let first_paid = life.first_paid().expect("a customer who paid");
    let mut out = Vec::new();
    for day in days(FIRST, book.as_of) {
        let (before, after) = (life.on(day - 1.day()), life.on(day));
        let (was, is) = (life.attributes_on(day - 1.day()), life.attributes_on(day));
        let mut push =
            |sequence: i64, kind: &str, before: i128, after: i128, reason: Option<&str>, attributes: &[String; 2]| {
                out.push(row! {
                    "customer_id" => life.customer.clone(),
                    "currency" => life.currency,
                    "effective_on" => day,
                    "sequence" => sequence,
                    "kind" => kind,
                    "mrr_before" => Money(before),
                    "mrr_delta" => Money(after - before),
                    "mrr_after" => Money(after),
                    "first_paid_on" => first_paid,
                    "reason" => reason,
                    "segment" => attributes[0].as_str(),
                    "country" => attributes[1].as_str(),
                });
            };
        if with_attributes && book.dimensions == Dimensions::History && was != is && before > 0 {
            push(1, "transfer_out", before, 0, None, was);
            push(2, "transfer_in", 0, before, None, is);
        }
        let kind = match (before, after) {
            (b, a) if a == b => continue,
            (0, _) if day == first_paid => "new",
            (0, _) => "reactivation",
            (_, 0) => "churn",
            (b, a) if a > b => "expansion",
            _ => "contraction",
        };
        let reason = if kind == "churn" { life.reason_on(day) } else { None };
        push(4, kind, before, after, reason, is);
    }
    out
}
