//! Periods, found by walking the calendar.

use jiff::ToSpan;
use jiff::civil::Date;

use super::super::books::{Book, FIRST};

/// Length of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

/// Every length.
pub const GRAINS: [Grain; 5] = [Grain::Day, Grain::Week, Grain::Month, Grain::Quarter, Grain::Year];

impl Grain {
    /// The name used in the pipeline file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// Such periods in a year, for rates that are made annual.
    pub fn per_year(self) -> f64 {
        match self {
            Self::Day => 365.0,
            Self::Week => 365.0 / 7.0,
            Self::Month => 12.0,
            Self::Quarter => 4.0,
            Self::Year => 1.0,
        }
    }

    /// Whether a year is a whole number of such periods.
    pub fn fills_a_year(self) -> bool {
        !matches!(self, Self::Day | Self::Week)
    }
}

/// A period: first and last day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    pub start: Date,
    pub last: Date,
}

/// Whether a period begins on a day.
fn begins(book: &Book, grain: Grain, day: Date) -> bool {
    let months_in = (i64::from(day.month()) - 1 - book.fiscal_start).rem_euclid(12);
    match grain {
        Grain::Day => true,
        Grain::Week => i64::from(day.weekday().to_monday_zero_offset()) == book.week_start,
        Grain::Month => day.day() == 1,
        Grain::Quarter => day.day() == 1 && months_in % 3 == 0,
        Grain::Year => day.day() == 1 && months_in == 0,
    }
}

/// First day of the period that contains a day.
pub fn start_of(book: &Book, grain: Grain, mut day: Date) -> Date {
    while !begins(book, grain, day) {
        day -= 1.day();
    }
    day
}

/// The period that begins on a day.
pub fn period_from(book: &Book, grain: Grain, start: Date) -> Period {
    let mut last = start;
    while !begins(book, grain, last + 1.day()) {
        last += 1.day();
    }
    Period { start, last }
}

/// Every period from the one of [`FIRST`] to the one of `as_of`.
pub(super) fn periods(book: &Book, grain: Grain) -> Vec<Period> {
    let mut out = vec![period_from(book, grain, start_of(book, grain, FIRST))];
    while out[out.len() - 1].last < book.as_of {
        let next = out[out.len() - 1].last + 1.day();
        out.push(period_from(book, grain, next));
    }
    out
}
