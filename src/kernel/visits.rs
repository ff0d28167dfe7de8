//! Walks over a tally of events of use: who was there on which days, day by day.
//!
//! Whoever is counted has a number, and one array says when each was there last. So one walk over the days
//! in their order finds how often a day follows another one of the same unit, with no sort and no
//! grouping by ids, and everything else about activity is known from that.

mod paid;
mod units;

use polars::prelude::*;
use rayon::prelude::*;

use super::book::number;
use super::sums::{Sums, ints, periods as periods_column};
use super::tally::{Part, Tally};
use crate::expr::calendar::{Calendar, Grain, Periods};
use crate::expr::uses::{AFTER_AS_OF, NO_DATE, OTHER_EVENT, USED, Unit, Uses};
use paid::Paid;
use units::{Groups, NOBODY, PeriodOf, Share, shares};

/// No day, and no period: before all others.
const NEVER: i32 = i32::MIN;

/// No place of a period.
const NO_PLACE: u16 = u16::MAX;

/// What becomes of a row, unless its day decides.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Used,
    OtherEvent,
    Missing(Unit),
}

impl Fate {
    fn name(self) -> &'static str {
        match self {
            Self::Used => USED,
            Self::OtherEvent => OTHER_EVENT,
            Self::Missing(unit) => unit.missing(),
        }
    }
}

/// The uses in a tally.
pub(super) struct View<'a> {
    uses: &'a Uses<'a>,
    tally: &'a Tally,
    units: Vec<(Unit, usize)>,
    counts: Option<usize>,
    by: Vec<usize>,
}

impl<'a> View<'a> {
    /// `None` where the tally does not have the values, or another day.
    pub(super) fn new(uses: &'a Uses<'a>, tally: &'a Tally) -> Option<Self> {
        let named = Unit::ALL.into_iter().filter_map(|unit| Some((unit, uses.of(unit)?)));
        let units = named.map(|(unit, name)| Some((unit, tally.key(name)?))).collect::<Option<Vec<_>>>()?;
        let counts = match &uses.counts {
            Some(name) => Some(tally.key(name)?),
            None => None,
        };
        let by = uses.by.iter().map(|name| tally.key(name)).collect::<Option<Vec<_>>>()?;
        (tally.day() == Some(uses.day.as_str())).then_some(Self { uses, tally, units, counts, by })
    }

    /// By who of a part what becomes of its rows, whatever their day.
    fn fates_of(&self, part: &Part) -> PolarsResult<Vec<Fate>> {
        let mut out = vec![Fate::Used; part.whos()];
        if let Some(key) = self.counts {
            let counts: Vec<bool> = self.tally.values(key).bool()?.iter().map(|counts| counts == Some(true)).collect();
            for (fate, _) in out.iter_mut().zip(&part.codes[key]).filter(|(_, code)| !counts[**code as usize]) {
                *fate = Fate::OtherEvent;
            }
        }
        for (unit, key) in &self.units {
            let named = out.iter_mut().zip(&part.codes[*key]);
            for (fate, _) in named.filter(|(fate, code)| **fate == Fate::Used && **code == 0) {
                *fate = Fate::Missing(*unit);
            }
        }
        Ok(out)
    }

    /// As [`Uses::fates`].
    pub(super) fn fates(&self) -> PolarsResult<DataFrame> {
        let mut sums: PlHashMap<&str, i64> = PlHashMap::default();
        for part in self.tally.parts() {
            let fates = self.fates_of(part)?;
            let all_used = fates.iter().all(|fate| *fate == Fate::Used);
            for (first, on, day) in part.days() {
                let of_day = match on {
                    None => Some(NO_DATE),
                    Some(on) => (on > self.uses.last).then_some(AFTER_AS_OF),
                };
                if let Some(fate) = of_day.or(all_used.then_some(USED)) {
                    *sums.entry(fate).or_default() += i64::try_from(day.all_rows()).unwrap_or(i64::MAX);
                    continue;
                }
                let mut used = 0;
                for (who, rows) in day.who.iter().zip(&day.rows) {
                    match fates[first + usize::from(*who)] {
                        Fate::Used => used += i64::from(*rows),
                        fate => *sums.entry(fate.name()).or_default() += i64::from(*rows),
                    }
                }
                *sums.entry(USED).or_default() += used;
            }
        }
        let mut rows: Vec<(&str, i64)> = sums.into_iter().filter(|(_, rows)| *rows > 0).collect();
        rows.sort_unstable();
        let reason = StringChunked::from_iter_values("reason".into(), rows.iter().map(|(reason, _)| *reason));
        DataFrame::new(rows.len(), vec![reason.into_column(), ints("rows", rows.iter().map(|(_, rows)| *rows))])
    }

