//! Laws of real billing books: discounts, pauses and exchange rates, against amounts found day by day.

use std::collections::BTreeMap;

use jiff::{ToSpan, civil::Date};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tenure::engine::Status;

use super::law;
use super::reference::money::round_half_even;
use crate::support::{Grid, NULL, plan, scaled};

const FIRST: Date = Date::constant(2025, 1, 1);
const AS_OF: Date = Date::constant(2025, 12, 20);

/// Units in a major unit, and the units amounts of a currency are rounded to.
const SCALE: i128 = 1_000_000;

#[derive(Clone, Debug)]
struct Item {
    product: &'static str,
    plan: &'static str,
    start: i64,
    days: Option<i64>,
    /// In minor units.
    price: i128,
    quantity: i128,
    yearly: bool,
}

#[derive(Clone, Debug)]
struct Coupon {
    /// Whole per cents, or an amount in minor units.
    percent: bool,
    size: i128,
    start: i64,
    days: Option<i64>,
}

#[derive(Clone, Debug)]
struct Subscription {
    customer: usize,
    yen: bool,
    items: Vec<Item>,
    coupons: Vec<Coupon>,
    /// Days until each pause begins, counted from the end of the one before, and days it lasts.
    pauses: Vec<(i64, i64)>,
}

#[derive(Clone, Debug)]
struct Book {
    subscriptions: Vec<Subscription>,
    /// Millionths of a dollar for a yen, per month.
    rates: Vec<i64>,
}

fn item() -> impl Strategy<Value = Item> {
    (
        prop_oneof![Just("core"), Just("addon")],
        prop_oneof![Just("basic"), Just("pro")],
        0..340_i64,
        option::of(1..200_i64),
        1..50_000_i128,
        1..6_i128,
        any::<bool>(),
    )
        .prop_map(|(product, plan, start, days, price, quantity, yearly)| Item {
            product,
            plan,
            start,
            days,
            price,
            quantity,
            yearly,
        })
}

fn coupon() -> impl Strategy<Value = Coupon> {
    (any::<bool>(), 1..101_i128, 0..340_i64, option::of(1..200_i64)).prop_map(|(percent, size, start, days)| Coupon {
        percent,
        // An amount may be more than there is to take it from.
        size: if percent { size } else { size * 400 },
        start,
        days,
    })
}

fn subscription() -> impl Strategy<Value = Subscription> {
    (0..3_usize, any::<bool>(), vec(item(), 1..4), vec(coupon(), 0..4), vec((1..150_i64, 1..90_i64), 0..3))
        .prop_map(|(customer, yen, items, coupons, pauses)| Subscription { customer, yen, items, coupons, pauses })
}

fn books() -> impl Strategy<Value = Book> {
    (vec(subscription(), 1..5), vec(5_000..9_000_i64, 12..13))
        .prop_map(|(subscriptions, rates)| Book { subscriptions, rates })
}

fn day(offset: i64) -> Date {
    FIRST + offset.days()
}

fn runs(start: i64, days: Option<i64>, on: Date) -> bool {
    day(start) <= on && days.is_none_or(|d| on < day(start + d))
}

impl Subscription {
    fn pauses(&self) -> Vec<(Date, Date)> {
        let mut at = 0;
        self.pauses
            .iter()
            .map(|(gap, days)| {
                let start = at + gap;
                at = start + days;
                (day(start), day(at))
            })
            .collect()
    }

    /// What is paid on a day, in units of the native currency.
    fn paid(&self, on: Date) -> i128 {
        if self.pauses().iter().any(|(from, to)| *from <= on && on < *to) {
            return 0;
        }
        let (minor, unit) = if self.yen { (SCALE, 100) } else { (SCALE / 100, 1) };
        let active: Vec<&Item> = self.items.iter().filter(|i| runs(i.start, i.days, on)).collect();
        let months = |i: &&Item| if i.yearly { 12 } else { 1 };
        let list: i128 =
            active.iter().map(|i| round_half_even(i.price * minor * i.quantity, months(i) * unit) * unit).sum();
        let coupons: Vec<&Coupon> = self.coupons.iter().filter(|c| runs(c.start, c.days, on)).collect();
        let percents: Vec<i128> = coupons.iter().filter(|c| c.percent).map(|c| 100 - c.size).collect();
        let left: i128 = percents.iter().product();
        let whole = 100_i128.pow(u32::try_from(percents.len()).unwrap());
        let net = round_half_even(list / unit * left, whole) * unit;
        let invoice = active.iter().map(months).max().unwrap_or(1);
        let off: i128 = coupons.iter().filter(|c| !c.percent).map(|c| c.size * minor).sum();
        net - (round_half_even(off, invoice * unit) * unit).min(net)
    }
}

impl Book {
    fn rate(&self, on: Date) -> i128 {
        self.rates[usize::try_from(on.month()).unwrap() - 1].into()
    }

