//! What metered items came to, month by month.

use std::collections::BTreeSet;

use super::calendar::{Day, EXPORT_DAY, add_months, civil, day};
use super::catalog::Currency;
use super::life::Life;
use super::rng::Stream;
use super::tables::Tables;

/// Metered Ltd from March 2025 on, in cents; nothing was used in July.
const METERED_LTD: [i64; 16] = [
    12_000, 18_000, 24_000, 30_000, 0, 33_000, 36_000, 39_000, 42_000, 15_000, 45_000, 48_000, 51_000, 54_000, 57_000,
    60_000,
];
const METERED_LTD_COMMITTED: i64 = 20_000;

pub(super) fn write(life: &Life, tables: &mut Tables) {
    let months: BTreeSet<Day> = life
        .items
        .iter()
        .filter(|item| item.plan.metered && item.is_real())
        .flat_map(|item| {
            let last = item.end.unwrap_or(EXPORT_DAY);
            let first = first_of_month(item.start);
            (0..).map(move |n| add_months(first, n)).take_while(move |month| *month < last)
        })
        .collect();
    if months.is_empty() {
        return;
    }
    let mut rng = life.who.rng(Stream::UsageCharges);
    let (low, high) = match life.who.currency {
        Currency::Usd => (2_000, 60_000),
        Currency::Jpy => (3_000, 90_000),
    };
    let usual = rng.skewed(low, high);
    let committed = rng.chance(300_000).then(|| usual * 8 / 10);
    for (n, month) in months.into_iter().enumerate() {
        let (amount, committed) = if life.who.scripted {
            (METERED_LTD.get(n).copied().unwrap_or(0), Some(METERED_LTD_COMMITTED))
        } else {
            let used = usual * rng.int(70, 140) / 100;
            (if rng.chance(60_000) { 0 } else { used }, committed)
        };
        if amount > 0 || committed.is_some() {
            let table = &mut tables.usage_charges;
            table.customer_id.push(&life.who.key);
            table.month.push(month);
            table.amount.push(amount);
            table.committed_amount.push(committed);
            table.currency.push(life.who.currency.code());
        }
    }
}

fn first_of_month(on: Day) -> Day {
    let (year, month, _) = civil(on);
    day(year, month, 1)
}