    /// As [`Uses::everybody`].
    pub(super) fn everybody(&self) -> PolarsResult<DataFrame> {
        let mut rows = Vec::with_capacity(self.units.len());
        for (unit, key) in &self.units {
            let of_part = |part: &Part| {
                let (fates, mut came) = (self.fates_of(part)?, vec![false; part.whos()]);
                for (first, _, who) in self.usable(part) {
                    who.iter().for_each(|who| came[first + usize::from(*who)] = true);
                }
                Ok::<_, PolarsError>(
                    came.into_iter().zip(fates).map(|(came, fate)| came && fate == Fate::Used).collect(),
                )
            };
            let came = self.tally.parts().par_iter().map(of_part).collect::<PolarsResult<Vec<Vec<bool>>>>()?;
            let mut seen = vec![false; self.tally.values(*key).len()];
            for (part, came) in self.tally.parts().iter().zip(came) {
                part.codes[*key].iter().zip(came).for_each(|(code, came)| seen[*code as usize] |= came);
            }
            rows.push((unit.name(), seen.into_iter().filter(|seen| *seen).count()));
        }
        let unit = StringChunked::from_iter_values("unit".into(), rows.iter().map(|(unit, _)| *unit));
        let everybody = rows.iter().map(|(_, number)| i64::try_from(*number).unwrap_or(i64::MAX));
        DataFrame::new(rows.len(), vec![unit.into_column(), ints("everybody", everybody)])
    }