    /// What a customer pays on a day in dollars, at the rate of the month and at that of `as_of`.
    fn paid(&self, customer: usize, on: Date) -> (i128, i128) {
        let sum = |yen: bool| -> i128 {
            self.subscriptions.iter().filter(|s| s.customer == customer && s.yen == yen).map(|s| s.paid(on)).sum()
        };
        let at = |rate: i128| sum(false) + round_half_even(sum(true) * rate, SCALE);
        (at(self.rate(on)), at(self.rate(AS_OF)))
    }

    fn sources(&self) -> BTreeMap<String, Grid> {
        let grid =
            |header: &[&str]| Grid { header: header.iter().map(|h| (*h).to_owned()).collect(), rows: Vec::new() };
        let mut items =
            grid(&["customer", "sub", "product", "plan", "starts", "ends", "price", "cur", "seats", "every"]);
        let mut coupons = grid(&["sub", "percent", "off", "cur", "starts", "ends"]);
        let mut stops = grid(&["sub", "starts", "ends"]);
        let mut rates = grid(&["day", "cur", "rate"]);
        let until =
            |start: i64, days: Option<i64>| days.map_or_else(|| NULL.to_owned(), |d| day(start + d).to_string());
        for (n, s) in self.subscriptions.iter().enumerate() {
            let (sub, cur) = (format!("s{n}"), if s.yen { "JPY" } else { "USD" });
            for i in &s.items {
                let every = if i.yearly { "year" } else { "month" };
                items.rows.push(vec![
                    format!("c{}", s.customer),
                    sub.clone(),
                    i.product.to_owned(),
                    i.plan.to_owned(),
                    day(i.start).to_string(),
                    until(i.start, i.days),
                    i.price.to_string(),
                    cur.to_owned(),
                    i.quantity.to_string(),
                    every.to_owned(),
                ]);
            }
            for c in &s.coupons {
                let (percent, off) = if c.percent {
                    (c.size.to_string(), NULL.to_owned())
                } else {
                    (NULL.to_owned(), c.size.to_string())
                };
                coupons.rows.push(vec![
                    sub.clone(),
                    percent,
                    off,
                    cur.to_owned(),
                    day(c.start).to_string(),
                    until(c.start, c.days),
                ]);
            }
            for (from, to) in s.pauses() {
                stops.rows.push(vec![sub.clone(), from.to_string(), to.to_string()]);
            }
        }
        for (month, rate) in self.rates.iter().enumerate() {
            let last = Date::new(2025, i8::try_from(month).unwrap() + 1, 1).unwrap().last_of_month().min(AS_OF);
            rates.rows.push(vec![last.to_string(), "JPY".to_owned(), format!("0.{rate:06}")]);
        }
        [("items", items), ("coupons", coupons), ("stops", stops), ("rates", rates)]
            .map(|(name, grid)| (name.to_owned(), grid))
            .into()
    }
}

const PIPELINE: &str = "version: 1
pipeline: billing
timezone: UTC
currency: USD
as_of: 2025-12-20
root: out
sources:
  items:
    path: items.parquet
    columns:
      customer: {type: string}
      sub: {type: string}
      product: {type: string}
      plan: {type: string}
      starts: {type: date}
      ends: {type: date}
      price: {type: money, unit: minor, currency: cur}
      cur: {type: currency}
      seats: {type: int}
      every: {type: string}
SOURCES
tables:
  ledger:
    type: mrr_ledger
    from: items
    customer: customer
    start: starts
    end: ends
    amount: {price: price, quantity: seats, interval: every}
OPTIONS
  movements: {type: mrr_movements, from: ledger}
  events: {type: mrr_movements, from: ledger, basis: events}
  retention: {type: revenue_retention, from: ledger, windows: [1, 3]}
  churn: {type: churn, from: ledger}
  cohorts: {type: cohort_retention, from: ledger}
  committed: {type: committed_mrr, from: ledger}
";

/// Sources that only some options read.
const SOURCES: [(&str, &str); 3] = [
    (
        "coupons",
        "  coupons:
    path: coupons.parquet
    columns:
      sub: {type: string}
      percent: {type: int}
      off: {type: money, unit: minor, currency: cur}
      cur: {type: currency}
      starts: {type: date}
      ends: {type: date}",
    ),
    (
        "stops",
        "  stops:
    path: stops.parquet
    columns:
      sub: {type: string}
      starts: {type: date}
      ends: {type: date}",
    ),
    (
        "rates",
        "  rates:
    path: rates.parquet
    columns:
      day: {type: date}
      cur: {type: currency}
      rate: {type: float}",
    ),
];

const LINES: &str = "product: product
    plan: plan";
const DISCOUNTS: &str =
    "discounts: {from: coupons, subscription: sub, percent: percent, amount: off, start: starts, end: ends}";
const PAUSES: &str = "pauses: {from: stops, subscription: sub, start: starts, end: ends}";
const FX: &str = "fx: {from: rates, date: day, currency: cur, rate: rate, rate_of: last_day, max_age: 31d}";

