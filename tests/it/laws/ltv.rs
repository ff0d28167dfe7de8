//! Laws of lifetime value and of what customers cost.

use proptest::prelude::*;

use super::books::{Book, books};
use super::law;
use super::pipeline::{ledger, run};
use super::reference::World;
use super::reference::ltv::{COHORTS_GRAIN, Costs, Terms, cohorts, months};
use super::table::compare;

const ACQUISITION: &[&str] = &["ads", "sales"];
const RETENTION: &[&str] = &["support"];
const BY: &[&str] = &["segment"];

fn terms() -> impl Strategy<Value = Terms> {
    let costs = (0..3i64, any::<bool>()).prop_map(|(lag, split)| Costs {
        acquisition: ACQUISITION,
        retention: RETENTION,
        lag,
        split,
    });
    (1..=100i128, 1..=6usize, any::<bool>(), 0..4i64, prop::option::weighted(0.7, costs), any::<bool>()).prop_map(
        |(margin, months, revenue, min_events, costs, by)| Terms {
            by: if by { BY } else { &[] },
            margin,
            months,
            revenue,
            min_events,
            // Costs can only be split by what the table is broken down by.
            costs: costs.map(|c| Costs { split: c.split && by, ..c }),
        },
    )
}

fn table(name: &str, terms: Terms) -> String {
    let basis = if terms.revenue { "revenue" } else { "logo" };
    let costs = terms.costs.map_or_else(String::new, |c| {
        let split = if c.split { ", by: {segment: segment}" } else { "" };
        format!(
            "    costs: {{from: costs, month: spent_on, amount: amount, category: category, acquisition: [{}], retention: [{}], lag_months: {}{split}}}\n",
            c.acquisition.join(", "),
            c.retention.join(", "),
            c.lag,
        )
    });
    format!(
        "  {name}:\n    type: ltv\n    from: ledger\n    gross_margin: {}%\n    by: [{}]\n    churn_months: {}\n    churn_basis: {basis}\n    min_churn_events: {}\n{costs}",
        terms.margin,
        terms.by.join(", "),
        terms.months,
        terms.min_events,
    )
}

#[test]
fn lifetime_value_is_margin_over_trailing_churn() {
    let both = (books(), terms(), terms());
    law("ltv", 64, both, |(book, a, b): &(Book, Terms, Terms)| {
        let published = run(book, &format!("{}{}{}", ledger(book), table("a", *a), table("b", *b)))?;
        let world = World::of(book);
        for (name, terms) in [("a", *a), ("b", *b)] {
            let grain = [&["period_start", "currency", "is_total"], terms.by].concat();
            compare(name, published.table(name), months(&world, terms), &grain)?;
        }
        Ok(())
    });
}

#[test]
fn historic_value_is_the_margin_a_cohort_has_earned() {
    law("value", 64, (books(), 1..=100i128, 1..26usize), |(book, margin, horizon)| {
        let text = format!(
            "  value: {{type: ltv, from: ledger, view: cohorts, gross_margin: {margin}%, horizon: {horizon}}}\n"
        );
        let published = run(book, &format!("{}{text}", ledger(book)))?;
        compare("value", published.table("value"), cohorts(&World::of(book), *margin, *horizon), &COHORTS_GRAIN)
    });
}
