//! Usage: who was active when, by looking at every day of everybody.

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan;
use jiff::civil::Date;

use super::super::books::{Book, id_text};
use super::super::table::{Row, Value, row};
use super::super::usage::Event;
use super::calendar::{Grain, period_from, start_of};
use super::churn::wilson;
use super::movements::ratio;
use super::{NOT_SET, World};

/// Grain of active users; the last only by app.
pub const USERS: [&str; 5] = ["grain", "unit", "period_start", "is_total", "app"];

/// Grain of usage cohorts.
pub const COHORTS: [&str; 3] = ["is_total", "cohort", "period_offset"];

/// Who is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    User,
    Customer,
}

impl Unit {
    /// The name used in the pipeline file.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Customer => "customer",
        }
    }
}

/// How a table of usage cohorts is made.
#[derive(Clone, Copy, Debug)]
pub struct Followed {
    pub unit: Unit,
    pub grain: Grain,
    pub horizon: usize,
    pub or_after: bool,
    pub min_size: i64,
}

/// No app has this name.
const ALL: &str = "";

/// The days of everybody.
type Days = BTreeMap<i64, BTreeSet<Date>>;

/// The events that count, as days.
pub struct Activity<'a> {
    book: &'a Book,
    /// Days of users and customers by app, [`ALL`] for all apps together.
    days: BTreeMap<String, [Days; 2]>,
    /// Rows of the export that count.
    pub rows: u64,
}

/// How many of a period are what.
#[derive(Default)]
struct Counts {
    active: Vec<i64>,
    new: i64,
    returning: i64,
    resurrecting: i64,
    dormant: i64,
    active_days: i64,
}

impl<'a> Activity<'a> {
    /// The events up to `as_of` that have a time, a user and a customer and are of one of these kinds, if any are given.
    pub fn of(book: &'a Book, events: &[Event], kinds: &[&str]) -> Self {
        let mut out = Self { book, days: BTreeMap::new(), rows: 0 };
        for event in events {
            let (Some((day, _)), Some(user), Some(customer)) = (event.at, event.user, event.customer) else { continue };
            if day > book.as_of || !kinds.is_empty() && !event.event.is_some_and(|e| kinds.contains(&e)) {
                continue;
            }
            out.rows += u64::from(event.copies);
            for app in [ALL, event.app.unwrap_or(NOT_SET)] {
                let [users, customers] = out.days.entry(app.to_owned()).or_default();
                users.entry(user).or_default().insert(day);
                customers.entry(customer).or_default().insert(day);
            }
        }
        out
    }

    fn of_unit(&self, app: &str, unit: Unit) -> Option<&Days> {
        self.days.get(app).map(|both| &both[usize::from(unit == Unit::Customer)])
    }

    /// Rows of `active_users`: users alone, or both by app and beside the paying customers.
    pub fn active(&self, world: &World<'_>, grains: &[Grain], windows: &[i64], all: bool) -> Vec<Row> {
        let units = if all { vec![Unit::User, Unit::Customer] } else { vec![Unit::User] };
        let mut out = Vec::new();
        for unit in units {
            for grain in grains {
                for app in self.days.keys().filter(|app| all || *app == ALL) {
                    out.extend(self.rows_of(world, *grain, unit, app, windows, all));
                }
            }
        }
        out
    }

    fn rows_of(&self, world: &World<'_>, grain: Grain, unit: Unit, app: &str, windows: &[i64], all: bool) -> Vec<Row> {
        let book = self.book;
        let Some(everybody) = self.of_unit(ALL, unit) else { return Vec::new() };
        let own = self.of_unit(app, unit).expect("an app that was used");
        let first = everybody.values().flatten().min().expect("a day");
        let mut out = Vec::new();
        let mut start = start_of(book, grain, *first);
        while start <= book.as_of {
            let last = period_from(book, grain, start).last;
            let end = last.min(book.as_of);
            let before = start_of(book, grain, start - 1.day());
            let counts = counts(own, before, start, end);
            let (n, length) = (counts.active.len() as i64, i64::from((end - start).get_days()) + 1);
            let mut row = row! {
                "grain" => grain.name(),
                "unit" => unit.name(),
                "period_start" => start,
                "is_total" => app == ALL,
                "is_complete" => last <= book.as_of,
                "active" => n,
                "new" => counts.new,
                "returning" => counts.returning,
                "resurrecting" => counts.resurrecting,
                "dormant" => counts.dormant,
                "active_days" => counts.active_days,
                "days" => length,
                "mean_daily" => ratio(counts.active_days.into(), length.into()),
                "stickiness" => ratio(counts.active_days.into(), (length * n).into()),
            };
            for window in windows {
                let from = end - (*window - 1).days();
                let within = own.values().filter(|days| days.range(from..=end).next().is_some()).count();
                row.insert(format!("trailing_{window}d"), Value::from(within as i64));
            }
            let mut reason = (n == 0).then_some("nobody_active");
            if all {
                row.insert("app".to_owned(), Some(app).filter(|app| *app != ALL).into());
                let pays = paying(world, end);
                let both = counts.active.iter().filter(|id| pays.contains(&shown(book, **id).to_string())).count();
                let (both, pays) = (both as i64, pays.len() as i64);
                let of_customers = |value: i64| (unit == Unit::Customer).then_some(value);
                row.insert("paying".to_owned(), of_customers(pays).into());
                row.insert("active_paying".to_owned(), of_customers(both).into());
                let rate = of_customers(pays).and_then(|pays| ratio(both.into(), pays.into()));
                row.insert("active_rate".to_owned(), rate.into());
                reason = reason.or((of_customers(pays) == Some(0)).then_some("nobody_paying"));
            }
            row.insert("reason".to_owned(), reason.into());
            out.push(row);
            start = last + 1.day();
        }
        out
    }
}