/// A pipeline of which the ledger has some options, and the sources that it reads.
fn pipeline(options: &[&str], mut rows: BTreeMap<String, Grid>) -> (String, BTreeMap<String, Grid>) {
    let is_read = |source: &str| options.iter().any(|option| option.contains(&format!("from: {source}")));
    rows.retain(|source, _| source == "items" || is_read(source));
    let sources: Vec<&str> = SOURCES.iter().filter(|(name, _)| is_read(name)).map(|(_, source)| *source).collect();
    // What discounts and pauses are for.
    let subscription = options.iter().any(|option| option.contains("subscription: sub")).then_some("subscription: sub");
    let lines: Vec<String> = options.iter().copied().chain(subscription).map(|line| format!("    {line}")).collect();
    let pipeline = PIPELINE.replace("SOURCES", &sources.join("\n")).replace("OPTIONS", &lines.join("\n"));
    (pipeline, rows)
}

/// A pipeline of which the ledger has all that a customer's amount can be made of.
fn whole(rows: BTreeMap<String, Grid>) -> (String, BTreeMap<String, Grid>) {
    pipeline(&[LINES, DISCOUNTS, PAUSES, FX], rows)
}

/// Ledgers with any of the options.
fn ledgers() -> impl Strategy<Value = Vec<&'static str>> {
    const PAUSED: [&str; 4] = [
        PAUSES,
        "pauses: {from: stops, subscription: sub, start: starts, end: ends, churn_after: 20d}",
        "pauses: {from: stops, subscription: sub, start: starts, end: ends, as: churn}",
        "pauses: {from: stops, subscription: sub, start: starts, end: ends, as: keep}",
    ];
    const WINDOWS: [&str; 3] = ["reactivation: {within: 15d}", "coalesce_within: 10d", "win_back: 15d"];
    let some = |options: &'static [&'static str]| option::weighted(0.6, select(options));
    (some(&[LINES]), some(&[DISCOUNTS]), some(&PAUSED), some(&[FX]), some(&["reason: plan"]), some(&WINDOWS)).prop_map(
        |(lines, discounts, pauses, fx, reason, windows)| {
            [lines, discounts, pauses, fx, reason, windows].into_iter().flatten().collect()
        },
    )
}

/// Amounts after each change: customer, then days with the amount from then on.
fn balances(ledger: &Grid, column: &str) -> BTreeMap<String, BTreeMap<Date, i128>> {
    let at = |name: &str| ledger.column(name).unwrap();
    let (customer, on, value) = (at("customer_id"), at("effective_on"), at(column));
    let mut out: BTreeMap<String, BTreeMap<Date, i128>> = BTreeMap::new();
    for row in &ledger.rows {
        let amount = scaled(&row[value], 6).unwrap();
        out.entry(row[customer].clone()).or_default().insert(row[on].parse().unwrap(), amount);
    }
    out
}

fn same_every_day(book: &Book, ledger: &Grid) -> Result<(), String> {
    let (now, constant) = (balances(ledger, "mrr_after"), balances(ledger, "constant_after"));
    let last = |of: &BTreeMap<String, BTreeMap<Date, i128>>, customer: &str, on: Date| {
        of.get(customer).and_then(|days| days.range(..=on).next_back()).map_or(0, |(_, amount)| *amount)
    };
    for customer in 0..3 {
        let name = format!("c{customer}");
        for on in FIRST.series(1.day()).take_while(|d| *d <= AS_OF) {
            let expected = book.paid(customer, on);
            let found = (last(&now, &name, on), last(&constant, &name, on));
            if expected != found {
                return Err(format!("{name} pays {expected:?} on {on}, the ledger says {found:?}"));
            }
        }
    }
    Ok(())
}

#[test]
fn discounts_pauses_and_rates_are_what_customers_pay_day_by_day() {
    law("billing", 200, books(), |book| {
        let (pipeline, sources) = whole(book.sources());
        let ran = plan(&pipeline, &sources)?.run()?;
        // Every identity of every table is checked in the run.
        if ran.outcome.status != Status::Succeeded {
            return Err(format!("{:?}: {:?}", ran.outcome.status, ran.broken()));
        }
        ran.same(&plan(&pipeline, &sources)?.run_by_queries()?)?;
        same_every_day(book, &ran.table("ledger")?)
    });
}

#[test]
fn passes_say_what_queries_say_whatever_the_options() {
    law("billing by passes", 400, (books(), ledgers()), |(book, options)| {
        let (pipeline, sources) = pipeline(options, book.sources());
        plan(&pipeline, &sources)?.run()?.same(&plan(&pipeline, &sources)?.run_by_queries()?)
    });
}

#[test]
fn the_order_of_the_rows_changes_nothing() {
    law("billing in another order", 60, books(), |book| {
        let sources = book.sources();
        let turned: BTreeMap<String, Grid> = sources
            .iter()
            .map(|(name, grid)| {
                let rows = grid.rows.iter().rev().cloned().collect();
                (name.clone(), Grid { header: grid.header.clone(), rows })
            })
            .collect();
        let ((one, sources), (other, turned)) = (whole(sources), whole(turned));
        let (one, other) = (plan(&one, &sources)?.run()?, plan(&other, &turned)?.run()?);
        for table in ["ledger", "movements", "events", "retention", "churn", "cohorts"] {
            if one.table(table)?.rows != other.table(table)?.rows {
                return Err(format!("`{table}` differs"));
            }
        }
        Ok(())
    });
}