    /// The days of each block of a part that may count, and who was there, counted from the first.
    fn usable<'p>(&self, part: &'p Part) -> impl Iterator<Item = (usize, i32, &'p [u16])> {
        let last = self.uses.last;
        let days = part.days().filter_map(move |(first, on, day)| Some((first, on?, day.who.as_slice())));
        days.filter(move |(_, on, _)| *on <= last)
    }

    /// As [`returns`](crate::expr::visits::returns) of the visits of a unit.
    pub(super) fn returns(&self, unit: Unit) -> PolarsResult<Option<DataFrame>> {
        let Some((groups, shares)) = self.shares(unit, None)? else { return Ok(None) };
        let days = self.periods(Periods::new(Grain::Day, Calendar::default()));
        let Some(days) = days.filter(|days| days.len() < usize::from(NO_PLACE)) else { return Ok(None) };
        let rows = in_parallel(&shares, |shares| {
            let mut visits = Returns::new(groups.len(), &days);
            for share in shares {
                // The day after the last one so far; zero before all.
                let mut last = vec![0; share.series()];
                share.walk(self.uses.last, |on, series| {
                    let on = days.place(on);
                    let before = std::mem::replace(&mut last[series], on + 1);
                    if before != on + 1 {
                        visits.add(share.group(series), before, on);
                    }
                });
            }
            visits.done()
        });
        let mut columns = groups.columns(&rows.iter().map(|((group, ..), _)| *group));
        let before = rows.iter().map(|((_, before, _), _)| (*before != NEVER).then_some(*before));
        columns.push(Int32Chunked::from_iter_options("before".into(), before).into_date().into_column());
        let on = rows.iter().map(|((.., on), _)| *on);
        columns.push(Int32Chunked::from_iter_values("on".into(), on).into_date().into_column());
        columns.push(ints("visits", rows.iter().map(|(_, [visits])| *visits)));
        DataFrame::new(rows.len(), columns).map(Some)
    }

    /// As [`cohorts`](crate::expr::visits::cohorts) of the visits of a unit.
    pub(super) fn cohorts(&self, unit: Unit, periods: Periods) -> PolarsResult<Option<DataFrame>> {
        let Some((_, shares)) = self.shares(unit, None)? else { return Ok(None) };
        let period_of = self.periods(periods).filter(|periods| periods.places() < usize::from(NO_PLACE));
        let Some(period_of) = period_of else { return Ok(None) };
        let rows = in_parallel(&shares, |shares| {
            let mut cells = Cells::new(&period_of);
            for share in shares {
                // The first period of each series and the last one so far.
                let mut seen = vec![(NO_PLACE, NO_PLACE); share.series()];
                share.walk(self.uses.last, |on, series| {
                    let (place, (origin, last)) = (period_of.place(on), &mut seen[series]);
                    // No branch, so that nothing waits for what is read of others.
                    let is_new = *last != place;
                    *origin = if *last == NO_PLACE { place } else { *origin };
                    *last = place;
                    cells.of(*origin, place)[0] += i64::from(is_new);
                });
                for (origin, last) in seen.into_iter().filter(|(_, last)| *last != NO_PLACE) {
                    cells.of(origin, last)[1] += 1;
                }
            }
            cells.done()
        });
        let columns = vec![
            periods_column("origin", rows.iter().map(|((origin, _), _)| *origin)),
            periods_column("k", rows.iter().map(|((_, k), _)| *k)),
            ints("active", rows.iter().map(|(_, [active, _])| *active)),
            ints("last", rows.iter().map(|(_, [_, last])| *last)),
        ];
        DataFrame::new(rows.len(), columns).map(Some)
    }

    /// Periods of the days that may count; `None` where they span so many years that no table of them can be made.
    fn periods(&self, periods: Periods) -> Option<PeriodOf> {
        let days = || self.tally.parts().iter().flat_map(|part| self.usable(part)).map(|(_, on, _)| on);
        PeriodOf::new(periods, days().min().unwrap_or(0), days().max().unwrap_or(0))
    }

    /// Customers that were active in each period and pay at its last day, or the last one that counts: `grain`,
    /// the groups, `period`, `active_paying`.
    pub(super) fn active_paying(&self, grains: &[Periods], paid: &Paid) -> PolarsResult<Option<DataFrame>> {
        let Some((groups, shares)) = self.shares(Unit::Customer, Some(paid.owners()))? else { return Ok(None) };
        let mut rows = Vec::new();
        for (grain, periods) in (0u32..).zip(grains) {
            let Some(period_of) = self.periods(*periods) else { return Ok(None) };
            rows.extend(in_parallel(&shares, |shares| {
                let mut counts = Sums::<(u32, u32, i32), 1>::new();
                for share in shares {
                    let mut last = vec![NEVER; share.series()];
                    share.walk(self.uses.last, |on, series| {
                        let period = period_of.at(on);
                        let is_new = std::mem::replace(&mut last[series], period) != period;
                        if is_new && paid.pays(share.unit(series), period_of.end(on).min(self.uses.last)) {
                            counts.of((grain, share.group(series), period))[0] += 1;
                        }
                    });
                }
                counts
            }));
        }
        let grain = rows.iter().map(|((grain, ..), _)| grains[*grain as usize].grain().name());
        let mut columns = vec![StringChunked::from_iter_values("grain".into(), grain).into_column()];
        columns.extend(groups.columns(&rows.iter().map(|((_, group, _), _)| *group)));
        columns.push(periods_column("period", rows.iter().map(|((.., period), _)| *period)));
        columns.push(ints("active_paying", rows.iter().map(|(_, [customers])| *customers)));
        DataFrame::new(rows.len(), columns).map(Some)
    }

    /// The customers of the tally as a ledger knows them.
    pub(super) fn paid(&self, spans: &DataFrame, owners: Option<&DataFrame>) -> PolarsResult<Option<Paid>> {
        let customers = self.units.iter().find(|(unit, _)| *unit == Unit::Customer);
        customers.map(|(_, key)| Paid::new(self.tally.values(*key), spans, owners)).transpose()
    }

    /// Whoever is counted, with a number each: a unit in two groups is two series.
    ///
    /// `owners` says by unit who it belongs to, where those are counted. `None` where there is no such unit, or
    /// the groups cannot be numbered in 64 bits.
    fn shares(&self, unit: Unit, owners: Option<&[u32]>) -> PolarsResult<Option<(Groups<'a>, Vec<Share<'a>>)>> {
        let Some((_, key)) = self.units.iter().find(|(known, _)| *known == unit) else { return Ok(None) };
        let Some(mut groups) = Groups::new(self.tally, &self.by)? else { return Ok(None) };
        let parts = self.tally.parts();
        let units = parts.par_iter().map(|part| {
            let codes = &part.codes[*key];
            let unit_of = |who: usize| owners.map_or(codes[who], |owners| owners[codes[who] as usize]);
            let fates = self.fates_of(part)?.into_iter().enumerate();
            Ok(fates.map(|(who, fate)| if fate == Fate::Used { unit_of(who) } else { NOBODY }).collect())
        });
        let units = units.collect::<PolarsResult<Vec<Vec<u32>>>>()?;
        // Who has the same first value is in one part, so that parts share no series.
        let is_apart = *key == 0 && owners.is_none();
        let is_one = groups.is_one();
        let by_who = |part| (0..Part::whos(part)).map(|who| groups.number(part, who)).collect();
        let of = (!is_one).then(|| parts.iter().map(by_who).collect::<Vec<Vec<u32>>>());
        let shares = shares(parts, &units, of.as_deref(), is_apart);
        Ok(Some((groups, shares)))
    }
}

