//! Native balances in the reporting currency, and what rates change of them.

use std::ops::Range;

use polars::prelude::*;

use super::{Rows, Step};
use crate::expr::calendar::Periods;
use crate::expr::money::mul_div_of;
use crate::kernel::book::{Codes, MOST_DAYS, civil};

/// How amounts become those of the reporting currency.
#[derive(Clone, Copy, Debug)]
pub struct Conversion<'a> {
    /// Step with `currency`, `period`, `rate`, and `constant`, the rate of a fixed day.
    pub rates: &'static str,
    /// Periods of one rate each.
    pub periods: Periods,
    /// The reporting currency.
    pub reporting: &'a str,
    /// What amounts in it are whole numbers of.
    pub unit: i64,
    /// A rate of one.
    pub one: i64,
}

/// The rate of a currency in a period, and the constant one.
type Rate = (i64, i64);

/// Rates by currency and period, and what each series is.
pub(super) struct Rates {
    unit: i64,
    one: i64,
    /// By series its customer and its currency.
    owners: Vec<u32>,
    currencies: Codes,
    /// The currency that has no rates.
    reporting: Option<u32>,
    horizon: i32,
    first_day: i32,
    /// By day since the first one the place of its period.
    periods: Vec<usize>,
    /// By place the first day of a period.
    starts: Vec<i32>,
    /// By currency and place.
    rates: Vec<Option<Rate>>,
}

impl Rates {
    /// `None` where series are not numbered one by one, or days span so many years that no table of them can be made.
    pub(super) fn new(
        of: &Conversion<'_>,
        rates: &DataFrame,
        series: &DataFrame,
        days: &[i32],
        horizon: i32,
    ) -> PolarsResult<Option<Self>> {
        let numbers = series.column("series")?.u32()?;
        if numbers.iter().zip(0..).any(|(number, at)| number != Some(at)) {
            return Ok(None);
        }
        let first_day = days.iter().copied().min().unwrap_or(horizon);
        let known = first_day..horizon.max(first_day);
        if known.len() > MOST_DAYS {
            return Ok(None);
        }
        let index = |day: i32| of.periods.index_of(civil(day));
        let first = index(first_day);
        let place = |period: i32| usize::try_from(period - first).ok();
        let periods: Vec<usize> = known.filter_map(|day| place(index(day))).collect();
        let places = periods.last().map_or(0, |last| last + 1);
        let start = |period: i32| crate::expr::calendar::epoch_day(of.periods.start_of(period));
        let starts = (first..).take(places).map(start).collect();
        let mut currencies = Codes::new(series.column("currency")?.str()?);
        let mut by_place = Vec::new();
        let (names, own) = (rates.column("currency")?.str()?, rates.column("period")?.i32()?);
        let (rate, constant) = (rates.column("rate")?.i64()?, rates.column("constant")?.i64()?);
        for (((name, period), rate), constant) in names.iter().zip(own.iter()).zip(rate.iter()).zip(constant.iter()) {
            let Some(place) = period.and_then(place).filter(|place| *place < places) else { continue };
            let at = currencies.code(name) as usize * places + place;
            if by_place.len() <= at {
                by_place.resize(at + 1, None);
            }
            by_place[at] = rate.zip(constant);
        }
        let reporting = (0..).zip(&currencies.of).find(|(_, code)| currencies.text(**code) == Some(of.reporting));
        Ok(Some(Self {
            unit: of.unit,
            one: of.one,
            owners: series.column("owner")?.u32()?.into_no_null_iter().collect(),
            reporting: reporting.map(|(_, code): (usize, &u32)| *code),
            currencies,
            horizon,
            first_day,
            periods,
            starts,
            rates: by_place,
        }))
    }

    /// The customer of a series.
    pub(super) fn owner(&self, series: u32) -> u32 {
        self.owners[series as usize]
    }

    /// The place of the period of a day.
    fn place(&self, day: i32) -> Option<usize> {
        self.periods.get(usize::try_from(day - self.first_day).ok()?).copied()
    }

    fn rate(&self, currency: u32, place: usize) -> Option<Rate> {
        *self.rates.get(currency as usize * self.starts.len() + place)?
    }

    /// An amount in the reporting currency.
    fn at(&self, rate: i64, amount: i64) -> Option<i64> {
        if rate == self.one && amount % self.unit == 0 {
            return Some(amount);
        }
        mul_div_of(amount, rate, self.one * self.unit)?.checked_mul(self.unit)
    }

    /// Adds the changes of a series; `None` where a rate is missing or something does not fit.
    pub(super) fn convert(&self, rows: &Rows, range: Range<usize>, steps: &mut Vec<Step>) -> Option<()> {
        let currency = self.currencies.of[rows.series[range.start] as usize];
        let mut was = Step::default();
        let end = range.end;
        for row in range {
            let (day, after) = (rows.days[row], rows.after.value(row));
            let place = self.place(day)?;
            let (rate, constant) = self.rate(currency, place)?;
            let mut so_far = after.checked_sub(rows.delta.value(row))?;
            let before = self.at(rate, so_far)?;
            // Parts are differences of what runs, so that they add up to the change.
            let (mut parts, mut value) = (rows.parts(row), before);
            for part in parts.iter_mut().filter(|part| **part != 0) {
                so_far = so_far.checked_add(*part)?;
                let with_it = self.at(rate, so_far)?;
                *part = with_it.checked_sub(value)?;
                value = with_it;
            }
            let step = Step {
                day,
                after: self.at(rate, after)?,
                constant_after: self.at(constant, after)?,
                paused_after: self.at(rate, rows.paused_after(row))?,
                parts,
                ..Step::default()
            };
            was = step.since(&was, before)?;
            steps.push(was);
            if after == 0 || self.reporting == Some(currency) {
                continue;
            }
            let next = if row + 1 < end { rows.days[row + 1] } else { self.horizon };
            for place in place + 1..=self.place(next - 1)? {
                let (rate, _) = self.rate(currency, place)?;
                let value = self.at(rate, after)?;
                let step = Step {
                    day: self.starts[place],
                    after: value,
                    paused_after: self.at(rate, rows.paused_after(row))?,
                    parts: [0; _],
                    ..was
                };
                was = step.since(&was, value)?;
                steps.push(was);
            }
        }
        Some(())
    }
}

impl Step {
    /// What changed since another one, of balances of which `before` is what that one is worth now.
    fn since(self, was: &Self, before: i64) -> Option<Self> {
        Some(Self {
            fx: before.checked_sub(was.after)?,
            delta: self.after.checked_sub(before)?,
            constant_delta: self.constant_after.checked_sub(was.constant_after)?,
            paused: self.paused_after.checked_sub(was.paused_after)?,
            ..self
        })
    }
}
