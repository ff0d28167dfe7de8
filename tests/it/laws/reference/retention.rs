//! Net and gross revenue retention over windows of months.

use std::collections::BTreeSet;

use jiff::ToSpan;

use super::super::table::{About, Money, Row, Table, Value, row};
use super::calendar::Grain;
use super::movements::{Cell, Group, Look, cells, ratio};
use super::{Life, World};

/// Grain of the table, before its dimensions.
pub const GRAIN: [&str; 5] = ["period_start", "window_months", "method", "currency", "is_total"];

fn months(by: &'static [&'static str]) -> Look<'static> {
    Look { grain: Grain::Month, at_start: false, by }
}

/// Rows of the method `cohort`: what the customers of a window ago paid then, and pay now.
///
/// A group has rows whether or not it ever had a base: `published` says which ones.
pub fn cohort(world: &World<'_>, by: &'static [&'static str], windows: &[usize], published: &Table) -> Vec<Row> {
    let (look, months) = (months(by), world.periods(Grain::Month));
    let cells = cells(world, look);
    let mut out = Vec::new();
    for currency in world.currencies() {
        let own: Vec<&Life> = world.lives.iter().filter(|l| l.currency == currency).collect();
        let Some(first) = cells.iter().filter(|c| c.currency == currency).map(|c| c.period).min() else { continue };
        for window in windows {
            let mut groups = shown_groups(by, published, currency, *window);
            groups.insert(None);
            let bases: Vec<Vec<Base>> =
                (first..months.len()).map(|now| bases(world, look, &own, now, *window)).collect();
            groups.extend(bases.iter().flatten().filter(|_| !by.is_empty()).map(|b| Some(b.group.clone())));
            for (period, bases) in months[first..].iter().zip(&bases) {
                for group in &groups {
                    let of_group: Vec<&Base> =
                        bases.iter().filter(|b| group.as_ref().is_none_or(|g| *g == b.group)).collect();
                    let base: i128 = of_group.iter().map(|b| b.then).sum();
                    let net: i128 = of_group.iter().map(|b| b.now).sum();
                    let gross: i128 = of_group.iter().map(|b| b.now.min(b.then)).sum();
                    let mut row = row! {
                        "period_start" => period.start,
                        "window_months" => *window as i64,
                        "method" => "cohort",
                        "currency" => currency,
                        "is_complete" => world.is_complete(*period),
                        "base_customers" => of_group.len() as i64,
                        "retained_customers" => of_group.iter().filter(|b| b.now > 0).count() as i64,
                        "nrr_numerator" => Money(net),
                        "nrr_denominator" => Money(base),
                        "nrr" => ratio(net, base),
                        "grr_numerator" => Money(gross),
                        "grr_denominator" => Money(base),
                        "grr" => ratio(gross, base),
                        "reason" => (base == 0).then_some("no_base"),
                    };
                    look.put(&mut row, group.as_ref());
                    out.push(row);
                }
            }
        }
    }
    out
}

/// A customer that paid at the start of a window.
struct Base {
    group: Group,
    then: i128,
    now: i128,
}

/// Who paid when the window began that ends with month `now`, grouped as of its first day.
fn bases(world: &World<'_>, look: Look<'_>, lives: &[&Life], now: usize, window: usize) -> Vec<Base> {
    let months = world.periods(look.grain);
    let Some(first) = (now + 1).checked_sub(window) else { return Vec::new() };
    let begins = months[first].start;
    let of = |life: &&Life| {
        let then = life.on(begins - 1.day());
        let base = || Base {
            group: look.group(life.attributes_on(begins)),
            then,
            now: life.on(look.instant(world.book, months[now])),
        };
        (then > 0).then(base)
    };
    lives.iter().filter_map(of).collect()
}

/// Groups that a published table shows for a currency and window.
fn shown_groups(by: &[&str], published: &Table, currency: &str, window: usize) -> BTreeSet<Option<Group>> {
    let is = |row: &&Row| {
        row["method"] == Value::from("cohort")
            && row["currency"] == Value::from(currency)
            && row["window_months"] == Value::from(window as i64)
    };
    let group = |row: &Row| {
        let values = by.iter().map(|d| match &row[*d] {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        });
        values.collect::<Option<Group>>()
    };
    published.rows.iter().filter(is).map(group).filter(|g| g.as_ref().is_none_or(|g| !g.is_empty())).collect()
}

/// Rows of the method `flow`: what is there when the window begins, and what the movements within it left.
pub fn flow(world: &World<'_>, by: &'static [&'static str], windows: &[usize]) -> Vec<Row> {
    let cells = cells(world, months(by));
    let mut out = Vec::new();
    for cell in &cells {
        for window in windows {
            let (base, customers) = first_of(&cells, cell, *window).map_or((0, 0), |c| c.sums.base());
            let within =
                || cells.iter().filter(|c| same(c, cell) && c.period <= cell.period && c.period + window > cell.period);
            let lost: i128 = within().map(|c| c.sums.amount("contraction") + c.sums.amount("churned")).sum();
            let gained: i128 = within().map(|c| c.sums.amount("expansion")).sum();
            let (net, gross) = (base + lost + gained, base + lost);
            let rates = Rates { nrr: ratio(net, base), grr: ratio(gross, base) };
            out.push(row_of(
                world,
                by,
                cell,
                *window,
                "flow",
                (base, customers),
                rates,
                [Money(net).into(), Money(gross).into()],
            ));
        }
    }
    out
}

/// Rows of the method `chained`: the product of the monthly flow rates of the window.
pub fn chained(world: &World<'_>, by: &'static [&'static str], windows: &[usize]) -> Vec<Row> {
    let cells = cells(world, months(by));
    let mut out = Vec::new();
    for cell in &cells {
        for window in windows {
            let (base, customers) = first_of(&cells, cell, *window).map_or((0, 0), |c| c.sums.base());
            let mut rates = Rates { nrr: Some(1.0), grr: Some(1.0) };
            for back in 1..=*window {
                let month = first_of(&cells, cell, back);
                let left = |gained: &[&str]| {
                    let s = &month?.sums;
                    let kept = s.base().0 + s.amount("contraction") + s.amount("churned");
                    ratio(kept + gained.iter().map(|k| s.amount(k)).sum::<i128>(), s.base().0)
                };
                rates.nrr = rates.nrr.zip(left(&["expansion"])).map(|(a, b)| a * b);
                rates.grr = rates.grr.zip(left(&[])).map(|(a, b)| a * b);
            }
            let amounts = [rates.nrr, rates.grr].map(|r| r.map(|r| About(r * base as f64)).into());
            out.push(row_of(world, by, cell, *window, "chained", (base, customers), rates, amounts));
        }
    }
    out
}

struct Rates {
    nrr: Option<f64>,
    grr: Option<f64>,
}

/// Whether two cells lie in one line over time.
fn same(a: &Cell, b: &Cell) -> bool {
    a.currency == b.currency && a.group == b.group
}

/// The first month of the window of so many months that ends with a cell.
fn first_of<'a>(cells: &'a [Cell], cell: &Cell, window: usize) -> Option<&'a Cell> {
    cells.iter().find(|c| same(c, cell) && c.period + window == cell.period + 1)
}

#[expect(clippy::too_many_arguments, reason = "the columns of a row")]
fn row_of(
    world: &World<'_>,
    by: &'static [&'static str],
    cell: &Cell,
    window: usize,
    method: &str,
    (base, customers): (i128, i64),
    rates: Rates,
    [net, gross]: [Value; 2],
) -> Row {
    let period = world.periods(Grain::Month)[cell.period];
    let reason = if base == 0 { Some("no_base") } else { rates.nrr.is_none().then_some("base_ran_out") };
    let mut row = row! {
        "period_start" => period.start,
        "window_months" => window as i64,
        "method" => method,
        "currency" => cell.currency,
        "is_complete" => world.is_complete(period),
        "base_customers" => customers,
        "retained_customers" => Value::Null,
        "nrr_numerator" => net,
        "nrr_denominator" => Money(base),
        "nrr" => rates.nrr,
        "grr_numerator" => gross,
        "grr_denominator" => Money(base),
        "grr" => rates.grr,
        "reason" => reason,
    };
    months(by).put(&mut row, cell.group.as_ref());
    row
}
