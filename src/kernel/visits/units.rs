//! Whoever is counted, as numbers; groups and periods as tables.

use std::borrow::Cow;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use polars::prelude::*;
use rayon::prelude::*;

use crate::expr::calendar::Periods;
use crate::expr::dims::NOT_SET;
use crate::expr::uses::group;
use crate::kernel::book::{MOST_DAYS, civil, number};
use crate::kernel::tally::{BLOCK, Block, Day, Pairing, Part, Tally};

/// The number of what is not counted.
pub(super) const NOBODY: u32 = u32::MAX;

/// Series that one thread walks: all days of some units, each in one group.
#[derive(Default)]
pub(super) struct Share<'a> {
    /// Blocks of a tally, some of them without who is of no series here, and by who in each the series.
    blocks: Vec<(Cow<'a, Block>, Vec<u32>)>,
    /// Units, which are the series where all are in one group.
    units: Vec<u32>,
    /// Place of the unit, and group: the series where there are several groups.
    numbers: Pairing,
}

impl Share<'_> {
    /// No series has a number as high.
    pub(super) fn series(&self) -> usize {
        self.units.len().max(self.numbers.len())
    }

    /// The unit of a series.
    pub(super) fn unit(&self, series: usize) -> u32 {
        let place = if self.numbers.len() == 0 { series } else { self.numbers.of(number(series)).0 as usize };
        self.units[place]
    }

    /// The group of a series.
    pub(super) fn group(&self, series: usize) -> u32 {
        if self.numbers.len() == 0 { 0 } else { self.numbers.of(number(series)).1 }
    }

    /// Calls `visit` with every day up to `last`, in ascending order, and everybody who was there; who is of one
    /// series may come several times a day.
    pub(super) fn walk(&self, last: i32, mut visit: impl FnMut(i32, usize)) {
        let mut days: Vec<(i32, usize, &Vec<u16>)> = Vec::new();
        for (at, (block, _)) in self.blocks.iter().enumerate() {
            let of_block = block.days.iter().filter_map(|(on, day)| Some(((*on)?, at, &day.who)));
            days.extend(of_block.filter(|(on, ..)| *on <= last));
        }
        days.sort_by_key(|(on, ..)| *on);
        for (on, at, who) in days {
            let series = &self.blocks[at].1;
            for one in who.iter().map(|who| series[usize::from(*who)]).filter(|one| *one != NOBODY) {
                visit(on, one as usize);
            }
        }
    }
}

/// Marks that something is not known yet.
const NONE: u32 = u32::MAX;

/// Shares of all units: those that are met in one block of a part alone are with their neighbours, so that few are
/// looked at again and again; the others are shared out among the threads.
///
/// `units` and `groups` say by part and who the unit, and the group where there are several. `is_apart` says that no two
/// parts have the same units. Otherwise blocks at the same place of several parts are one: where rows come by customer,
/// all users of one are mostly there.
pub(super) fn shares<'a>(
    parts: &'a [Part],
    units: &[Vec<u32>],
    groups: Option<&[Vec<u32>]>,
    is_apart: bool,
) -> Vec<Share<'a>> {
    let places = parts.iter().map(|part| part.blocks.len()).max().unwrap_or(0);
    let set_of = |part: usize, place: usize| place + if is_apart { part * places } else { 0 };
    let others = places * if is_apart { parts.len() } else { 1 };
    let most = units.par_iter().flatten_iter().copied().filter(|unit| *unit != NOBODY).max();
    let unknown = || (0..most.map_or(0, |most| most as usize + 1)).map(|_| AtomicU32::new(NONE)).collect();
    // By unit the set of all its blocks, or that of the others, whatever thread comes first.
    let sets: Vec<AtomicU32> = unknown();
    units.par_iter().enumerate().for_each(|(part, units)| {
        for (place, units) in units.chunks(BLOCK).enumerate() {
            let own = number(set_of(part, place));
            for set in units.iter().filter(|unit| **unit != NOBODY).map(|unit| &sets[*unit as usize]) {
                if set.load(Relaxed) != own
                    && set.compare_exchange(NONE, own, Relaxed, Relaxed).is_err_and(|set| set != own)
                {
                    set.store(number(others), Relaxed);
                }
            }
        }
    });
    // By unit its place in its share, which is made by one thread.
    let known: Vec<AtomicU32> = unknown();
    let threads = rayon::current_num_threads();
    let share = |at: usize| {
        let mut share = Share::default();
        let (set, turn) = if at < others { (at, None) } else { (others, Some(at - others)) };
        let is_own = |unit: u32| {
            sets[unit as usize].load(Relaxed) == number(set) && turn.is_none_or(|turn| unit as usize % threads == turn)
        };
        let blocks: Vec<(usize, usize)> = match turn {
            Some(_) => (0..parts.len()).flat_map(|part| (0..places).map(move |place| (part, place))).collect(),
            None if is_apart => vec![(at / places, at % places)],
            None => (0..parts.len()).map(|part| (part, at)).collect(),
        };
        for (part, place) in blocks {
            let Some(block) = parts[part].blocks.get(place) else { continue };
            let first = place * BLOCK;
            let of_block = units[part].chunks(BLOCK).nth(place).unwrap_or_default();
            let series = of_block.iter().enumerate().map(|(who, unit)| {
                if *unit == NOBODY || !is_own(*unit) {
                    return NOBODY;
                }
                let mut own = known[*unit as usize].load(Relaxed);
                if own == NONE {
                    own = number(share.units.len());
                    known[*unit as usize].store(own, Relaxed);
                    share.units.push(*unit);
                }
                groups.map_or(own, |groups| share.numbers.code(own, groups[part][first + who]))
            });
            let series: Vec<u32> = series.collect();
            match series.iter().filter(|one| **one != NOBODY).count() {
                0 => {}
                few if few < series.len() / 2 => share.blocks.push((Cow::Owned(only(block, &series)), series)),
                _ => share.blocks.push((Cow::Borrowed(block), series)),
            }
        }
        share
    };
    let shares = (0..others + threads).into_par_iter().map(share);
    shares.filter(|share| !share.blocks.is_empty()).collect()
}