/// Walks shares on all threads: `walk` takes some of them.
fn in_parallel<'a, K: Copy + Eq + std::hash::Hash + Ord + Send, const N: usize>(
    shares: &'a [Share<'a>],
    walk: impl Fn(&mut dyn Iterator<Item = &'a Share<'a>>) -> Sums<K, N> + Sync + Send,
) -> Vec<(K, [i64; N])> {
    let threads = rayon::current_num_threads();
    let walk = |thread: usize| walk(&mut shares.iter().skip(thread).step_by(threads));
    Sums::of_all((0..threads).into_par_iter().map(walk).collect())
}

/// Counts by the places of a first period and of a later one.
struct Cells {
    all: Sums<(i32, i32), 2>,
    first: i32,
    periods: usize,
    /// By first and later period the counts; none where these would be too many.
    near: Vec<[i64; 2]>,
}

impl Cells {
    fn new(of: &PeriodOf) -> Self {
        let places = of.places().saturating_mul(of.places());
        let near = if places <= Returns::MOST { vec![[0; 2]; places] } else { Vec::new() };
        Self { all: Sums::new(), first: of.first_period(), periods: of.places(), near }
    }

    fn of(&mut self, origin: u16, later: u16) -> &mut [i64; 2] {
        if self.near.is_empty() {
            return self.all.of((self.first + i32::from(origin), i32::from(later) - i32::from(origin)));
        }
        &mut self.near[usize::from(origin) * self.periods + usize::from(later)]
    }

    /// The counts by first period and the distance of the later one.
    fn done(mut self) -> Sums<(i32, i32), 2> {
        let number = |place: usize| i32::try_from(place).unwrap_or(0);
        for (place, counts) in self.near.iter().enumerate().filter(|(_, counts)| **counts != [0; 2]) {
            let (origin, later) = (number(place / self.periods), number(place % self.periods));
            *self.all.of((self.first + origin, later - origin)) = *counts;
        }
        self.all
    }
}

/// How often a day follows another, by group.
struct Returns {
    all: Sums<(u32, i32, i32), 1>,
    first: i32,
    /// Number of days.
    days: usize,
    /// By group, day, and day before, of which the first is none; nothing where these would be too many.
    near: Vec<u32>,
}

impl Returns {
    /// So many places are no burden: only those near each other are touched.
    const MOST: usize = 1 << 24;

    fn new(groups: usize, days: &PeriodOf) -> Self {
        let (first, days) = (days.first(), days.len());
        let places = groups.saturating_mul(days).saturating_mul(days + 1);
        Self { all: Sums::new(), first, days, near: if places <= Self::MOST { vec![0; places] } else { Vec::new() } }
    }

    /// The days by their places; `before` counts from one, and is zero where there is none.
    fn add(&mut self, group: u32, before: u16, on: u16) {
        if self.near.is_empty() {
            self.all.of(self.key(group as usize, usize::from(before), usize::from(on)))[0] += 1;
            return;
        }
        let day = group as usize * self.days + usize::from(on);
        self.near[day * (self.days + 1) + usize::from(before)] += 1;
    }

    fn key(&self, group: usize, before: usize, on: usize) -> (u32, i32, i32) {
        let day = |place: usize| self.first + i32::try_from(place).unwrap_or(0);
        (number(group), if before == 0 { NEVER } else { day(before - 1) }, day(on))
    }

    fn done(mut self) -> Sums<(u32, i32, i32), 1> {
        for (place, visits) in std::mem::take(&mut self.near).into_iter().enumerate().filter(|(_, visits)| *visits > 0)
        {
            let (day, before) = (place / (self.days + 1), place % (self.days + 1));
            self.all.of(self.key(day / self.days, before, day % self.days))[0] += i64::from(visits);
        }
        self.all
    }
}
