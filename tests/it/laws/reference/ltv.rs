//! Lifetime value: by trailing churn, and cumulative by cohort; and what customers cost.

use jiff::ToSpan;
use jiff::civil::Date;

use super::super::books::Book;
use super::super::table::{About, Money, Row, row};
use super::World;
use super::calendar::{Grain, period_from};
use super::cohorts::{Key, Triangle};
use super::money::{minor, round_half_even};
use super::movements::{Cell, Look, cells, ratio};

/// How a table of lifetime values is made.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub by: &'static [&'static str],
    /// Gross margin in per cent.
    pub margin: i128,
    /// Months whose churn is averaged.
    pub months: usize,
    /// Whether revenue lost is averaged instead of customers lost.
    pub revenue: bool,
    pub min_events: i64,
    pub costs: Option<Costs>,
}

/// Which costs count.
#[derive(Clone, Copy, Debug)]
pub struct Costs {
    pub acquisition: &'static [&'static str],
    pub retention: &'static [&'static str],
    pub lag: i64,
    /// Whether costs are split by segment; else only the grand total has any.
    pub split: bool,
}

impl Costs {
    /// What was spent on some categories in a month, for a group or altogether; none where nothing is recorded.
    fn spent(&self, book: &Book, cell: &Cell, month: Date, categories: &[&str]) -> Option<i128> {
        let of_group = |segment: &str| cell.group.as_ref().is_none_or(|g| self.split && g[0] == segment);
        let rows = book.costs.iter().filter(|c| {
            c.day <= book.as_of
                && c.day.first_of_month() == month
                && c.currency == cell.currency
                && categories.contains(&c.category)
                && of_group(c.segment)
        });
        let amounts: Vec<i128> = rows.map(|c| minor(book, c.amount, c.currency)).collect();
        (!amounts.is_empty()).then(|| amounts.iter().sum())
    }
}

