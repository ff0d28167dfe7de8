//! What customers did from one period to the next, and the bridge that this makes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan;
use jiff::civil::Date;

use super::super::books::Book;
use super::super::table::{Money, Row, row};
use super::calendar::{Grain, Period};
use super::money::round_half_even;
use super::{Life, World};

/// Kinds of movement by the stem of their columns.
pub const KINDS: [&str; 10] = [
    "new",
    "reactivation",
    "resumed",
    "expansion",
    "contraction",
    "paused",
    "churned",
    "fx",
    "transfer_in",
    "transfer_out",
];

/// Values of the dimensions a table is broken down by.
pub type Group = Vec<String>;

/// The dimensions a book has, in the order of a life's attributes.
pub const DIMENSIONS: [&str; 2] = ["segment", "country"];

/// How a ledger is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    pub grain: Grain,
    /// Whether a period is valued at its first day instead of its last.
    pub at_start: bool,
    pub by: &'a [&'static str],
}

impl Look<'_> {
    /// The attributes a table is broken down by.
    pub fn group(&self, attributes: &[String; 2]) -> Group {
        self.by
            .iter()
            .map(|d| attributes[DIMENSIONS.iter().position(|n| n == d).expect("a dimension")].clone())
            .collect()
    }

    /// The day at which a period is valued.
    pub fn instant(&self, book: &Book, period: Period) -> Date {
        if self.at_start { period.start } else { period.last.min(book.as_of) }
    }

    /// Adds the columns of the dimensions to a row; all of them are NULL in a grand total.
    pub fn put(&self, row: &mut Row, group: Option<&Group>) {
        for (i, name) in self.by.iter().enumerate() {
            row.insert((*name).to_owned(), group.map(|g| g[i].clone()).into());
        }
        row.insert("is_total".to_owned(), group.is_none().into());
    }
}

/// A customer over one period.
#[derive(Clone, Debug)]
pub struct Stay {
    pub currency: &'static str,
    /// Number of the period.
    pub period: usize,
    pub before: i128,
    pub after: i128,
    /// Where the revenue stood at the end of the period before.
    pub from: Group,
    /// Where it stands in this period: as of its start, or of entry for who enters in it.
    pub group: Group,
    /// What happened to the amount.
    pub kind: Option<&'static str>,
    /// Why the customer left, if so.
    pub reason: Option<String>,
}

/// Every customer over every period in which something is paid before or after.
pub fn stays(world: &World<'_>, look: Look<'_>) -> Vec<Stay> {
    world.lives.iter().flat_map(|life| of_life(world.book, look, world.periods(look.grain), life)).collect()
}

fn of_life(book: &Book, look: Look<'_>, periods: &[Period], life: &Life) -> Vec<Stay> {
    let mut out: Vec<Stay> = Vec::new();
    let (mut before, mut then, mut from) = (0, periods[0].start - 1.day(), Group::new());
    for (number, period) in periods.iter().enumerate() {
        let now = look.instant(book, *period);
        let after = life.on(now);
        let ever = life.first_paid().is_some_and(|d| d <= then);
        // As of the period's start; who enters in it belongs where it enters, and who left before
        // the start of a period that is valued there belongs where it left.
        let stands = match (look.at_start, before, after) {
            (false, 1.., _) | (true, _, 1..) => Some(period.start),
            (false, ..) => life.last_entry(now),
            (true, ..) => life.last_churn(now),
        };
        let group = stands.map(|day| look.group(life.attributes_on(day))).unwrap_or_default();
        let kind = match (before, after) {
            (b, a) if a == b => None,
            (0, _) if ever => Some("reactivation"),
            (0, _) => Some("new"),
            (_, 0) => Some("churned"),
            (b, a) if a > b => Some("expansion"),
            _ => Some("contraction"),
        };
        let left = life.last_churn(now).filter(|_| kind == Some("churned"));
        let reason = left.and_then(|day| life.reason_on(day)).map(str::to_owned);
        if before > 0 || after > 0 {
            let from = if before > 0 { from } else { group.clone() };
            out.push(Stay {
                currency: life.currency,
                period: number,
                before,
                after,
                from,
                group: group.clone(),
                kind,
                reason,
            });
        }
        (before, then, from) = (after, now, group);
    }
    out
}

/// Sums of one period and group.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    pub opening: i128,
    pub opening_customers: i64,
    pub closing: i128,
    pub closing_customers: i64,
    /// Amount and customers by kind.
    pub kinds: BTreeMap<&'static str, (i128, i64)>,
}

impl Sums {
    /// Amount of a kind.
    pub fn amount(&self, kind: &str) -> i128 {
        self.kinds.get(kind).map_or(0, |k| k.0)
    }

    /// Customers of a kind.
    pub fn count(&self, kind: &str) -> i64 {
        self.kinds.get(kind).map_or(0, |k| k.1)
    }

