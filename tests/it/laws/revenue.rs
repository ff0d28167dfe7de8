//! Laws of the ledger, the movements and churn.

use jiff::ToSpan;
use proptest::prelude::*;

use super::books::{Book, Item, books, large_books, long_books};
use super::pipeline::{Published, ledger, plain_ledger, run, run_by_queries};
use super::reference::calendar::{GRAINS, Grain};
use super::reference::ledger::GRAIN as LEDGER;
use super::reference::movements::{KINDS, Look, movements};
use super::reference::{World, churn::churn, ledger::ledger as expected_ledger};
use super::table::{Value, compare, pick, shown};
use super::{every_table, law};

const BY: [&[&str]; 3] = [&["segment"], &[], &["country", "segment"]];

/// Every grain, valued at both ends, under a name of its own.
fn looks() -> Vec<(String, Look<'static>)> {
    let both = |(i, grain): (usize, Grain)| [false, true].map(|at_start| (i, grain, at_start));
    let look = |(i, grain, at_start): (usize, Grain, bool)| {
        let by = BY[(i + usize::from(at_start)) % BY.len()];
        (format!("{}_{}", grain.name(), if at_start { "start" } else { "end" }), Look { grain, at_start, by })
    };
    GRAINS.into_iter().enumerate().flat_map(both).map(look).collect()
}

/// The keys of a table that say how it looks at the ledger.
fn keys(look: Look<'_>) -> String {
    let at = if look.at_start { "period_start" } else { "period_end" };
    format!("from: ledger, grain: {}, value_at: {at}, by: [{}]", look.grain.name(), look.by.join(", "))
}

