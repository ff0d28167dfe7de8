//! The customers of one thread, told.

use std::cmp::Reverse;
use std::ops::Range;

use super::{Interval, Intervals, Rows};
use crate::kernel::book::{Kind, inverse, number, side_by_side};
use crate::kernel::ids::{Id, Numbers, range_of};
use crate::kernel::versions::{UNUSED, Versions};

/// An interval of a customer.
#[derive(Clone, Copy)]
struct Own {
    /// First as they come, then in the order of the ids.
    customer: u32,
    /// Place by the alphabet.
    currency: u32,
    interval: Interval,
}

/// An amount that a customer begins or ceases to pay.
#[derive(Clone, Copy)]
struct Change {
    day: i32,
    delta: i64,
}

/// Why an interval ended: customer, place of the currency, day, amount, reason.
type Ending = (u32, u32, i32, i64, u32);

/// What one thread has told: its customers in the order of their ids, and the rows of each.
pub(super) struct Share<T> {
    numbers: Numbers<T>,
    /// The numbers of the customers in the order of their ids.
    order: Vec<u32>,
    /// First series of each customer, and the number of series.
    first: Vec<u32>,
    /// Place of the currency, first paid day and first row of each series.
    series: Vec<(u32, i32, usize)>,
    pub(super) dated: Vec<i32>,
    pub(super) kinds: Vec<Kind>,
    pub(super) delta: Vec<i64>,
    pub(super) after: Vec<i64>,
    /// By row; none where no reason is known.
    pub(super) reasons: Vec<Option<u32>>,
    /// By number of the customer the row of its latest version.
    latest: Vec<u32>,
}

impl<T: Id> Share<T> {
    /// Tells the customers of a range; `None` as [`book`](super::book).
    pub(super) fn new(
        of: &Intervals<'_>,
        rows: &Rows,
        id: impl Fn(usize, usize) -> Option<T>,
        bounds: &[T],
        range: usize,
    ) -> Option<Self> {
        let mut numbers = Numbers::new();
        let (mut own, mut endings) = (Vec::<Own>::with_capacity(rows.height() / (bounds.len() + 1)), Vec::new());
        let mut first = 0;
        for (at, piece) in rows.pieces.iter().enumerate() {
            for (place, row) in (0..piece.height()).zip(first..) {
                let Some(interval) = piece.interval(place) else { continue };
                let (id, code) = (id(at, place)?, rows.currencies.of[row]);
                rows.currencies.text(code)?;
                if range_of(bounds, id) != range {
                    continue;
                }
                let (customer, currency) = (numbers.number(id), rows.alphabet[code as usize]);
                own.push(Own { customer, currency, interval });
                if let Some(reasons) = rows.reasons.as_ref().filter(|_| interval.ends < of.horizon)
                    && reasons.text(reasons.of[row]).is_some()
                {
                    endings.push((customer, currency, interval.ends, interval.list, reasons.of[row]));
                }
            }
            first += piece.height();
        }
        let order = numbers.order();
        let places = inverse(&order);
        own.iter_mut().for_each(|own| own.customer = places[own.customer as usize]);
        endings.iter_mut().for_each(|(customer, ..)| *customer = places[*customer as usize]);
        // The rows of the others come behind those of the first, so it has room for all; what stays empty costs nothing.
        let room = if range == 0 { rows.height() * 2 } else { own.len() };
        let mut share = Self {
            numbers,
            first: vec![0; order.len() + 1],
            order,
            series: Vec::new(),
            dated: Vec::with_capacity(room),
            kinds: Vec::with_capacity(room),
            delta: Vec::with_capacity(room),
            after: Vec::with_capacity(room),
            reasons: Vec::new(),
            latest: Vec::new(),
        };
        share.tell(of, &own)?;
        share.give_reasons(&first_endings(endings, rows));
        Some(share)
    }

    /// Tells every customer from its intervals.
    fn tell(&mut self, of: &Intervals<'_>, own: &[Own]) -> Option<()> {
        // Rows of a customer mostly stand together already: it costs less to look them up there than to move them.
        let (rows, first) = side_by_side(|| own.iter().map(|own| own.customer), self.order.len());
        let (mut intervals, mut changes) = (Vec::new(), Vec::new());
        for customer in 0..self.order.len() {
            intervals.clear();
            intervals.extend(rows[first[customer]..first[customer + 1]].iter().map(|row| own[*row as usize]));
            intervals.sort_unstable_by_key(|own| own.currency);
            for series in intervals.chunk_by(|a, b| a.currency == b.currency) {
                changes.clear();
                for Interval { starts, ends, list } in series.iter().map(|own| own.interval) {
                    changes.push(Change { day: starts, delta: list });
                    // What is open ends at the horizon, which nobody sees.
                    if ends < of.horizon {
                        changes.push(Change { day: ends, delta: list.checked_neg()? });
                    }
                }
                changes.sort_unstable_by_key(|change| change.day);
                self.tell_series(of, series[0].currency, &changes)?;
            }
            self.first[customer + 1] = number(self.series.len());
        }
        Some(())
    }

