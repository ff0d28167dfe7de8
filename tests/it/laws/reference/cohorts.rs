//! Cohorts: what is left of those who came together.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::super::books::{Book, id_text};
use super::super::table::{Money, Row, Value, row};
use super::calendar::{Grain, Period, period_from, start_of};
use super::churn::wilson;
use super::movements::ratio;
use super::{Life, World};

/// Grain of the table.
pub const GRAIN: [&str; 5] = ["currency", "is_total", "cohort", "measure", "period_offset"];

/// What makes a cohort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Period of the first payment.
    FirstPaid,
    /// `segment` at the first payment.
    Segment,
    /// Period of the signup; customers count in the reporting currency.
    SignedUp,
}

/// How a table of cohorts is made.
#[derive(Clone, Copy, Debug)]
pub struct Triangle {
    pub grain: Grain,
    pub key: Key,
    pub horizon: usize,
    /// Retained means paying then or later; customers only.
    pub or_after: bool,
    /// Gross revenue never rises again.
    pub ratchet: bool,
    pub min_customers: i64,
}

/// A customer of a cohort.
struct Member {
    /// First period, by number.
    enters: usize,
    /// What makes the cohort.
    cohort: Value,
    /// What is paid at each offset from entry, as far as `as_of`.
    paid: Vec<i128>,
}

/// Sums of a cell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cell {
    pub size: i64,
    pub customers: i64,
    pub entry: i128,
    pub gross: i128,
    pub net: i128,
}

impl Triangle {
    fn members(&self, world: &World<'_>, currency: &str) -> Vec<Member> {
        let (book, all) = (world.book, world.periods(self.grain));
        let number = |day: Date| all.iter().position(|p| p.start <= day && day <= p.last).expect("a day of the book");
        let ends = |life: Option<&Life>, from: usize| -> Vec<i128> {
            let on = |p: &Period| life.map_or(0, |l| l.on(p.last.min(book.as_of)));
            all[from..].iter().map(on).collect()
        };
        let own: Vec<&Life> = world.lives.iter().filter(|l| l.currency == currency).collect();
        if self.key == Key::SignedUp {
            if currency != book.currencies[0] {
                return Vec::new();
            }
            let known = book.customers.iter().filter(|c| !c.versions.is_empty());
            let signed = known.filter_map(|c| Some((c, c.signed_up.filter(|d| *d <= book.as_of)?)));
            return signed
                .map(|(customer, day)| {
                    let id = if book.numbered { Value::from(customer.id) } else { Value::from(id_text(customer.id)) };
                    let enters = number(day);
                    let life = own.iter().find(|l| l.customer == id).copied();
                    Member { enters, cohort: start_of(book, self.grain, day).into(), paid: ends(life, enters) }
                })
                .collect();
        }
        let member = |life: &&Life| {
            let day = life.first_paid().expect("a customer who paid");
            let enters = number(day);
            let cohort = if self.key == Key::Segment {
                Value::from(life.attributes_on(day)[0].as_str())
            } else {
                all[enters].start.into()
            };
            // Offset 0 is the entry itself.
            let mut paid = ends(Some(life), enters);
            paid[0] = life.on(day);
            Member { enters, cohort, paid }
        };
        own.iter().map(member).collect()
    }

    /// Sums over members, of those whose period at that offset is over.
    fn cell(&self, members: &[&Member], offset: usize, complete: usize) -> Option<Cell> {
        let mature: Vec<&&Member> = members.iter().filter(|m| m.enters + offset < complete).collect();
        let mut cell = Cell::default();
        for member in &mature {
            let entry = member.paid[0];
            let now = member.paid[offset];
            let least = *member.paid[..=offset].iter().min().expect("an offset");
            let there = if self.or_after { member.paid[offset..].iter().any(|p| *p > 0) } else { now > 0 };
            cell.size += 1;
            cell.customers += i64::from(there);
            cell.entry += entry;
            cell.gross += if self.ratchet { least } else { now.min(entry) };
            cell.net += now;
        }
        (!mature.is_empty()).then_some(cell)
    }

    /// Rows of `cohort_retention` in the long layout.
    pub fn rows(&self, world: &World<'_>, measures: &[&str]) -> Vec<Row> {
        let mut out = Vec::new();
        let mut currencies = world.currencies();
        currencies.insert(world.book.currencies[0]);
        for currency in currencies {
            let members = self.members(world, currency);
            let mut cohorts: BTreeMap<String, Vec<&Member>> = BTreeMap::new();
            for member in &members {
                cohorts.entry(member.cohort.to_string()).or_default().push(member);
            }
            for cohort in cohorts.values() {
                out.extend(self.rows_of(world, currency, measures, cohort, &cohort[0].cohort));
            }
            if !members.is_empty() {
                out.extend(self.rows_of(world, currency, measures, &members.iter().collect::<Vec<_>>(), &Value::Null));
            }
        }
        out
    }

    fn rows_of(
        &self,
        world: &World<'_>,
        currency: &str,
        measures: &[&str],
        members: &[&Member],
        cohort: &Value,
    ) -> Vec<Row> {
        let complete = world.periods(self.grain).iter().filter(|p| world.is_complete(**p)).count();
        let mut out = Vec::new();
        for offset in 0..=self.horizon {
            let cell = self.cell(members, offset, complete);
            let shown = cell.filter(|c| c.size >= self.min_customers);
            let start = match cohort {
                Value::Date(first) => Value::from(self.later(world.book, *first, offset)),
                _ => Value::Null,
            };
            for measure in measures {
                let of_customers = *measure == "customers";
                let value = |c: Cell| match *measure {
                    "customers" => (i128::from(c.customers), i128::from(c.size)),
                    "gross_revenue" => (c.gross, c.entry),
                    _ => (c.net, c.entry),
                };
                let interval = shown.filter(|_| of_customers).and_then(|c| wilson(c.customers, c.size));
                out.push(row! {
                    "currency" => currency,
                    "is_total" => *cohort == Value::Null,
                    "cohort" => cohort.clone(),
                    "cohort_size" => members.len() as i64,
                    "measure" => *measure,
                    "period_offset" => offset as i64,
                    "period_start" => start.clone(),
                    "is_mature" => cell.is_some(),
                    "retained_customers" => cell.filter(|_| of_customers).map(|c| c.customers),
                    "base_customers" => cell.filter(|_| of_customers).map(|c| c.size),
                    "retained_mrr" => cell.filter(|_| !of_customers).map(|c| Money(value(c).0)),
                    "base_mrr" => cell.filter(|_| !of_customers).map(|c| Money(c.entry)),
                    "rate" => shown.and_then(|c| ratio(value(c).0, value(c).1)),
                    "ci_low" => interval.map(|i| i.0),
                    "ci_high" => interval.map(|i| i.1),
                });
            }
        }
        out
    }

    /// First day of the period so many periods after the one that begins on a day.
    fn later(&self, book: &Book, first: Date, offset: usize) -> Date {
        let mut start = first;
        for _ in 0..offset {
            start = period_from(book, self.grain, start).last.tomorrow().expect("a day");
        }
        start
    }

    /// Cohorts of a currency with what they paid at every offset up to `as_of`, for lifetime values.
    pub fn paid(&self, world: &World<'_>, currency: &str) -> BTreeMap<Date, Vec<Vec<i128>>> {
        let mut out: BTreeMap<Date, Vec<Vec<i128>>> = BTreeMap::new();
        for member in self.members(world, currency) {
            let Value::Date(first) = member.cohort else { panic!("cohorts by period") };
            out.entry(first).or_default().push(member.paid);
        }
        out
    }
}
