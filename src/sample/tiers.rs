//! Relay, a product that came with a company bought in 2025: sold by the message at tiered prices,
//! and billed by a system of its own.

use super::calendar::{Day, EXPORT_DAY, add_months, day};
use super::catalog::Currency;
use super::ids::{CustomerKey, IdStyle};
use super::life::Life;
use super::rng::Stream;
use super::tables::{PriceTiers, Tables};

/// One customer in this many buys Relay as well.
const BUYERS: u64 = 100;
const BUYER: u64 = 37;
const SOLD_FROM: Day = day(2025, 1, 15);

pub(super) const VOLUME: &str = "relay_volume";
pub(super) const GRADUATED: &str = "relay_graduated";
/// Has no tiers.
const PLAIN: &str = "relay_plain";

/// Plan, mode, and tiers: up to which quantity, price of a unit, price of the tier; in cents.
type Tiers = (&'static str, &'static str, [(Option<i64>, i64, i64); 3]);

const TIERS: [Tiers; 2] = [
    (VOLUME, "volume", [(Some(100), 500, 0), (Some(1_000), 400, 0), (None, 300, 0)]),
    (GRADUATED, "graduated", [(Some(10), 0, 4_900), (Some(100), 300, 0), (None, 200, 2_500)]),
];

/// An account that only the other system knows, beside which customer its rows are written, and
/// its terms from each day on; a quantity of 0 ends it.
pub(super) struct Account {
    beside: u64,
    pub(super) key: u64,
    plan: &'static str,
    terms: &'static [(Day, i64)],
}

pub(super) static ACCOUNTS: [Account; 2] = [
    Account {
        beside: 1,
        key: 90_000_000_001,
        plan: VOLUME,
        // 400.00, 500.00, then 120 at 4.00: more units for 480.00, then 3600.00.
        terms: &[(day(2025, 2, 10), 80), (day(2025, 6, 10), 100), (day(2025, 9, 10), 120), (day(2026, 1, 10), 1_200)],
    },
    Account {
        beside: 2,
        key: 90_000_000_002,
        plan: GRADUATED,
        // 49.00; 49 + 40 x 3 = 169.00; 49 + 90 x 3 + 25 + 60 x 2 = 464.00; 49 + 90 x 3 = 319.00; gone.
        terms: &[
            (day(2025, 3, 20), 8),
            (day(2025, 7, 20), 50),
            (day(2025, 11, 20), 160),
            (day(2026, 3, 20), 100),
            (day(2026, 6, 20), 0),
        ],
    },
];

/// The rows of the accounts beside this customer, and of the customer itself if it buys Relay.
pub(super) fn write(life: &Life, tables: &mut Tables) {
    for account in ACCOUNTS.iter().filter(|account| account.beside == life.who.key.index) {
        contract(&CustomerKey::new(account.key), account.plan, Currency::Usd, account.terms, tables);
    }
    if life.who.key.index % BUYERS == BUYER && !life.who.scripted {
        buyer(life, tables);
    }
}

fn buyer(life: &Life, tables: &mut Tables) {
    let mut rng = life.who.rng(Stream::Tiers);
    let plan = rng.weighted(&[(VOLUME, 4), (GRADUATED, 4), (PLAIN, 2)]);
    let Some(first) = life.first_paid() else {
        return;
    };
    let mut on = first.max(SOLD_FROM) + rng.days(5, 120);
    let leaves = life.spans().last().map_or(first, |(_, to)| *to);
    let mut quantity = rng.skewed(4, 400);
    let mut terms = Vec::new();
    while on < leaves.min(EXPORT_DAY) {
        terms.push((on, quantity));
        on = add_months(on, rng.days(2, 7));
        let step = (quantity * rng.int(-30, 60) / 100).max(1 - quantity);
        quantity += if step == 0 { 1 } else { step };
    }
    if !terms.is_empty() && leaves < EXPORT_DAY {
        terms.push((leaves, 0));
    }
    contract(&life.who.key, plan, life.who.currency, &terms, tables);
}

/// One row for each of the terms; the price of a tiered plan is in `price_tiers`.
fn contract(key: &CustomerKey, plan: &'static str, currency: Currency, terms: &[(Day, i64)], tables: &mut Tables) {
    let table = &mut tables.tiered_items;
    let plain = match currency {
        Currency::Usd => 250,
        Currency::Jpy => 375,
    };
    for (at, (on, quantity)) in terms.iter().enumerate().filter(|(_, (_, quantity))| *quantity > 0) {
        table.item_id.write(format_args!("{}", key.nth("ri_", at)));
        table.contract_id.write(format_args!("{}", key.nth("rc_", 0)));
        table.customer_id.push(key);
        table.plan.push(plan);
        table.unit_amount.push((plan == PLAIN).then_some(plain));
        table.quantity.push(*quantity);
        table.currency.push(currency.code());
        table.billing_interval.push("month");
        table.interval_count.push(1);
        table.started_on.push(*on);
        table.ended_on.push(terms.get(at + 1).map(|(next, _)| *next));
    }
}

/// The price list of Relay; a yen price is 1.5 times the number of cents.
pub(super) fn price_tiers(ids: IdStyle) -> PriceTiers {
    let mut table = PriceTiers::new(ids);
    for (plan, mode, tiers) in TIERS {
        for currency in [Currency::Usd, Currency::Jpy] {
            let price = |cents: i64| match currency {
                Currency::Usd => cents,
                Currency::Jpy => cents * 3 / 2,
            };
            for (up_to, unit, flat) in tiers {
                table.plan.push(plan);
                table.currency.push(currency.code());
                table.mode.push(mode);
                table.up_to.push(up_to);
                table.unit_amount.push(price(unit));
                table.flat_amount.push(price(flat));
            }
        }
    }
    table
}