    /// Tells a customer's changes in one currency, sorted by day.
    fn tell_series(&mut self, of: &Intervals<'_>, currency: u32, changes: &[Change]) -> Option<()> {
        let mut after = 0i64;
        let mut last = None::<i32>;
        for of_day in changes.chunk_by(|a, b| a.day == b.day) {
            let change = of_day[0];
            let delta = of_day.iter().try_fold(0i64, |sum, change| sum.checked_add(change.delta))?;
            // What nets out on one day is no change.
            if delta == 0 || change.day >= of.horizon {
                continue;
            }
            let before = after;
            after = before.checked_add(delta)?;
            let returns = before == 0 && after > 0;
            let late = |last: i32| of.reactivation.is_some_and(|within| returns && change.day - last > within);
            let enters = last.is_none_or(late);
            if enters {
                self.series.push((currency, change.day, self.dated.len()));
            }
            self.kinds.push(match (before, after) {
                _ if enters => Kind::New,
                (0, _) => Kind::Reactivation,
                (_, 0) => Kind::Churn,
                _ if delta > 0 => Kind::Expansion,
                _ => Kind::Contraction,
            });
            self.dated.push(change.day);
            self.delta.push(delta);
            self.after.push(after);
            last = Some(change.day);
        }
        Some(())
    }

    /// Gives every churn the reason for which an interval ended on its day.
    fn give_reasons(&mut self, endings: &[Ending]) {
        if endings.is_empty() {
            return;
        }
        self.reasons = vec![None; self.dated.len()];
        for customer in 0..self.order.len() {
            for (currency, _, rows) in self.series(customer).collect::<Vec<_>>() {
                for row in rows.filter(|row| self.kinds[*row] == Kind::Churn) {
                    let key = (number(customer), currency, self.dated[row]);
                    let of = |(customer, currency, day, ..): &Ending| (*customer, *currency, *day);
                    self.reasons[row] = endings.binary_search_by_key(&key, of).ok().map(|found| endings[found].4);
                }
            }
        }
    }

    /// Finds the latest version of every customer.
    pub(super) fn find_versions(
        &mut self,
        versions: &Versions,
        id: impl Fn(usize) -> Option<T>,
        bounds: &[T],
        range: usize,
    ) {
        self.latest = vec![UNUSED; self.order.len()];
        for row in 0..versions.height() {
            let own = id(row).filter(|id| range_of(bounds, *id) == range);
            let Some(customer) = own.and_then(|id| self.numbers.known(id)) else { continue };
            let held = &mut self.latest[customer as usize];
            if *held == UNUSED || versions.is_later(row, *held as usize) {
                *held = number(row);
            }
        }
    }

    /// Number of rows.
    pub(super) fn height(&self) -> usize {
        self.dated.len()
    }

    /// The customers, each with its id.
    pub(super) fn customers(&self) -> impl Iterator<Item = (usize, T)> {
        self.order.iter().map(|number| self.numbers.ids[*number as usize]).enumerate()
    }

    /// The series of a customer: place of the currency, first paid day and rows.
    pub(super) fn series(&self, customer: usize) -> impl Iterator<Item = (u32, i32, Range<usize>)> {
        (self.first[customer] as usize..self.first[customer + 1] as usize).map(|series| {
            let (currency, first_paid, first) = self.series[series];
            let end = self.series.get(series + 1).map_or(self.dated.len(), |(.., end)| *end);
            (currency, first_paid, first..end)
        })
    }

    /// The row of the latest version of a customer.
    pub(super) fn latest(&self, customer: usize) -> u32 {
        self.latest.get(self.order[customer] as usize).copied().unwrap_or(UNUSED)
    }
}

/// One reason per customer, currency and day: of the largest interval that ended; equal amounts go by the name.
fn first_endings(mut endings: Vec<Ending>, rows: &Rows) -> Vec<Ending> {
    let Some(reasons) = &rows.reasons else { return Vec::new() };
    let alphabet = reasons.places();
    endings.sort_unstable_by_key(|(customer, currency, day, list, reason)| {
        (*customer, *currency, *day, Reverse(*list), alphabet[*reason as usize])
    });
    endings.dedup_by_key(|(customer, currency, day, ..)| (*customer, *currency, *day));
    endings
}