fn grain_of(look: Look<'static>) -> Vec<&'static str> {
    let mut grain = vec!["period_start", "currency", "is_total"];
    grain.extend(look.by);
    grain
}

#[test]
fn the_ledger_is_what_customers_pay_day_by_day() {
    law("ledger", 64, prop_oneof![3 => books().boxed(), 1 => long_books().boxed()], |book| {
        let published = run(book, &format!("{}{}", ledger(book), plain_ledger("plain", book)))?;
        compare("ledger", published.table("ledger"), expected_ledger(&World::of(book), true), &LEDGER)?;
        compare("plain", published.table("plain"), expected_ledger(&World::of(book), false), &LEDGER)?;
        every_row_is_accounted_for(book, &published)
    });
}

fn every_row_is_accounted_for(book: &Book, published: &Published) -> Result<(), String> {
    let attrition = &published.attrition["ledger"];
    let items: Vec<&Item> = book.customers.iter().flat_map(|c| &c.items).collect();
    let told: u64 = attrition.iter().map(|(_, rows)| rows).sum();
    let used = attrition.iter().find(|(reason, _)| reason == "used").map_or(0, |(_, rows)| *rows);
    let pays = |i: &&&Item| {
        let first = i.trial_end.map_or(i.start, |t| t.max(i.start));
        first <= book.as_of && i.end.is_none_or(|e| first < e) && i.price * i.quantity != 0
    };
    // An amount may also round to nothing.
    let most = items.iter().filter(pays).count() as u64;
    let surely = items.iter().filter(|i| pays(i) && i.price.abs() >= 100).count() as u64;
    if told == items.len() as u64 && (surely..=most).contains(&used) {
        return Ok(());
    }
    Err(format!("{} rows, {surely} to {most} of them used, but the attrition says {attrition:?}", items.len()))
}

#[test]
fn snapshots_are_intervals_of_a_month() {
    law("snapshots", 48, books(), |book| {
        let book = monthly(book);
        let text = "  ledger:\n    type: mrr_ledger\n    from: snapshots\n    customer: customer_id\n    snapshot: {month: month, mrr: mrr}\n";
        let published = run(&book, text)?;
        compare("ledger", published.table("ledger"), expected_ledger(&World::of(&book), false), &LEDGER)
    });
}

/// The book with every interval cut to the month it starts in, and with a row in the month of `as_of`.
fn monthly(book: &Book) -> Book {
    let mut book = book.clone();
    let month = |item: &Item| {
        let start = item.start.first_of_month();
        Item {
            start,
            end: Some(start + 1.month()),
            trial_end: None,
            quantity: 1,
            every: "month",
            count: 1,
            reason: None,
            ..item.clone()
        }
    };
    for customer in &mut book.customers {
        let runs =
            |i: &Item| (0..3).map(|n| Item { start: i.start + i64::from(n).months(), ..i.clone() }).collect::<Vec<_>>();
        customer.items = customer.items.iter().flat_map(runs).map(|i| month(&i)).collect();
    }
    for customer in book.customers.iter_mut().take(1) {
        let last = customer.items.first().cloned().map(|i| month(&Item { start: book.as_of, price: 7, ..i }));
        customer.items.extend(last);
    }
    if !book.customers.iter().flat_map(|c| &c.items).any(|i| i.start >= book.as_of.first_of_month()) {
        // Snapshots that end before would make everybody churn, which a ledger refuses.
        book.customers.clear();
    }
    book
}

#[test]
fn movements_are_what_customers_did_between_two_instants() {
    law("movements", 48, books(), |book| {
        let mut text = ledger(book);
        for (name, look) in looks() {
            text.push_str(&format!(
                "  {name}: {{type: mrr_movements, quick_ratio_with_reactivation: {}, {}}}\n",
                look.at_start,
                keys(look)
            ));
        }
        let published = run(book, &text)?;
        let world = World::of(book);
        looks().into_iter().try_for_each(|(name, look)| {
            compare(&name, published.table(&name), movements(&world, look, look.at_start), &grain_of(look))
        })
    });
}

#[test]
fn the_bridge_closes_and_segments_sum_to_the_total() {
    law("bridge", 48, prop_oneof![3 => books().boxed(), 1 => long_books().boxed()], |book| {
        let mut text = ledger(book);
        for (name, look) in looks() {
            text.push_str(&format!("  {name}: {{type: mrr_movements, {}}}\n", keys(look)));
        }
        let published = run(book, &text)?;
        looks().into_iter().try_for_each(|(name, look)| closes(&published, &name, look))
    });
}

fn closes(published: &Published, name: &str, look: Look<'static>) -> Result<(), String> {
    let rows = &published.table(name).rows;
    let line = |row| pick(row, &[&["currency", "is_total"], look.by].concat());
    for row in rows {
        let sum =
            |kinds: &[&str], unit: &str| -> i128 { kinds.iter().map(|k| row[&format!("{k}_{unit}")].money()).sum() };
        let customers =
            sum(&["new", "reactivation", "transfer_in"], "customers") - sum(&["churned", "transfer_out"], "customers");
        let before =
            rows.iter().rev().find(|r| line(r) == line(row) && r["period_start"].order(&row["period_start"]).is_lt());
        let mut wrong = Vec::new();
        for (unit, net) in [("mrr", sum(&KINDS, "mrr")), ("customers", customers)] {
            let value = |what: &str| row[&format!("{what}_{unit}")].money();
            if value("opening") + net != value("closing") || value("net_new") != net {
                wrong.push(format!("{unit}: opening and movements are not the closing"));
            }
            if value("opening") != before.map_or(0, |b| b[&format!("closing_{unit}")].money()) {
                wrong.push(format!("{unit}: the opening is not the closing before"));
            }
            if value("closing") < 0
                || (unit == "customers" && KINDS.iter().any(|k| row[&format!("{k}_customers")].money() < 0))
            {
                wrong.push(format!("{unit}: less than nobody"));
            }
            if !look.by.is_empty() && row["is_total"] == Value::Bool(true) {
                let part = |r: &&super::table::Row| {
                    pick(r, &["period_start", "currency"]) == pick(row, &["period_start", "currency"])
                        && r["is_total"] == Value::Bool(false)
                };
                for column in row.keys().filter(|c| c.ends_with(&format!("_{unit}"))) {
                    if rows.iter().filter(part).map(|r| r[column].money()).sum::<i128>() != row[column].money() {
                        wrong.push(format!("{column}: the segments do not sum to the total"));
                    }
                }
            }
        }
        if !wrong.is_empty() {
            return Err(format!("{name}: {wrong:?} in {}", shown(row)));
        }
    }
    Ok(())
}

const REASONS: &str =
    "{map: {voluntary: {too_expensive: [price], competitor: [competitor]}, involuntary: {payment: [card_failed]}}}";

#[test]
fn churn_is_who_paid_at_the_start_and_does_not_at_the_end() {
    law("churn", 48, books(), |book| {
        let mut text = ledger(book);
        for (name, look) in looks() {
            let reasons = if look.grain == Grain::Day { String::new() } else { format!(", reasons: {REASONS}") };
            text.push_str(&format!(
                "  {name}: {{type: churn, reactivation_in_net: {}{reasons}, {}}}\n",
                look.at_start,
                keys(look)
            ));
        }
        let published = run(book, &text)?;
        let world = World::of(book);
        looks().into_iter().try_for_each(|(name, look)| {
            let with_reasons = look.grain != Grain::Day;
            let mut grain = grain_of(look);
            grain.push("breakdown");
            if with_reasons {
                grain.extend(["reason_kind", "churn_reason"]);
            }
            compare(&name, published.table(&name), churn(&world, look, with_reasons, look.at_start), &grain)
        })
    });
}

#[test]
fn passes_give_what_queries_give() {
    law("passes", 96, prop_oneof![3 => books().boxed(), 1 => long_books().boxed()], |book| {
        let tables = every_table(book);
        let (passes, queries) = (run(book, &tables)?, run_by_queries(book, &tables)?);
        if passes.attrition != queries.attrition {
            return Err(format!("the attrition differs: {:?}, {:?}", passes.attrition, queries.attrition));
        }
        let differs = passes.files.iter().find(|(name, bytes)| queries.files[*name] != **bytes);
        differs.map_or(Ok(()), |(name, _)| Err(format!("`{name}` differs")))
    });
}

#[test]
fn a_large_book_is_computed_like_a_small_one() {
    law("large", 4, large_books(), |book| {
        let published = run(book, &every_table(book))?;
        let month = Look { grain: Grain::Month, at_start: false, by: &["segment"] };
        let world = World::of(book);
        let week = Look { grain: Grain::Week, at_start: true, by: &["segment", "country"] };
        compare("ledger", published.table("ledger"), expected_ledger(&world, true), &LEDGER)?;
        compare("movements", published.table("movements"), movements(&world, month, false), &grain_of(month))?;
        compare("weeks", published.table("weeks"), movements(&world, week, false), &grain_of(week))?;
        let mut grain = grain_of(month);
        grain.extend(["breakdown", "reason_kind", "churn_reason"]);
        compare("churn", published.table("churn"), churn(&world, month, true, false), &grain)
    });
}
