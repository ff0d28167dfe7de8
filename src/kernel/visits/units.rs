//! Whoever is counted, as numbers; groups and periods as tables.

use polars::prelude::*;

use crate::expr::calendar::Periods;
use crate::expr::dims::NOT_SET;
use crate::expr::uses::group;
use crate::kernel::book::{MOST_DAYS, civil, number};
use crate::kernel::tally::{Pairing, Part, Tally};

/// The number of what is not counted.
pub(super) const NOBODY: u32 = u32::MAX;

/// By who of a part the unit.
pub(super) struct Units {
    /// Counted from `least`.
    of: Vec<u32>,
    least: u32,
    number: usize,
}

impl Units {
    /// `is_apart` says that no other part has the same units, so that those below the least one need no place.
    pub(super) fn new(mut of: Vec<u32>, is_apart: bool) -> Self {
        let counted = || of.iter().copied().filter(|unit| *unit != NOBODY);
        let least = if is_apart { counted().min().unwrap_or(0) } else { 0 };
        let number = counted().max().map_or(0, |most| (most - least) as usize + 1);
        of.iter_mut().filter(|unit| **unit != NOBODY).for_each(|unit| *unit -= least);
        Self { of, least, number }
    }
}

/// Series that one thread walks: all days of some units, each in one group.
#[derive(Default)]
pub(super) struct Share<'a> {
    /// Parts of a tally, and by who the series.
    parts: Vec<(&'a Part, Vec<u32>)>,
    /// Units count from here.
    least: u32,
    /// Number of units, where these are the series: without dimensions all are in one group.
    units: usize,
    numbers: Pairing,
}

impl<'a> Share<'a> {
    /// Adds a part with the units of those who count; all are in one group.
    pub(super) fn add(&mut self, part: &'a Part, units: Units) {
        self.least = units.least;
        self.units = self.units.max(units.number);
        self.parts.push((part, units.of));
    }

    /// As [`Share::add`], with the groups of those who count.
    pub(super) fn add_grouped(&mut self, part: &'a Part, units: Units, mut group: impl FnMut(usize) -> u32) {
        self.least = units.least;
        let mut series = units.of;
        for (who, unit) in series.iter_mut().enumerate().filter(|(_, unit)| **unit != NOBODY) {
            *unit = self.numbers.code(*unit, group(who));
        }
        self.parts.push((part, series));
    }

    /// No series has a number as high; not all below need to be one.
    pub(super) fn series(&self) -> usize {
        self.units.max(self.numbers.len())
    }

    /// The unit of a series.
    pub(super) fn unit(&self, series: usize) -> u32 {
        self.least + if self.units > 0 { number(series) } else { self.numbers.of(number(series)).0 }
    }

    /// The group of a series.
    pub(super) fn group(&self, series: usize) -> u32 {
        if self.units > 0 { 0 } else { self.numbers.of(number(series)).1 }
    }

    /// Calls `visit` with every day up to `last`, in ascending order, and everybody who was there; who is of one
    /// series may come several times a day.
    pub(super) fn walk(&self, last: i32, mut visit: impl FnMut(i32, usize)) {
        let days = |(at, (part, _)): (usize, &(&'a Part, Vec<u32>))| {
            let days = part.days.iter().filter_map(move |(on, day)| Some(((*on)?, at, &day.who)));
            days.filter(|(on, ..)| *on <= last).collect::<Vec<_>>()
        };
        let mut days: Vec<(i32, usize, &Vec<u32>)> = self.parts.iter().enumerate().flat_map(days).collect();
        days.sort_by_key(|(on, ..)| *on);
        for (on, at, who) in days {
            let series = &self.parts[at].1;
            for one in who.iter().map(|who| series[*who as usize]).filter(|one| *one != NOBODY) {
                visit(on, one as usize);
            }
        }
    }
}

/// The combined values of some dimensions, numbered as they come.
pub(super) struct Groups<'a> {
    dimensions: Vec<Dimension<'a>>,
    numbers: PlHashMap<u64, u32>,
    combinations: Vec<u64>,
}

/// A dimension of a tally.
struct Dimension<'a> {
    key: usize,
    values: &'a StringChunked,
    /// Number of the value that stands where there is none: the text for it may be a value, too.
    not_set: u32,
    /// The distance between two neighbouring values.
    distance: u64,
}