fn shown(book: &Book, id: i64) -> Value {
    if book.numbered { Value::from(id) } else { Value::from(id_text(id)) }
}

/// The customers that pay on a day, in whatever currency.
fn paying(world: &World<'_>, day: Date) -> BTreeSet<String> {
    world.lives.iter().filter(|life| life.on(day) > 0).map(|life| life.customer.to_string()).collect()
}

fn counts(own: &Days, before: Date, start: Date, end: Date) -> Counts {
    let mut out = Counts::default();
    for (id, days) in own {
        let was = days.range(before..start).next().is_some();
        let now = days.range(start..=end).count() as i64;
        out.active_days += now;
        if now == 0 {
            out.dormant += i64::from(was);
            continue;
        }
        out.active.push(*id);
        if was {
            out.returning += 1;
        } else if days.range(..start).next().is_some() {
            out.resurrecting += 1;
        } else {
            out.new += 1;
        }
    }
    out
}

impl Followed {
    /// Rows of `usage_cohorts`.
    pub fn rows(&self, activity: &Activity<'_>) -> Vec<Row> {
        let Some(everybody) = activity.of_unit(ALL, self.unit) else { return Vec::new() };
        let book = activity.book;
        let mut cohorts: BTreeMap<Date, Vec<&BTreeSet<Date>>> = BTreeMap::new();
        for days in everybody.values() {
            let first = days.first().expect("a day");
            cohorts.entry(start_of(book, self.grain, *first)).or_default().push(days);
        }
        let mut out = Vec::new();
        for offset in 0..=self.horizon {
            // Retained and base of the cohorts whose period is over.
            let mut sum: Option<(i64, i64)> = None;
            for (cohort, members) in &cohorts {
                let (start, last) = self.period(book, *cohort, offset);
                let until = if self.or_after { book.as_of } else { last };
                let there = members.iter().filter(|days| days.iter().any(|d| start <= *d && *d <= until)).count();
                let cell = (last <= book.as_of).then_some((there as i64, members.len() as i64));
                if let Some((retained, base)) = cell {
                    let so_far = sum.unwrap_or_default();
                    sum = Some((so_far.0 + retained, so_far.1 + base));
                }
                out.push(self.row(Some(*cohort), members.len(), offset, Some(start), cell));
            }
            if !cohorts.is_empty() {
                out.push(self.row(None, everybody.len(), offset, None, sum));
            }
        }
        out
    }

    /// First and last day of the period so many after the one that begins on a day.
    fn period(&self, book: &Book, mut start: Date, offset: usize) -> (Date, Date) {
        for _ in 0..offset {
            start = period_from(book, self.grain, start).last + 1.day();
        }
        (start, period_from(book, self.grain, start).last)
    }

    fn row(
        &self,
        cohort: Option<Date>,
        size: usize,
        offset: usize,
        start: Option<Date>,
        cell: Option<(i64, i64)>,
    ) -> Row {
        let rated = cell.filter(|(_, base)| *base >= self.min_size);
        let interval = rated.and_then(|(retained, base)| wilson(retained, base));
        row! {
            "is_total" => cohort.is_none(),
            "cohort" => cohort,
            "cohort_size" => size as i64,
            "period_offset" => offset as i64,
            "period_start" => start,
            "is_mature" => cell.is_some(),
            "retained" => cell.map(|c| c.0),
            "base" => cell.map(|c| c.1),
            "rate" => rated.and_then(|(retained, base)| ratio(retained.into(), base.into())),
            "ci_low" => interval.map(|i| i.0),
            "ci_high" => interval.map(|i| i.1),
        }
    }
}