/// A block without those who are of no series, and without its rows.
fn only(block: &Block, series: &[u32]) -> Block {
    let own = |day: &Day| {
        let who = day.who.iter().copied().filter(|who| series[usize::from(*who)] != NOBODY);
        Day { who: who.collect(), rows: Vec::new() }
    };
    Block { days: block.days.iter().map(|(on, day)| (*on, own(day))).collect() }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Two parts of several blocks; on each of ten days some of those in a block are there.
    fn parts() -> Vec<Part> {
        let part = |part: usize, whos: usize| {
            let block = |first: usize| {
                let size = BLOCK.min(whos - first);
                let who = |day: usize| (0..size).filter(move |who| (who * 7 + first + part + day).is_multiple_of(11));
                let who = |day: usize| who(day).map(|who| u16::try_from(who).unwrap());
                let day = |day: usize| Day { who: who(day).collect(), rows: Vec::new() };
                let days = (0..10usize).filter(|on| !(on + first / BLOCK).is_multiple_of(3));
                Block { days: days.map(|on| (i32::try_from(on).ok(), day(on))).collect() }
            };
            Part { codes: vec![vec![0; whos]], blocks: (0..whos).step_by(BLOCK).map(block).collect() }
        };
        vec![part(0, 3 * BLOCK + 5), part(1, 2 * BLOCK)]
    }

    /// By day and unit how often the unit was there up to day 8: as shares tell it, and as the days do.
    fn told(unit: impl Fn(usize, usize) -> u32, is_apart: bool) -> usize {
        let parts = parts();
        let units: Vec<Vec<u32>> =
            (0..2).map(|part| (0..parts[part].whos()).map(|who| unit(part, who)).collect()).collect();
        let mut expected = Vec::new();
        for (part, units) in parts.iter().zip(&units) {
            for (first, on, day) in part.days() {
                let own = day.who.iter().map(|who| (on.unwrap(), units[first + usize::from(*who)]));
                expected.extend(own.filter(|(on, unit)| *on <= 8 && *unit != NOBODY));
            }
        }
        let (mut found, mut everybody) = (Vec::new(), Vec::new());
        let shares = shares(&parts, &units, None, is_apart);
        for share in &shares {
            let mut last = i32::MIN;
            share.walk(8, |on, series| {
                assert!(last <= on, "{on} after {last}");
                last = on;
                found.push((on, share.unit(series)));
            });
            everybody.extend((0..share.series()).map(|series| share.unit(series)));
        }
        found.sort_unstable();
        expected.sort_unstable();
        assert!(found == expected, "{} visits, not {}", found.len(), expected.len());
        // Every unit is in one share only.
        let all = everybody.len();
        everybody.sort_unstable();
        everybody.dedup();
        assert_eq!(everybody.len(), all);
        shares.len()
    }

    #[test]
    fn every_unit_is_walked_day_by_day_in_one_share() {
        let number = |part: usize, who: usize| number(part * 4 * BLOCK + who);
        // Parts have units of their own: a share for every block.
        assert_eq!(told(number, true), 4 + 2);
        // Nobody is in two blocks, but parts may share units: a share for every place.
        assert_eq!(told(number, false), 4);
        // Users of a customer are neighbours, in both parts alike; some customers are in two blocks, and some count not.
        let customer = |_: usize, who: usize| if who.is_multiple_of(13) { NOBODY } else { super::number(who / 3) };
        assert!(told(customer, false) > 4);
        // Everybody is everywhere.
        assert_eq!(told(|_, who| super::number(who % 1000), false), rayon::current_num_threads().min(1000));
        assert_eq!(told(|_, who| super::number(who % 1000), true), rayon::current_num_threads().min(1000));
        assert_eq!(told(|_, _| NOBODY, false), 0);
    }
}