/// The first reason that holds.
fn first_reason(cases: &[(bool, &'static str)]) -> Option<&'static str> {
    cases.iter().find(|c| c.0).map(|c| c.1)
}

/// Rows of the view `months`.
pub fn months(world: &World<'_>, terms: Terms) -> Vec<Row> {
    let look = Look { grain: Grain::Month, at_start: false, by: terms.by };
    let cells = cells(world, look);
    cells.iter().map(|cell| month(world, terms, look, &cells, cell)).collect()
}

/// Churn of a month: of customers, or of revenue.
fn churn(terms: Terms, cell: &Cell) -> Option<f64> {
    let (base, customers) = cell.sums.base();
    if terms.revenue {
        ratio(-cell.sums.amount("churned") - cell.sums.amount("contraction"), base)
    } else {
        ratio(cell.sums.count("churned").into(), customers.into())
    }
}

/// What a month says about a lifetime.
struct Lifetime {
    events: i64,
    rate: Option<f64>,
    reason: Option<&'static str>,
    /// Mean revenue per customer, and value of a lifetime.
    value: Option<(f64, f64)>,
}

fn lifetime(world: &World<'_>, terms: Terms, cells: &[Cell], cell: &Cell) -> Lifetime {
    let complete = world.is_complete(world.periods(Grain::Month)[cell.period]);
    let customers = i128::from(cell.sums.closing_customers);
    let trailing: Vec<&Cell> = cells
        .iter()
        .filter(|c| {
            c.currency == cell.currency
                && c.group == cell.group
                && c.period <= cell.period
                && c.period + terms.months > cell.period
        })
        .collect();
    let full = trailing.len() == terms.months;
    // Counted in a short history too, as far as it reaches.
    let events = trailing.iter().map(|c| c.sums.count("churned")).sum::<i64>();
    let rates: Option<Vec<f64>> = trailing.iter().map(|c| churn(terms, c)).collect();
    let rate = rates.filter(|_| full).map(|r| r.iter().sum::<f64>() / terms.months as f64);
    let reason = first_reason(&[
        (!complete, "period_incomplete"),
        (customers == 0, "no_customers"),
        (rate.is_none(), "short_history"),
        (events < terms.min_events, "few_churn_events"),
        (rate == Some(0.0), "no_churn"),
    ]);
    let value = rate.filter(|_| reason.is_none()).map(|rate| {
        let arpa = cell.sums.closing as f64 / customers as f64;
        (arpa, arpa * (terms.margin as f64 / 100.0) / rate)
    });
    Lifetime { events, rate, reason, value }
}

/// Change of the value of a lifetime in whole units, and the part of it that comes from revenue per customer.
fn change(before: (f64, f64), now: (f64, f64)) -> (f64, f64) {
    let logs = now.1.ln() - before.1.ln();
    let mean = if logs.abs() < 1e-12 { now.1 } else { (now.1 - before.1) / logs };
    (now.1.round_ties_even() - before.1.round_ties_even(), (mean * (now.0.ln() - before.0.ln())).round_ties_even())
}

fn month(world: &World<'_>, terms: Terms, look: Look<'_>, cells: &[Cell], cell: &Cell) -> Row {
    let period = world.periods(Grain::Month)[cell.period];
    let s = &cell.sums;
    let (complete, customers) = (world.is_complete(period), i128::from(s.closing_customers));
    let margin = terms.margin as f64 / 100.0;
    let Lifetime { events, rate, reason, value } = lifetime(world, terms, cells, cell);
    let ltv = value.map(|(_, ltv)| ltv);
    let previous = cells
        .iter()
        .find(|c| c.currency == cell.currency && c.group == cell.group && c.period + 1 == cell.period)
        .and_then(|c| lifetime(world, terms, cells, c).value);
    let apart = previous.zip(value).map(|(before, now)| change(before, now));
    let mut row = row! {
        "period_start" => period.start,
        "currency" => cell.currency,
        "is_complete" => complete,
        "opening_customers" => s.base().1,
        "closing_customers" => s.closing_customers,
        "closing_mrr" => Money(s.closing),
        "arpa" => (customers > 0).then(|| Money(round_half_even(s.closing, customers))),
        "gross_margin" => margin,
        "churn_events" => events,
        "trailing_churn_rate" => rate,
        "ltv" => ltv.map(About),
        "ltv_reason" => reason,
        "ltv_change" => apart.map(|(all, _)| About(all)),
        "ltv_change_from_arpa" => apart.map(|(_, arpa)| About(arpa)),
        "ltv_change_from_churn" => apart.map(|(all, arpa)| About(all - arpa)),
        "ltv_change_reason" => first_reason(&[(value.is_none(), "no_ltv"), (previous.is_none(), "no_previous_ltv")]),
    };
    if let Some(costs) = terms.costs {
        row.extend(with_costs(world, costs, cell, margin, ltv, rate));
    }
    look.put(&mut row, cell.group.as_ref());
    row
}

fn with_costs(world: &World<'_>, costs: Costs, cell: &Cell, margin: f64, ltv: Option<f64>, rate: Option<f64>) -> Row {
    let period = world.periods(Grain::Month)[cell.period];
    let s = &cell.sums;
    let incomplete = !world.is_complete(period);
    let (new, new_mrr) = (s.count("new"), s.amount("new"));
    let won = costs.spent(world.book, cell, period.start - costs.lag.months(), costs.acquisition);
    let kept = costs.spent(world.book, cell, period.start, costs.retention);
    // The mean of opening and closing customers, doubled to stay whole.
    let twice = s.base().1 + s.closing_customers;
    let cac_reason = first_reason(&[
        (incomplete, "period_incomplete"),
        (won.is_none(), "no_acquisition_cost"),
        (new == 0, "no_new_customers"),
    ]);
    let crc_reason = first_reason(&[
        (incomplete, "period_incomplete"),
        (kept.is_none(), "no_retention_cost"),
        (twice == 0, "no_customers"),
    ]);
    let cac = won.filter(|_| cac_reason.is_none()).map(|w| round_half_even(w, new.into()));
    let crc = kept.filter(|_| crc_reason.is_none()).map(|k| round_half_even(2 * k, twice.into()));
    let payback = won.filter(|_| cac_reason.is_none() && new_mrr > 0).map(|w| w as f64 / (new_mrr as f64 * margin));
    let units = ltv.map(f64::round_ties_even);
    row! {
        "new_customers" => new,
        "new_mrr" => Money(new_mrr),
        "acquisition_cost" => won.map(Money),
        "cac" => cac.map(Money),
        "cac_payback_months" => payback,
        "ltv_cac_ratio" => units.zip(cac).filter(|(_, cac)| *cac != 0).map(|(ltv, cac)| ltv / cac as f64),
        "cac_reason" => cac_reason,
        "retention_cost" => kept.map(Money),
        "crc" => crc.map(Money),
        "ltv_crc_ratio" => units.zip(rate).zip(crc).filter(|(_, crc)| *crc != 0).map(|((ltv, rate), crc)| ltv * rate / crc as f64),
        "crc_reason" => crc_reason,
    }
}

/// Rows of the view `cohorts`: the margin that each cohort has earned so far.
pub fn cohorts(world: &World<'_>, margin: i128, horizon: usize) -> Vec<Row> {
    let triangle = Triangle {
        grain: Grain::Month,
        key: Key::FirstPaid,
        horizon,
        or_after: false,
        ratchet: false,
        min_customers: 0,
    };
    let mut out = Vec::new();
    for currency in world.currencies() {
        for (cohort, members) in triangle.paid(world, currency) {
            let mut start = cohort;
            for offset in 0..=horizon {
                let period = period_from(world.book, Grain::Month, start);
                let mature = world.is_complete(period);
                let revenue: i128 =
                    if mature { members.iter().map(|paid| paid[..=offset].iter().sum::<i128>()).sum() } else { 0 };
                let earned = round_half_even(revenue * margin, 100);
                out.push(row! {
                    "currency" => currency,
                    "cohort" => cohort,
                    "period_offset" => offset as i64,
                    "period_start" => start,
                    "is_mature" => mature,
                    "cohort_size" => members.len() as i64,
                    "gross_margin" => margin as f64 / 100.0,
                    "cumulative_revenue" => mature.then_some(Money(revenue)),
                    "cumulative_margin" => mature.then_some(Money(earned)),
                    "ltv_to_date" => mature.then(|| Money(round_half_even(earned, members.len() as i128))),
                });
                start = period.last.tomorrow().expect("a day");
            }
        }
    }
    out
}

/// Grain of the view `cohorts`.
pub const COHORTS_GRAIN: [&str; 3] = ["currency", "cohort", "period_offset"];