    /// What is there when the period begins, after customers moved between groups.
    pub fn base(&self) -> (i128, i64) {
        (
            self.opening + self.amount("transfer_in") + self.amount("transfer_out"),
            self.opening_customers + self.count("transfer_in") - self.count("transfer_out"),
        )
    }

    fn add(&mut self, kind: &'static str, amount: i128) {
        let sum = self.kinds.entry(kind).or_default();
        sum.0 += amount;
        sum.1 += 1;
    }
}

/// Period numbers and groups of a currency that have a row; `None` is the grand total.
#[derive(Clone, Debug)]
pub struct Cell {
    pub currency: &'static str,
    pub period: usize,
    pub group: Option<Group>,
    pub sums: Sums,
}

/// The bridge: every group of a currency in every period from the currency's first movement on.
pub fn cells(world: &World<'_>, look: Look<'_>) -> Vec<Cell> {
    let stays = stays(world, look);
    let count = world.periods(look.grain).len();
    let mut out = Vec::new();
    for currency in world.currencies() {
        let own = || stays.iter().filter(|s| s.currency == currency);
        let moving = || own().filter(|s| s.kind.is_some() || s.from != s.group);
        let Some(first) = moving().map(|s| s.period).min() else { continue };
        let mut groups: BTreeSet<Option<Group>> = BTreeSet::from([None]);
        if !look.by.is_empty() {
            groups.extend(moving().flat_map(|s| [Some(s.from.clone()), Some(s.group.clone())]));
        }
        for period in first..count {
            let there: Vec<&Stay> = own().filter(|s| s.period == period).collect();
            for group in &groups {
                out.push(Cell { currency, period, group: group.clone(), sums: sums(&there, group.as_ref()) });
            }
        }
    }
    out
}

/// Sums over the customers of a group, or over all of them.
fn sums(stays: &[&Stay], group: Option<&Group>) -> Sums {
    let mut out = Sums::default();
    let is = |g: &Group| group.is_none_or(|wanted| wanted == g);
    for stay in stays {
        if stay.before > 0 && is(&stay.from) {
            out.opening += stay.before;
            out.opening_customers += 1;
        }
        if stay.after > 0 && is(&stay.group) {
            out.closing += stay.after;
            out.closing_customers += 1;
        }
        if stay.before > 0 && stay.from != stay.group {
            if is(&stay.from) {
                out.add("transfer_out", -stay.before);
            }
            if is(&stay.group) {
                out.add("transfer_in", stay.before);
            }
        }
        if let Some(kind) = stay.kind
            && is(&stay.group)
        {
            out.add(kind, stay.after - stay.before);
        }
    }
    out
}

/// `a / b`; none where `b` is 0.
pub fn ratio(a: i128, b: i128) -> Option<f64> {
    (b != 0).then(|| a as f64 / b as f64)
}

/// Rows of `mrr_movements`.
pub fn movements(world: &World<'_>, look: Look<'_>, with_reactivation: bool) -> Vec<Row> {
    let periods = world.periods(look.grain);
    let cells = cells(world, look);
    let mut out = Vec::new();
    for cell in &cells {
        let period = periods[cell.period];
        let s = &cell.sums;
        let year_before = if look.grain.fills_a_year() {
            let start = period.start - 1.year();
            cells
                .iter()
                .find(|c| c.currency == cell.currency && c.group == cell.group && periods[c.period].start == start)
        } else {
            None
        };
        let gains =
            s.amount("new") + s.amount("expansion") + if with_reactivation { s.amount("reactivation") } else { 0 };
        let losses = -s.amount("contraction") - s.amount("churned");
        let customers = i128::from(s.closing_customers);
        let net_customers = s.closing_customers - s.opening_customers;
        let mut row = row! {
            "period_start" => period.start,
            "currency" => cell.currency,
            "is_complete" => world.is_complete(period),
            "opening_mrr" => Money(s.opening),
            "net_new_mrr" => Money(s.closing - s.opening),
            "closing_mrr" => Money(s.closing),
            "closing_arr" => Money(12 * s.closing),
            "opening_customers" => s.opening_customers,
            "net_new_customers" => net_customers,
            "closing_customers" => s.closing_customers,
            "arpa" => (customers > 0).then(|| Money(round_half_even(s.closing, customers))),
            "mrr_growth_rate" => ratio(s.closing - s.opening, s.opening),
            "mrr_growth_rate_yoy" => year_before.and_then(|y| ratio(s.closing, y.sums.closing)).map(|r| r - 1.0),
            "quick_ratio_numerator" => Money(gains),
            "quick_ratio_denominator" => Money(losses),
            "quick_ratio" => ratio(gains, losses),
            "quick_ratio_reason" => (losses == 0).then_some("no_losses"),
        };
        for kind in KINDS {
            row.insert(format!("{kind}_mrr"), Money(s.amount(kind)).into());
            row.insert(format!("{kind}_customers"), s.count(kind).into());
        }
        look.put(&mut row, cell.group.as_ref());
        out.push(row);
    }
    out
}