impl<'a> Groups<'a> {
    /// `None` where the combinations cannot be numbered in 64 bits.
    pub(super) fn new(tally: &'a Tally, keys: &[usize]) -> PolarsResult<Option<Self>> {
        let (mut dimensions, mut distance) = (Vec::new(), 1u64);
        for key in keys {
            let values = tally.values(*key).str()?;
            let not_set = values.iter().position(|value| value == Some(NOT_SET)).map_or(0, number);
            dimensions.push(Dimension { key: *key, values, not_set, distance });
            let Some(next) = distance.checked_mul(values.len() as u64) else { return Ok(None) };
            distance = next;
        }
        Ok(Some(Self { dimensions, numbers: PlHashMap::default(), combinations: Vec::new() }))
    }

    /// Whether there are no dimensions, so that all are in one group.
    pub(super) fn is_one(&self) -> bool {
        self.dimensions.is_empty()
    }

    /// Number of combinations met so far.
    pub(super) fn len(&self) -> usize {
        if self.is_one() { 1 } else { self.combinations.len() }
    }

    /// The number of the combination of who is in a part.
    pub(super) fn number(&mut self, part: &Part, who: usize) -> u32 {
        let value = |d: &Dimension<'_>| {
            let code = part.codes[d.key][who];
            u64::from(if code == 0 { d.not_set } else { code }) * d.distance
        };
        let combination = self.dimensions.iter().map(value).sum();
        let combinations = &mut self.combinations;
        *self.numbers.entry(combination).or_insert_with(|| {
            combinations.push(combination);
            number(combinations.len() - 1)
        })
    }

    /// The columns of some combinations.
    pub(super) fn columns(&self, numbers: &(impl Iterator<Item = u32> + Clone)) -> Vec<Column> {
        let column = |(at, d): (usize, &Dimension<'a>)| {
            let text = |number: u32| {
                let code = self.combinations[number as usize] / d.distance % d.values.len() as u64;
                d.values.get(usize::try_from(code).unwrap_or(0)).unwrap_or(NOT_SET)
            };
            StringChunked::from_iter_values(group(at).as_str().into(), numbers.clone().map(text)).into_column()
        };
        self.dimensions.iter().enumerate().map(column).collect()
    }
}

/// Periods of days, looked up.
pub(super) struct PeriodOf {
    first: i32,
    /// By day its period, and the last day of that.
    days: Vec<(i32, i32)>,
}

impl PeriodOf {
    /// For days from `first` to `last`; `None` where these are so many that no table of them can be made.
    pub(super) fn new(periods: Periods, first: i32, last: i32) -> Option<Self> {
        let number = usize::try_from(i64::from(last) - i64::from(first) + 1).ok().filter(|days| *days <= MOST_DAYS)?;
        let mut days: Vec<(i32, i32)> = Vec::with_capacity(number);
        for day in first..=last {
            let period = periods.index_of(civil(day));
            days.push(match days.last() {
                Some(before) if before.0 == period => *before,
                _ => (period, crate::expr::calendar::epoch_day(periods.start_of(period + 1)) - 1),
            });
        }
        Some(Self { first, days })
    }

    /// The first day.
    pub(super) fn first(&self) -> i32 {
        self.first
    }

    /// The first period.
    pub(super) fn first_period(&self) -> i32 {
        self.days.first().map_or(0, |(period, _)| *period)
    }

    /// Number of periods from the first to the last one.
    pub(super) fn places(&self) -> usize {
        let last = self.days.last().map_or(0, |(period, _)| *period);
        usize::try_from(i64::from(last) - i64::from(self.first_period()) + 1).unwrap_or(usize::MAX)
    }

    /// The place of the period of a day, of which there are fewer than 16 bits can number.
    pub(super) fn place(&self, day: i32) -> u16 {
        u16::try_from(self.at(day) - self.first_period()).unwrap_or(u16::MAX)
    }

    /// Number of days.
    pub(super) fn len(&self) -> usize {
        self.days.len()
    }

    fn of(&self, day: i32) -> (i32, i32) {
        self.days[usize::try_from(day - self.first).unwrap_or(usize::MAX)]
    }

    /// The period of a day.
    pub(super) fn at(&self, day: i32) -> i32 {
        self.of(day).0
    }

    /// The last day of the period of a day.
    pub(super) fn end(&self, day: i32) -> i32 {
        self.of(day).1
    }
}
