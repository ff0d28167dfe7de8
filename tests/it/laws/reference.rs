//! The reference: every metric found the slow and obvious way, from the definitions.
//!
//! It walks the days of a customer one by one, sums what is active on each, and looks at the first
//! and last days of periods. It knows nothing of changes, running sums or joins, and nothing of
//! the query engine. Amounts are whole numbers in units of the pipeline's scale.

pub mod calendar;
pub mod churn;
pub mod cohorts;
pub mod ledger;
pub mod ltv;
pub mod money;
pub mod movements;
pub mod retention;
pub mod usage;

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan;
use jiff::civil::Date;

use super::books::{Book, Customer, Dimensions, FIRST, Item, Version, id_text};
use super::table::Value;
use calendar::{GRAINS, Grain, Period};

/// A book, with what its customers pay every day and the periods of its calendar.
pub struct World<'a> {
    /// The book.
    pub book: &'a Book,
    /// Lives of all customers who ever pay up to `as_of`, sorted as the ledger is.
    pub lives: Vec<Life>,
    periods: Vec<Vec<Period>>,
}

impl<'a> World<'a> {
    /// Walks the days of a book.
    pub fn of(book: &'a Book) -> Self {
        Self { book, lives: lives(book), periods: GRAINS.map(|g| calendar::periods(book, g)).to_vec() }
    }

    /// Every period from the one of [`FIRST`] to the one of `as_of`.
    pub fn periods(&self, grain: Grain) -> &[Period] {
        &self.periods[grain as usize]
    }

    /// Whether a period is over.
    pub fn is_complete(&self, period: Period) -> bool {
        period.last <= self.book.as_of
    }

    /// Every currency somebody pays in.
    pub fn currencies(&self) -> BTreeSet<&'static str> {
        self.lives.iter().map(|l| l.currency).collect()
    }
}

/// What a missing attribute is called.
pub const NOT_SET: &str = "(not set)";

/// What one customer pays in one currency, day by day.
#[derive(Clone, Debug)]
pub struct Life {
    /// The customer, as published.
    pub customer: Value,
    /// The currency.
    pub currency: &'static str,
    /// Recurring revenue of every day from [`FIRST`] to `as_of`.
    daily: Vec<i128>,
    /// `segment` and `country` of every day.
    attributes: Vec<[String; 2]>,
    /// Reasons given by what ended on a day.
    reasons: BTreeMap<Date, String>,
}

impl Life {
    /// Recurring revenue on a day; nothing before [`FIRST`]. Days after `as_of` are unknown.
    pub fn on(&self, day: Date) -> i128 {
        if day < FIRST { 0 } else { self.daily[number(day)] }
    }

    /// `segment` and `country` on a day.
    pub fn attributes_on(&self, day: Date) -> &[String; 2] {
        &self.attributes[number(day.max(FIRST))]
    }

    /// Every day on which the customer pays.
    pub fn paying_days(&self) -> impl Iterator<Item = Date> + '_ {
        self.daily.iter().enumerate().filter(|(_, paid)| **paid > 0).map(|(i, _)| FIRST + (i as i64).days())
    }

    /// The first day on which the customer pays.
    pub fn first_paid(&self) -> Option<Date> {
        self.paying_days().next()
    }

    /// The last day up to `until` on which the customer begins to pay.
    pub fn last_entry(&self, until: Date) -> Option<Date> {
        self.paying_days().take_while(|d| *d <= until).filter(|d| self.on(*d - 1.day()) == 0).last()
    }

    /// The last day up to `until` on which the customer stopped paying.
    pub fn last_churn(&self, until: Date) -> Option<Date> {
        days(FIRST, until).filter(|d| self.on(*d) == 0 && self.on(*d - 1.day()) > 0).last()
    }

    /// The reason given on a day on which the customer stopped paying.
    pub fn reason_on(&self, day: Date) -> Option<&str> {
        self.reasons.get(&day).map(String::as_str)
    }
}

fn number(day: Date) -> usize {
    usize::try_from((day - FIRST).get_days()).expect("a day of the book")
}

/// Every day from one to another, both included.
pub fn days(from: Date, to: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(from), |d| Some(*d + 1.day())).take_while(move |d| *d <= to)
}

fn lives(book: &Book) -> Vec<Life> {
    let mut lives: Vec<Life> = Vec::new();
    for customer in &book.customers {
        let currencies: BTreeSet<&'static str> = customer.items.iter().map(|i| i.currency).collect();
        lives.extend(currencies.into_iter().map(|c| life(book, customer, c)));
    }
    lives.retain(|l| l.first_paid().is_some());
    lives.sort_by(|a, b| a.customer.order(&b.customer).then(a.currency.cmp(b.currency)));
    lives
}

fn life(book: &Book, customer: &Customer, currency: &'static str) -> Life {
    let items: Vec<&Item> = customer.items.iter().filter(|i| i.currency == currency).collect();
    let daily =
        days(FIRST, book.as_of).map(|d| items.iter().filter(|i| pays_on(i, d)).map(|i| money::monthly(book, i)).sum());
    let attributes = days(FIRST, book.as_of).map(|d| attributes(book, customer, d));
    let reasons = days(FIRST, book.as_of).filter_map(|d| Some((d, reason(book, &items, d)?.to_owned())));
    Life {
        customer: if book.numbered { Value::from(customer.id) } else { Value::from(id_text(customer.id)) },
        currency,
        daily: daily.collect(),
        attributes: attributes.collect(),
        reasons: reasons.collect(),
    }
}

/// Whether an interval is paid for on a day: from its start or the end of its trial to before its end.
fn pays_on(item: &Item, day: Date) -> bool {
    item.start <= day && item.trial_end.is_none_or(|t| t <= day) && item.end.is_none_or(|e| day < e)
}

/// The reason that belongs to a day: of what ended on it after being paid for, the largest speaks.
fn reason(book: &Book, items: &[&Item], day: Date) -> Option<&'static str> {
    let paid_until = |i: &&&Item| i.end == Some(day) && pays_on(i, day - 1.day()) && money::monthly(book, i) != 0;
    let mut given: Vec<_> =
        items.iter().filter(paid_until).filter_map(|i| Some((-money::monthly(book, i), i.reason?))).collect();
    given.sort_unstable();
    given.first().map(|(_, reason)| *reason)
}

/// `segment` and `country` of a customer on a day, of the versions known at `as_of`.
fn attributes(book: &Book, customer: &Customer, day: Date) -> [String; 2] {
    let known: Vec<&Version> = customer.versions.iter().filter(|v| v.from <= book.as_of).collect();
    let holds = match book.dimensions {
        Dimensions::Fixed => customer.versions.last(),
        Dimensions::Current => known.last().copied(),
        // The oldest version also holds before its first day.
        Dimensions::History => known.iter().rev().find(|v| v.from <= day).or(known.first()).copied(),
    };
    holds.map_or([None, None], |v| v.values).map(|v| v.unwrap_or(NOT_SET).to_owned())
}
